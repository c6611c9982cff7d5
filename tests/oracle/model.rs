//! What may be stored, by what was acknowledged: of each key its last write or delete, and what has wiped since.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Moments, in the order in which they were taken.
#[derive(Default)]
pub struct Clock(AtomicU64);

impl Clock {
    pub fn now(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// Something that removes rows of all: retention, or TRUNCATE.
#[derive(Debug, Clone, Copy)]
struct Wipe {
    from: u64,
    /// When it was over; `None` while it runs.
    to: Option<u64>,
    /// Whether it was committed, as far as is known.
    is_sure: bool,
    /// The slots below this one; all if `None`.
    below: Option<i64>,
}

#[derive(Default)]
pub struct Wipes(Mutex<Vec<Wipe>>);

impl Wipes {
    pub fn begin(&self, from: u64, below: Option<i64>) -> usize {
        let mut wipes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wipes.push(Wipe { from, to: None, is_sure: false, below });
        wipes.len() - 1
    }

    /// It was committed, or nobody knows.
    pub fn end(&self, wipe: usize, to: u64, is_sure: bool) {
        let wipe = &mut self.0.lock().unwrap_or_else(PoisonError::into_inner)[wipe];
        (wipe.to, wipe.is_sure) = (Some(to), is_sure);
    }

    /// Nothing has come of it.
    pub fn cancel(&self, wipe: usize) {
        let wipe = &mut self.0.lock().unwrap_or_else(PoisonError::into_inner)[wipe];
        (wipe.from, wipe.to) = (0, Some(0));
    }

    fn of(&self, slot: i64) -> Vec<Wipe> {
        let wipes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wipes.iter().filter(|wipe| wipe.below.is_none_or(|below| slot < below)).copied().collect()
    }
}

/// The last that was done with a key, and between which moments.
#[derive(Debug, Clone, Copy)]
pub enum Last {
    Written { version: u64, from: u64, to: u64 },
    Deleted,
}

/// The keys of one worker: slots of its sensor.
#[derive(Default)]
pub struct Keys(pub HashMap<i64, Last>);

impl Keys {
    /// Whether it was written, and nothing can have wiped it since.
    pub fn is_surely_there(&self, slot: i64, wipes: &Wipes) -> bool {
        let Some(Last::Written { from, .. }) = self.0.get(&slot) else { return false };
        wipes.of(slot).iter().all(|wipe| wipe.to.is_some_and(|end| end < *from))
    }

    /// What is wrong with rows that were read after all that is known here, each slot with its version; and from which
    /// moment on they were read. (A wipe may have begun and ended since.)
    pub fn faults(&self, rows: &[(i64, u64)], read: u64, wipes: &Wipes) -> Vec<String> {
        let mut faults = Vec::new();
        let mut found = HashMap::new();
        for (slot, version) in rows {
            if found.insert(*slot, *version).is_some() {
                faults.push(format!("doubled: slot {slot}"));
            }
        }
        for (slot, last) in &self.0 {
            let row = found.remove(slot);
            match (last, row) {
                (Last::Deleted, Some(version)) => {
                    faults.push(format!("resurrected: slot {slot} with version {version}, which was deleted"));
                }
                (Last::Deleted, None) => {}
                (Last::Written { version, from, to }, row) => {
                    let wipes = wipes.of(*slot);
                    // One that began when the write was over has seen it, and the read has seen what ended before.
                    let is_gone = wipes
                        .iter()
                        .any(|wipe| wipe.is_sure && wipe.from > *to && wipe.to.is_some_and(|end| end < read));
                    let may_be_gone = wipes.iter().any(|wipe| wipe.to.is_none_or(|end| end >= *from));
                    match row {
                        Some(_) if is_gone => faults.push(format!("resurrected: slot {slot}, which was wiped")),
                        Some(row) if row != *version => {
                            faults.push(format!("lost: slot {slot} has version {row}, and {version} was the last"));
                        }
                        None if !may_be_gone => faults.push(format!("lost: slot {slot}, version {version}")),
                        _ => {}
                    }
                }
            }
        }
        faults.extend(found.keys().map(|slot| format!("slot {slot} that nobody has written")));
        faults
    }
}
