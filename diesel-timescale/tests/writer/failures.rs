//! What breaks, and clears.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use diesel::connection::SimpleConnection;

use crate::readings::{Reading, hypertable, rows, stored};
use crate::server::Server;
use crate::support::{TestDb, needs, sql, value};
use crate::ways::{Way, assert_balance, count, eventually, pool, writer};

/// Terminates all other connections of a database that write, twenty times.
pub struct Killer {
    is_over: Arc<AtomicBool>,
    killed: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Killer {
    pub fn of(db: &TestDb) -> Self {
        let (mut conn, is_over) = (db.connect(), Arc::new(AtomicBool::new(false)));
        let killed = Arc::<AtomicUsize>::default();
        let (over, count) = (Arc::clone(&is_over), Arc::clone(&killed));
        let thread = std::thread::spawn(move || {
            let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = '' \
                 AND backend_type = 'client backend' AND query LIKE '%readings%' AND state = 'active'";
            // Batches that take longer than it lets them would never be stored.
            while !over.load(Ordering::Relaxed) && count.load(Ordering::Relaxed) < 20 {
                count.fetch_add(value(&mut conn, kill).parse().unwrap(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(15));
            }
        });
        Self { is_over, killed, thread }
    }

    /// Whether it has killed enough for a test.
    pub fn has_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed) >= 3
    }

    pub fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

#[test]
fn each_confirmed_row_is_stored_though_its_connections_are_killed() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    let pool = pool(db.url().as_str(), 2);
    let writer = writer().connections(2).batch_of(200, Duration::from_millis(5)).start(move || pool.get()).unwrap();
    let killer = Killer::of(&db);
    let mut confirmations = Vec::new();
    let mut sent = Vec::new();
    while !killer.has_killed() || sent.len() < 20_000 {
        let row = Reading::new(sent.len() % 100, i64::try_from(sent.len() / 100).unwrap());
        confirmations.push(writer.send_and_confirm(row.clone()).unwrap());
        sent.push(row);
    }
    confirmations.into_iter().for_each(|confirmation| confirmation.wait().unwrap());
    let status = writer.finish().unwrap();
    killer.stop();
    assert_balance(&status);
    assert!(status.retried > 0, "{status:?}");
    assert_eq!(status.stored + status.unchanged, sent.len() as u64);
    sent.sort_by(|a, b| (&a.device_id, a.measured_at).cmp(&(&b.device_id, b.measured_at)));
    assert!(stored(&mut conn) == sent);
}

#[test]
fn connections_that_were_terminated_are_not_kept() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    let pool = pool(db.url().as_str(), 3);
    let held: Vec<_> = (0..3).map(|_| pool.get().unwrap()).collect();
    drop(held);
    value(
        &mut conn,
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
    );
    let of = pool.clone();
    let writer = writer().batch_of(1, Duration::ZERO).start(move || of.get()).unwrap();
    (0..4).for_each(|minute| writer.send(Reading::new(0, minute)).unwrap());
    let status = writer.finish().unwrap();
    assert_balance(&status);
    assert!((1..=4).contains(&status.retried), "{status:?}");
    assert_eq!(count(&mut conn), 4);
    (0..10).for_each(|_| pool.get().unwrap().batch_execute("SELECT 1").unwrap());
}

/// As a primary that was demoted: its connections stay open.
#[test]
fn connections_to_a_server_that_is_read_only_are_not_kept() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    let name = value(&mut conn, "SELECT current_database()");
    sql(&mut conn, &format!("ALTER DATABASE {name} SET default_transaction_read_only TO on"));
    let pool = pool(db.url().as_str(), 2);
    let held: Vec<_> = (0..2).map(|_| pool.get().unwrap()).collect();
    drop(held);
    sql(&mut conn, &format!("ALTER DATABASE {name} RESET default_transaction_read_only"));
    for batch in [1, 600] {
        let pool = pool.clone();
        let writer = writer().batch_of(batch, Duration::from_secs(1)).start(move || pool.get()).unwrap();
        (0..600).for_each(|minute| writer.send(Reading::new(batch, minute)).unwrap());
        let status = writer.finish_within(Duration::from_secs(10)).unwrap();
        assert_eq!(status.stored, 600, "{status:?}");
        assert!(batch > 1 || status.last_error.unwrap().contains("read-only"));
    }
}

#[test]
fn a_lock_timeout_is_tried_again() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    let name = value(&mut conn, "SELECT current_database()");
    sql(&mut conn, &format!("ALTER DATABASE {name} SET lock_timeout TO '50ms'"));
    let way = Way::to(&db);
    let writer = writer().batch_of(10, Duration::ZERO).start(move || way.connect()).unwrap();
    let key = Reading::new(0, 3);
    let insert = format!("BEGIN; INSERT INTO readings VALUES ('{}', '{}')", key.device_id, key.measured_at);
    sql(&mut conn, &insert);
    (0..10).for_each(|minute| writer.send(Reading::new(0, minute)).unwrap());
    eventually("it was tried", || writer.status().retried >= 3);
    assert!(writer.status().last_error.unwrap().contains("lock timeout"));
    sql(&mut conn, "COMMIT");
    let status = writer.finish().unwrap();
    assert_eq!((status.stored, status.rejected), (10, 0));
    assert!(stored(&mut conn) == rows(1, 10));
}

#[test]
fn a_batch_that_takes_too_long_is_halved() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    let name = value(&mut conn, "SELECT current_database()");
    sql(
        &mut conn,
        &format!(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END $$;
             CREATE TRIGGER slow BEFORE INSERT ON readings FOR EACH ROW EXECUTE FUNCTION slow();
             ALTER DATABASE {name} SET statement_timeout TO '300ms'"
        ),
    );
    let way = Way::to(&db);
    let writer = writer().batch_of(60, Duration::from_secs(1)).start(move || way.connect()).unwrap();
    rows(1, 60).into_iter().for_each(|row| writer.send(row).unwrap());
    let status = writer.finish().unwrap();
    assert_balance(&status);
    assert!(status.retried >= 3, "{status:?}");
    assert_eq!((status.stored + status.unchanged, status.rejected), (60, 0));
    assert_eq!(count(&mut conn), 60);
}

#[test]
fn an_exhausted_pool_is_waited_for() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    let pool = pool(db.url().as_str(), 1);
    let held = pool.get().unwrap();
    let of = pool.clone();
    let writer = writer().connections(2).start(move || of.get()).unwrap();
    rows(4, 10).into_iter().for_each(|row| writer.send(row).unwrap());
    eventually("it was tried", || writer.status().retried > 0);
    assert_eq!(count(&mut conn), 0);
    drop(held);
    // Two share the one connection.
    assert_eq!(writer.finish().unwrap().stored, 40);
}

/// The whole server is killed while rows flow, and started again.
#[test]
fn each_confirmed_row_is_stored_though_the_server_is_killed() {
    needs!(TwoConnections);
    let Some(mut server) = Server::start() else { return };
    let mut conn = server.connect();
    sql(&mut conn, crate::readings::TABLE);
    let pool = pool(&server.url(), 2);
    let writer = writer().connections(2).batch_of(500, Duration::from_millis(20)).start(move || pool.get()).unwrap();
    let mut sent = Vec::new();
    let mut confirmations = Vec::new();
    for round in 0..3 {
        let rows = rows(40, 250).into_iter().map(|row| Reading { humidity: Some(f64::from(round)), ..row });
        for (at, row) in rows.enumerate() {
            if at == 5_000 {
                eventually("rows flow", || writer.status().stored > 0);
                server.kill();
            }
            if at == 7_500 {
                server.restart();
            }
            confirmations.push(writer.send_and_confirm(row.clone()).unwrap());
            sent.push(row);
        }
    }
    confirmations.into_iter().for_each(|confirmation| confirmation.wait().unwrap());
    let status = writer.finish().unwrap();
    assert_balance(&status);
    assert!(status.retried > 0, "{status:?}");
    assert_eq!(status.taken, 30_000);
    let mut conn = server.connect();
    assert!(stored(&mut conn) == sent[20_000..]);
}
