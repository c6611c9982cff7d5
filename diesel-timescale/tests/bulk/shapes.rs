//! Rows of every shape: what `#[derive(Insertable)]` takes, on either driver.

use std::borrow::Cow;
use std::io::Write;

use chrono::{DateTime, Utc};
use diesel::deserialize::{FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::serialize::{IsNull, Output, ToSql};
use diesel_timescale::Call;
use diesel_timescale::bulk::{self, BulkError, Report, Violation};

use super::readings::minute_of;
use crate::support::{TestDb, needs, sql, value};

diesel::table! {
    use diesel::sql_types::*;
    use super::MoodType;
    #[sql_name = "Odd Things"]
    odd.things (id, at) {
        id -> Integer,
        at -> Timestamptz,
        name -> Nullable<Text>,
        mood -> MoodType,
        moods -> Nullable<Array<MoodType>>,
        extra -> Nullable<Jsonb>,
        raw -> Nullable<Json>,
        tags -> Array<Text>,
        numbers -> Nullable<Array<Nullable<Integer>>>,
        #[sql_name = "odd \"name\""]
        odd -> Nullable<Double>,
        lat -> Nullable<Double>,
        lon -> Nullable<Double>,
        code -> Nullable<Text>,
        made_at -> Timestamptz,
        #[sql_name = "doubled"]
        generated -> Nullable<Integer>,
    }
}

pub const TABLES: &str = r#"
    DROP SCHEMA IF EXISTS odd CASCADE;
    CREATE SCHEMA odd;
    CREATE TYPE odd."Mood" AS ENUM ('good', 'bad');
    CREATE TABLE odd."Odd Things" (
        id int, at timestamptz, name varchar(20), mood odd."Mood" NOT NULL, moods odd."Mood"[], extra jsonb, raw json,
        tags text[] NOT NULL, numbers int[], "odd ""name""" float8, lat float8, lon float8, code text,
        made_at timestamptz NOT NULL DEFAULT '2020-01-01Z', doubled int GENERATED ALWAYS AS (id * 2) STORED,
        PRIMARY KEY (id, at));
    -- Another table of that name, which the search_path leads to.
    CREATE TABLE "Odd Things" (id int, at timestamptz)"#;

#[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(name = "Mood", schema = "odd"))]
pub struct MoodType;

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromSqlRow, AsExpression)]
#[diesel(sql_type = MoodType)]
pub enum Mood {
    Good,
    Bad,
}

impl ToSql<MoodType, Pg> for Mood {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> diesel::serialize::Result {
        out.write_all(match self {
            Mood::Good => b"good",
            Mood::Bad => b"bad",
        })?;
        Ok(IsNull::No)
    }
}

impl FromSql<MoodType, Pg> for Mood {
    fn from_sql(value: PgValue<'_>) -> diesel::deserialize::Result<Self> {
        Ok(if value.as_bytes() == b"good" { Mood::Good } else { Mood::Bad })
    }
}

#[derive(Insertable, Clone, Debug)]
#[diesel(table_name = things, treat_none_as_default_value = false)]
struct Place {
    lat: f64,
    lon: Option<f64>,
}

#[derive(Insertable, Clone, Debug)]
#[diesel(table_name = things, treat_none_as_default_value = false)]
struct NewThing<'a> {
    id: i32,
    at: DateTime<Utc>,
    name: Option<Cow<'a, str>>,
    mood: Mood,
    moods: Option<Vec<Mood>>,
    extra: Option<serde_json::Value>,
    raw: Option<serde_json::Value>,
    tags: &'a [&'a str],
    numbers: Option<Vec<Option<i32>>>,
    #[diesel(column_name = odd)]
    other_name: Option<f64>,
    #[diesel(embed)]
    place: Place,
    #[diesel(skip_insertion)]
    #[allow(dead_code, reason = "the database computes it")]
    generated: Option<i32>,
}

fn thing(id: i32) -> NewThing<'static> {
    NewThing {
        id,
        at: minute_of(id.into()),
        name: (id % 2 == 0).then(|| format!("name {id}").into()),
        mood: if id % 3 == 0 { Mood::Good } else { Mood::Bad },
        moods: match id % 3 {
            0 => None,
            1 => Some(vec![]),
            _ => Some(vec![Mood::Good, Mood::Bad]),
        },
        extra: (id % 4 != 0).then(|| serde_json::json!({ "a": id % 2 })),
        raw: Some(serde_json::json!({ "b": id })),
        tags: if id % 2 == 0 { &["x", "y y"] } else { &[] },
        numbers: match id % 3 {
            0 => None,
            1 => Some(vec![]),
            _ => Some(vec![Some(1), None, Some(id)]),
        },
        other_name: Some(1.5),
        place: Place { lat: 1.0, lon: None },
        generated: None,
    }
}

/// In the order that is not that of the key.
fn all_things(count: i32) -> Vec<NewThing<'static>> {
    (0..count).rev().map(thing).collect()
}

fn report(inserted: u64, updated: u64, unchanged: u64, deduplicated: u64) -> Report {
    let mut report = Report::default();
    (report.inserted, report.updated) = (inserted, updated);
    (report.unchanged, report.deduplicated) = (unchanged, deduplicated);
    report
}

/// What each of the columns holds, by one row of each kind.
fn assert_stored(conn: &mut PgConnection, count: i32) {
    let stored = "SELECT concat_ws('|', count(*), bool_and(doubled = id * 2), bool_and(name IS NOT DISTINCT FROM CASE WHEN id % 2 = 0 THEN 'name ' || id END),
        bool_and((mood = 'good') = (id % 3 = 0)),
        bool_and(moods IS NOT DISTINCT FROM CASE id % 3 WHEN 1 THEN '{}'::odd.\"Mood\"[] WHEN 2 THEN '{good,bad}' END),
        bool_and(extra IS NOT DISTINCT FROM CASE WHEN id % 4 <> 0 THEN jsonb_build_object('a', id % 2) END),
        bool_and(raw::text = '{\"b\":' || id || '}'),
        bool_and(tags = CASE WHEN id % 2 = 0 THEN '{x,y y}'::text[] ELSE '{}' END),
        bool_and(numbers IS NOT DISTINCT FROM CASE id % 3 WHEN 1 THEN '{}'::int[] WHEN 2 THEN ARRAY[1, NULL, id] END),
        bool_and(\"odd \"\"name\"\"\" = 1.5 AND lat = 1 AND lon IS NULL), min(made_at) = '2020-01-01Z') FROM odd.\"Odd Things\"";
    assert_eq!(value(conn, stored), format!("{count}|t|t|t|t|t|t|t|t|t|t"));
}

#[test]
fn every_shape_in_small_and_large_batches() {
    for count in [20, 600] {
        let (_db, mut conn) = TestDb::with(TABLES);
        let conn = &mut conn;
        let rows = all_things(count);
        let total = u64::try_from(count).unwrap();
        assert_eq!(
            bulk::upsert(&rows).on_conflict((things::id, things::at)).call(conn).unwrap(),
            report(total, 0, 0, 0)
        );
        assert_stored(conn, count);
        assert_eq!(
            bulk::upsert(&rows).on_conflict((things::id, things::at)).call(conn).unwrap(),
            report(0, 0, total, 0)
        );
        let mut changed = rows.clone();
        changed[3].tags = &["z"];
        changed[4].raw = None;
        changed.push(changed[4].clone());
        changed.last_mut().unwrap().mood = Mood::Good;
        let done = bulk::upsert(&changed).on_conflict((things::at, things::id)).call(conn).unwrap();
        assert_eq!(done, report(0, 2, total - 2, 1));
        let done =
            bulk::upsert(&rows).on_conflict((things::id, things::at)).update((things::mood, things::raw)).call(conn);
        assert_eq!(done.unwrap(), report(0, 1, total - 1, 0));
        assert_eq!(value(conn, "SELECT count(*) FROM \"Odd Things\""), "0", "the search_path leads elsewhere");
    }
}

#[tokio::test]
async fn every_shape_async() {
    needs!(TwoConnections);
    let (db, mut sync) = tokio::task::spawn_blocking(|| TestDb::with(TABLES)).await.unwrap();
    let mut conn = db.connect_async().await;
    for count in [20, 600] {
        let rows = all_things(count);
        let total = u64::try_from(count).unwrap();
        let before = if count == 20 { 0 } else { 20 };
        let call = bulk::upsert(&rows).on_conflict((things::id, things::at));
        let done = diesel_timescale::asynchronous::Call::call(call, &mut conn).await.unwrap();
        assert_eq!(done, report(total - before, 0, before, 0));
        let call = bulk::upsert(&rows).on_conflict((things::id, things::at));
        let done = diesel_timescale::asynchronous::Call::call(call, &mut conn).await.unwrap();
        assert_eq!(done, report(0, 0, total, 0));
        sync = tokio::task::spawn_blocking(move || {
            assert_stored(&mut sync, count);
            sync
        })
        .await
        .unwrap();
    }
}

struct Upper(String);

impl From<Upper> for String {
    fn from(upper: Upper) -> String {
        upper.0.to_uppercase()
    }
}

#[derive(Insertable)]
#[diesel(table_name = things, treat_none_as_default_value = false)]
struct Coded {
    id: i32,
    at: DateTime<Utc>,
    mood: Mood,
    tags: Vec<String>,
    #[diesel(serialize_as = String)]
    code: Upper,
}

/// As the derive is without attributes: None is the column's default.
#[derive(Insertable, Clone)]
#[diesel(table_name = things)]
struct Defaulting {
    id: i32,
    at: DateTime<Utc>,
    mood: Mood,
    tags: Vec<String>,
    code: Option<String>,
    made_at: Option<DateTime<Utc>>,
}

#[test]
fn serialize_as_takes_rows_by_value() {
    let (_db, mut conn) = TestDb::with(TABLES);
    let coded = |id: i32| Coded { id, at: minute_of(0), mood: Mood::Good, tags: vec![], code: Upper("abc".to_owned()) };
    let done = bulk::upsert(vec![coded(1), coded(2)]).on_conflict((things::id, things::at)).call(&mut conn).unwrap();
    assert_eq!(done, report(2, 0, 0, 0));
    let done = bulk::upsert((3..700).map(coded)).on_conflict((things::id, things::at)).call(&mut conn).unwrap();
    assert_eq!(done, report(697, 0, 0, 0));
    assert_eq!(value(&mut conn, "SELECT min(code) || max(code) FROM odd.\"Odd Things\""), "ABCABC");
}

#[test]
fn none_is_the_default_of_the_column_where_the_derive_says_so() {
    let (_db, mut conn) = TestDb::with(TABLES);
    let conn = &mut conn;
    for from in [0, 1000] {
        // Some rows with a value and some without, in a small and a large batch.
        let count = if from == 0 { 10 } else { 600 };
        let row = |n: i32| Defaulting {
            id: from + n,
            at: minute_of(0),
            mood: Mood::Good,
            tags: vec![format!("t{n}")],
            code: (n % 2 == 0).then(|| n.to_string()),
            made_at: (n % 3 == 0).then(|| minute_of(n.into())),
        };
        let rows: Vec<_> = (0..count).map(row).collect();
        let total = u64::try_from(count).unwrap();
        assert_eq!(
            bulk::upsert(&rows).on_conflict((things::id, things::at)).call(conn).unwrap(),
            report(total, 0, 0, 0)
        );
        let right = format!(
            "SELECT count(*) FROM odd.\"Odd Things\" WHERE id >= {from} AND code IS NOT DISTINCT FROM
                CASE WHEN (id - {from}) % 2 = 0 THEN (id - {from})::text END AND made_at =
                CASE WHEN (id - {from}) % 3 = 0 THEN timestamptz '2026-01-01Z' + (id - {from}) * interval '1 min' ELSE '2020-01-01Z' END"
        );
        assert_eq!(value(conn, &right), total.to_string());
        assert_eq!(
            bulk::upsert(&rows).on_conflict((things::id, things::at)).call(conn).unwrap(),
            report(0, 0, total, 0)
        );
        // All by default: stored values go back to it, as Diesel's own DEFAULT does.
        let defaults: Vec<_> = rows.iter().map(|row| Defaulting { made_at: None, code: None, ..row.clone() }).collect();
        bulk::upsert(&defaults).on_conflict((things::id, things::at)).call(conn).unwrap();
        let right = format!(
            "SELECT bool_and(code IS NULL AND made_at = '2020-01-01Z') FROM odd.\"Odd Things\" WHERE id >= {from}"
        );
        assert_eq!(value(conn, &right), "true");
    }
}

#[test]
fn tuples_of_assignments_are_rows_too() {
    let (_db, mut conn) = TestDb::with(TABLES);
    let row =
        |id| (things::id.eq(id), things::at.eq(minute_of(0)), things::mood.eq(Mood::Bad), things::tags.eq(vec!["a"]));
    let done = bulk::upsert([row(1), row(2)]).on_conflict((things::id, things::at)).call(&mut conn).unwrap();
    assert_eq!(done, report(2, 0, 0, 0));
}

type Returned = (i32, Option<i32>, DateTime<Utc>);

#[test]
fn stored_rows_are_returned_in_the_order_of_the_input() {
    for count in [20, 700] {
        let (_db, mut conn) = TestDb::with(TABLES);
        let mut rows = all_things(count);
        rows.swap(3, 11);
        rows.push(rows[2].clone());
        let call = |conn: &mut PgConnection, rows: &[NewThing<'_>]| -> (Report, Vec<Returned>) {
            let call = bulk::upsert(rows).on_conflict((things::id, things::at));
            call.returning((things::id, things::generated, things::made_at)).call(conn).unwrap()
        };
        let expected: Vec<_> =
            rows.iter().map(|row| (row.id, Some(row.id * 2), "2020-01-01T00:00:00Z".parse().unwrap())).collect();
        let total = u64::try_from(count).unwrap();
        assert_eq!(call(&mut conn, &rows), (report(total, 0, 0, 1), expected.clone()));
        assert_eq!(call(&mut conn, &rows), (report(0, 0, total, 1), expected));
    }
}

#[derive(Queryable, Selectable, Debug, PartialEq)]
#[diesel(table_name = things)]
struct Stored {
    id: i32,
    mood: Mood,
}

#[test]
fn a_selectable_struct_is_returned() {
    let (_db, mut conn) = TestDb::with(TABLES);
    let rows = all_things(3);
    let call = bulk::upsert(&rows).on_conflict((things::id, things::at)).returning(Stored::as_select());
    let (_, stored): (Report, Vec<Stored>) = call.call(&mut conn).unwrap();
    assert_eq!(stored[0], Stored { id: 2, mood: Mood::Bad });
    let none: Vec<NewThing<'_>> = Vec::new();
    let call = bulk::upsert(&none).on_conflict((things::id, things::at)).returning(things::id);
    assert_eq!(call.call(&mut conn).unwrap(), (Report::default(), Vec::<i32>::new()));
}

#[test]
fn every_row_with_a_nul_is_told() {
    let (_db, mut conn) = TestDb::with(TABLES);
    let mut rows = all_things(5);
    rows[1].name = Some("a\0b".into());
    rows[2].extra = Some(serde_json::json!({ "deep": ["\0"] }));
    rows[4].tags = &["fine", "\0"];
    rows[4].at = DateTime::<Utc>::MIN_UTC;
    let error = bulk::upsert(&rows).on_conflict((things::id, things::at)).call(&mut conn).unwrap_err();
    let BulkError::InvalidRows(invalid) = &error else { panic!("{error}") };
    let told: Vec<_> = invalid.iter().map(|row| (row.row, row.column.as_str())).collect();
    assert_eq!(told, [(1, "name"), (2, "extra"), (4, "at"), (4, "tags")]);
    assert_eq!(invalid[0].violation, Violation::Nul("a\0b".to_owned()));
    assert!(error.to_string().starts_with(r#"row 1, name: "a\0b" has a NUL character"#), "{error}");
    assert!(error.to_string().contains("row 4, at: -262143-01-01 00:00:00 is not from 4714-11-24 BC"), "{error}");
    // JSON that is no jsonb may have the escape.
    let mut rows = all_things(2);
    rows[0].raw = Some(serde_json::json!("\0"));
    bulk::upsert(&rows).on_conflict((things::id, things::at)).call(&mut conn).unwrap();
}

#[test]
fn every_row_without_a_value_is_told() {
    let (_db, mut conn) = TestDb::with(TABLES);
    sql(&mut conn, "ALTER TABLE odd.\"Odd Things\" ALTER lon SET NOT NULL");
    for count in [4, 600] {
        let error = bulk::upsert(all_things(count)).on_conflict((things::id, things::at)).call(&mut conn).unwrap_err();
        let BulkError::InvalidRows(invalid) = &error else { panic!("{error}") };
        assert_eq!(invalid.len(), usize::try_from(count).unwrap());
        assert_eq!((invalid[3].row, invalid[3].column.as_str()), (3, "lon"));
        assert_eq!(invalid[3].violation, Violation::Null);
    }
}
