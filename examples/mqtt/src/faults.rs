//! What goes wrong for now, told once, however often it is tried again.

use std::fmt::Display;

pub struct Faults {
    of: &'static str,
    last: String,
}

impl Faults {
    pub fn of(of: &'static str) -> Self {
        Self { of, last: String::new() }
    }

    /// Tells a fault, if it is another one than the last.
    pub fn tell(&mut self, error: &impl Display) {
        let text = error.to_string();
        if text != self.last {
            eprintln!("{}: {text}; trying again", self.of);
            self.last = text;
        }
    }

    /// It works again.
    pub fn clear(&mut self) {
        self.last.clear();
    }
}
