//! Inserts of many rows that do not come to their last one: nothing is stored, and the connection goes on.

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::prelude::*;
use diesel_timescale::Call;
use diesel_timescale::bulk::{self, BulkError, Violation};

use crate::readings::{Reading, hypertable, readings, rows};
use crate::support::{TestDb, sql, value};

fn assert_empty(conn: &mut PgConnection) {
    assert_eq!(value(conn, "SELECT count(*) FROM readings"), "0");
}

#[test]
fn all_invalid_rows_are_told() {
    let (_db, mut conn) = hypertable();
    let conn = &mut conn;
    let mut batch = rows(1, 3000);
    batch[2].device_id = "a\0b".to_owned();
    batch[1700].humidity = Some(101.0);
    batch[2999].device_id = "\0".to_owned();
    let invalid = |error| match error {
        BulkError::InvalidRows(rows) => rows.into_iter().map(|row| (row.row, row.violation)).collect::<Vec<_>>(),
        error => panic!("{error}"),
    };
    let error = bulk::insert_into(readings::table).values(&batch).validate().call(conn).unwrap_err();
    let nul = |text: &str| Violation::Nul(text.to_owned());
    let not_a_percentage = Violation::Invalid("is not a percentage from 0 to 100".to_owned());
    assert_eq!(invalid(error), [(2, nul("a\0b")), (1700, not_a_percentage), (2999, nul("\0"))]);
    assert_empty(conn);
    // What the server would take, and only our check refuses.
    batch[2].device_id = "a".to_owned();
    batch[2999].device_id = "b".to_owned();
    let error = bulk::insert_into(readings::table).values(&batch).validate().call(conn).unwrap_err();
    assert_eq!(invalid(error).len(), 1);
    assert_empty(conn);
}

diesel::table! {
    documents (id) {
        id -> Integer,
        content -> Jsonb,
    }
}

#[test]
fn what_only_this_crate_refuses_is_not_stored() {
    let (_db, mut conn) = TestDb::with("CREATE TABLE documents (id int PRIMARY KEY, content jsonb)");
    let nested = |levels: usize| (1..levels).fold(serde_json::json!([]), |inner, _| serde_json::json!([inner]));
    let row = |id: i32| (documents::id.eq(id), documents::content.eq(nested(if id == 1500 { 200 } else { 3 })));
    let error = bulk::insert_into(documents::table).values((0..2000).map(row)).call(&mut conn).unwrap_err();
    assert!(error.to_string().starts_with("row 1500, content: is nested deeper than 127 levels"), "{error}");
    assert_eq!(value(&mut conn, "SELECT count(*) FROM documents"), "0");
}

#[test]
fn what_the_server_refuses_is_told_with_its_rows() {
    let (_db, mut conn) = hypertable();
    let conn = &mut conn;
    sql(conn, "ALTER TABLE readings ALTER temperature SET NOT NULL");
    let mut batch = rows(1, 3000);
    (batch[800].temperature, batch[2900].temperature) = (None, None);
    let error = bulk::insert_into(readings::table).values(&batch).call(conn).unwrap_err();
    let BulkError::InvalidRows(invalid) = error else { panic!("{error}") };
    let told: Vec<_> = invalid.iter().map(|row| (row.row, row.column.as_str())).collect();
    assert_eq!(told, [(800, "temperature"), (2900, "temperature")]);
    batch[800].temperature = Some(1.0);
    batch[2900] = batch[600].clone();
    let error = bulk::insert_into(readings::table).values(&batch).call(conn).unwrap_err();
    assert!(error.to_string().contains("duplicate key"), "{error}");
    assert_empty(conn);
}

diesel::table! {
    notes (id) {
        id -> Integer,
        note -> Text,
    }
}

#[derive(Insertable)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    note: Option<String>,
}

#[test]
fn a_late_row_may_leave_a_column_to_the_database() {
    let (_db, mut conn) = TestDb::with("CREATE TABLE notes (id int PRIMARY KEY, note text NOT NULL DEFAULT 'none')");
    let note = |id: i32| Note { id, note: (id != 2500).then(|| "some".to_owned()) };
    assert_eq!(bulk::insert_into(notes::table).values((0..3000).map(note)).call(&mut conn).unwrap().inserted, 3000);
    assert_eq!(value(&mut conn, "SELECT string_agg(id::text, ',') FROM notes WHERE note = 'none'"), "2500");
    assert_eq!(value(&mut conn, "SELECT count(*) FROM notes"), "3000");
}

#[test]
fn a_panic_leaves_the_connection_as_it_was() {
    let (_db, mut conn) = hypertable();
    let batch = (0..3000).map(|minute| if minute == 2500 { panic!("no more") } else { Reading::new(0, minute) });
    let insert = AssertUnwindSafe(|| bulk::insert_into(readings::table).values(batch).call(&mut conn));
    let panic = catch_unwind(insert).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"no more"));
    assert_empty(&mut conn);
    assert_eq!(bulk::insert_into(readings::table).values(rows(1, 3000)).call(&mut conn).unwrap().inserted, 3000);
}

/// A transaction goes on after an error of a row.
#[test]
fn a_transaction_is_not_aborted_by_an_invalid_row() {
    let (_db, mut conn) = hypertable();
    let mut batch = rows(1, 3000);
    batch[2999].humidity = Some(101.0);
    let inserted = conn.transaction(|conn| {
        bulk::insert_into(readings::table).values(&batch).validate().call(conn).unwrap_err();
        bulk::insert_into(readings::table).values(&batch[..2999]).validate().call(conn)
    });
    assert_eq!(inserted.unwrap().inserted, 2999);
}
