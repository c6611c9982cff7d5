//! Whoever listens is told of new rows, on every server that lets two connect, and after a connection was lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::AsyncConnection as _;
use diesel_timescale::live::{Inserted, inserted, inserted_stream, notify_inserts, notify_inserts_by, stop_notifying};
use diesel_timescale::{Call, Error, Feature, bulk, hypertable, known_issues};
use futures_util::StreamExt;
use support::{Needs, TestDb, has_feature, has_quietly, needs, needs_feature, server, sql, value};

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
    if can_be_hypertable() {
        hypertable(readings::time).chunk_interval(TimeDelta::days(1)).allow_plain_table().call(&mut conn).unwrap();
    }
    notify_inserts_by(readings::time, readings::room).call(&mut conn).unwrap();
    (db, conn)
}

/// Whether a table that is to be notified can be a hypertable; or is a plain table all the same.
fn can_be_hypertable() -> bool {
    server().has(Feature::InsertNotifications) || has_quietly(Needs::PlainPostgres)
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

/// The rows, the oldest and the newest moment, and the groups.
type Parts = (u64, Option<DateTime<Utc>>, Option<DateTime<Utc>>, Vec<String>);

fn groups(groups: &[&str]) -> Vec<String> {
    groups.iter().map(|&group| group.to_owned()).collect()
}

fn parts(news: Inserted) -> Parts {
    assert!(!news.missed && news.read_from.is_none());
    (news.rows, news.oldest, news.newest, news.groups.unwrap())
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
    notify_inserts_by(readings::time, readings::room).call(&mut conn).unwrap();
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
    notify_inserts_by(odd::at, odd::room).call(&mut conn).unwrap();
    listen(&mut conn, r#""odd $body$ ""name""#);
    sql(
        &mut conn,
        r#"INSERT INTO "odd $body$ ""name" VALUES (NULL, 1), ('infinity', 2), ('2026-01-05 09:00+00', 7),
            ('2026-01-05 09:00+00', NULL)"#,
    );
    let payloads = told(&mut conn);
    assert!(
        payloads[0].contains(r#""7""#) && !payloads[0].contains("null") && payloads[0].contains("1767603600000000"),
        "{payloads:?}"
    );
    assert!(payloads[0].contains(r#""count" : 4"#), "{payloads:?}");
    assert!(stop_notifying(odd::table).call(&mut conn).unwrap());
}

/// The trigger function has variables and columns of its own.
#[test]
fn columns_may_have_any_name() {
    let (_db, mut conn) = TestDb::installed();
    let names = ["groups", "oldest", "newest", "payload", "of_all", "name", "first", "last", "of_group", "with_groups"];
    for name in names {
        sql(
            &mut conn,
            &format!(
                "CREATE TABLE t_{name} ({name} DATE, groups_ TEXT); \
            CREATE TABLE g_{name} (at DATE, {name} TEXT)"
            ),
        );
        for (table, time, group) in [(format!("t_{name}"), name, "groups_"), (format!("g_{name}"), "at", name)] {
            value(&mut conn, &format!("SELECT diesel_timescale.notify_inserts('{table}', '{time}', '{group}')"));
            listen(&mut conn, &table);
            sql(&mut conn, &format!("INSERT INTO {table} VALUES ('2026-01-05', 'a'), (NULL, NULL), ('infinity', 'b')"));
            let payloads = told(&mut conn);
            assert!(
                payloads.len() == 1 && payloads[0].contains(r#""count" : 3, "oldest" : 1767571200000000"#),
                "{payloads:?}"
            );
            assert!(payloads[0].contains(r#"["a", "b"]"#) || payloads[0].contains(r#"["b", "a"]"#), "{payloads:?}");
            let read =
                value(&mut conn, &format!("SELECT diesel_timescale.inserted_since('{table}', '{time}', NULL, true)"));
            assert!(read.contains(r#""count" : 3"#) && read.contains(r#""newest" : 1767571200000000"#), "{read}");
        }
    }
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
    let error = notify_inserts_by(readings::time, readings::room).call(&mut conn).unwrap_err().to_string();
    assert!(error.contains("\"notify_inserts\" for relation \"readings\" already exists"), "{error}");
    assert_eq!(value(&mut conn, "SELECT count(*) FROM pg_trigger WHERE tgname = 'notify_inserts'"), "1");
}

#[test]
fn rows_for_the_columnstore_are_told() {
    needs!(Community);
    needs_feature!(InsertNotifications);
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

#[test]
fn rows_of_a_hypertable_are_told_as_far_as_the_release_can() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::installed();
    sql(&mut conn, "CREATE TABLE readings (sensor TEXT, time TIMESTAMPTZ NOT NULL, gone TEXT, room TEXT)");
    hypertable(readings::time).call(&mut conn).unwrap();
    let notified = notify_inserts_by(readings::time, readings::room).call(&mut conn);
    if !has_feature(Feature::InsertNotifications) {
        assert!(matches!(notified, Err(Error::Unsupported { .. })), "{notified:?}");
        return;
    }
    notified.unwrap();
    listen(&mut conn, "readings");
    let insert =
        "INSERT INTO readings (sensor, time, room) VALUES ('a', '2026-01-05', 'hall'), ('b', '2026-01-05', 'x')";
    sql(&mut conn, insert);
    assert!(told(&mut conn)[0].contains("hall"));
    // A chunk that is made afterwards has other positions of the columns than the table.
    sql(&mut conn, "ALTER TABLE readings DROP COLUMN gone");
    sql(&mut conn, &insert.replace("2026-01", "2026-05"));
    let payloads = told(&mut conn);
    let parts = if known_issues(server()).any(|issue| issue.id == "new_rows_are_misread") {
        r#"{"count" : 2, "oldest" : null, "newest" : null, "position" : null}"#
    } else {
        r#"{"count" : 2, "oldest" : 1777939200000000, "newest" : 1777939200000000, "position" : "#
    };
    assert!(payloads.len() == 1 && payloads[0].starts_with(parts), "{payloads:?}");
    assert_eq!(payloads[0].contains("hall"), !parts.contains("null"), "{payloads:?}");
    // One that has lost none is told in full, and so is a plain table.
    sql(&mut conn, "CREATE TABLE plain (gone TEXT, at DATE, room TEXT); ALTER TABLE plain DROP COLUMN gone");
    value(&mut conn, "SELECT diesel_timescale.notify_inserts('plain', 'at', 'room')");
    listen(&mut conn, "plain");
    sql(&mut conn, "INSERT INTO plain VALUES ('2026-01-05', 'hall')");
    assert!(told(&mut conn)[0].contains("hall"));
}

/// Ends the other sessions of the database that listen, and waits for their end.
fn end_listeners(conn: &mut PgConnection) {
    let listeners = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND (query LIKE '%inserted_since%' OR query LIKE '%pg_listening_channels%' OR query LIKE 'LISTEN%')";
    assert_eq!(value(conn, &format!("SELECT count(pg_terminate_backend(pid)) {listeners}")), "1");
    while value(conn, &format!("SELECT count(*) {listeners}")) != "0" {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn an_iterator_tells_and_reads_what_it_has_missed() {
    needs!(TwoConnections);
    let (db, mut conn) = set_up();
    let url = db.url();
    let mut failures = 0;
    let mut listener = inserted(readings::time, None, TimeDelta::minutes(10), || {
        failures += 1;
        // Every other attempt fails.
        if failures % 2 == 0 {
            return Err(diesel::ConnectionError::BadConnection("not now".to_owned()));
        }
        PgConnection::establish(url.as_str())
    });
    let mut next = || listener.next().unwrap().unwrap();
    insert(&mut conn, &[reading(-20, "hall"), reading(0, "hall")]);
    // From now on: what is there is not told, but it is the position.
    let first = next();
    assert!(first.missed && first.rows == 0 && first.read_from.is_none(), "{first:?}");
    assert_eq!(first.position, Some(at(0)));
    insert(&mut conn, &[reading(1, "hall"), reading(30, "attic")]);
    insert(&mut conn, &[reading(2, "hall")]);
    let mut told = next();
    // Both at once, or one after the other.
    while told.rows < 3 {
        let (before, after) = (told.clone(), next());
        assert!(!after.missed);
        told.rows = before.rows + after.rows;
        told.position = after.position;
    }
    assert_eq!(told.position, Some(at(30)));
    end_listeners(&mut conn);
    // One that is new, one that is late, one that is later than the lateness, and one that is only changed.
    insert(&mut conn, &[reading(31, "cellar"), reading(21, "kitchen"), reading(19, "garage")]);
    insert(&mut conn, &[Reading { room: "loft".to_owned(), ..reading(2, "hall") }]);
    let missed = next();
    assert!(missed.missed);
    assert_eq!((missed.rows, missed.read_from), (3, Some(at(20))));
    assert_eq!((missed.oldest, missed.newest), (Some(at(21)), Some(at(31))));
    assert_eq!(missed.groups, Some(groups(&["attic", "cellar", "kitchen"])));
    // After that it is told again, and rows are as late as they like.
    insert(&mut conn, &[reading(-90_000, "hall")]);
    assert_eq!(parts(next()), (1, Some(at(-90_000)), Some(at(-90_000)), groups(&["hall"])));
    // What is gone is not told, and keeps nothing from being told.
    end_listeners(&mut conn);
    sql(&mut conn, "TRUNCATE readings");
    insert(&mut conn, &[reading(40, "attic")]);
    let missed = next();
    assert_eq!((missed.rows, missed.groups, missed.position), (1, Some(groups(&["attic"])), Some(at(40))));
    // Somebody else's notification is a reason to read.
    let channel = value(&mut conn, "SELECT diesel_timescale.insert_channel('readings')");
    sql(&mut conn, &format!("SELECT pg_notify('{channel}', 'boo')"));
    let read = next();
    assert!(read.missed && read.rows == 1, "{read:?}");
    drop(listener);

    // Where another run has ended.
    let connect = || PgConnection::establish(url.as_str());
    let mut later = inserted(readings::time, Some(at(41)), TimeDelta::minutes(1), connect);
    assert_eq!(later.next().unwrap().unwrap().rows, 1);
    let mut later = inserted(readings::time, Some(at(41)), TimeDelta::zero(), connect);
    let news = later.next().unwrap().unwrap();
    assert_eq!((news.rows, news.groups, news.position), (0, Some(Vec::new()), Some(at(41))));
    // A lateness without an end reads all.
    let mut later = inserted(readings::time, Some(at(41)), TimeDelta::MAX, connect);
    assert_eq!(later.next().unwrap().unwrap().rows, 1);
}

#[test]
fn a_listener_of_an_empty_table_misses_nothing_and_no_clock_hides_anything() {
    needs!(TwoConnections);
    let (db, mut conn) = set_up();
    let url = db.url();
    let mut listener = inserted(readings::time, None, TimeDelta::zero(), || PgConnection::establish(url.as_str()));
    let mut next = || listener.next().unwrap().unwrap();
    assert_eq!(next().position, None);
    end_listeners(&mut conn);
    insert(&mut conn, &[reading(-5_000_000, "attic"), reading(0, "hall")]);
    let missed = next();
    assert_eq!((missed.rows, missed.read_from, missed.position), (2, None, Some(at(0))));
    // A sensor whose clock is wrong.
    let future = Reading { time: "2100-01-01T00:00:00Z".parse().unwrap(), ..reading(0, "future") };
    let now = "clock_timestamp()";
    insert(&mut conn, &[future]);
    let news = next();
    assert_eq!(news.newest.unwrap().to_rfc3339(), "2100-01-01T00:00:00+00:00");
    assert!(news.position.unwrap() < Utc::now() + TimeDelta::hours(1), "{news:?}");
    end_listeners(&mut conn);
    sql(&mut conn, &format!("INSERT INTO readings VALUES ('s', {now}, 'kitchen')"));
    let missed = next();
    assert_eq!(missed.groups, Some(groups(&["future", "kitchen"])));
    // A transaction that was longer than the lateness hides its rows from a read, a longer lateness finds them.
    let mut slow = PgConnection::establish(url.as_str()).unwrap();
    let position = missed.position.unwrap();
    sql(&mut slow, &format!("BEGIN; INSERT INTO readings VALUES ('slow', {now} - INTERVAL '2 minutes', 'slow')"));
    end_listeners(&mut conn);
    sql(&mut slow, "COMMIT");
    assert!(!next().groups.unwrap().contains(&"slow".to_owned()));
    let mut listener =
        inserted(readings::time, Some(position), TimeDelta::minutes(5), || PgConnection::establish(url.as_str()));
    assert!(listener.next().unwrap().unwrap().groups.unwrap().contains(&"slow".to_owned()));
}

/// Every type of time: what is notified, and what is read, in the type of the column.
#[test]
fn every_type_of_time_is_told_and_read() {
    needs!(TwoConnections);
    macro_rules! tables {
        ($($name:ident $sql_type:ident $values:expr, $lateness:expr, $all:expr, [$($text:literal),+];)+) => {$({
            diesel::table! { $name (at) { at -> $sql_type, } }
            let (db, mut conn) = TestDb::installed();
            let of_type = value(&mut conn, concat!("SELECT lower('", stringify!($sql_type), "')"));
            sql(&mut conn, &format!("CREATE TABLE {} (at {of_type} NOT NULL)", stringify!($name)));
            // Plain where the server has no such hypertable.
            if can_be_hypertable() && (stringify!($name) != "uuids" || has_quietly(Needs::UuidTime)) {
                hypertable($name::at).chunk_interval($lateness).allow_plain_table().call(&mut conn).unwrap();
            }
            notify_inserts($name::at).call(&mut conn).unwrap();
            let url = db.url();
            let connect = || PgConnection::establish(url.as_str());
            let mut listener = inserted($name::at, None, $lateness, connect);
            let mut next = || listener.next().unwrap().unwrap();
            assert_eq!(next().position, None);
            let texts = [$($text),+];
            let [first, second, third] = $values;
            sql(&mut conn, &format!("INSERT INTO {} VALUES ('{}'), ('{}')", stringify!($name), texts[1], texts[0]));
            let news = next();
            assert_eq!((news.missed, news.rows, news.groups), (false, 2, None));
            assert_eq!((news.oldest, news.newest, news.position), (Some(first), Some(second), Some(second)));
            end_listeners(&mut conn);
            sql(&mut conn, &format!("INSERT INTO {} VALUES ('{}')", stringify!($name), texts[2]));
            let news = next();
            // The second one again.
            assert_eq!((news.missed, news.rows, news.groups), (true, 2, None));
            assert_eq!((news.oldest, news.newest, news.position), (Some(second), Some(third), Some(third)));
            // As far back as there is.
            let mut again = inserted($name::at, Some(first), $all, connect);
            assert_eq!(again.next().unwrap().unwrap().rows, 3);
        })+};
    }
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let day = |day| NaiveDate::from_ymd_opt(2026, 1, day).unwrap();
    let instants = [at("2026-01-05T09:00:00.000001Z"), at("2026-01-06T09:00:00Z"), at("2026-01-06T09:00:00.5Z")];
    tables! {
        small_ticks SmallInt [-32_000, 7, 8], 20, i16::MAX, ["-32000", "7", "8"];
        ticks Integer [-2_147_483_648, 7, 8], 1_000_000, i32::MAX, ["-2147483648", "7", "8"];
        big_ticks BigInt [1_767_603_600_000, 1_767_703_600_000, 1_767_703_600_001_i64], 5_000_000, i64::MAX,
            ["1767603600000", "1767703600000", "1767703600001"];
        days Date [day(1), day(9), day(10)], TimeDelta::days(1), TimeDelta::MAX,
            ["2026-01-01", "2026-01-09", "2026-01-10"];
        instants Timestamptz instants, TimeDelta::hours(1), TimeDelta::MAX,
            ["2026-01-05 10:00:00.000001+01", "2026-01-06 09:00:00+00", "2026-01-06 09:00:00.5+00"];
        local_instants Timestamp instants.map(|at| at.naive_utc()), TimeDelta::hours(1), TimeDelta::MAX,
            ["2026-01-05 09:00:00.000001", "2026-01-06 09:00:00", "2026-01-06 09:00:00.5"];
        uuids Uuid [at("2026-01-05T09:00:00.001Z"), at("2026-01-06T09:00:00Z"), at("2026-01-06T09:00:00.5Z")],
            TimeDelta::hours(1), TimeDelta::MAX,
            ["019b8d62-7a81-7abc-8def-0123456789ab", "019b9288-d680-7abc-8def-0123456789ab",
             "019b9288-d874-7abc-8def-0123456789ab"];
    }
}

#[test]
fn who_may_read_two_columns_may_listen() {
    needs!(TwoConnections);
    let (db, mut conn) = set_up();
    let role = format!("listener_{}", std::process::id());
    let writer = format!("writer_{}", std::process::id());
    for role in [&role, &writer] {
        sql(&mut conn, &format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role}"));
    }
    sql(&mut conn, &format!("GRANT INSERT ON readings TO {writer}"));
    let url = db.url();
    let mut listener = inserted(readings::time, None, TimeDelta::minutes(1), || {
        let mut conn = PgConnection::establish(url.as_str())?;
        sql(&mut conn, &format!("SET ROLE {role}"));
        Ok(conn)
    });
    let error = listener.next().unwrap().unwrap_err();
    assert!(matches!(&error, Error::Database(_)) && error.to_string().contains("permission denied"), "{error}");
    sql(&mut conn, &format!("GRANT SELECT (time, room) ON readings TO {role}"));
    assert!(listener.next().unwrap().unwrap().missed);
    // Whoever inserts needs no more than that.
    sql(&mut conn, &format!("SET ROLE {writer}; INSERT INTO readings VALUES ('s', now(), 'hall'); RESET ROLE"));
    assert_eq!(listener.next().unwrap().unwrap().groups, Some(groups(&["hall"])));
    drop(listener);
    sql(&mut conn, &format!("DROP OWNED BY {role}, {writer}; DROP ROLE {role}, {writer}"));
}

#[test]
fn what_is_not_notified_is_refused() {
    needs!(TwoConnections);
    // Triggers of a hypertable cannot be disabled.
    let (db, mut conn) = TestDb::installed();
    sql(&mut conn, "CREATE TABLE readings (sensor TEXT, time TIMESTAMPTZ, room TEXT NOT NULL)");
    notify_inserts_by(readings::time, readings::room).call(&mut conn).unwrap();
    let url = db.url();
    let connect = || PgConnection::establish(url.as_str());
    let refused = |conn: &mut PgConnection, change: &str, expected: &str| {
        if !change.is_empty() {
            sql(conn, change);
        }
        let error = inserted(readings::time, None, TimeDelta::zero(), connect).next().unwrap().unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Notifications { .. }) && text.contains(expected), "{text}");
    };
    let mut unreachable = inserted(readings::time, None, TimeDelta::zero(), || {
        Err(diesel::ConnectionError::BadConnection("no such server".to_owned()))
    });
    let error = unreachable.next().unwrap().unwrap_err();
    assert!(error.to_string().contains("no such server"), "{error}");
    // Whoever listens already is told after some silence, and reads what was not told.
    let mut listener = inserted(readings::time, None, TimeDelta::zero(), connect);
    assert!(listener.next().unwrap().unwrap().missed);
    sql(
        &mut conn,
        "ALTER TABLE readings DISABLE TRIGGER notify_inserts; INSERT INTO readings VALUES ('s', now(), 'r')",
    );
    let error = listener.next().unwrap().unwrap_err();
    assert!(matches!(error, Error::Notifications { .. }), "{error}");
    sql(&mut conn, "ALTER TABLE readings ENABLE TRIGGER notify_inserts");
    assert_eq!(listener.next().unwrap().unwrap().rows, 1);
    drop(listener);
    let mut absent = inserted(odd::at, None, TimeDelta::zero(), connect);
    let error = absent.next().unwrap().unwrap_err();
    assert!(error.to_string().contains("does not exist"), "{error}");
    refused(&mut conn, "ALTER TABLE readings DISABLE TRIGGER notify_inserts", "are not notified by \"time\"");
    sql(&mut conn, "ALTER TABLE readings ENABLE TRIGGER notify_inserts; ALTER TABLE readings ADD stored TIMESTAMPTZ");
    refused(&mut conn, "SELECT diesel_timescale.notify_inserts('readings', 'stored')", "notify_inserts('");
    // A listener sees the old name, and inserts fail until it is right.
    notify_inserts(readings::time).call(&mut conn).unwrap();
    assert!(inserted(readings::time, None, TimeDelta::zero(), connect).next().unwrap().is_ok());
    refused(
        &mut conn,
        "ALTER TABLE readings RENAME TO others; ALTER TABLE others RENAME time TO at;
        ALTER TABLE others RENAME TO readings; ALTER TABLE readings RENAME at TO time;
        DROP TRIGGER notify_inserts ON readings",
        "are not notified",
    );
    for (time, group) in [("room", "NULL"), ("nothing", "NULL"), ("time", "'nothing'")] {
        let call = format!("SELECT diesel_timescale.notify_inserts('readings', '{time}', {group})");
        let error = diesel::sql_query(call).execute(&mut conn).unwrap_err();
        let error = Error::from(error);
        assert!(matches!(&error, Error::Notifications { .. }), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_tells_and_reads_what_it_has_missed() {
    needs!(TwoConnections);
    let (db, mut conn) = set_up();
    let url = db.url().to_string();
    let is_down = Arc::new(AtomicBool::new(false));
    let down = is_down.clone();
    let stream = inserted_stream(readings::time, None, TimeDelta::minutes(1), move || {
        let url = url.clone();
        let is_down = down.load(Ordering::SeqCst);
        async move {
            if is_down {
                return Err(diesel::ConnectionError::BadConnection("not now".to_owned()));
            }
            diesel_async::AsyncPgConnection::establish(&url).await
        }
    });
    // On a task, so that it is `Send`.
    let (sender, receiver) = std::sync::mpsc::channel();
    tokio::spawn(async move {
        let mut stream = std::pin::pin!(stream);
        while let Some(news) = stream.next().await {
            if sender.send(news.unwrap()).is_err() {
                break;
            }
        }
    });
    tokio::task::spawn_blocking(move || {
        let next = || receiver.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
        assert!(next().missed);
        insert(&mut conn, &[reading(0, "hall"), reading(3, "attic")]);
        assert_eq!(parts(next()), (2, Some(at(0)), Some(at(3)), groups(&["attic", "hall"])));
        is_down.store(true, Ordering::SeqCst);
        end_listeners(&mut conn);
        insert(&mut conn, &[reading(5, "hall")]);
        is_down.store(false, Ordering::SeqCst);
        let missed = next();
        assert!(missed.missed && missed.read_from == Some(at(2)), "{missed:?}");
        assert_eq!((missed.rows, missed.groups), (2, Some(groups(&["attic", "hall"]))));
        insert(&mut conn, &[reading(6, "hall")]);
        assert_eq!(parts(next()), (1, Some(at(6)), Some(at(6)), groups(&["hall"])));
    })
    .await
    .unwrap();
}
