//! Whoever listens is told of new rows, on every server that lets two connect, and after a connection was lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::AsyncConnection as _;
use diesel_timescale::live::{Inserted, inserted, inserted_stream, notify_inserts, stop_notifying};
use diesel_timescale::{Call, bulk, hypertable};
use futures_util::StreamExt;
use support::{TestDb, needs, sql, value};

diesel::table! {
    readings (sensor, time) { sensor -> Text, time -> Timestamptz, room -> Text }
}

diesel::table! {
    #[sql_name = "odd $body$ \"name"]
    odd (at) { #[sql_name = "a\"t"] at -> Timestamptz, #[sql_name = "Room's"] room -> Integer }
}

#[derive(Insertable)]
#[diesel(table_name = readings)]
struct Reading {
    sensor: String,
    time: DateTime<Utc>,
    room: String,
}

fn at(minute: i64) -> DateTime<Utc> {
    "2026-01-05T09:00:00.000001Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minute)
}

fn reading(minute: i64, room: &str) -> Reading {
    Reading { sensor: format!("{room}.light"), time: at(minute), room: room.to_owned() }
}

fn set_up() -> (TestDb, PgConnection) {
    let (db, mut conn) = TestDb::installed();
    sql(
        &mut conn,
        "CREATE TABLE readings (sensor TEXT, time TIMESTAMPTZ, room TEXT NOT NULL, PRIMARY KEY (sensor, time))",
    );
    hypertable(readings::time).chunk_interval(TimeDelta::days(1)).allow_plain_table().call(&mut conn).unwrap();
    notify_inserts(readings::time, readings::room).call(&mut conn).unwrap();
    (db, conn)
}

fn listen(conn: &mut PgConnection, table: &str) {
    let channel = value(conn, &format!("SELECT diesel_timescale.insert_channel('{table}')"));
    sql(conn, &format!("LISTEN \"{}\"", channel.replace('"', "\"\"")));
}

/// The payloads that this connection has got by its own statements.
fn told(conn: &mut PgConnection) -> Vec<String> {
    sql(conn, "SELECT 1");
    conn.notifications_iter().map(|notification| notification.unwrap().payload).collect()
}

fn insert(conn: &mut PgConnection, readings: &[Reading]) -> bulk::Report {
    bulk::upsert(readings).on_conflict((readings::sensor, readings::time)).call(conn).unwrap()
}

type Parts = (bool, Option<DateTime<Utc>>, Option<DateTime<Utc>>, Vec<String>);

/// What the notifications of a statement say.
fn news(oldest: i64, newest: i64, groups: &[&str]) -> Parts {
    (false, Some(at(oldest)), Some(at(newest)), groups.iter().map(|&group| group.to_owned()).collect())
}

fn parts(news: Inserted) -> Parts {
    (news.missed, news.oldest, news.newest, news.groups.unwrap_or_default())
}

#[test]
fn a_statement_tells_its_new_rows_once() {
    let (_db, mut conn) = set_up();
    listen(&mut conn, "readings");
    insert(&mut conn, &[reading(1, "hall"), reading(2_000, "attic"), reading(0, "hall")]);
    let payloads = told(&mut conn);
    assert_eq!(payloads.len(), 1, "{payloads:?}");
    assert!(payloads[0].contains(r#""attic""#) && payloads[0].contains(r#""hall""#), "{payloads:?}");
    assert!(payloads[0].contains(&at(2_000).timestamp_micros().to_string()), "{payloads:?}");
    // A row that is there already is not new, and neither is one that is only updated.
    insert(&mut conn, &[reading(0, "hall")]);
    insert(&mut conn, &[Reading { room: "cellar".to_owned(), ..reading(0, "hall") }]);
    sql(&mut conn, "INSERT INTO readings SELECT 's', now(), 'r' WHERE false");
    assert_eq!(told(&mut conn), [""; 0]);
    // What is rolled back is not told.
    sql(&mut conn, "BEGIN; INSERT INTO readings VALUES ('s', now(), 'r'); ROLLBACK");
    assert_eq!(told(&mut conn), [""; 0]);
    // Through COPY, where the connection has it; many rooms are told as none.
    let many: Vec<Reading> = (0..900).map(|n| reading(n, &format!("a room with quite a long name {n}"))).collect();
    assert_eq!(insert(&mut conn, &many).inserted, 900);
    let payloads = told(&mut conn);
    assert!(!payloads.is_empty() && payloads.iter().all(|payload| payload.len() < 8_000), "{payloads:?}");
    assert!(payloads.iter().any(|payload| !payload.contains("groups")), "{payloads:?}");

    // Again is the same, and off is off.
    notify_inserts(readings::time, readings::room).call(&mut conn).unwrap();
    insert(&mut conn, &[reading(5_000, "hall")]);
    assert_eq!(told(&mut conn).len(), 1);
    assert!(stop_notifying(readings::table).call(&mut conn).unwrap());
    assert!(!stop_notifying(readings::table).call(&mut conn).unwrap());
    insert(&mut conn, &[reading(5_001, "hall")]);
    assert_eq!(told(&mut conn), [""; 0]);
    let left = "SELECT count(*) FROM pg_proc WHERE proname LIKE 'notify_inserts_into%' \
        AND pronamespace = current_schema()::regnamespace";
    assert_eq!(value(&mut conn, left), "0");
}

#[test]
fn names_and_groups_of_any_kind() {
    let (_db, mut conn) = TestDb::installed();
    sql(&mut conn, r#"CREATE TABLE "odd $body$ ""name" ("a""t" TIMESTAMPTZ, "Room's" INTEGER)"#);
    notify_inserts(odd::at, odd::room).call(&mut conn).unwrap();
    listen(&mut conn, r#""odd $body$ ""name""#);
    sql(
        &mut conn,
        r#"INSERT INTO "odd $body$ ""name" VALUES (NULL, 1), ('infinity', 2), ('2026-01-05 09:00+00', 7),
            ('2026-01-05 09:00+00', NULL)"#,
    );
    let payloads = told(&mut conn);
    assert!(payloads[0].contains(r#""groups": ["7"]"#) && payloads[0].contains("1767603600000000"), "{payloads:?}");
    assert!(stop_notifying(odd::table).call(&mut conn).unwrap());
}

/// A trigger of an application's own that has the name is neither dropped nor replaced.
#[test]
fn a_trigger_of_this_name_is_left_alone() {
    let (_db, mut conn) = set_up();
    stop_notifying(readings::table).call(&mut conn).unwrap();
    sql(
        &mut conn,
        "CREATE FUNCTION own() RETURNS TRIGGER LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER notify_inserts AFTER INSERT ON readings FOR EACH STATEMENT EXECUTE FUNCTION own()",
    );
    assert!(!stop_notifying(readings::table).call(&mut conn).unwrap());
    let error = notify_inserts(readings::time, readings::room).call(&mut conn).unwrap_err().to_string();
    assert!(error.contains("\"notify_inserts\" for relation \"readings\" already exists"), "{error}");
    assert_eq!(value(&mut conn, "SELECT count(*) FROM pg_trigger WHERE tgname = 'notify_inserts'"), "1");
}

#[test]
fn rows_for_the_columnstore_are_told() {
    needs!(Community);
    let (_db, mut conn) = set_up();
    insert(&mut conn, &[reading(0, "hall"), reading(2_000, "hall")]);
    let columnstore = diesel_timescale::columnstore(readings::table).segment_by(readings::sensor);
    columnstore.order_by(readings::time).enable().call(&mut conn).unwrap();
    for chunk in diesel_timescale::chunks(readings::time, ..).call(&mut conn).unwrap() {
        diesel_timescale::to_columnstore(&chunk).call(&mut conn).unwrap();
    }
    listen(&mut conn, "readings");
    insert(&mut conn, &[reading(1, "hall"), reading(3, "attic")]);
    let payloads = told(&mut conn);
    assert!(payloads.len() == 1 && payloads[0].contains("attic"), "{payloads:?}");
}

/// Ends the other sessions of the database that listen.
fn end_listeners(conn: &mut PgConnection) {
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'";
    assert_eq!(value(conn, end), "1");
}

#[test]
fn an_iterator_tells_and_connects_again() {
    needs!(TwoConnections);
    let (db, mut conn) = set_up();
    let url = db.url();
    let mut failures = 0;
    let mut listener = inserted(readings::table, || {
        failures += 1;
        // Every other attempt fails.
        if failures % 2 == 0 {
            return Err(diesel::ConnectionError::BadConnection("not now".to_owned()));
        }
        PgConnection::establish(url.as_str())
    });
    let mut next = || parts(listener.next().unwrap().unwrap());
    assert!(next().0);
    insert(&mut conn, &[reading(0, "hall"), reading(3, "attic")]);
    assert_eq!(next(), news(0, 3, &["attic", "hall"]));
    end_listeners(&mut conn);
    insert(&mut conn, &[reading(4, "hall")]);
    // Nobody was told of that row: what it is has to be read.
    assert_eq!(next(), (true, None, None, Vec::new()));
    insert(&mut conn, &[reading(5, "hall")]);
    assert_eq!(next(), news(5, 5, &["hall"]));

    let mut refused = inserted(odd::table, || PgConnection::establish(url.as_str()));
    let error = refused.next().unwrap().unwrap_err();
    assert!(error.to_string().contains("does not exist"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_tells_and_connects_again() {
    needs!(TwoConnections);
    let (db, mut conn) = set_up();
    let url = db.url().to_string();
    let stream = inserted_stream(readings::table, move || {
        let url = url.clone();
        async move { diesel_async::AsyncPgConnection::establish(&url).await }
    });
    // On a task, so that it is `Send`.
    let (sender, receiver) = std::sync::mpsc::channel();
    tokio::spawn(async move {
        let mut stream = std::pin::pin!(stream);
        while let Some(news) = stream.next().await {
            if sender.send(parts(news.unwrap())).is_err() {
                break;
            }
        }
    });
    tokio::task::spawn_blocking(move || {
        let next = || receiver.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
        assert!(next().0);
        insert(&mut conn, &[reading(0, "hall"), reading(3, "attic")]);
        assert_eq!(next(), news(0, 3, &["attic", "hall"]));
        end_listeners(&mut conn);
        assert_eq!(next(), (true, None, None, Vec::new()));
        insert(&mut conn, &[reading(5, "hall")]);
        assert_eq!(next(), news(5, 5, &["hall"]));
    })
    .await
    .unwrap();
}
