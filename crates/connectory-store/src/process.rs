//! The end of the process, when it cannot know any more what is on disk or in memory.

use std::io::Write;
use std::sync::mpsc::channel;
use std::time::Duration;

/// Writes a last line and ends the process. It waits at most two seconds for the line to be written, because the reader
/// of standard error may be stuck. Nothing is closed, because closing the database would write to it.
pub(crate) fn end_process(why: &str) -> ! {
    let line = format!("connectory: {why}\n");
    let (written, wait) = channel();
    let writing = std::thread::Builder::new().spawn(move || {
        let _nobody_reads = std::io::stderr().write_all(line.as_bytes());
        let _waits = written.send(());
    });
    if writing.is_ok() {
        let _late = wait.recv_timeout(Duration::from_secs(2));
    }
    std::process::abort()
}
