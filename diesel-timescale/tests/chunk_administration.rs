//! What is done to chunks: skipping, tablespaces, splitting, merging, attaching and detaching, dropping and converting by
//! the time that they were created, and reordering.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_timescale::setup::Setup;
use diesel_timescale::{
    AddJob as _, Call, Chunk, Error, Feature, HypertableError, ReferenceError, Schedule, Server,
    add_columnstore_policy_by_creation, add_reorder_policy, add_retention_policy, add_retention_policy_by_creation,
    attach_chunk, attach_tablespace, chunk_skipping_columns, chunks, columnstore, detach_chunk, detach_tablespace,
    detach_tablespaces, disable_chunk_skipping, drop_chunks_created, enable_chunk_skipping, enable_granular_refresh,
    hypertable, jobs, merge_chunks, move_chunk, references, remove_columnstore_policy, remove_reorder_policy,
    remove_retention_policy, reorder_chunk, run_job, set_granular_refresh, split_chunk, tablespaces, to_columnstore,
    use_chunk_skipping,
};
use support::{Needs, TestDb, has_quietly, needs, needs_feature, sql, value};

diesel::table! {
    readings (sensor, time) { sensor -> Text, time -> Timestamptz, number -> Int8, room -> Text }
}

diesel::table! {
    counts (tick) { tick -> Int8, number -> Int8 }
}

/// A hypertable of daily chunks.
fn readings() -> (TestDb, PgConnection) {
    let (db, mut conn) = TestDb::installed();
    sql(
        &mut conn,
        "CREATE TABLE readings (sensor TEXT, time TIMESTAMPTZ, number BIGINT NOT NULL DEFAULT 0,
             room TEXT NOT NULL DEFAULT 'hall', PRIMARY KEY (sensor, time));
         CREATE INDEX readings_by_room ON readings (room, time)",
    );
    hypertable(readings::time).chunk_interval(TimeDelta::days(1)).allow_plain_table().call(&mut conn).unwrap();
    (db, conn)
}

/// A reading of each hour of that many days of January 2026, numbered.
fn fill(conn: &mut PgConnection, days: u32) {
    sql(
        conn,
        &format!(
            "INSERT INTO readings SELECT 'a', TIMESTAMPTZ '2026-01-01 00:00Z' + n * INTERVAL '1 hour', n
             FROM generate_series(0, {days} * 24 - 1) AS n"
        ),
    );
}

fn at(day: u32, hour: u32) -> DateTime<Utc> {
    format!("2026-01-{day:02}T{hour:02}:00:00Z").parse().unwrap()
}

fn all(conn: &mut PgConnection) -> Vec<Chunk> {
    chunks(readings::time, ..).call(conn).unwrap()
}

fn starts(conn: &mut PgConnection) -> Vec<DateTime<Utc>> {
    all(conn).into_iter().map(|chunk| chunk.range_start.unwrap()).collect()
}

fn count(conn: &mut PgConnection) -> i64 {
    readings::table.count().get_result(conn).unwrap()
}

#[test]
fn chunks_are_left_out_by_a_column() {
    needs_feature!(ChunkSkipping);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    columnstore(readings::table).segment_by(readings::sensor).order_by(readings::time).enable().call(conn).unwrap();
    let skipping = |conn: &mut PgConnection| chunk_skipping_columns(readings::table).call(conn).unwrap();
    assert!(enable_chunk_skipping(readings::number).call(conn).unwrap());
    assert!(!enable_chunk_skipping(readings::number).call(conn).unwrap());
    assert_eq!(skipping(conn), ["number"]);
    // The setting of the session is as it was.
    assert_eq!(value(conn, "SELECT current_setting('timescaledb.enable_chunk_skipping')"), "off");
    let refused = enable_chunk_skipping(readings::room).call(conn);
    assert!(matches!(&refused, Err(Error::Database(error)) if error.to_string().contains("text")), "{refused:?}");

    use_chunk_skipping(true).call(conn).unwrap();
    assert_eq!(value(conn, "SELECT diesel_timescale.uses_chunk_skipping()"), "true");
    fill(conn, 3);
    for chunk in all(conn) {
        to_columnstore(&chunk).call(conn).unwrap();
    }
    let read = |conn: &mut PgConnection| {
        let plan = diesel::sql_query("EXPLAIN (COSTS off) SELECT * FROM readings WHERE number = 30").load::<Line>(conn);
        let is_chunk = |line: &Line| line.text.contains("(ColumnarScan)") || line.text.contains("(DecompressChunk)");
        plan.unwrap().into_iter().filter(is_chunk).count()
    };
    assert_eq!(read(conn), 1, "one chunk has the number");
    use_chunk_skipping(false).call(conn).unwrap();
    assert_eq!(value(conn, "SELECT diesel_timescale.uses_chunk_skipping()"), "false");
    assert_eq!(read(conn), 3);
    let found: i64 = readings::table.filter(readings::number.eq(30)).count().get_result(conn).unwrap();
    assert_eq!(found, 1);
    assert!(disable_chunk_skipping(readings::number).call(conn).unwrap());
    assert!(!disable_chunk_skipping(readings::number).call(conn).unwrap());
    assert!(skipping(conn).is_empty());
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = diesel::sql_types::Text, column_name = "QUERY PLAN")]
    text: String,
}

/// A tablespace in the folder of the server, gone when this is dropped: after the database that has tables in it.
struct Tablespace {
    name: String,
    url: url::Url,
}

impl Tablespace {
    fn create(suffix: &str) -> Self {
        let name = format!("ts_test_{}_{suffix}", std::process::id());
        let tablespace = Self { name, url: support::base_url() };
        let mut conn = PgConnection::establish(tablespace.url.as_str()).unwrap();
        sql(&mut conn, "SET allow_in_place_tablespaces TO on");
        sql(&mut conn, &format!("CREATE TABLESPACE {} LOCATION ''", tablespace.name));
        tablespace
    }
}

impl Drop for Tablespace {
    fn drop(&mut self) {
        if let Ok(mut conn) = PgConnection::establish(self.url.as_str()) {
            let _ = diesel::sql_query(format!("DROP TABLESPACE {}", self.name)).execute(&mut conn);
        }
    }
}

#[test]
fn chunks_go_to_tablespaces() {
    needs!(Timescale, TwoConnections);
    let spaces = [Tablespace::create("fast"), Tablespace::create("slow")];
    let [fast, slow] = [spaces[0].name.as_str(), spaces[1].name.as_str()];
    let (db, mut connection) = readings();
    let conn = &mut connection;
    assert!(attach_tablespace(readings::table, fast).call(conn).unwrap());
    assert!(!attach_tablespace(readings::table, fast).call(conn).unwrap());
    assert!(attach_tablespace(readings::table, slow).call(conn).unwrap());
    assert_eq!(tablespaces(readings::table).call(conn).unwrap(), [fast, slow]);
    fill(conn, 4);
    let used = "SELECT count(DISTINCT chunk_tablespace) FROM timescaledb_information.chunks";
    assert_eq!(value(conn, used), "2");
    assert!(detach_tablespace(readings::table, fast).call(conn).unwrap());
    assert!(!detach_tablespace(readings::table, fast).call(conn).unwrap());
    assert_eq!(detach_tablespaces(readings::table).call(conn).unwrap(), 1);
    assert!(tablespaces(readings::table).call(conn).unwrap().is_empty());
    let missing = attach_tablespace(readings::table, "nowhere").call(conn).unwrap_err();
    assert!(missing.to_string().contains("nowhere"), "{missing}");

    if has_quietly(Needs::Community) {
        let first = all(conn).remove(0);
        move_chunk(&first, slow, "readings_by_room").call(conn).unwrap();
        let place = |conn: &mut PgConnection| {
            value(
                conn,
                &format!(
                    "SELECT string_agg(DISTINCT spcname, ', ') FROM pg_class LEFT JOIN pg_tablespace ON
                     pg_tablespace.oid = reltablespace WHERE pg_class.oid = '{0}'::regclass OR pg_class.oid IN
                     (SELECT indexrelid FROM pg_index WHERE indrelid = '{0}'::regclass)",
                    first.name
                ),
            )
        };
        assert_eq!(place(conn), slow);
        reorder_chunk(&first, "readings_pkey").call(conn).unwrap();
        let clustered =
            "SELECT count(*) FROM pg_index WHERE indisclustered AND indrelid::regclass::text LIKE '%hyper%'";
        assert_eq!(value(conn, clustered), "1");
        // As the way back.
        move_chunk(&first, "pg_default", "readings_by_room").call(conn).unwrap();
        assert_eq!(place(conn), "");
        let refused = conn.transaction(|conn| move_chunk(&first, slow, "readings_by_room").call(conn));
        assert!(matches!(refused, Err(Error::InsideTransaction { statement: "move_chunk" })), "{refused:?}");
        assert_eq!(count(conn), 96);
    }
    drop(connection);
    drop(db);
}

#[test]
fn chunks_are_split_and_merged() {
    needs_feature!(MergeChunks);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    fill(conn, 2);
    let days = all(conn);
    merge_chunks(&days).call(conn).unwrap();
    assert_eq!((starts(conn), count(conn)), (vec![at(1, 0)], 48));
    let refused = merge_chunks(&all(conn)).call(conn).unwrap_err();
    assert!(refused.to_string().contains("two chunks"), "{refused}");
    if !support::has_feature(Feature::SplitChunks) {
        return;
    }
    let whole = all(conn).remove(0);
    split_chunk(readings::time, &whole, None).call(conn).unwrap();
    assert_eq!((starts(conn), count(conn)), (vec![at(1, 0), at(2, 0)], 48));
    let second = all(conn).remove(1);
    split_chunk(readings::time, &second, Some(at(2, 5))).call(conn).unwrap();
    assert_eq!((starts(conn), count(conn)), (vec![at(1, 0), at(2, 0), at(2, 5)], 48));
    let third = all(conn).remove(2);
    let outside = split_chunk(readings::time, &third, Some(at(9, 0))).call(conn).unwrap_err();
    assert!(outside.to_string().contains("cannot split"), "{outside}");
    merge_chunks(&all(conn)).call(conn).unwrap();
    assert_eq!((starts(conn), count(conn)), (vec![at(1, 0)], 48));
}

#[test]
fn chunks_of_a_count_are_split_and_attached() {
    needs_feature!(AttachChunks);
    let (_db, mut conn) = TestDb::installed();
    let conn = &mut conn;
    sql(conn, "CREATE TABLE counts (tick BIGINT PRIMARY KEY, number BIGINT NOT NULL)");
    hypertable(counts::tick).chunk_interval(1000).call(conn).unwrap();
    sql(conn, "INSERT INTO counts SELECT n, n FROM generate_series(0, 999) AS n");
    let all = |conn: &mut PgConnection| chunks(counts::tick, ..).call(conn).unwrap();
    let chunk = all(conn).remove(0);
    split_chunk(counts::tick, &chunk, Some(250)).call(conn).unwrap();
    let parts = all(conn);
    assert_eq!(parts.iter().map(|part| part.range_start).collect::<Vec<_>>(), [Some(0), Some(250)]);
    detach_chunk(&parts[1]).call(conn).unwrap();
    assert_eq!(counts::table.count().get_result::<i64>(conn).unwrap(), 250);
    attach_chunk(counts::tick, &parts[1].name, 250..1000).call(conn).unwrap();
    assert_eq!(counts::table.count().get_result::<i64>(conn).unwrap(), 1000);
}

#[test]
fn chunks_are_detached_and_attached() {
    needs_feature!(AttachChunks);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    fill(conn, 2);
    let first = all(conn).remove(0);
    detach_chunk(&first).call(conn).unwrap();
    assert_eq!((starts(conn), count(conn)), (vec![at(2, 0)], 24));
    assert_eq!(value(conn, &format!("SELECT count(*) FROM {}", first.name)), "24", "a table of its own");
    let overlapping = attach_chunk(readings::time, &first.name, at(1, 0)..at(3, 0)).call(conn);
    assert!(overlapping.is_err());
    attach_chunk(readings::time, &first.name, at(1, 0)..at(2, 0)).call(conn).unwrap();
    assert_eq!((starts(conn), count(conn)), (vec![at(1, 0), at(2, 0)], 48));

    // What references keep is not lost this way either.
    references::create_target(readings::time).call(conn).unwrap();
    let refused = detach_chunk(&first).call(conn);
    assert!(matches!(&refused, Err(Error::Reference(ReferenceError::LossOfReferencedRows { .. }))), "{refused:?}");
}

#[test]
fn what_is_no_hypertable_is_refused() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::installed();
    let conn = &mut conn;
    sql(conn, "CREATE TABLE readings (sensor TEXT, time TIMESTAMPTZ, number BIGINT, room TEXT)");
    let refused = |result: Result<(), Error>| {
        let is_right = matches!(
            &result,
            Err(Error::Hypertable(HypertableError::NotAHypertable { .. }) | Error::Unsupported { .. })
        );
        assert!(is_right, "{result:?}");
    };
    refused(attach_tablespace(readings::table, "pg_default").call(conn).map(drop));
    refused(detach_tablespace(readings::table, "pg_default").call(conn).map(drop));
    refused(detach_tablespaces(readings::table).call(conn).map(drop));
    refused(drop_chunks_created(readings::table, ..Utc::now()).call(conn).map(drop));
    refused(enable_chunk_skipping(readings::number).call(conn).map(drop));
    refused(add_reorder_policy(readings::table, "x").call(conn).map(drop));
    refused(add_retention_policy_by_creation(readings::table, TimeDelta::days(1)).call(conn).map(drop));
    refused(add_columnstore_policy_by_creation(readings::table, TimeDelta::days(1)).call(conn).map(drop));
    refused(set_granular_refresh(readings::time, readings::sensor, TimeDelta::days(1), TimeDelta::hours(1)).call(conn));
}

#[test]
fn what_the_server_lacks_is_an_error_that_names_it() {
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    let server = Server::query().call(conn).unwrap();
    fill(conn, 1);
    // Where there are none, nothing can be asked of them.
    let chunk = server.has(Feature::Hypertables).then(|| all(conn).remove(0));
    let mut lacks = |feature: Feature, result: &dyn Fn(&mut PgConnection) -> Result<(), Error>| {
        if server.has(feature) {
            return;
        }
        match result(conn) {
            Err(Error::Unsupported { feature: lacking, .. }) => assert_eq!(lacking, feature),
            Err(Error::Hypertable(HypertableError::ExtensionUnavailable { .. })) if server.available.is_none() => {}
            other => panic!("{feature}: {other:?}"),
        }
    };
    lacks(Feature::ChunkSkipping, &|conn| enable_chunk_skipping(readings::number).call(conn).map(drop));
    lacks(Feature::ChunkSkipping, &|conn| disable_chunk_skipping(readings::number).call(conn).map(drop));
    lacks(Feature::ChunkSkipping, &|conn| chunk_skipping_columns(readings::table).call(conn).map(drop));
    lacks(Feature::ChunkSkipping, &|conn| use_chunk_skipping(true).call(conn));
    lacks(Feature::Hypertables, &|conn| tablespaces(readings::table).call(conn).map(drop));
    if let Some(chunk) = &chunk {
        lacks(Feature::MoveChunks, &|conn| move_chunk(chunk, "pg_default", "readings_pkey").call(conn));
        lacks(Feature::MoveChunks, &|conn| reorder_chunk(chunk, "readings_pkey").call(conn));
        lacks(Feature::MergeChunks, &|conn| merge_chunks([chunk, chunk]).call(conn));
        lacks(Feature::SplitChunks, &|conn| split_chunk(readings::time, chunk, None).call(conn));
        lacks(Feature::AttachChunks, &|conn| detach_chunk(chunk).call(conn));
    }
    lacks(Feature::AttachChunks, &|conn| attach_chunk(readings::time, "readings", at(1, 0)..at(2, 0)).call(conn));
    lacks(Feature::Jobs, &|conn| add_reorder_policy(readings::table, "readings_pkey").call(conn).map(drop));
    lacks(Feature::Jobs, &|conn| remove_reorder_policy(readings::table).call(conn).map(drop));
    lacks(Feature::RetentionByCreation, &|conn| {
        add_retention_policy_by_creation(readings::table, TimeDelta::days(1)).call(conn).map(drop)
    });
    lacks(Feature::Columnstore, &|conn| {
        add_columnstore_policy_by_creation(readings::table, TimeDelta::days(1)).call(conn).map(drop)
    });
    lacks(Feature::GranularRefresh, &|conn| {
        set_granular_refresh(readings::time, readings::sensor, TimeDelta::days(1), TimeDelta::hours(1)).call(conn)
    });
    lacks(Feature::GranularRefresh, &|conn| enable_granular_refresh(readings::table).call(conn));
}

#[test]
fn chunks_are_dropped_by_when_they_were_created() {
    needs!(Timescale);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    fill(conn, 2);
    let (hour, now) = (TimeDelta::hours(1), Utc::now());
    assert_eq!(drop_chunks_created(readings::table, ..now - hour).call(conn).unwrap(), 0);
    assert_eq!(drop_chunks_created(readings::table, now + hour..).call(conn).unwrap(), 0);
    let refused = drop_chunks_created(readings::table, ..).call(conn);
    assert!(matches!(&refused, Err(Error::NoBound { table, .. }) if table.ends_with("readings")), "{refused:?}");
    assert_eq!(drop_chunks_created(readings::table, now - hour..now + hour).call(conn).unwrap(), 2);
    assert_eq!(count(conn), 0);

    fill(conn, 1);
    references::create_target(readings::time).call(conn).unwrap();
    let refused = drop_chunks_created(readings::table, ..now + hour).call(conn);
    assert!(matches!(&refused, Err(Error::Reference(ReferenceError::LossOfReferencedRows { .. }))), "{refused:?}");
}

fn config(conn: &mut PgConnection, id: i32, key: &str) -> String {
    let job = jobs().call(conn).unwrap().into_iter().find(|job| job.id == id).unwrap();
    job.config.unwrap()[key].as_str().unwrap().to_owned()
}

#[test]
fn retention_goes_by_when_chunks_were_created() {
    needs_feature!(RetentionByCreation);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    let by_age = add_retention_policy(readings::time, TimeDelta::days(30)).call(conn).unwrap();
    let by_creation = add_retention_policy_by_creation(readings::table, TimeDelta::days(60))
        .scheduled(Schedule::every(TimeDelta::hours(5)))
        .call(conn)
        .unwrap();
    assert!(!jobs().call(conn).unwrap().iter().any(|job| job.id == by_age), "it takes the place of the other one");
    assert_eq!(config(conn, by_creation, "drop_created_before"), "1440:00:00");
    fill(conn, 1);
    run_job(by_creation).call(conn).unwrap();
    assert_eq!(count(conn), 24, "a chunk of today");
    assert!(remove_retention_policy(readings::table).call(conn).unwrap());
    let nothing = add_retention_policy_by_creation(readings::table, TimeDelta::zero()).call(conn);
    assert!(matches!(&nothing, Err(Error::Reference(ReferenceError::RetentionInterval { .. }))), "{nothing:?}");
}

#[test]
fn conversion_goes_by_when_chunks_were_created() {
    needs!(Community);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    columnstore(readings::table).segment_by(readings::sensor).enable().call(conn).unwrap();
    let job = add_columnstore_policy_by_creation(readings::table, TimeDelta::days(7))
        .scheduled(Schedule::every(TimeDelta::hours(5)))
        .call(conn)
        .unwrap();
    assert_eq!(config(conn, job, "compress_created_before"), "168:00:00");
    fill(conn, 1);
    run_job(job).call(conn).unwrap();
    assert!(!all(conn)[0].is_columnstore, "a chunk of today");
    assert!(remove_columnstore_policy(readings::table).call(conn).unwrap());
}

#[test]
fn a_policy_reorders_chunks() {
    needs!(Community);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    let first = add_reorder_policy(readings::table, "readings_pkey").call(conn).unwrap();
    // Only by hand: the server would run it at the same time.
    let job = add_reorder_policy(readings::table, "readings_by_room")
        .scheduled(Schedule::every(TimeDelta::hours(5)).enabled(false))
        .call(conn)
        .unwrap();
    let listed = jobs().call(conn).unwrap();
    assert!(!listed.iter().any(|job| job.id == first), "another index takes its place");
    let listed = listed.into_iter().find(|listed| listed.id == job).unwrap();
    assert_eq!((&*listed.procedure, listed.schedule_interval), ("policy_reorder", TimeDelta::hours(5)));
    fill(conn, 5);
    let clustered = "SELECT count(*) FROM pg_index WHERE indisclustered AND indrelid::regclass::text LIKE '%hyper%'";
    run_job(job).call(conn).unwrap();
    assert_eq!(value(conn, clustered), "1", "the chunk before the latest ones");
    assert!(remove_reorder_policy(readings::table).call(conn).unwrap());
    assert!(!remove_reorder_policy(readings::table).call(conn).unwrap());
    let missing = add_reorder_policy(readings::table, "nothing").call(conn).unwrap_err();
    assert!(missing.to_string().contains("invalid reorder index"), "{missing}");
}

#[test]
fn a_declared_hypertable_is_made_by_create_table() {
    let declared = Setup::new()
        .with(hypertable(readings::time).chunk_interval(TimeDelta::hours(12)).default_indexes(false))
        .allow_unsupported();
    let options = declared.create_table_options("readings").unwrap();
    assert_eq!(
        options,
        "WITH (tsdb.hypertable, tsdb.partition_column = 'time', tsdb.chunk_interval = '12 hours', \
         tsdb.create_default_indexes = false, tsdb.columnstore = false)"
    );
    assert!(matches!(declared.create_table_options("rooms"), Err(Error::Declaration { .. })));
    let counted = Setup::new().with(hypertable(counts::tick).chunk_interval(1000).integer_now(TimeDelta::seconds(1)));
    assert!(matches!(counted.create_table_options("counts"), Err(Error::Declaration { .. })));
    let counted = Setup::new().with(hypertable(counts::tick).chunk_interval(1000));

    needs_feature!(CreateTableWith);
    let (_db, mut conn) = TestDb::installed();
    let conn = &mut conn;
    let layout = columnstore(readings::table).segment_by(readings::sensor).order_by_desc(readings::time);
    let stored = declared.clone().with(layout);
    let columns = "(sensor TEXT, time TIMESTAMPTZ, number BIGINT, room TEXT, PRIMARY KEY (sensor, time))";
    for setup in [Some(&declared), has_quietly(Needs::Community).then_some(&stored)].into_iter().flatten() {
        let options = setup.create_table_options("readings").unwrap();
        sql(conn, &format!("CREATE TABLE readings {columns} {options}"));
        setup.check().call(conn).unwrap_or_else(|error| panic!("{options}: {error}"));
        sql(conn, "DROP TABLE readings");
    }
    let options = counted.create_table_options("counts").unwrap();
    sql(conn, &format!("CREATE TABLE counts (tick BIGINT PRIMARY KEY, number BIGINT) {options}"));
    counted.check().call(conn).unwrap();
}

diesel::table! {
    hourly (bucket, sensor) { bucket -> Timestamptz, sensor -> Text, total -> Int8 }
}

#[test]
fn a_granular_refresh_refreshes_what_has_changed() {
    needs_feature!(GranularRefresh);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    sql(
        conn,
        "CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
         SELECT time_bucket(INTERVAL '1 hour', time) AS bucket, sensor, sum(number)::BIGINT AS total FROM readings
         GROUP BY 1, 2 WITH NO DATA",
    );
    let (years, hour) = (TimeDelta::days(3650), TimeDelta::hours(1));
    set_granular_refresh(readings::time, readings::sensor, years, hour).call(conn).unwrap();
    enable_granular_refresh(hourly::table).call(conn).unwrap();
    fill(conn, 1);
    diesel_timescale::refresh(hourly::bucket, ..).call(conn).unwrap();
    sql(conn, "INSERT INTO readings VALUES ('b', '2026-01-01 00:30Z', 7)");
    diesel_timescale::refresh(hourly::bucket, ..).call(conn).unwrap();
    assert_eq!(hourly::table.filter(hourly::sensor.eq("b")).count().get_result::<i64>(conn).unwrap(), 1);
    assert_eq!(hourly::table.count().get_result::<i64>(conn).unwrap(), 25);
}

/// For a type of time: a value of day `n`, the width of a chunk, and the ends of the type.
const MOMENTS: [(&str, &str, &str, [&str; 2]); 7] = [
    (
        "TIMESTAMPTZ",
        "TIMESTAMPTZ '2026-01-01 00:00Z' + n * INTERVAL '1 day'",
        "INTERVAL '1 day'",
        ["0001-01-01", "9999-01-01"],
    ),
    (
        "TIMESTAMP",
        "TIMESTAMP '2026-01-01 00:00' + n * INTERVAL '1 day'",
        "INTERVAL '1 day'",
        ["0001-01-01", "9999-01-01"],
    ),
    ("DATE", "DATE '2026-01-01' + n", "INTERVAL '1 day'", ["0001-01-01", "9999-01-01"]),
    ("SMALLINT", "n * 10", "10", ["-32768", "32767"]),
    ("INTEGER", "n * 10", "10", ["-2147483648", "2147483647"]),
    ("BIGINT", "n * 10", "10", ["-9223372036854775808", "9223372036854775807"]),
    (
        "UUID",
        "to_uuidv7_boundary(TIMESTAMPTZ '2026-01-01 00:00Z' + n * INTERVAL '1 day')",
        "INTERVAL '1 day'",
        ["00000000-0000-7000-8000-000000000000", "ffffffff-ffff-7000-8000-000000000000"],
    ),
];

/// A hypertable with a row, or three, for each day but some, in the order of their ids; one day is empty.
fn numbered(conn: &mut PgConnection, moments: (&str, &str, &str, [&str; 2]), per_day: usize) {
    let (of_type, moment, width, _) = moments;
    sql(
        conn,
        &format!(
            "DROP TABLE IF EXISTS numbered;
             CREATE TABLE numbered (number BIGINT, \"at\" {of_type}, part INT, PRIMARY KEY (number, \"at\", part));
             SELECT create_hypertable('numbered', by_range('at', {width}), create_default_indexes => false);
             SELECT add_dimension('numbered', by_hash('part', 2));
             INSERT INTO numbered SELECT n * 3 + part, {moment}, part
             FROM generate_series(0, 24) AS n, generate_series(1, {per_day}) AS part
             WHERE n NOT BETWEEN 12 AND 19
             ORDER BY n, part;
             DELETE FROM numbered WHERE number BETWEEN 16 AND 18"
        ),
    );
}

/// Rows whose time is not found, or is another one.
const MISSED: &str = "SELECT string_agg(number::text, ' ' ORDER BY number) FROM numbered
    WHERE diesel_timescale.time_of_id('numbered', 'number', 'at', number, \"at\") IS DISTINCT FROM \"at\"";

#[test]
fn the_time_of_a_row_is_found_by_its_id() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::installed();
    let conn = &mut conn;
    for moments in MOMENTS {
        let (of_type, _, _, ends) = moments;
        if of_type == "UUID" && !support::has(Needs::UuidTime) {
            continue;
        }
        let search =
            |id: i64| format!("SELECT diesel_timescale.time_of_id('numbered', 'number', 'at', {id}, NULL::{of_type})");
        let is_null = |conn: &mut PgConnection, id| value(conn, &format!("SELECT ({}) IS NULL", search(id))) == "true";
        for per_day in [1, 3] {
            numbered(conn, moments, per_day);
            assert_eq!(value(conn, &format!("SELECT coalesce(({MISSED}), '')")), "", "{of_type}");
            for none in [i64::MIN, 0, 17, 50, 1_000, i64::MAX] {
                assert!(is_null(conn, none), "{of_type}: {none}");
            }
        }
        // In the columnstore, where the edition has it.
        if has_quietly(Needs::Community) {
            sql(
                conn,
                "ALTER TABLE numbered SET (timescaledb.compress, timescaledb.compress_orderby = 'at');
                 SELECT compress_chunk(c) FROM show_chunks('numbered') AS c",
            );
            assert_eq!(value(conn, &format!("SELECT coalesce(({MISSED}), '')")), "", "{of_type}: columnstore");
        }
        // The clock of some was wrong: the others are found; these are not, but their time is never a wrong one.
        sql(conn, &format!("INSERT INTO numbered VALUES (200, '{}', 1), (201, '{}', 2)", ends[0], ends[1]));
        let missed = value(conn, &format!("SELECT coalesce(({MISSED}), '')"));
        assert!(missed.split_whitespace().all(|id| ["200", "201"].contains(&id)), "{of_type}: {missed}");
        sql(conn, "DELETE FROM numbered");
        assert!(is_null(conn, 1), "{of_type}: empty chunks");
        sql(conn, "TRUNCATE numbered");
        assert!(is_null(conn, 1), "{of_type}: no chunks");
    }
}

#[test]
fn ids_in_another_order_than_times_are_never_found_at_a_wrong_time() {
    let (_db, mut conn) = TestDb::installed();
    let conn = &mut conn;
    let search = "diesel_timescale.time_of_id('readings', 'number', 'time', r.number, r.time)";
    sql(conn, "CREATE TABLE readings (number BIGINT, time TIMESTAMPTZ, PRIMARY KEY (number, time))");
    sql(conn, "INSERT INTO readings VALUES (1, now())");
    assert_eq!(
        value(conn, &format!("SELECT count({search}) FROM readings AS r")),
        "0",
        "a plain table is not searched"
    );
    sql(conn, "TRUNCATE readings");
    hypertable(readings::time).chunk_interval(TimeDelta::days(1)).allow_plain_table().call(conn).unwrap();
    sql(
        conn,
        "INSERT INTO readings SELECT row_number() OVER (ORDER BY md5(n::text)) + 1, now() + n * INTERVAL '3 hours'
         FROM generate_series(0, 400) AS n",
    );
    assert_eq!(value(conn, &format!("SELECT count(*) FROM readings AS r WHERE {search} <> r.time")), "0");
}

#[test]
fn a_search_for_an_id_reads_a_few_chunks() {
    needs!(Timescale);
    let (_db, mut conn) = readings();
    let conn = &mut conn;
    fill(conn, 100);
    for number in (0..2400).step_by(131) {
        sql(conn, "BEGIN");
        let found = value(
            conn,
            &format!(
                "SELECT diesel_timescale.time_of_id('readings', 'number', 'time', {number}, NULL::TIMESTAMPTZ) = '2026-01-01 00:00Z'::TIMESTAMPTZ + {number} * INTERVAL '1 hour'"
            ),
        );
        let locked = value(
            conn,
            "SELECT count(*) FROM pg_inherits JOIN pg_locks ON relation = inhrelid
             WHERE inhparent = 'readings'::REGCLASS AND coalesce(pid, 0) = pg_backend_pid()",
        );
        sql(conn, "ROLLBACK");
        assert_eq!(found, "true", "{number}");
        assert!(locked.parse::<i64>().unwrap() <= 8, "{number}: {locked} of 100 chunks");
    }
}
