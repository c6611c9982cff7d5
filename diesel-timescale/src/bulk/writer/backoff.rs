//! How long to wait before a batch is tried again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(1);

/// The pause after this many tries: it doubles up to a second, and is shortened by a random part, so that writers that
/// lost the server at the same time do not come back at the same time.
pub(super) fn pause(tries: u32) -> Duration {
    let span = FIRST.saturating_mul(1 << tries.saturating_sub(1).min(10)).min(LONGEST);
    let random = RandomState::new().build_hasher().finish();
    span.mul_f64(0.5 + 0.5 * (random as f64 / u64::MAX as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second() {
        for tries in 0_u32..100 {
            let span = Duration::from_millis(20 << tries.saturating_sub(1).min(10)).min(LONGEST);
            let pause = pause(tries);
            assert!(pause <= span && pause >= span / 2, "{tries}: {pause:?}");
        }
    }
}
