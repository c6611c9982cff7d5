//! Verification finds what is wrong, says how to fix it, and is silent on a healthy database.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use chrono::{DateTime, TimeZone, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use occupancy_models::ViolationKind::{self, *};
use occupancy_models::schema::sensor_events;
use occupancy_models::timescale::{KNOWN_ISSUES, KnownIssue, TimescaleVersion, known_issues};
use occupancy_models::{Call, Error, Violation, verify};
use support::{Needs, TestDb, needs, sql, sql_error, value, values};

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
    assert_eq!(violations(&mut conn), []);
    (db, conn)
}

/// What is wrong with the database; that a server reports each job as failed is not of interest here.
fn violations(conn: &mut PgConnection) -> Vec<Violation> {
    let found = verify().allow_plain_table().call(conn).unwrap();
    found.into_iter().filter(|violation| violation.kind != JobsReportedFailed).collect()
}

/// A violation to be seeded into a healthy database.
struct Seed {
    name: &'static str,
    needs: Option<Needs>,
    seed: &'static str,
    kind: ViolationKind,
    /// The object that is named; a `*` stands for what differs from run to run.
    object: &'static str,
    /// What the detail must say.
    detail: &'static str,
}

const fn seed(name: &'static str, kind: ViolationKind, object: &'static str, seed: &'static str) -> Seed {
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

const ALERTS: &str = "CREATE TABLE alerts (event_id BIGINT); SELECT add_sensor_event_reference('alerts', 'event_id'); INSERT INTO alerts SELECT id FROM sensor_events";

/// Runs what is given as the fix. It is one statement, as PostgreSQL prepares no more than one: whatever runs it, it does
/// all or nothing.
#[track_caller]
fn run_fix(conn: &mut PgConnection, violation: &Violation) {
    try_fix(conn, violation).unwrap_or_else(|error| panic!("{error}\nin: {violation}"));
}

fn try_fix(conn: &mut PgConnection, violation: &Violation) -> QueryResult<usize> {
    diesel::sql_query(&violation.remedy).execute(conn)
}

/// Each is found as one violation, and its remedy, executed as it is, fixes it.
const SEEDS: &[Seed] = &[
    seed("no trigger that keeps keys", MissingTrigger, "sensor_events_key_is_fixed", "DROP TRIGGER sensor_events_key_is_fixed ON sensor_events"),
    seed("no trigger that releases", MissingTrigger, "sensor_events_release_references", "DROP TRIGGER sensor_events_release_references ON sensor_events"),
    seed("no trigger on TRUNCATE", MissingTrigger, "sensor_events_release_all_references", "DROP TRIGGER sensor_events_release_all_references ON sensor_events"),
    seed("no trigger on predictions", MissingTrigger, "predictions.triggering_event_id", "DROP TRIGGER reference_triggering_event_id ON predictions"),
    seed("no trigger on another table", MissingTrigger, "alerts.event_id", "DROP TRIGGER reference_event_id ON alerts"),
    // A hypertable refuses to disable a trigger; the catalog does not.
    seed("disabled trigger that keeps keys", DisabledTrigger, "sensor_events_key_is_fixed", "UPDATE pg_trigger SET tgenabled = 'D' WHERE tgname = 'sensor_events_key_is_fixed' AND tgrelid = 'sensor_events'::regclass"),
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
    seed(
        "another function under the name of a trigger on events", WrongTrigger, "sensor_events_release_references",
        "CREATE FUNCTION does_nothing() RETURNS TRIGGER LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         DROP TRIGGER sensor_events_release_references ON sensor_events;
         CREATE TRIGGER sensor_events_release_references AFTER DELETE ON sensor_events FOR EACH ROW EXECUTE FUNCTION does_nothing()",
    )
    .detail("does_nothing()"),
    seed(
        "a trigger that does not name the registry", WrongTrigger, "sensor_events_release_references",
        "DROP TRIGGER sensor_events_release_references ON sensor_events;
         CREATE TRIGGER sensor_events_release_references AFTER DELETE ON sensor_events FOR EACH ROW EXECUTE FUNCTION release_sensor_events()",
    )
    .detail("other arguments"),
    seed(
        "another function under the name of a trigger on predictions", WrongTrigger, "reference_triggering_event_id",
        "CREATE FUNCTION does_nothing() RETURNS TRIGGER LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         DROP TRIGGER reference_triggering_event_id ON predictions;
         CREATE TRIGGER reference_triggering_event_id BEFORE INSERT ON predictions FOR EACH ROW EXECUTE FUNCTION does_nothing()",
    )
    .detail("does_nothing()"),
    // What a superuser does with DISABLE TRIGGER ALL.
    seed(
        "disabled trigger of a foreign key, where it checks", DisabledTrigger, "predictions_triggering_event_id_fkey",
        "UPDATE pg_trigger SET tgenabled = 'D' WHERE tgisinternal AND tgrelid = 'predictions'::regclass",
    )
    .detail("2 disabled"),
    seed(
        "disabled trigger of a foreign key, where it clears", DisabledTrigger, "alerts_event_id_fkey",
        "UPDATE pg_trigger SET tgenabled = 'D' WHERE tgisinternal AND tgrelid = 'referenced_events'::regclass AND tgconstrrelid = 'alerts'::regclass",
    )
    .detail("2 disabled"),
    seed("a reference that must not be null", WrongForeignKey, "predictions_triggering_event_id_fkey", "ALTER TABLE predictions ALTER COLUMN triggering_event_id SET NOT NULL"),
    seed("no foreign key and no trigger", MissingForeignKey, "predictions.triggering_event_id", "ALTER TABLE predictions DROP CONSTRAINT predictions_triggering_event_id_fkey; DROP TRIGGER reference_triggering_event_id ON predictions"),
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
         OVERRIDING SYSTEM VALUE VALUES (4200, '2026-02-01', 'room', 'sensor', 'motion', 'on')",
    ),
    seed(
        "an id of a prediction beyond the sequence", SequenceBehind, "*.predictions_id_seq",
        "INSERT INTO predictions (id, room_id, predicted_transition_time, transition_type, confidence_score, model_type, model_version)
         OVERRIDING SYSTEM VALUE VALUES (4200, 'room', now(), 'state_change', 0.5, 'hmm', '1')",
    ),
    seed(
        "an id forced in twice", DuplicateId, "sensor_events.id 2",
        "INSERT INTO sensor_events (id, timestamp, room_id, sensor_id, sensor_type, state)
         OVERRIDING SYSTEM VALUE VALUES (2, '2025-02-01', 'room', 'sensor', 'motion', 'on'), (2, '2026-02-01', 'room', 'sensor', 'motion', 'on')",
    )
    .detail("3 events"),
    seed(
        "an id brought into a chunk", DuplicateId, "sensor_events.id 2",
        "DO $$ BEGIN EXECUTE format(
             'INSERT INTO %s (id, timestamp, room_id, sensor_id, sensor_type, state) VALUES (2, ''2026-01-06 12:00+00'', ''room'', ''chunk'', ''motion'', ''on'')',
             (SELECT min(chunk::oid)::regclass FROM show_chunks('sensor_events') AS chunk)
         ); END $$",
    )
    .needs(Needs::Timescale)
    .detail("2 events"),
    seed(
        "a reference in a hypertable that dangles", DanglingReference, "notes.event_id",
        "CREATE TABLE notes (at TIMESTAMPTZ NOT NULL, event_id BIGINT); SELECT create_hypertable('notes', by_range('at'));
         SELECT add_sensor_event_reference('notes', 'event_id'); INSERT INTO notes SELECT timestamp, id FROM sensor_events;
         SET session_replication_role TO replica; UPDATE notes SET event_id = 99; SET session_replication_role TO origin",
    )
    .needs(Needs::Timescale)
    .detail("3 rows"),
    seed(
        "a disabled trigger on a hypertable that refers", DisabledTrigger, "reference_event_id",
        "CREATE TABLE notes (at TIMESTAMPTZ NOT NULL, event_id BIGINT); SELECT create_hypertable('notes', by_range('at'));
         SELECT add_sensor_event_reference('notes', 'event_id'); INSERT INTO notes SELECT timestamp, id FROM sensor_events;
         UPDATE pg_trigger SET tgenabled = 'D' WHERE tgname = 'reference_event_id' AND tgrelid <> 'alerts'::regclass",
    )
    .needs(Needs::Timescale)
    .detail("notes.event_id"),
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
    seed(
        "a reference to an event that is there, and not registered", UnregisteredReference, "alerts.event_id",
        "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state) VALUES ('2026-02-01', 'room', 'unregistered', 'motion', 'on');
         SET session_replication_role TO replica; INSERT INTO alerts SELECT id FROM sensor_events WHERE sensor_id = 'unregistered'; SET session_replication_role TO origin",
    )
    .detail("1 rows"),
    seed("a retention policy of the server", ForeignRetentionPolicy, "job *", "SELECT add_retention_policy('sensor_events', interval '90 days')")
        .needs(Needs::Community),
];

#[test]
fn each_seeded_violation_is_found_and_its_remedy_fixes_it() {
    assert!(SEEDS.iter().filter(|seed| seed.needs.is_none()).count() >= 12);
    let (_db, mut conn) = healthy();
    sql(&mut conn, ALERTS);
    assert_eq!(violations(&mut conn), []);
    for seed in SEEDS {
        if seed.needs.is_none_or(support::has) {
            conn.test_transaction::<_, Error, _>(|conn| {
                assert_found_and_mended(conn, seed);
                Ok(())
            });
        }
    }
}

fn assert_found_and_mended(conn: &mut PgConnection, seed: &Seed) {
    sql(conn, seed.seed);
    let found = violations(conn);
    let [violation] = found.as_slice() else { panic!("{}: {found:#?}", seed.name) };
    assert_eq!(violation.kind, seed.kind, "{}: {violation}", seed.name);
    match seed.object.split_once('*') {
        Some((before, after)) => {
            assert!(
                violation.object.starts_with(before) && violation.object.ends_with(after),
                "{}: {violation}",
                seed.name
            )
        }
        None => assert_eq!(violation.object, seed.object, "{}", seed.name),
    }
    assert!(violation.detail.contains(seed.detail), "{}: {violation}", seed.name);
    // Whatever the search_path of whoever runs it.
    let search_path = value(conn, "SELECT current_setting('search_path')");
    sql(conn, "SET LOCAL search_path TO pg_catalog");
    run_fix(conn, violation);
    sql(conn, &format!("SET LOCAL search_path TO {search_path}"));
    assert_eq!(violations(conn), [], "{}: after the remedy {}", seed.name, violation.remedy);
    assert_works(conn, seed.name);
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
    let found = violations(&mut conn);
    let is_told = |id: &str| found[0].detail.contains(&format!("Known issue {id}: "));
    let told: Vec<_> = KNOWN_ISSUES.iter().filter(|issue| is_told(issue.id)).collect();
    let expected = known_issues(support::server()).filter(|issue| issue.subject == "foreign_key_to_hypertable");
    assert_eq!(told, expected.collect::<Vec<_>>(), "{}", found[0]);
    for issue in told {
        assert!(issue.sources.iter().all(|source| found[0].detail.contains(source)), "{}", found[0]);
    }
}

#[test]
fn each_release_has_the_known_issues_that_it_has() {
    let of = |text: &str| -> Vec<_> {
        let version: TimescaleVersion = text.parse().unwrap();
        let foreign_key = |issue: &&KnownIssue| issue.subject == "foreign_key_to_hypertable";
        KNOWN_ISSUES
            .iter()
            .filter(foreign_key)
            .filter(|issue| issue.affects(version, 170_005))
            .map(|issue| issue.id)
            .collect()
    };
    let (false_violations, refused, dropped, again, race, second, truncate_refused, truncate_drops) = (
        "false_foreign_key_violations",
        "drop_chunks_refused",
        "drop_chunks_drops_foreign_key",
        "drop_chunks_refused_again",
        "concurrent_delete_leaves_reference",
        "second_foreign_key_not_kept",
        "truncate_refused",
        "truncate_drops_foreign_key",
    );
    assert_eq!(of("2.17.0"), [false_violations, refused, race, second, truncate_refused]);
    assert_eq!(of("2.21.0"), [false_violations, refused, race, second, truncate_refused]);
    assert_eq!(of("2.21.1"), [refused, race, second, truncate_refused]);
    assert_eq!(of("2.22.0"), [dropped, race, second, truncate_drops]);
    assert_eq!(of("2.23.0-dev"), [dropped, race, second, truncate_drops]);
    assert_eq!(of("2.25.2"), [dropped, second, truncate_drops]);
    assert_eq!(of("2.27.2"), [dropped, second, truncate_drops]);
    assert_eq!(of("2.28.0"), [again, second, truncate_drops]);
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
             SELECT add_sensor_event_reference('notes', 'event_id');
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
    assert_eq!(violations(&mut conn), []);
}

#[test]
fn a_plain_table_is_a_fault_unless_it_is_allowed() {
    let (_db, mut conn) = TestDb::migrated();
    let found = verify().call(&mut conn).unwrap();
    assert_eq!(found.iter().map(|violation| violation.kind).collect::<Vec<_>>(), [NotAHypertable]);
    assert_eq!(violations(&mut conn), []);
    if support::has(support::Needs::Timescale) {
        run_fix(&mut conn, &found[0]);
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
    // No statement fixes that: the remedy says what to do.
    assert_eq!(
        violations(&mut conn).iter().map(|violation| (violation.kind, violation.object.as_str())).collect::<Vec<_>>(),
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
    let found = violations(&mut conn);
    run_fix(&mut conn, &found[0]);
    assert_eq!(value(&mut conn, "SELECT count(*) FROM sensor_events"), "4");
    // The event that the reference was made to has kept its id.
    assert_eq!(value(&mut conn, "SELECT timestamp = timestamptz '2026-01-07' FROM sensor_events WHERE id = 2"), "true");
    assert_eq!(value(&mut conn, "SELECT count(triggering_event_id) FROM predictions"), "3");
}

/// What differs between violations that are told apart by their kind and object alone.
fn kinds(found: &[Violation]) -> Vec<(ViolationKind, &str)> {
    found.iter().map(|violation| (violation.kind, violation.object.as_str())).collect()
}

#[test]
fn what_a_foreign_key_of_another_table_does_is_for_its_maker_to_say() {
    let (_db, mut conn) = healthy();
    for action in ["", "ON DELETE RESTRICT", "ON DELETE CASCADE", "ON DELETE SET DEFAULT"] {
        sql(
            &mut conn,
            &format!(
                "DROP TABLE IF EXISTS notes;
                 CREATE TABLE notes (event_id BIGINT NOT NULL DEFAULT 1 REFERENCES referenced_events (id) {action});
                 SELECT add_sensor_event_reference('notes', 'event_id')",
            ),
        );
        assert_eq!(violations(&mut conn), [], "{action}");
    }
}

#[test]
fn the_fix_for_a_reference_that_must_not_be_null_keeps_it_so_and_adds_a_foreign_key() {
    let (_db, mut conn) = healthy();
    sql(
        &mut conn,
        &format!(
            "{ALERTS}; DELETE FROM referenced_events; INSERT INTO alerts SELECT id FROM sensor_events;
             UPDATE predictions SET triggering_event_id = NULL; DELETE FROM alerts WHERE event_id IS NULL;
             ALTER TABLE alerts ALTER COLUMN event_id SET NOT NULL; ALTER TABLE alerts DROP CONSTRAINT alerts_event_id_fkey;
             DELETE FROM referenced_events"
        ),
    );
    let found = violations(&mut conn);
    assert_eq!(kinds(&found), [(UnregisteredReference, "alerts.event_id"), (MissingForeignKey, "alerts.event_id")]);
    // The second registers as well.
    run_fix(&mut conn, &found[1]);
    assert_eq!(violations(&mut conn), []);
    assert_eq!(value(&mut conn, "SELECT count(*) FROM alerts"), "3");
    let refused = sql_error(&mut conn, "DELETE FROM sensor_events WHERE id = 1");
    assert!(refused.contains("foreign key constraint"), "{refused}");
    assert!(sql_error(&mut conn, "INSERT INTO alerts VALUES (NULL)").contains("null value"));
    assert!(sql_error(&mut conn, "INSERT INTO alerts VALUES (99)").contains("violates foreign key constraint"));
}

/// What a foreign key to a column that must not be null cannot do.
#[test]
fn a_reference_that_must_not_be_null_is_never_set_null() {
    let (_db, mut conn) = healthy();
    sql(
        &mut conn,
        &format!(
            "{ALERTS}; ALTER TABLE alerts ALTER COLUMN event_id SET NOT NULL; DROP TRIGGER reference_event_id ON alerts"
        ),
    );
    let found = violations(&mut conn);
    assert_eq!(kinds(&found), [(WrongForeignKey, "alerts_event_id_fkey"), (MissingTrigger, "alerts.event_id")]);
    for violation in &found {
        run_fix(&mut conn, violation);
    }
    assert_eq!(violations(&mut conn), []);
    let refused = sql_error(&mut conn, "DELETE FROM sensor_events WHERE id = 1");
    assert!(refused.contains("foreign key constraint"), "{refused}");
}

#[test]
fn a_fix_that_fails_leaves_what_there_was() {
    let (_db, mut conn) = healthy();
    // A row dangles, so no foreign key can be added over it.
    sql(
        &mut conn,
        "SET session_replication_role TO replica; UPDATE predictions SET triggering_event_id = 99 WHERE id = 1; SET session_replication_role TO origin;
         ALTER TABLE predictions DROP CONSTRAINT predictions_triggering_event_id_fkey,
             ADD CONSTRAINT cascades FOREIGN KEY (triggering_event_id) REFERENCES referenced_events (id) ON DELETE CASCADE NOT VALID",
    );
    let found = violations(&mut conn);
    assert_eq!(
        kinds(&found),
        [
            (DanglingReference, "predictions.triggering_event_id"),
            (WrongForeignKey, "cascades"),
            (WrongForeignKey, "cascades")
        ]
    );
    for violation in &found[1..] {
        let error = try_fix(&mut conn, violation).unwrap_err().to_string();
        assert!(error.contains("violates foreign key constraint"), "{error}");
        assert_eq!(violations(&mut conn), found, "after {}", violation.remedy);
    }
    // In their order they do.
    for violation in &found {
        if violations(&mut conn).contains(violation) {
            run_fix(&mut conn, violation);
        }
    }
    assert_eq!(violations(&mut conn), []);
}

#[test]
fn the_fix_for_a_reference_that_is_not_registered_keeps_it_and_that_for_one_that_dangles_keeps_the_others() {
    let (_db, mut conn) = healthy();
    sql(
        &mut conn,
        "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state) VALUES ('2026-02-01', 'room', 'unregistered', 'motion', 'on');
         SET session_replication_role TO replica;
         UPDATE predictions SET triggering_event_id = 4 WHERE id = 1; UPDATE predictions SET triggering_event_id = 99 WHERE id = 2;
         SET session_replication_role TO origin",
    );
    let found = violations(&mut conn);
    assert_eq!(
        kinds(&found),
        [
            (UnregisteredReference, "predictions.triggering_event_id"),
            (DanglingReference, "predictions.triggering_event_id")
        ]
    );
    assert!(found.iter().all(|violation| violation.detail.starts_with("1 rows ")), "{found:?}");
    // In the order that loses most, if one of them did too much.
    for violation in found.iter().rev() {
        run_fix(&mut conn, violation);
    }
    assert_eq!(violations(&mut conn), []);
    assert_eq!(values(&mut conn, "SELECT triggering_event_id FROM predictions ORDER BY id"), ["4", "", "3"]);
}

#[test]
fn attached_partitioned_and_inherited_tables_are_silent() {
    let (_db, mut conn) = healthy();
    sql(
        &mut conn,
        "CREATE TABLE parted (at DATE, event_id BIGINT) PARTITION BY RANGE (at);
         CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
         SELECT add_sensor_event_reference('parted', 'event_id');
         CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM ('2026-07-01') TO ('2027-01-01');
         INSERT INTO parted SELECT at, id FROM sensor_events, (VALUES (date '2026-02-01'), ('2026-08-01')) AS v (at);
         CREATE TABLE parent (event_id BIGINT); SELECT add_sensor_event_reference('parent', 'event_id');
         CREATE TABLE child () INHERITS (parent); INSERT INTO child VALUES (99)",
    );
    assert_eq!(violations(&mut conn), []);
    // And of a partition alone it is seen what it lacks.
    sql(
        &mut conn,
        "UPDATE pg_trigger SET tgenabled = 'D' WHERE tgisinternal AND tgrelid = 'parted_2'::regclass AND tgconstraint <> 0",
    );
    let found = violations(&mut conn);
    assert_eq!(kinds(&found), [(DisabledTrigger, "parted_event_id_fkey")]);
    run_fix(&mut conn, &found[0]);
    assert_eq!(violations(&mut conn), []);
}

#[test]
fn a_renamed_column_is_reported_and_its_fix_lets_references_in_again() {
    let (_db, mut conn) = healthy();
    sql(&mut conn, &format!("{ALERTS}; ALTER TABLE alerts RENAME COLUMN event_id TO \"an event's id\""));
    let found = violations(&mut conn);
    assert_eq!(kinds(&found), [(WrongTrigger, "reference_event_id")]);
    assert!(found[0].detail.contains("alerts.\"an event's id\""), "{}", found[0]);
    run_fix(&mut conn, &found[0]);
    assert_eq!(violations(&mut conn), []);
    sql(
        &mut conn,
        "INSERT INTO sensor_events (timestamp, room_id, sensor_id, sensor_type, state) VALUES ('2026-03-01', 'room', 'last', 'motion', 'on');
         INSERT INTO alerts SELECT max(id) FROM sensor_events",
    );
    assert_eq!(
        value(&mut conn, "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = 'alerts'::regclass"),
        "1"
    );
}

#[test]
fn a_table_that_is_dropped_meanwhile_is_left_out() {
    needs!(TwoConnections);
    let (db, mut conn) = healthy();
    sql(&mut conn, ALERTS);
    // What the transaction sees of the catalog is from before; what it can read is from after.
    sql(&mut conn, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM sensor_events");
    sql(&mut db.connect(), "DROP TABLE alerts");
    assert_eq!(value(&mut conn, "SELECT count(*) FROM pg_class WHERE relname = 'alerts'"), "1");
    assert_eq!(violations(&mut conn), []);
}

#[test]
fn it_writes_nothing() {
    let (_db, mut conn) = healthy();
    sql(&mut conn, &format!("{ALERTS}; ALTER TABLE predictions DISABLE TRIGGER reference_triggering_event_id"));
    sql(&mut conn, "BEGIN READ ONLY");
    assert_eq!(kinds(&violations(&mut conn)), [(DisabledTrigger, "reference_triggering_event_id")]);
    assert_eq!(value(&mut conn, "SELECT pg_current_xact_id_if_assigned() IS NULL"), "true");
    sql(&mut conn, "COMMIT");
}

/// The ways to bring an id that nothing checks are found afterwards; COPY is one, that of this crate brings none.
#[test]
fn an_id_that_came_by_copy_is_found() {
    needs!(Copy);
    #[derive(Insertable)]
    #[diesel(table_name = sensor_events, treat_none_as_default_value = false)]
    struct WithId {
        id: i64,
        timestamp: DateTime<Utc>,
        room_id: &'static str,
        sensor_id: &'static str,
        sensor_type: &'static str,
        state: &'static str,
    }
    let (_db, mut conn) = healthy();
    let timestamp = Utc.with_ymd_and_hms(2026, 1, 6, 12, 0, 0).unwrap();
    let row = WithId { id: 2, timestamp, room_id: "room", sensor_id: "copied", sensor_type: "motion", state: "on" };
    diesel::copy_from(sensor_events::table).from_insertable(&[row]).execute(&mut conn).unwrap();
    assert_eq!(kinds(&violations(&mut conn)), [(DuplicateId, "sensor_events.id 2")]);
}

#[test]
fn the_declared_set_up_is_what_the_migrations_make() {
    use occupancy_models::SensorEvent;
    use occupancy_models::timescale::setup::StepClass;

    let (_db, mut conn) = TestDb::ready();
    let setup = SensorEvent::setup().allow_unsupported();
    setup.check().call(&mut conn).unwrap();
    sql(&mut conn, "ALTER TABLE predictions DROP CONSTRAINT predictions_triggering_event_id_fkey");
    let applied = setup.apply(StepClass::Locks).call(&mut conn).unwrap();
    assert_eq!((applied.done.len(), applied.is_empty()), (1, true), "{applied}");
    assert_eq!(violations(&mut conn), []);

    // Verification compares with it what it does not look at by itself.
    sql(&mut conn, "ALTER TABLE predictions ALTER COLUMN feature_importance TYPE JSON");
    let found = violations(&mut conn);
    assert_eq!(kinds(&found), [(Drift, "predictions")]);
    assert!(found[0].detail.starts_with("the column feature_importance is of the type json,"), "{found:?}");
    assert!(found[0].remedy.contains("migrations of the application"), "{found:?}");
    sql(&mut conn, "ALTER TABLE predictions ALTER COLUMN feature_importance TYPE JSONB");
    assert_eq!(violations(&mut conn), []);
}
