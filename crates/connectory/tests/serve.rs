//! The binary serves, with the console or without it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        let mut process = Command::new(env!("CARGO_BIN_EXE_connectory"))
            .args(["serve", "--listen", "127.0.0.1:0", "--database"])
            .arg(format!("sqlite:{}", folder.join("c.db").display()))
            .env_remove("CONNECTORY_CONFIG")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split_once("http://").unwrap().1.split(':').take(2).collect::<Vec<_>>().join(":");
        Self { process, address }
    }

    /// The status of a request.
    fn status(&self, path: &str) -> u16 {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _ended = self.process.wait();
    }
}

#[test]
fn the_api_is_served_and_the_console_where_it_is_built_in() {
    let server = Server::start();
    assert_eq!(server.status("/health/ready"), 200);
    assert_eq!(server.status("/v3/connectors"), 401);
    let (page, sign_in) = if cfg!(feature = "console") { (303, 200) } else { (404, 404) };
    assert_eq!((server.status("/"), server.status("/console/sign-in")), (page, sign_in));
}
