//! Writes while the leader changes: each row that was confirmed is there once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::deadpool::Pool;
use occupancy_models::bulk;
use occupancy_models::schema::sensor_events;
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

impl Written {
    fn confirm(&mut self, last: &mut Instant, confirmed: &AtomicU32) {
        self.longest_pause = self.longest_pause.max(last.elapsed());
        *last = Instant::now();
        self.rows += BATCH;
        confirmed.fetch_add(1, Ordering::Relaxed);
    }
}

/// Upserts batch after batch, each until it is confirmed.
fn write(writer: usize, url: &Url, stop: &AtomicBool, confirmed: &AtomicU32) -> Written {
    let mut written = Written::default();
    let mut conn: Option<PgConnection> = None;
    let mut last = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let rows: Vec<_> = (written.rows..written.rows + BATCH).map(|n| row(writer, n)).collect();
        let result = match &mut conn {
            Some(conn) => bulk::upsert_sensor_events(&rows).call(conn).map_err(|error| error.to_string()),
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
                written.confirm(&mut last, confirmed);
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

/// Sends rows to the library's writer, on threads, and waits for the confirmation of every twentieth and those before it.
fn write_by_threads(writer: usize, url: &Url, stop: &AtomicBool, confirmed: &AtomicU32) -> Written {
    let url = url.to_string();
    let rows = bulk::writer::<NewSensorEvent<'static>>()
        .on_conflict((sensor_events::sensor_id, sensor_events::timestamp))
        .connections(2)
        .batch_of(100, Duration::from_millis(20))
        .start(move || PgConnection::establish(&url))
        .unwrap();
    let mut written = Written::default();
    let mut last = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let sent: Vec<_> =
            (written.rows..written.rows + BATCH).map(|n| rows.send_and_confirm(row(writer, n)).unwrap()).collect();
        for confirmation in sent {
            confirmation.wait().unwrap();
        }
        written.confirm(&mut last, confirmed);
    }
    let status = rows.finish().unwrap();
    assert_eq!((status.taken as usize, status.rejected), (written.rows, 0), "{status:?}");
    written.errors = status.retried as u32;
    written
}

/// The same on tasks.
fn write_by_tasks(writer: usize, url: &Url, stop: &AtomicBool, confirmed: &AtomicU32) -> Written {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new(url.as_str());
        let pool = Pool::builder(manager).max_size(2).build().unwrap();
        let rows = bulk::writer::<NewSensorEvent<'static>>()
            .on_conflict((sensor_events::sensor_id, sensor_events::timestamp))
            .connections(2)
            .batch_of(100, Duration::from_millis(20))
            .start_async(async move || pool.get().await)
            .unwrap();
        let mut written = Written::default();
        let mut last = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let mut sent = Vec::new();
            for n in written.rows..written.rows + BATCH {
                sent.push(rows.send_and_confirm(row(writer, n)).await.unwrap());
            }
            for confirmation in sent {
                confirmation.await.unwrap();
            }
            written.confirm(&mut last, confirmed);
        }
        let status = rows.finish().await.unwrap();
        assert_eq!((status.taken as usize, status.rejected), (written.rows, 0), "{status:?}");
        written.errors = status.retried as u32;
        written
    })
}

type Write = fn(usize, &Url, &AtomicBool, &AtomicU32) -> Written;

const WAYS: [(&str, &str, Write); 4] = [
    ("upserts through HAProxy", "PRIMARY", write),
    ("upserts through PgBouncer", "POOL", write),
    ("the writer on threads through HAProxy", "PRIMARY", write_by_threads),
    ("the writer on tasks through PgBouncer", "POOL", write_by_tasks),
];

/// Runs what happens to the cluster while writes go every way, and looks for each confirmed row.
fn while_writing(db: &TestDb, what: &str, happens: impl FnOnce(&dyn Fn())) {
    let (stop, confirmed) = (AtomicBool::new(false), [const { AtomicU32::new(0) }; WAYS.len()]);
    // Writes go on again, every way.
    let flowing = || {
        let before = confirmed.each_ref().map(|confirmed| confirmed.load(Ordering::Relaxed));
        let started = Instant::now();
        while confirmed.iter().zip(before).any(|(confirmed, before)| confirmed.load(Ordering::Relaxed) < before + 5) {
            assert!(started.elapsed() < Duration::from_secs(60), "writes do not go on: {before:?}, {confirmed:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let written: Vec<Written> = std::thread::scope(|scope| {
        let writers: Vec<_> = WAYS
            .iter()
            .zip(&confirmed)
            .enumerate()
            .map(|(n, ((_, way, write), confirmed))| {
                let (url, stop) = (url(way, &db.url()), &stop);
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
    println!("{what}: {total} rows confirmed, 0 lost, 0 twice");
    for ((way, ..), Written { rows, errors, longest_pause }) in WAYS.iter().zip(&written) {
        println!("  {way}: {rows} rows, {errors} errors on the way, the longest pause {longest_pause:?}");
    }
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
        bulk::upsert_sensor_events(&[row(0, n)]).call(&mut conn).unwrap();
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
