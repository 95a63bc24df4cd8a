//! Progress of many calls: a bar on a terminal, and a line now and then where there is none, such as in a pipeline.

use std::cell::Cell;
use std::fmt::Display;
use std::time::{Duration, Instant};

use connectory_model::visible;
use indicatif::{ProgressBar, ProgressStyle};

/// Time between two lines.
const PAUSE: Duration = Duration::from_secs(5);

/// The progress of a number of calls. It is gone from the terminal when this is dropped.
pub struct Progress {
    bar: ProgressBar,
    what: &'static str,
    things: &'static str,
    is_quiet: bool,
    told: Cell<Instant>,
}

impl Progress {
    /// Begins. `what` is done with each connector.
    pub fn begin(what: &'static str, connectors: usize, is_quiet: bool) -> Self {
        let bar = if is_quiet { ProgressBar::hidden() } else { ProgressBar::new(connectors as u64) };
        bar.set_length(connectors as u64);
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {wide_msg} {eta}");
        bar.set_style(style.expect("the template is valid"));
        Self { bar, what, things: "connectors", is_quiet, told: Cell::new(Instant::now()) }
    }

    /// Begins, for other things than connectors. `what` is done with each.
    pub fn of(what: &'static str, things: &'static str, all: u64) -> Self {
        let mut begun = Self::begin(what, 0, false);
        begun.things = things;
        begun.bar.set_length(all);
        begun
    }

    /// So many are done, of about as many.
    pub fn reach_of(&self, done: u64, all: u64) {
        self.bar.set_length(all.max(done));
        self.reach(done);
    }

    /// So many are done.
    pub fn reach(&self, done: u64) {
        self.bar.set_position(done);
        self.tell();
    }

    /// One more connector is done.
    pub fn step(&self, script_name: impl Display) {
        self.bar.set_message(visible(&script_name.to_string()).into_owned());
        self.bar.inc(1);
        self.tell();
    }

    /// Prints a line if there is no bar, and the last one was some time ago.
    fn tell(&self) {
        if self.bar.is_hidden() && !self.is_quiet && self.told.get().elapsed() >= PAUSE {
            self.told.set(Instant::now());
            let (done, all) = (self.bar.position(), self.bar.length().unwrap_or_default());
            report!("{} {done} of {all} {}", self.what, self.things);
        }
    }

    /// Prints something beside the bar.
    pub fn aside(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
