//! Ways to the database that can be closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use diesel_timescale::bulk::{self, Sent, Upsert, WriterStatus};

use crate::readings::{Reading, readings};
use crate::support::{TestDb, value};

/// Connections without a pool, while it is open.
#[derive(Clone)]
pub struct Way {
    url: String,
    is_closed: Arc<AtomicBool>,
}

impl Way {
    pub fn to(db: &TestDb) -> Self {
        Self { url: db.url().to_string(), is_closed: Arc::default() }
    }

    pub fn closed(db: &TestDb) -> Self {
        let way = Self::to(db);
        way.is_closed.store(true, Ordering::Relaxed);
        way
    }

    pub fn open(&self) {
        self.is_closed.store(false, Ordering::Relaxed);
    }

    pub fn connect(&self) -> Result<PgConnection, String> {
        if self.is_closed.load(Ordering::Relaxed) {
            return Err("the way is closed".to_owned());
        }
        PgConnection::establish(&self.url).map_err(|error| error.to_string())
    }
}

/// A pool that does not look at its connections: what is broken is for the writer to find.
pub fn pool(url: &str, size: u32) -> Pool<ConnectionManager<PgConnection>> {
    Pool::builder()
        .max_size(size)
        .test_on_check_out(false)
        .connection_timeout(Duration::from_millis(500))
        .build_unchecked(ConnectionManager::new(url))
}

pub fn writer() -> Upsert<Sent<Reading>, readings::table> {
    bulk::writer::<Reading>().on_conflict((readings::device_id, readings::measured_at))
}

/// What was taken is somewhere.
pub fn assert_balance(status: &WriterStatus) {
    let WriterStatus { taken, stored, unchanged, deduplicated, rejected, dropped, waiting, .. } = status;
    let waiting = u64::try_from(*waiting).unwrap();
    assert_eq!(*taken, stored + unchanged + deduplicated + rejected + dropped + waiting, "{status:?}");
    assert!(waiting > 0 || (status.waiting_bytes, status.oldest) == (0, None), "{status:?}");
}

/// Waits until something is so.
pub fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn count(conn: &mut PgConnection) -> u64 {
    value(conn, "SELECT count(*) FROM readings").parse().unwrap()
}
