//! Progress on stderr: a bar on a terminal, now and then a line elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const BETWEEN_LINES: Duration = Duration::from_secs(5);

pub struct Progress {
    bar: Option<ProgressBar>,
    total: i64,
    last_line: Option<Instant>,
}

impl Progress {
    /// Progress by the numbers of the recorder's rows, which have few gaps.
    pub fn new(first: i64, total: i64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total.unsigned_abs()).with_position(first.unsigned_abs());
            if let Ok(style) = ProgressStyle::with_template("{wide_bar} row {human_pos} of {human_len}, {eta} left") {
                bar.set_style(style);
            }
            bar.reset_eta();
            bar
        });
        Self { bar, total, last_line: None }
    }

    pub fn reach(&mut self, state_id: i64) {
        if let Some(bar) = &self.bar {
            return bar.set_position(state_id.unsigned_abs());
        }
        if self.last_line.is_none_or(|at| at.elapsed() >= BETWEEN_LINES) {
            self.last_line = Some(Instant::now());
            self.say(&format!("read up to row {state_id} of {}", self.total));
        }
    }

    /// A line on stderr that does not spoil the bar.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            // Whoever closed stderr wants no lines.
            None => drop(writeln!(std::io::stderr(), "{line}")),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
