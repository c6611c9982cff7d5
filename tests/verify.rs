//! Verification finds what is wrong, says how to mend it, and is silent on a healthy database.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use occupancy_models::FaultKind::{self, *};
use occupancy_models::timescale::{KNOWN_ISSUES, TimescaleVersion, known_issues};
use occupancy_models::{Call, Fault, verify};
use support::{Needs, TestDb, needs, sql, value};

const PREDICT: &str = "INSERT INTO predictions (room_id, predicted_transition_time, transition_type, confidence_score, model_type, model_version, triggering_event_id)
     SELECT 'room', now(), 'state_change', 0.5, 'hmm', '1', id FROM sensor_events";

/// A database with three referenced events in it.
fn healthy() -> (TestDb, PgConnection) {
    let (db, mut conn) = TestDb::ready();
    sql(
        &mut conn,
        &format!(
            "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state)
             SELECT timestamptz '2026-01-05' + n * interval '1 day', 'room', 'sensor', 'motion', 'on' FROM generate_series(1, 3) AS n;
             {PREDICT}"
        ),
    );
    assert_eq!(faults(&mut conn), []);
    (db, conn)
}

fn faults(conn: &mut PgConnection) -> Vec<Fault> {
    verify().allow_plain_table().call(conn).unwrap()
}

/// A fault to be seeded into a healthy database.
struct Seed {
    name: &'static str,
    needs: Option<Needs>,
    seed: &'static str,
    kind: FaultKind,
    /// The object that is named; a `*` stands for what differs from run to run.
    object: &'static str,
    /// What the detail must say.
    detail: &'static str,
}

const fn seed(name: &'static str, kind: FaultKind, object: &'static str, seed: &'static str) -> Seed {
    Seed { name, needs: None, seed, kind, object, detail: "" }
}

impl Seed {
    const fn needs(mut self, needs: Needs) -> Self {
        self.needs = Some(needs);
        self
    }

    const fn detail(mut self, detail: &'static str) -> Self {
        self.detail = detail;
        self
    }
}

const ALERTS: &str = "CREATE TABLE alerts (event_id BIGINT); SELECT reference_sensor_events('alerts', 'event_id'); INSERT INTO alerts SELECT id FROM sensor_events";

/// Each is found as one fault, and its remedy, executed as it is, mends it.
const SEEDS: &[Seed] = &[
    seed("no trigger that keeps keys", MissingTrigger, "sensor_events_key_is_fixed", "DROP TRIGGER sensor_events_key_is_fixed ON sensor_events"),
    seed("no trigger that locks", MissingTrigger, "sensor_events_lock_references", "DROP TRIGGER sensor_events_lock_references ON sensor_events"),
    seed("no trigger that releases", MissingTrigger, "sensor_events_release_references", "DROP TRIGGER sensor_events_release_references ON sensor_events"),
    seed("no trigger on TRUNCATE", MissingTrigger, "sensor_events_release_all_references", "DROP TRIGGER sensor_events_release_all_references ON sensor_events"),
    seed("no trigger on predictions", MissingTrigger, "predictions.triggering_event_id", "DROP TRIGGER reference_triggering_event_id ON predictions"),
    seed("no trigger on another table", MissingTrigger, "alerts.event_id", "DROP TRIGGER reference_event_id ON alerts"),
    // A hypertable refuses to disable a trigger; the catalog does not.
    seed("disabled trigger that keeps keys", DisabledTrigger, "sensor_events_key_is_fixed", "UPDATE pg_trigger SET tgenabled = 'D' WHERE tgname = 'sensor_events_key_is_fixed' AND tgrelid = 'sensor_events'::regclass"),
    seed("disabled trigger that locks", DisabledTrigger, "sensor_events_lock_references", "UPDATE pg_trigger SET tgenabled = 'D' WHERE tgname = 'sensor_events_lock_references' AND tgrelid = 'sensor_events'::regclass"),
    seed("disabled trigger that releases", DisabledTrigger, "sensor_events_release_references", "UPDATE pg_trigger SET tgenabled = 'D' WHERE tgname = 'sensor_events_release_references' AND tgrelid = 'sensor_events'::regclass"),
    seed("trigger for replicas only", DisabledTrigger, "sensor_events_release_all_references", "UPDATE pg_trigger SET tgenabled = 'R' WHERE tgname = 'sensor_events_release_all_references' AND tgrelid = 'sensor_events'::regclass"),
    seed("disabled trigger on predictions", DisabledTrigger, "reference_triggering_event_id", "ALTER TABLE predictions DISABLE TRIGGER reference_triggering_event_id"),
    seed(
        "trigger disabled on one chunk", DisabledTrigger, "sensor_events_release_references",
        "UPDATE pg_trigger SET tgenabled = 'D' WHERE tgname = 'sensor_events_release_references'
         AND tgrelid = (SELECT min(chunk::oid) FROM show_chunks('sensor_events') AS chunk)",
    )
    .needs(Needs::Timescale)
    .detail("1 chunk"),
    seed(
        "no trigger on one chunk", DisabledTrigger, "sensor_events_key_is_fixed",
        "DO $$ BEGIN EXECUTE format('DROP TRIGGER sensor_events_key_is_fixed ON %s', (SELECT min(chunk::oid)::regclass FROM show_chunks('sensor_events') AS chunk)); END $$",
    )
    .needs(Needs::Timescale)
    .detail("1 chunk"),
    seed("no foreign key", MissingForeignKey, "predictions.triggering_event_id", "ALTER TABLE predictions DROP CONSTRAINT predictions_triggering_event_id_fkey"),
    seed("no foreign key on another table", MissingForeignKey, "alerts.event_id", "ALTER TABLE alerts DROP CONSTRAINT alerts_event_id_fkey"),
    seed(
        "foreign key that cascades", WrongForeignKey, "cascades",
        "ALTER TABLE predictions DROP CONSTRAINT predictions_triggering_event_id_fkey,
             ADD CONSTRAINT cascades FOREIGN KEY (triggering_event_id) REFERENCES referenced_events (id) ON DELETE CASCADE",
    ),
    seed(
        "foreign key that refuses", WrongForeignKey, "refuses",
        "ALTER TABLE predictions DROP CONSTRAINT predictions_triggering_event_id_fkey,
             ADD CONSTRAINT refuses FOREIGN KEY (triggering_event_id) REFERENCES referenced_events (id)",
    ),
    seed(
        "foreign key not validated", WrongForeignKey, "unchecked",
        "ALTER TABLE predictions DROP CONSTRAINT predictions_triggering_event_id_fkey,
             ADD CONSTRAINT unchecked FOREIGN KEY (triggering_event_id) REFERENCES referenced_events (id) ON DELETE SET NULL NOT VALID",
    ),
    seed(
        "native foreign key", NativeForeignKey, "rivals_fk",
        "CREATE TABLE rivals (
             event_timestamp TIMESTAMPTZ, event_id BIGINT,
             CONSTRAINT rivals_fk FOREIGN KEY (event_timestamp, event_id) REFERENCES sensor_events (timestamp, id)
         )",
    ),
    seed("no primary key", MissingKey, "sensor_events", "ALTER TABLE sensor_events DROP CONSTRAINT sensor_events_pkey").detail("PRIMARY KEY on (id, timestamp)"),
    seed("no unique key", MissingKey, "sensor_events", "ALTER TABLE sensor_events DROP CONSTRAINT sensor_events_sensor_id_timestamp_key").detail("UNIQUE on (sensor_id, timestamp)"),
    seed("ids that inserts may bring", IdNotGenerated, "sensor_events.id", "ALTER TABLE sensor_events ALTER COLUMN id SET GENERATED BY DEFAULT"),
    seed("ids that nobody hands out", IdNotGenerated, "sensor_events.id", "ALTER TABLE sensor_events ALTER COLUMN id DROP IDENTITY"),
    seed(
        "an id beyond the sequence", SequenceBehind, "*.sensor_events_id_seq",
        "INSERT INTO sensor_events (id, timestamp, room_id, sensor_id, sensor_type, state)
         OVERRIDING SYSTEM VALUE VALUES (42, '2026-02-01', 'room', 'sensor', 'motion', 'on')",
    ),
    seed(
        "an id forced in twice", DuplicateId, "sensor_events.id 2",
        "INSERT INTO sensor_events (id, timestamp, room_id, sensor_id, sensor_type, state)
         OVERRIDING SYSTEM VALUE VALUES (2, '2025-02-01', 'room', 'sensor', 'motion', 'on'), (2, '2026-02-01', 'room', 'sensor', 'motion', 'on')",
    )
    .detail("3 events"),
    seed("a plain drop_chunks", DanglingReference, "referenced_events", "SELECT drop_chunks('sensor_events', older_than => timestamptz '2026-01-07 12:00+00')")
        .needs(Needs::Timescale),
    seed(
        "a delete that went around the triggers", DanglingReference, "referenced_events",
        "SET session_replication_role TO replica; DELETE FROM sensor_events WHERE id = 2; SET session_replication_role TO origin",
    ),
    seed(
        "a reference that went around the foreign key", DanglingReference, "predictions.triggering_event_id",
        "SET session_replication_role TO replica; UPDATE predictions SET triggering_event_id = 42 WHERE id = 1; SET session_replication_role TO origin",
    ),
    seed("a retention policy of the server", ForeignRetentionPolicy, "job *", "SELECT add_retention_policy('sensor_events', interval '90 days')")
        .needs(Needs::Community),
];

#[test]
fn each_seeded_fault_is_found_and_its_remedy_mends_it() {
    assert!(SEEDS.iter().filter(|seed| seed.needs.is_none()).count() >= 12);
    for seed in SEEDS {
        if seed.needs.is_some_and(|needs| !support::has(needs)) {
            continue;
        }
        let (_db, mut conn) = healthy();
        sql(&mut conn, ALERTS);
        assert_eq!(faults(&mut conn), [], "before: {}", seed.name);
        sql(&mut conn, seed.seed);
        let found = faults(&mut conn);
        let [fault] = found.as_slice() else { panic!("{}: {found:#?}", seed.name) };
        assert_eq!(fault.kind, seed.kind, "{}: {fault}", seed.name);
        match seed.object.split_once('*') {
            Some((before, after)) => {
                assert!(fault.object.starts_with(before) && fault.object.ends_with(after), "{}: {fault}", seed.name)
            }
            None => assert_eq!(fault.object, seed.object, "{}", seed.name),
        }
        assert!(fault.detail.contains(seed.detail), "{}: {fault}", seed.name);
        sql(&mut conn, &fault.remedy);
        assert_eq!(faults(&mut conn), [], "{}: after the remedy {}", seed.name, fault.remedy);
        assert_works(&mut conn, seed.name);
    }
}

/// A new event, a reference to it, and the reference is cleared with it.
#[track_caller]
fn assert_works(conn: &mut PgConnection, name: &str) {
    sql(
        conn,
        "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state) VALUES ('2026-03-01', 'room', 'last', 'motion', 'on');
         INSERT INTO alerts SELECT id FROM sensor_events WHERE sensor_id = 'last';
         INSERT INTO predictions (room_id, predicted_transition_time, transition_type, confidence_score, model_type, model_version, triggering_event_id)
         SELECT 'last', now(), 'state_change', 0.5, 'hmm', '1', id FROM sensor_events WHERE sensor_id = 'last'",
    );
    let cleared = "SELECT concat_ws(' ', (SELECT count(*) FROM predictions WHERE room_id = 'last' AND triggering_event_id IS NULL), (SELECT count(*) FROM alerts WHERE event_id IS NULL))";
    let nulls = |conn: &mut PgConnection| -> Vec<i64> {
        value(conn, cleared).split(' ').map(|count| count.parse().unwrap()).collect()
    };
    let before = nulls(conn);
    sql(conn, "DELETE FROM sensor_events WHERE sensor_id = 'last'");
    assert_eq!(nulls(conn), [before[0] + 1, before[1] + 1], "after {name}");
}

/// What a native foreign key means depends on the release; the known issues of the one that was found are told.
#[test]
fn a_native_foreign_key_is_reported_with_the_known_issues_of_the_server() {
    let (_db, mut conn) = healthy();
    sql(
        &mut conn,
        "CREATE TABLE rivals (
             event_id BIGINT, event_timestamp TIMESTAMPTZ,
             CONSTRAINT rivals_fk FOREIGN KEY (event_id, event_timestamp) REFERENCES sensor_events (id, timestamp)
         )",
    );
    let found = faults(&mut conn);
    let told: Vec<_> = KNOWN_ISSUES.iter().filter(|issue| found[0].detail.contains(issue.id)).collect();
    assert_eq!(told, known_issues(support::server()).collect::<Vec<_>>(), "{}", found[0]);
    for issue in told {
        assert!(issue.sources.iter().all(|source| found[0].detail.contains(source)), "{}", found[0]);
    }
}

#[test]
fn each_release_has_the_known_issues_that_it_has() {
    let of = |text: &str| -> Vec<_> {
        let version: TimescaleVersion = text.parse().unwrap();
        KNOWN_ISSUES.iter().filter(|issue| issue.affects(version)).map(|issue| issue.id).collect()
    };
    let (false_violations, refused, dropped, again, race, second) = (
        "false_foreign_key_violations",
        "drop_chunks_refused",
        "drop_chunks_drops_foreign_key",
        "drop_chunks_refused_again",
        "concurrent_delete_leaves_reference",
        "second_foreign_key_not_kept",
    );
    assert_eq!(of("2.17.0"), [false_violations, refused, race, second]);
    assert_eq!(of("2.21.0"), [false_violations, refused, race, second]);
    assert_eq!(of("2.21.1"), [refused, race, second]);
    assert_eq!(of("2.22.0"), [dropped, race, second]);
    assert_eq!(of("2.23.0-dev"), [dropped, race, second]);
    assert_eq!(of("2.25.2"), [dropped, second]);
    assert_eq!(of("2.27.2"), [dropped, second]);
    assert_eq!(of("2.28.0"), [again, second]);
    assert_eq!(of("2.31.0"), [again, second]);
    for issue in KNOWN_ISSUES {
        assert!(!issue.sources.is_empty() && issue.sources.iter().all(|source| source.starts_with("https://")));
    }
}

/// Of the known issues, what the server in hand shows of dropping chunks.
#[test]
fn the_server_does_with_a_native_foreign_key_what_the_known_issues_say() {
    needs!(Timescale);
    let (_db, mut conn) = healthy();
    sql(
        &mut conn,
        "CREATE TABLE rivals (
             event_id BIGINT, event_timestamp TIMESTAMPTZ,
             CONSTRAINT rivals_fk FOREIGN KEY (event_id, event_timestamp) REFERENCES sensor_events (id, timestamp)
         )",
    );
    let issues: Vec<_> = known_issues(support::server()).map(|issue| issue.id).collect();
    let dropped =
        conn.batch_execute("SELECT drop_chunks('sensor_events', older_than => timestamptz '2026-01-07 12:00+00')");
    assert_eq!(dropped.is_err(), issues.iter().any(|issue| issue.starts_with("drop_chunks_refused")), "{dropped:?}");
    let left = value(&mut conn, "SELECT count(*) FROM pg_constraint WHERE conname = 'rivals_fk'");
    assert_eq!(left == "0", issues.contains(&"drop_chunks_drops_foreign_key"));
}

#[test]
fn a_healthy_database_with_compressed_chunks_and_other_hypertables_is_silent() {
    let (_db, mut conn) = healthy();
    sql(&mut conn, ALERTS);
    if support::has(support::Needs::Timescale) {
        sql(
            &mut conn,
            "CREATE TABLE notes (at TIMESTAMPTZ NOT NULL, event_id BIGINT); SELECT create_hypertable('notes', by_range('at'));
             SELECT reference_sensor_events('notes', 'event_id');
             INSERT INTO notes SELECT timestamp, id FROM sensor_events",
        );
    }
    if support::has(support::Needs::Community) {
        sql(
            &mut conn,
            "ALTER TABLE sensor_events SET (timescaledb.compress, timescaledb.compress_segmentby = 'sensor_id', timescaledb.compress_orderby = 'timestamp, id');
             SELECT compress_chunk(chunk) FROM (SELECT chunk FROM show_chunks('sensor_events') AS chunk LIMIT 2) AS c",
        );
    }
    assert_eq!(faults(&mut conn), []);
}

#[test]
fn a_plain_table_is_a_fault_unless_it_will_do() {
    let (_db, mut conn) = TestDb::migrated();
    let found = verify().call(&mut conn).unwrap();
    assert_eq!(found.iter().map(|fault| fault.kind).collect::<Vec<_>>(), [NotAHypertable]);
    assert_eq!(faults(&mut conn), []);
    if support::has(support::Needs::Timescale) {
        sql(&mut conn, &found[0].remedy);
        assert_eq!(verify().call(&mut conn).unwrap(), []);
    }
}

#[test]
fn a_dimension_on_another_column() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    sql(
        &mut conn,
        "ALTER TABLE sensor_events DROP CONSTRAINT sensor_events_pkey, DROP CONSTRAINT sensor_events_sensor_id_timestamp_key;
         SELECT create_hypertable('sensor_events', by_range('created_at'))",
    );
    // No statement mends that: the remedy says what to do.
    assert_eq!(
        faults(&mut conn).iter().map(|fault| (fault.kind, fault.object.as_str())).collect::<Vec<_>>(),
        [(WrongDimension, "sensor_events"), (MissingKey, "sensor_events"), (MissingKey, "sensor_events")]
    );
}

#[test]
fn an_id_forced_in_twice_is_mended_without_losing_an_event_or_a_reference() {
    let (_db, mut conn) = healthy();
    sql(
        &mut conn,
        "INSERT INTO sensor_events (id, timestamp, room_id, sensor_id, sensor_type, state)
         OVERRIDING SYSTEM VALUE VALUES (2, '2025-02-01', 'room', 'sensor', 'motion', 'on')",
    );
    assert_eq!(verify().allow_plain_table().scan_events(false).call(&mut conn).unwrap(), []);
    let found = faults(&mut conn);
    sql(&mut conn, &found[0].remedy);
    assert_eq!(value(&mut conn, "SELECT count(*) FROM sensor_events"), "4");
    // The event that the reference was made to has kept its id.
    assert_eq!(value(&mut conn, "SELECT timestamp = timestamptz '2026-01-07' FROM sensor_events WHERE id = 2"), "true");
    assert_eq!(value(&mut conn, "SELECT count(triggering_event_id) FROM predictions"), "3");
}
