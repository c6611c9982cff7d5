//! Time since the writer was started, by the clock of whoever started it.

use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy)]
pub(super) enum Clock {
    Threads(Instant),
    /// Can be paused in tests.
    #[cfg(feature = "async")]
    Tokio(tokio::time::Instant),
}

impl Clock {
    pub(super) fn now(self) -> Duration {
        match self {
            Self::Threads(start) => start.elapsed(),
            #[cfg(feature = "async")]
            Self::Tokio(start) => start.elapsed(),
        }
    }
}
