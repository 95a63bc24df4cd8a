//! An operator in an empty folder, and the servers that they start.

#![allow(dead_code, reason = "not every test uses all of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;

/// The folder in which commands run. Its path has a space, as some have.
pub struct Operator {
    folder: TempDir,
}

impl Operator {
    pub fn new() -> Self {
        Self { folder: tempfile::Builder::new().prefix("an operator").tempdir().unwrap() }
    }

    /// The canonical path of a file in the folder.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(file)
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_connectory"));
        command.args(line.split_whitespace()).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_clear().env("HOME", self.folder.path());
        command
    }

    /// Runs a command line, whose arguments are separated by spaces, and returns what it prints.
    pub fn run(&self, line: &str) -> Printed {
        Printed::of(self.command(line).output().unwrap())
    }

    /// Starts a server on a free port, with further options.
    pub fn serve(&self, options: &str) -> Server {
        self.start(&format!("serve --listen 127.0.0.1:0 {options}"))
    }

    /// Starts a server with a whole command line.
    pub fn start(&self, line: &str) -> Server {
        Server::start(self.command(line))
    }
}

/// What a command printed.
#[derive(Debug)]
pub struct Printed {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Printed {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The standard output of a command that must succeed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    /// The standard error of a command that must fail.
    #[track_caller]
    pub fn error(self) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (1, ""), "{self:?}");
        self.stderr
    }
}

/// The value of a variable in lines that a shell would run.
pub fn exported(printed: &str, variable: &str) -> Option<String> {
    let line = format!("export {variable}=");
    printed.lines().find_map(|printed| printed.strip_prefix(&line)).map(str::to_owned)
}

/// A server, which is killed at the end of the test.
pub struct Server {
    process: Child,
    stdout: BufReader<ChildStdout>,
    ready: String,
    address: String,
}

impl Server {
    fn start(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        // From here on, the process ends with the test, whatever fails.
        let mut this = Self { process, stdout, ready: String::new(), address: String::new() };
        this.stdout.read_line(&mut this.ready).unwrap();
        let url = this.ready.split_once(" is ready at ").unwrap().1.split(": ").next().unwrap();
        this.address = url.strip_prefix("http://").unwrap().to_owned();
        this
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends a request. Returns the answer's status and body.
    pub fn send(&self, head: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let rest = "Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n";
        write!(stream, "{head} HTTP/1.1\r\nHost: test\r\n{rest}Content-Length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// The status of a GET.
    pub fn status(&self, path: &str) -> u16 {
        self.send(&format!("GET {path}"), "").0
    }

    /// The metrics of a server whose options have an address for them. Call this once.
    pub fn metrics(&mut self) -> String {
        let mut line = String::new();
        while !line.starts_with("Metrics are at http://") {
            line.clear();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "the server prints the address of its metrics");
        }
        let address = line.trim_end().trim_start_matches("Metrics are at http://").trim_end_matches("/metrics");
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.replace("\r\n", "\n")
    }

    /// Stops the server after its first output, and returns that.
    pub fn stop(mut self) -> String {
        // It answers requests after it has printed everything.
        self.status("/health/live");
        self.process.kill().unwrap();
        let mut printed = std::mem::take(&mut self.ready);
        self.stdout.read_to_string(&mut printed).unwrap();
        printed
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _ended = self.process.wait();
    }
}
