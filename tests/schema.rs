//! What the migrated database consists of: the promises that can be read off its catalogs, and that `src/schema.rs`
//! says the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use chrono::TimeDelta;
use diesel::prelude::*;
use occupancy_models::{Call, SensorEvent};
use support::{TestDb, needs, value, values};

/// Runs a check on the plain table and again on the hypertable.
fn before_and_after_the_set_up(check: impl Fn(&mut PgConnection, &str)) {
    let (_db, mut conn) = TestDb::migrated();
    check(&mut conn, "before the hypertable is set up");
    SensorEvent::hypertable().allow_plain_table().call(&mut conn).unwrap();
    check(&mut conn, "after the hypertable is set up");
}

/// The constraints of some kinds on a table, without their names, which nobody relies on.
fn constraints(conn: &mut PgConnection, table: &str, kinds: &str) -> Vec<String> {
    let mut constraints = values(
        conn,
        &format!(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint
             WHERE conrelid = '{table}'::regclass AND contype = ANY ('{kinds}') AND convalidated"
        ),
    );
    constraints.sort();
    constraints
}

/// The indexes of a table from the access method on, marked where they are unique.
fn indexes(conn: &mut PgConnection, table: &str) -> Vec<String> {
    let mut indexes = values(
        conn,
        &format!(
            "SELECT concat_ws(' ', CASE WHEN indisprimary THEN 'primary' WHEN indisunique THEN 'unique' END,
                 substring(pg_get_indexdef(indexrelid) FROM ' USING (.*)$'))
             FROM pg_index WHERE indrelid = '{table}'::regclass AND indisvalid"
        ),
    );
    indexes.sort();
    indexes
}

#[test]
fn an_event_has_a_composite_key_and_one_reading_a_sensor_and_instant() {
    before_and_after_the_set_up(|conn, when| {
        assert_eq!(
            constraints(conn, "sensor_events", "{p,u,x}"),
            [r#"PRIMARY KEY (id, "timestamp")"#, r#"UNIQUE (sensor_id, "timestamp")"#],
            "the keys of sensor_events {when}"
        );
    });
}

#[test]
fn sensor_events_has_three_indexes() {
    before_and_after_the_set_up(|conn, when| {
        assert_eq!(
            indexes(conn, "sensor_events"),
            [
                r#"btree (room_id, "timestamp" DESC)"#,
                r#"primary btree (id, "timestamp")"#,
                r#"unique btree (sensor_id, "timestamp")"#,
            ],
            "the indexes of sensor_events {when}"
        );
    });
}

#[test]
fn a_chunk_has_the_indexes_and_triggers_of_sensor_events() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::ready();
    support::sql(
        &mut conn,
        "INSERT INTO sensor_events (room_id, sensor_id, sensor_type, state) VALUES ('room', 'sensor', 'motion', 'on')",
    );
    let chunk = value(&mut conn, "SELECT tableoid::regclass FROM sensor_events");
    assert_ne!(chunk, "sensor_events");
    assert_eq!(indexes(&mut conn, &chunk), indexes(&mut conn, "sensor_events"), "the indexes of {chunk}");
    // Those for each row; the ones for a statement act on the hypertable.
    let triggers = |conn: &mut PgConnection, table: &str| {
        values(
            conn,
            &format!(
                "SELECT tgname FROM pg_trigger
                 WHERE tgrelid = '{table}'::regclass AND NOT tgisinternal AND tgtype::int & 1 = 1
                     AND tgname NOT LIKE 'ts\\_%'
                 ORDER BY tgname"
            ),
        )
    };
    let expected = ["sensor_events_key_is_fixed", "sensor_events_release_references"];
    assert_eq!(triggers(&mut conn, "sensor_events"), expected, "the triggers of sensor_events");
    assert_eq!(triggers(&mut conn, &chunk), expected, "the triggers of {chunk}");
}

#[test]
fn no_foreign_key_points_at_sensor_events() {
    before_and_after_the_set_up(|conn, when| {
        let pointing = "SELECT format('%s of %s', conname, conrelid::regclass) FROM pg_constraint
                        WHERE contype = 'f' AND confrelid = 'sensor_events'::regclass";
        assert_eq!(values(conn, pointing), [""; 0], "the foreign keys to sensor_events {when}");
    });
}

#[test]
fn the_database_assigns_the_ids() {
    before_and_after_the_set_up(|conn, when| {
        let identities = "SELECT format('%s.%s %s', attrelid::regclass, attname, attidentity)
                          FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
                          WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND attidentity <> ''
                          ORDER BY relname";
        assert_eq!(
            values(conn, identities),
            ["predictions.id a", "sensor_events.id a"],
            "the columns that are identities (a for GENERATED ALWAYS) {when}"
        );
    });
}

#[test]
fn a_prediction_refers_to_an_event_by_its_id_alone_and_the_reference_is_cleared() {
    before_and_after_the_set_up(|conn, when| {
        assert_eq!(
            constraints(conn, "predictions", "{f}"),
            ["FOREIGN KEY (triggering_event_id) REFERENCES referenced_events(id) ON DELETE SET NULL"],
            "the validated foreign keys of predictions {when}"
        );
        let deferrable = "SELECT condeferrable FROM pg_constraint
                          WHERE contype = 'f' AND conrelid = 'predictions'::regclass";
        assert_eq!(values(conn, deferrable), ["false"], "whether it waits for the end of the transaction {when}");
        assert_eq!(
            constraints(conn, "referenced_events", "{p,u,x}"),
            ["PRIMARY KEY (id)"],
            "the keys of referenced_events {when}"
        );
        let trigger = "SELECT concat_ws(' ', tgenabled, tgfoid::regprocedure)
                       FROM pg_trigger WHERE tgrelid = 'predictions'::regclass AND NOT tgisinternal";
        assert_eq!(values(conn, trigger), ["O register_referenced_event()"], "the triggers of predictions {when}");
    });
}

#[test]
fn predictions_has_an_index_for_each_way_that_it_is_read() {
    let (_db, mut conn) = TestDb::migrated();
    assert_eq!(
        indexes(&mut conn, "predictions"),
        [
            "btree (prediction_time) WHERE (validation_timestamp IS NULL)",
            "btree (room_id, prediction_time DESC)",
            "btree (triggering_event_id) WHERE (triggering_event_id IS NOT NULL)",
            "primary btree (id)",
        ],
    );
    assert_eq!(
        indexes(&mut conn, "referenced_events"),
        [r#"btree ("timestamp")"#, "primary btree (id)"],
        "the indexes of referenced_events"
    );
}

#[test]
fn check_constraints_guard_the_columns() {
    before_and_after_the_set_up(|conn, when| {
        for (table, expected) in [
            ("sensor_events", ["confidence_score", "room_id", "sensor_id", "sensor_type"].as_slice()),
            (
                "predictions",
                &[
                    "accuracy_minutes",
                    "confidence_score",
                    "model_type",
                    "prediction_interval_lower, prediction_interval_upper",
                    "processing_time_ms",
                    "room_id",
                    "transition_type",
                ],
            ),
            ("referenced_events_epoch", &["is_only_row"]),
        ] {
            let mut checked = values(
                conn,
                &format!(
                    "SELECT (
                         SELECT string_agg(attname, ', ' ORDER BY attname)
                         FROM pg_attribute
                         WHERE attrelid = conrelid AND attnum = ANY (conkey)
                     )
                     FROM pg_constraint
                     WHERE conrelid = '{table}'::regclass AND contype = 'c' AND convalidated"
                ),
            );
            checked.sort();
            assert_eq!(checked, expected, "the columns of {table} that have a check {when}");
        }
    });
}

#[test]
fn the_hypertable_has_one_dimension_and_that_is_the_timestamp() {
    needs!(Timescale);
    let (_db, mut conn) = TestDb::migrated();
    let dimensions = "SELECT format('%s on %s %s, every %s', dimension_type, column_name, column_type, extract(epoch FROM time_interval)::bigint)
                      FROM timescaledb_information.dimensions
                      WHERE hypertable_schema = current_schema() AND hypertable_name = 'sensor_events'";
    assert_eq!(values(&mut conn, dimensions), [""; 0], "the dimensions before the set-up");
    SensorEvent::hypertable().chunk_interval(TimeDelta::days(1)).call(&mut conn).unwrap();
    assert_eq!(values(&mut conn, dimensions), ["Time on timestamp timestamp with time zone, every 86400"]);
}

/// A table as `src/schema.rs` declares it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Declared {
    name: String,
    comment: String,
    key: String,
    columns: Vec<DeclaredColumn>,
}

#[derive(Debug, PartialEq, Eq)]
struct DeclaredColumn {
    name: String,
    sql_type: String,
    is_nullable: bool,
    comment: String,
}

/// Reads the `table!` blocks, which have one thing a line.
fn declared(schema: &str) -> Vec<Declared> {
    let mut tables: Vec<Declared> = Vec::new();
    let mut comment = String::new();
    for line in schema.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            comment = text.to_owned();
        } else if line == "diesel::table! {" {
            tables.push(Declared::default());
        } else if let Some((name, key)) = line.strip_suffix(") {").and_then(|line| line.split_once(" (")) {
            let table = tables.last_mut().unwrap();
            (table.name, table.key) = (name.to_owned(), key.to_owned());
            table.comment = std::mem::take(&mut comment);
        } else if let Some((name, sql_type)) = line.strip_suffix(',').and_then(|line| line.split_once(" -> ")) {
            let inner = sql_type.strip_prefix("Nullable<").and_then(|inner| inner.strip_suffix('>'));
            tables.last_mut().unwrap().columns.push(DeclaredColumn {
                name: name.to_owned(),
                sql_type: postgres_type(inner.unwrap_or(sql_type)).to_owned(),
                is_nullable: inner.is_some(),
                comment: std::mem::take(&mut comment),
            });
        }
    }
    tables
}

fn postgres_type(diesel_type: &str) -> &'static str {
    match diesel_type {
        "Int8" => "bigint",
        "Float8" => "double precision",
        "Text" => "text",
        "Timestamptz" => "timestamp with time zone",
        "Jsonb" => "jsonb",
        "Bool" => "boolean",
        other => panic!("src/schema.rs has the type {other}: add it here"),
    }
}

/// A table as the database has it.
fn present(conn: &mut PgConnection, name: &str) -> Declared {
    let table = format!("'{name}'::regclass");
    let of_table = format!("table_schema = current_schema() AND table_name = '{name}'");
    let mut column = |what: &str| {
        values(
            conn,
            &format!("SELECT {what} FROM information_schema.columns WHERE {of_table} ORDER BY ordinal_position"),
        )
    };
    let names = column("column_name");
    let types = column("data_type");
    let nullable = column("is_nullable");
    let comments = column(&format!("col_description({table}, ordinal_position)"));
    let columns = names
        .into_iter()
        .zip(types)
        .zip(nullable)
        .zip(comments)
        .map(|(((name, sql_type), is_nullable), comment)| DeclaredColumn {
            name,
            sql_type,
            is_nullable: is_nullable == "YES",
            comment,
        })
        .collect();
    let key = format!(
        "SELECT string_agg(column_name, ', ' ORDER BY k.ordinal_position)
         FROM information_schema.table_constraints AS c
         JOIN information_schema.key_column_usage AS k USING (constraint_schema, constraint_name, table_schema, table_name)
         WHERE {of_table} AND constraint_type = 'PRIMARY KEY'"
    );
    Declared {
        name: name.to_owned(),
        comment: value(conn, &format!("SELECT obj_description({table}, 'pg_class')")),
        key: value(conn, &key),
        columns,
    }
}

#[test]
fn the_declared_schema_is_the_one_in_the_database() {
    let (_db, mut conn) = TestDb::migrated();
    let source = include_str!("../src/schema.rs");
    let declared = declared(source);
    let names: Vec<_> = declared.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["predictions", "referenced_events", "sensor_events"], "the tables of src/schema.rs");
    for table in &declared {
        let present = present(&mut conn, &table.name);
        let len = table.columns.len().max(present.columns.len());
        for position in 0..len {
            assert_eq!(
                table.columns.get(position),
                present.columns.get(position),
                "column {} of {}: src/schema.rs, then the database",
                position + 1,
                table.name
            );
        }
        assert_eq!(*table, present, "{}: src/schema.rs, then the database", table.name);
    }
    // The one foreign key between them.
    let joins: Vec<_> = source.lines().filter(|line| line.starts_with("diesel::joinable!")).collect();
    assert_eq!(joins, ["diesel::joinable!(predictions -> referenced_events (triggering_event_id));"]);

    // What is not declared is for the crate alone.
    let others = values(
        &mut conn,
        "SELECT table_name FROM information_schema.tables
         WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'
             AND table_name NOT IN ('predictions', 'referenced_events', 'sensor_events')
         ORDER BY table_name",
    );
    assert_eq!(others, ["occupancy_models_migrations", "referenced_events_epoch"], "tables that are not declared");
}
