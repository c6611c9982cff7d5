//! The example with pools runs, each pool on its own.
#![cfg(all(feature = "async", feature = "r2d2"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "../examples/pools.rs"]
mod pools;
mod support;

use support::{TestDb, needs};

#[test]
fn calls_run_on_connections_of_every_pool() {
    needs!(TwoConnections);
    let (db, conn) = TestDb::new();
    drop(conn);
    let url = db.url();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // Each stores two events more than the one before.
    assert_eq!(pools::with_r2d2(url.as_str()).unwrap(), 2);
    assert_eq!(runtime.block_on(pools::with_bb8(url.as_str())).unwrap(), 4);
    assert_eq!(runtime.block_on(pools::with_deadpool(url.as_str())).unwrap(), 6);
}
