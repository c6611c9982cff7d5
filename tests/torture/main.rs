//! Each row that was acknowledged is stored once, whatever breaks: a short turn, or hours.
//!
//!     dev/db cargo test --test torture -- --nocapture
//!     TORTURE_SECONDS=3600 dev/db cargo test --test torture kills -- --nocapture
//!
//! `TORTURE_SECONDS` is how long each of these tests goes on (default 3, and never less than a few rounds). Each prints
//! its seed; `TORTURE_SEED=n` replays it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "../support/mod.rs"]
mod support;

mod dump;
mod kills;
mod limits;
mod network;
mod proxy;
mod readings;
mod server;
mod writer;

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

/// The rounds of one test.
struct Rounds {
    random: StdRng,
    end: Instant,
    least: u32,
    done: u32,
}

impl Rounds {
    fn new(what: &str, least: u32) -> Self {
        let number = |name| std::env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
        let seed = number("TORTURE_SEED").unwrap_or_else(rand::random);
        println!("{what}: TORTURE_SEED={seed}");
        let end = Instant::now() + Duration::from_secs(number("TORTURE_SECONDS").unwrap_or(3));
        Self { random: StdRng::seed_from_u64(seed), end, least, done: 0 }
    }

    /// Whether there is another round.
    fn next(&mut self) -> bool {
        self.done += 1;
        self.done <= self.least || Instant::now() < self.end
    }
}
