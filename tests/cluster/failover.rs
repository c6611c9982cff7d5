//! Writes while the leader changes: each row that was confirmed is there once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use occupancy_models::bulk::{self, Repeats};
use occupancy_models::{Call, NewSensorEvent, SensorEvent, SensorType, verify};
use url::Url;

use crate::support::{TestDb, value, values};
use crate::{Cluster, url};

const BATCH: usize = 20;

fn row(writer: usize, n: usize) -> NewSensorEvent<'static> {
    let at: DateTime<Utc> = "2026-01-05T00:00:00Z".parse().unwrap();
    let at = at + TimeDelta::seconds(n as i64);
    NewSensorEvent::new(at, "office", format!("writer.{writer}"), SensorType::MOTION, n.to_string())
}

/// What one writer has had confirmed.
#[derive(Default)]
struct Written {
    rows: usize,
    errors: u32,
    longest_pause: Duration,
}

/// Upserts batch after batch, each until it is confirmed.
fn write(writer: usize, url: &Url, stop: &AtomicBool, confirmed: &AtomicU32) -> Written {
    let mut written = Written::default();
    let mut conn: Option<PgConnection> = None;
    let mut last = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let rows: Vec<_> = (written.rows..written.rows + BATCH).map(|n| row(writer, n)).collect();
        let result = match &mut conn {
            Some(conn) => {
                bulk::upsert_events(&rows, Repeats::Error).unwrap().call(conn).map_err(|error| error.to_string())
            }
            None => match PgConnection::establish(url.as_str()) {
                Ok(new) => {
                    conn = Some(new);
                    continue;
                }
                Err(error) => Err(error.to_string()),
            },
        };
        match result {
            Ok(_) => {
                written.longest_pause = written.longest_pause.max(last.elapsed());
                last = Instant::now();
                written.rows += BATCH;
                confirmed.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(_) => {
                written.errors += 1;
                conn = None;
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
    written
}

/// Runs what happens to the cluster while two writers go through HAProxy and two through PgBouncer as well, and looks
/// for each confirmed row.
fn while_writing(db: &TestDb, what: &str, happens: impl FnOnce(&dyn Fn())) {
    let (stop, confirmed) = (AtomicBool::new(false), AtomicU32::new(0));
    // Writes flow again: every way has had the time to go on.
    let flowing = || {
        let before = confirmed.load(Ordering::Relaxed);
        let started = Instant::now();
        while confirmed.load(Ordering::Relaxed) < before + 40 {
            assert!(started.elapsed() < Duration::from_secs(60), "writes do not go on");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let written: Vec<Written> = std::thread::scope(|scope| {
        let writers: Vec<_> = ["PRIMARY", "PRIMARY", "POOL", "POOL"]
            .into_iter()
            .enumerate()
            .map(|(n, way)| {
                let (url, stop, confirmed) = (url(way, &db.url()), &stop, &confirmed);
                scope.spawn(move || write(n, &url, stop, confirmed))
            })
            .collect();
        flowing();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| happens(&flowing)));
        stop.store(true, Ordering::Relaxed);
        let written = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
        written
    });
    let mut conn = db.connect();
    for (n, written) in written.iter().enumerate() {
        let query = format!("SELECT state FROM sensor_events WHERE sensor_id = 'writer.{n}'");
        let states = values(&mut conn, &query);
        let distinct: BTreeSet<usize> = states.iter().map(|state| state.parse().unwrap()).collect();
        assert_eq!(distinct.len(), states.len(), "{what}: writer {n} stored twice");
        let lost: Vec<_> = (0..written.rows).filter(|n| !distinct.contains(n)).collect();
        assert!(lost.is_empty(), "{what}: writer {n} lost {lost:?} of {} confirmed", written.rows);
        // Of the batch that was under way: all or nothing.
        assert!([written.rows, written.rows + BATCH].contains(&distinct.len()), "{what}: half a batch");
    }
    let total: usize = written.iter().map(|written| written.rows).sum();
    assert_eq!(verify().call(&mut conn).unwrap(), []);
    println!(
        "{what}: {total} rows confirmed, 0 lost, 0 twice; {} errors on the way; longest pauses of writes {:?} (HAProxy), \
         {:?} (PgBouncer)",
        written.iter().map(|written| written.errors).sum::<u32>(),
        written[..2].iter().map(|written| written.longest_pause).max().unwrap(),
        written[2..].iter().map(|written| written.longest_pause).max().unwrap(),
    );
}

#[test]
fn planned_switchovers_lose_nothing() {
    let Some(cluster) = Cluster::get() else { return };
    let (db, _) = TestDb::ready();
    while_writing(&db, "3 switchovers", |flowing| {
        for _ in 0..3 {
            let old = cluster.leader();
            cluster.run(&["--switchover"]);
            cluster.await_other_leader(&old);
            flowing();
            cluster.run(&["--ready"]);
        }
    });
}

#[test]
fn a_leader_that_is_killed_again_and_again_loses_nothing() {
    let Some(cluster) = Cluster::get() else { return };
    let kills: u32 = std::env::var("CLUSTER_KILLS").map_or(10, |kills| kills.parse().unwrap());
    let (db, _) = TestDb::ready();
    while_writing(&db, &format!("{kills} kills of the leader"), |flowing| {
        for kill in 1..=kills {
            let leader = cluster.leader();
            let with_its_machine = kill % 5 == 0;
            cluster.run(&[if with_its_machine { "--kill" } else { "--crash" }, &leader]);
            let other = cluster.await_other_leader(&leader);
            let started = Instant::now();
            flowing();
            println!(
                "kill {kill}, {leader}{}: another leader after {other:?}, writes flow {:?} after that",
                if with_its_machine { " with its Patroni" } else { "" },
                started.elapsed(),
            );
            if with_its_machine {
                cluster.run(&["--start", &leader]);
            }
            cluster.run(&["--ready"]);
        }
    });
}

/// Nothing answers, and no connection is closed: the leader's processes are stopped, and run on when another leads.
#[test]
fn a_leader_that_falls_silent_and_comes_back_loses_nothing() {
    let Some(cluster) = Cluster::get() else { return };
    let (db, _) = TestDb::ready();
    while_writing(&db, "a leader that falls silent and comes back", |flowing| {
        let leader = cluster.leader();
        cluster.run(&["--freeze", &leader]);
        cluster.await_other_leader(&leader);
        flowing();
        cluster.run(&["--start", &leader]);
        cluster.run(&["--ready"]);
        flowing();
    });
}

/// What the old leader had is not what the new one lacks.
#[test]
fn a_replica_that_takes_over_has_what_was_written_in_the_moment_before() {
    let Some(cluster) = Cluster::get() else { return };
    let (db, mut conn) = TestDb::ready();
    for n in 0..200 {
        bulk::upsert_events(&[row(0, n)], Repeats::Error).unwrap().call(&mut conn).unwrap();
    }
    let leader = cluster.leader();
    cluster.run(&["--crash", &leader]);
    cluster.await_other_leader(&leader);
    // HAProxy sees the new leader at its next check.
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut conn = loop {
        match PgConnection::establish(db.url().as_str()) {
            Ok(conn) => break conn,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(value(&mut conn, "SELECT count(*) FROM sensor_events"), "200");
    let events: Vec<SensorEvent> = SensorEvent::timeline("office", ..).load(&mut conn).unwrap();
    assert_eq!(events.len(), 200);
    cluster.run(&["--ready"]);
}
