//! What is told to those who listen (feature `tracing`): what runs, how many rows, when it is tried again; and no
//! value.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[allow(dead_code, reason = "shared with the tests of bulk writes")]
#[path = "bulk/readings.rs"]
mod readings;
mod support;

use std::fmt::Write;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use diesel_timescale::bulk::{self, BulkError};
use diesel_timescale::transaction::Retry;
use diesel_timescale::{Call, migrations};
use readings::{Reading, hypertable};
use support::{Needs, needs, sql};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// In every value that these tests write.
const SECRET: &str = "what-nobody-may-see";

/// Keeps a line of text for each span that starts and each event.
#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Listener {
    fn keep(&self, what: &str, metadata: &Metadata<'_>, record: impl FnOnce(&mut Line)) {
        if metadata.target().starts_with("diesel_timescale") {
            let mut line = Line(format!("{what} {} {} {}", metadata.level(), metadata.target(), metadata.name()));
            record(&mut line);
            self.0.lock().unwrap().push(line.0);
        }
    }

    /// The one of all tests here: what writes has threads of its own.
    fn of_all() -> Self {
        static LISTENER: OnceLock<Listener> = OnceLock::new();
        let listener = LISTENER.get_or_init(|| {
            let listener = Self::default();
            tracing::subscriber::set_global_default(listener.clone()).unwrap();
            listener
        });
        listener.clone()
    }

    /// That there is a line with all of these texts, and no line with a value.
    #[track_caller]
    fn has(&self, texts: &[&str]) {
        let lines = self.0.lock().unwrap().clone();
        let is_there = lines.iter().any(|line| texts.iter().all(|text| line.contains(text)));
        assert!(is_there, "no line with {texts:?} in\n{}", lines.join("\n"));
        let told = lines.iter().find(|line| line.contains(SECRET));
        assert_eq!(told, None, "a value was told");
    }
}

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.keep("span", span.metadata(), |line| span.record(line));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.keep("event", event.metadata(), |line| event.record(line));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn reading(device: &str) -> Reading {
    Reading { device_id: format!("{SECRET}-{device}"), ..Reading::new(0, 0) }
}

#[test]
fn calls_and_bulk_writes_are_told_with_their_rows() {
    let listener = Listener::of_all();
    let (_db, mut conn) = hypertable();
    migrations::install(&mut conn).unwrap();
    // Where the tests share a database, the migrations have run before.
    if support::has(Needs::TwoConnections) {
        let span = ["span INFO", "migration", "history=", "diesel_timescale_migrations", "version=\"00dieseltimescale"];
        listener.has(&span);
        listener.has(&["event INFO", "migrated", "elapsed_ms="]);
    }

    diesel_timescale::Server::query().call(&mut conn).unwrap();
    listener.has(&["span DEBUG diesel_timescale::call", "statement="]);
    listener.has(&["event DEBUG diesel_timescale::call", "rows=1", "elapsed_ms=", "done"]);

    let rows = [reading("a"), reading("b"), reading("c")];
    let upsert = || bulk::upsert(&rows).on_conflict((readings::readings::device_id, readings::readings::measured_at));
    upsert().call(&mut conn).unwrap();
    listener.has(&["span DEBUG diesel_timescale::bulk", "table=\"\\\"readings\\\"\"", "rows=3"]);
    upsert().in_batches(2).call(&mut conn).unwrap();
    listener.has(&["event DEBUG", "rows=2", "done"]);
    let call = upsert().returning(readings::readings::device_id);
    let (_, _): (_, Vec<String>) = call.call(&mut conn).unwrap();

    // The server's text has the value.
    sql(&mut conn, "ALTER TABLE readings ADD CHECK (device_id NOT LIKE '%-bad')");
    let refused = bulk::insert_into(readings::readings::table).values([reading("bad")]).call(&mut conn);
    assert!(refused.is_err());
    listener.has(&["event DEBUG", "failed", "CheckViolation: ", "readings_device_id_check"]);
    let nul = bulk::insert_into(readings::readings::table).values([reading("\0")]).call(&mut conn);
    assert!(matches!(nul, Err(BulkError::InvalidRows(_))));
    listener.has(&["span DEBUG"]);
}

#[test]
fn transactions_that_are_tried_again_are_told() {
    let listener = Listener::of_all();
    let (_db, mut conn) = hypertable();
    let mut attempt = 0;
    let result: Result<(), diesel::result::Error> = Retry::default().attempts(7).transaction(&mut conn, |conn| {
        attempt += 1;
        if attempt == 3 {
            return Ok(());
        }
        let statement = format!("DO $$ BEGIN RAISE EXCEPTION '{SECRET}' USING ERRCODE = '40001'; END $$");
        diesel::sql_query(statement).execute(conn).map(drop)
    });
    result.unwrap();
    listener.has(&["event WARN diesel_timescale::transaction", "tried again", "attempt=2", "of=7", "pause_ms="]);
}

/// A database whose trigger refuses one device with a text that has the value in it, and one for a while.
fn refusing() -> (support::TestDb, PgConnection) {
    let (db, mut conn) = hypertable();
    sql(
        &mut conn,
        "CREATE SEQUENCE tries;
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.device_id LIKE '%-never' THEN RAISE EXCEPTION 'never: %', NEW.device_id; END IF;
             IF NEW.device_id LIKE '%-later' AND nextval('tries') < 4 THEN
                 RAISE EXCEPTION 'later: %', NEW.device_id USING ERRCODE = '40001';
             END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON readings FOR EACH ROW EXECUTE FUNCTION refuse()",
    );
    (db, conn)
}

#[test]
fn what_a_writer_does_is_told() {
    needs!(TwoConnections);
    let listener = Listener::of_all();
    let (db, _conn) = refusing();
    let url = db.url().to_string();
    let writer = bulk::writer::<Reading>()
        .on_conflict((readings::readings::device_id, readings::readings::measured_at))
        .batch_of(10, Duration::from_millis(1))
        .on_rejected(|_, _| ())
        .start(move || PgConnection::establish(&url))
        .unwrap();
    ["a", "later", "never"].into_iter().for_each(|device| writer.send(reading(device)).unwrap());
    writer.send(reading("\0")).unwrap();
    let status = writer.finish().unwrap();
    assert_eq!((status.stored, status.rejected), (2, 2));
    drop(writer);
    listener.has(&["span DEBUG diesel_timescale::writer", "batch", "table=", "connection=0", "attempt=2"]);
    listener.has(&["event WARN", "not stored", "SerializationFailure", "tried again", "pause_ms=", "waiting="]);
    listener.has(&["event WARN", "not stored", "halved"]);
    listener.has(&["event WARN", "rejected", "table=", "condition=\"Unknown\""]);
    listener.has(&["event WARN", "rejected", "condition=\"InvalidRows: device_id\""]);
    listener.has(&["event DEBUG", "stored", "inserted=1", "elapsed_ms=", "oldest_ms="]);
    listener.has(&["event INFO", "ended", "taken=4", "stored=2", "rejected=2", "left=0"]);
}

#[test]
fn what_an_asynchronous_writer_does_is_told_and_what_it_drops() {
    needs!(TwoConnections);
    let listener = Listener::of_all();
    let (db, _conn) = hypertable();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let url = db.url().to_string();
    runtime.block_on(async move {
        let mut conn = AsyncPgConnection::establish(&url).await.unwrap();
        // The functions of the crate are not installed here.
        let setup = diesel_timescale::hypertable(readings::readings::measured_at);
        assert!(diesel_timescale::asynchronous::Call::call(setup, &mut conn).await.is_err());
        listener.has(&["event DEBUG diesel_timescale::call", "failed", "condition=\"Unknown\""]);
        let writer = bulk::writer::<Reading>()
            .on_conflict((readings::readings::device_id, readings::readings::measured_at))
            .holding(4, usize::MAX)
            .drop_oldest()
            .start_async(async move || Err::<AsyncPgConnection, _>("no way"))
            .unwrap();
        for n in 0..20 {
            writer.send(reading(&n.to_string())).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(writer);
        listener.has(&["event WARN", "full", "dropped=8"]);
        listener.has(&["event WARN", "not stored", "condition=\"no way\"", "tried again"]);
        listener.has(&["event INFO", "ended", "taken=20", "left=4"]);
    });
}
