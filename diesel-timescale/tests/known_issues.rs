//! Known issues that a server at hand shows: each is there on the releases that are said to have it, and on no others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_timescale::{Feature, KNOWN_ISSUES, Server, known_issues};
use support::{TestDb, needs, server, sql, values};

/// What shows an issue: tables (empty: those of the one before), and what a server without the issue gives.
struct Shown {
    id: &'static str,
    tables: &'static str,
    /// Each runs by itself; none may fail.
    statements: &'static [&'static str],
    query: &'static str,
    healthy: &'static str,
}

/// Whether the server shows it.
fn is_shown(conn: &mut PgConnection, shown: &Shown) -> bool {
    if !shown.tables.is_empty() {
        sql(conn, shown.tables);
    }
    let failed = shown.statements.iter().any(|statement| conn.batch_execute(statement).is_err());
    failed || values(conn, shown.query) != [shown.healthy]
}

fn check(conn: &mut PgConnection, server: &Server, issues: &[Shown]) {
    let wrong: Vec<_> = issues
        .iter()
        .filter(|shown| {
            assert!(KNOWN_ISSUES.iter().any(|issue| issue.id == shown.id), "{}", shown.id);
            let is_known = known_issues(server).any(|issue| issue.id == shown.id);
            is_shown(conn, shown) != is_known
        })
        .map(|shown| shown.id)
        .collect();
    assert!(wrong.is_empty(), "{server} is not as known: {wrong:?}");
}

#[test]
fn every_edition_shows_what_is_known() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::installed();
    let truncated = Shown {
        id: "truncate_refused",
        tables: "CREATE TABLE events (id INT, time TIMESTAMPTZ, PRIMARY KEY (id, time));
                 SELECT create_hypertable('events', 'time');
                 CREATE TABLE guesses (id INT, time TIMESTAMPTZ, FOREIGN KEY (id, time) REFERENCES events);
                 INSERT INTO events VALUES (1, '2026-01-01');
                 INSERT INTO guesses VALUES (1, '2026-01-01')",
        statements: &["TRUNCATE events CASCADE"],
        query: "SELECT count(*) FROM guesses",
        healthy: "0",
    };
    let dropped = Shown {
        id: "truncate_drops_foreign_key",
        tables: "",
        statements: &[],
        query: "SELECT count(*) FROM pg_constraint
                WHERE conrelid = 'guesses'::regclass AND contype = 'f' AND conparentid = 0",
        healthy: "1",
    };
    let first = Shown {
        id: "first_and_last_of_one_value",
        tables: "CREATE TABLE orders (time TIMESTAMPTZ NOT NULL, other TIMESTAMPTZ NOT NULL, value INT);
                 SELECT create_hypertable('orders', 'time');
                 CREATE INDEX ON orders (other);
                 INSERT INTO orders
                 SELECT TIMESTAMPTZ '2026-01-01' + n * INTERVAL '1 minute',
                        TIMESTAMPTZ '2026-01-01' + (201 - n) * INTERVAL '1 minute', n
                 FROM generate_series(1, 200) AS n",
        statements: &[],
        query: "SELECT concat_ws(' ', first(value, time), first(value, other)) FROM orders",
        healthy: "1 200",
    };
    // Fixed widths, so that nothing is read that is not there.
    let misread = Shown {
        id: "new_rows_are_misread",
        tables: "CREATE TABLE counters (time TIMESTAMPTZ NOT NULL, gone INT, n INT);
                 SELECT create_hypertable('counters', 'time');
                 ALTER TABLE counters DROP COLUMN gone;
                 CREATE TABLE seen (n INT);
                 CREATE FUNCTION see() RETURNS TRIGGER LANGUAGE plpgsql AS
                 'BEGIN INSERT INTO seen SELECT n FROM new_rows; RETURN NULL; END';
                 CREATE TRIGGER see AFTER INSERT ON counters REFERENCING NEW TABLE AS new_rows
                 FOR EACH STATEMENT EXECUTE FUNCTION see();
                 INSERT INTO counters VALUES ('2026-01-01', 7)",
        statements: &[],
        query: "SELECT n FROM seen",
        healthy: "7",
    };
    let mut shown = vec![truncated, dropped, first];
    if server().has(Feature::InsertNotifications) {
        shown.push(misread);
    }
    check(&mut conn, server(), &shown);
}

#[test]
fn the_columnstore_shows_what_is_known() {
    needs!(Community);
    let (_db, mut conn) = TestDb::installed();
    let deleted = Shown {
        id: "delete_with_null_array",
        tables: "CREATE TABLE ticks (time TIMESTAMPTZ NOT NULL, place INT, price INT);
                 SELECT create_hypertable('ticks', 'time', chunk_time_interval => INTERVAL '1 year');
                 ALTER TABLE ticks
                 SET (timescaledb.compress, timescaledb.compress_segmentby = 'place',
                      timescaledb.compress_orderby = 'time');
                 INSERT INTO ticks SELECT TIMESTAMPTZ '2026-01-01' + n * INTERVAL '1 minute', n % 4, n
                 FROM generate_series(1, 200) AS n;
                 SELECT compress_chunk(c) FROM show_chunks('ticks') AS c",
        statements: &["DELETE FROM ticks WHERE place <> ANY (NULL::int[])"],
        query: "SELECT count(*) FROM ticks",
        healthy: "200",
    };
    let unmatched = Shown {
        id: "delete_where_exists_fails",
        tables: "",
        statements: &["DELETE FROM ticks WHERE EXISTS (SELECT FROM ticks AS t WHERE false)"],
        query: "SELECT true",
        healthy: "true",
    };
    let moved = Shown {
        id: "update_breaks_unique_key",
        tables: "CREATE TABLE devices (time TIMESTAMPTZ NOT NULL, device TEXT, UNIQUE (time, device));
                 SELECT create_hypertable('devices', 'time');
                 ALTER TABLE devices SET (timescaledb.compress, timescaledb.compress_segmentby = 'device');
                 INSERT INTO devices VALUES ('2026-01-01', 'one'), ('2026-01-01', 'two');
                 SELECT compress_chunk(c) FROM show_chunks('devices') AS c;
                 DO $$ BEGIN UPDATE devices SET device = 'two' WHERE device = 'one';
                 EXCEPTION WHEN unique_violation THEN END $$",
        statements: &[],
        query: "SELECT count(DISTINCT device) FROM devices",
        healthy: "2",
    };
    check(&mut conn, server(), &[deleted, unmatched, moved]);
}

#[test]
fn a_snapshot_shows_what_is_known() {
    needs!(Community, TwoConnections);
    let (db, mut conn) = TestDb::installed();
    sql(
        &mut conn,
        "CREATE TABLE ticks (time TIMESTAMPTZ NOT NULL, place INT);
         SELECT create_hypertable('ticks', 'time');
         ALTER TABLE ticks SET (timescaledb.compress, timescaledb.compress_segmentby = 'place');
         INSERT INTO ticks VALUES ('2026-01-01', 1);
         SELECT compress_chunk(c) FROM show_chunks('ticks') AS c",
    );
    let mut older = db.connect();
    sql(&mut older, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class");
    sql(&mut conn, "SELECT decompress_chunk(c) FROM show_chunks('ticks') AS c");
    let converted = Shown {
        id: "snapshot_misses_converted_rows",
        tables: "",
        statements: &[],
        query: "SELECT count(*) FROM ticks",
        healthy: "1",
    };
    check(&mut older, server(), &[converted]);
    // Nothing is lost.
    sql(&mut older, "COMMIT");
    assert_eq!(values(&mut older, "SELECT count(*) FROM ticks"), ["1"]);
}

#[test]
fn continuous_aggregates_show_what_is_known() {
    needs!(Community);
    let (_db, mut conn) = TestDb::installed();
    let conn = &mut conn;
    let day = "date_trunc('day', now())";
    let tables = format!(
        "CREATE TABLE counts (time TIMESTAMPTZ NOT NULL, device INT);
         SELECT create_hypertable('counts', 'time');
         INSERT INTO counts SELECT {day} - INTERVAL '12 hours' - n * INTERVAL '1 day', 1
         FROM generate_series(2, 9) AS n;
         CREATE MATERIALIZED VIEW daily WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
         SELECT time_bucket(INTERVAL '1 day', time) AS bucket, device, count(*) AS n
         FROM counts GROUP BY 1, 2 WITH NO DATA"
    );
    let change = format!("INSERT INTO counts SELECT {day} - n * INTERVAL '1 day', 2 FROM generate_series(6, 8) AS n");
    // By its id, that the procedure takes as a constant.
    sql(conn, &tables);
    let batches = if server().has(Feature::RefreshBatches) { ", buckets_per_batch => 1" } else { "" };
    let job = support::value(
        conn,
        &format!(
            "SELECT add_continuous_aggregate_policy(
                 'daily', INTERVAL '30 days', INTERVAL '1 day', INTERVAL '1 hour'{batches})"
        ),
    );
    for statement in [&format!("CALL run_job({job})"), &change, &format!("CALL run_job({job})")] {
        sql(conn, statement);
    }
    let skipped = Shown {
        id: "refresh_skips_last_bucket",
        tables: "",
        statements: &[],
        query: "SELECT sum(n) FROM daily",
        healthy: "11",
    };
    let merged = Shown {
        id: "merge_is_not_refreshed",
        tables: "CREATE TABLE hits (time TIMESTAMPTZ NOT NULL, k INT, v INT);
                 SELECT create_hypertable('hits', 'time');
                 INSERT INTO hits VALUES ('2026-01-01', 1, 1), ('2026-01-02', 2, 2);
                 CREATE MATERIALIZED VIEW sums WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
                 SELECT time_bucket(INTERVAL '1 day', time) AS bucket, sum(v) AS v FROM hits GROUP BY 1 WITH NO DATA",
        statements: &[
            "CALL refresh_continuous_aggregate('sums', NULL, NULL)",
            "MERGE INTO hits USING (VALUES (1, 10)) AS s (k, v) ON hits.k = s.k WHEN MATCHED THEN UPDATE SET v = s.v",
            "CALL refresh_continuous_aggregate('sums', NULL, NULL)",
        ],
        query: "SELECT string_agg(v::text, ' ' ORDER BY bucket) FROM sums",
        healthy: "10 2",
    };
    let missed = Shown {
        id: "refresh_misses_upper_bounds",
        tables: "CREATE TABLE hours (time TIMESTAMPTZ NOT NULL);
                 SELECT create_hypertable('hours', 'time', chunk_time_interval => INTERVAL '7 days');
                 CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
                 SELECT time_bucket(INTERVAL '1 hour', time, 'Europe/Prague') AS bucket, count(*) AS n
                 FROM hours GROUP BY 1 WITH NO DATA;
                 INSERT INTO hours SELECT generate_series(TIMESTAMPTZ '2026-01-01', '2026-03-01', '1 hour')",
        statements: &[
            "CALL refresh_continuous_aggregate('hourly', NULL, NULL)",
            "INSERT INTO hours SELECT generate_series(TIMESTAMPTZ '2026-02-01', '2026-02-20', '1 hour')",
            "CALL refresh_continuous_aggregate('hourly', NULL, NULL)",
        ],
        query: "SELECT sum(n) - (SELECT count(*) FROM hours) FROM hourly",
        healthy: "0",
    };
    check(conn, server(), &[skipped, missed]);
    // The WebAssembly server is of the time before 2.23.0, where that began.
    if support::value(conn, "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'") != "2.23.0-dev" {
        check(conn, server(), &[merged]);
    }
}

#[test]
fn every_issue_has_a_name_of_its_own_and_releases_in_order() {
    for (at, issue) in KNOWN_ISSUES.iter().enumerate() {
        assert!(KNOWN_ISSUES[at + 1..].iter().all(|other| other.id != issue.id), "{}", issue.id);
        assert!(issue.fixed_in.is_sorted(), "{}", issue.id);
        assert!(issue.fixed_in.iter().all(|fixed| *fixed > issue.since), "{}", issue.id);
        assert!(issue.what.len() > 20 && !issue.what.contains("  ") && !issue.what.ends_with('.'), "{}", issue.id);
    }
}
