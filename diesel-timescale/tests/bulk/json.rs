//! JSON as text, which nobody has looked at: what the checks let through the server takes, what they refuse it would
//! refuse.
//!
//! `CASES=n` (default 300) tries more of what is generated; a failure names its text.

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::Jsonb;
use diesel_timescale::Call;
use diesel_timescale::bulk::{self, BulkError, Violation};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::support::{Needs, TestDb, has_quietly, value};

diesel::table! {
    documents (id) { id -> Int4, document -> Jsonb }
}

/// JSON that is sent as it is.
#[derive(Debug, Clone, PartialEq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Jsonb)]
struct Raw(String);

impl ToSql<Jsonb, Pg> for Raw {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        use std::io::Write;

        out.write_all(&[1])?;
        out.write_all(self.0.as_bytes())?;
        Ok(IsNull::No)
    }
}

impl FromSql<Jsonb, Pg> for Raw {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(String::from_utf8(value.as_bytes()[1..].to_vec())?))
    }
}

#[derive(Insertable, Queryable, Debug, Clone, PartialEq)]
#[diesel(table_name = documents)]
struct Document {
    id: i32,
    document: Raw,
}

fn database() -> (TestDb, PgConnection) {
    TestDb::with("CREATE TABLE documents (id INT PRIMARY KEY, document JSONB NOT NULL)")
}

/// So many documents, of which the last has this text.
fn documents(count: i32, last: &str) -> Vec<Document> {
    (0..count)
        .map(|id| Document { id, document: Raw(if id == count - 1 { last.to_owned() } else { "{}".to_owned() }) })
        .collect()
}

/// What becomes of a text by each door: few rows, many, and those that go by COPY where there is one.
fn by_every_door(conn: &mut PgConnection, text: &str) -> Vec<Result<(), BulkError>> {
    let mut results = Vec::new();
    for count in [1, 600] {
        let rows = documents(count, text);
        results.push(bulk::upsert(&rows).on_conflict(documents::id).call(conn).map(drop));
        diesel::delete(documents::table).execute(conn).unwrap();
        results.push(bulk::insert_into(documents::table).values(&rows).call(conn).map(drop));
        diesel::delete(documents::table).execute(conn).unwrap();
        let call = bulk::upsert(&rows).on_conflict(documents::id).returning(documents::id);
        let returned: Result<(bulk::Report, Vec<i32>), _> = call.call(conn);
        results.push(returned.map(drop));
        diesel::delete(documents::table).execute(conn).unwrap();
    }
    results
}

/// Whether the server takes a text as `jsonb`.
fn server_takes(conn: &mut PgConnection, text: &str) -> bool {
    diesel::sql_query("SELECT $1::jsonb").bind::<diesel::sql_types::Text, _>(text).execute(conn).is_ok()
}

#[test]
fn escapes_are_refused_where_the_server_would_refuse_them() {
    let (_db, mut conn) = database();
    let cases = std::env::var("CASES").map_or(300, |cases| cases.parse().unwrap());
    const PARTS: [&str; 16] = [
        r"\ud800",
        r"\udbff",
        r"\udc00",
        r"\udfff",
        r"\uD83D\uDE00",
        r"\\",
        r"\u0000",
        r"\u0001",
        r"\n",
        r"\u00e4",
        "ä",
        "u0000",
        "ud800",
        " ",
        r"\/",
        r"\uFFFF",
    ];
    let mut random = StdRng::seed_from_u64(7);
    let mut refused = 0;
    for case in 0..cases {
        let length = random.random_range(1..6);
        let text: String = (0..length).map(|_| PARTS[random.random_range(0..PARTS.len())]).collect();
        let text = if case % 2 == 0 { format!("\"{text}\"") } else { format!(r#"{{"a": ["{text}"], "{text}": 1}}"#) };
        let rows = documents(1, &text);
        let result = bulk::upsert(&rows).on_conflict(documents::id).call(&mut conn);
        assert_eq!(result.is_ok(), server_takes(&mut conn, &text), "{text}: {result:?}");
        if let Err(error) = result {
            let BulkError::InvalidRows(invalid) = &error else { panic!("{text}: {error}") };
            let is_told = matches!(invalid[0].violation, Violation::JsonNul(_) | Violation::JsonSurrogate(_));
            assert!(is_told && invalid[0].row == 0 && invalid[0].column == "document", "{text}: {error}");
            refused += 1;
        } else {
            let stored: Document = documents::table.first(&mut conn).unwrap();
            let [stored, given]: [serde_json::Value; 2] =
                [&stored.document.0, &text].map(|text| serde_json::from_str(text).unwrap());
            assert_eq!(stored, given);
        }
        diesel::delete(documents::table).execute(&mut conn).unwrap();
    }
    assert!(refused > cases / 10 && refused < cases, "{refused} of {cases} refused");
}

/// The same table, by rows that `serde_json` reads.
#[derive(Insertable, Queryable, Debug, PartialEq)]
#[diesel(table_name = documents)]
struct ReadBack {
    id: i32,
    document: serde_json::Value,
}

#[test]
fn what_could_not_be_read_back_is_refused_by_row_and_column() {
    let (_db, mut conn) = database();
    let nested = |levels: usize| {
        let inner = serde_json::json!(r#"[[["{{{\"#);
        (0..levels).fold(inner, |inner, level| {
            if level % 2 == 0 { serde_json::json!([inner]) } else { serde_json::json!({ "{": inner }) }
        })
    };
    for count in [2, 600] {
        let documents = |levels: usize| -> Vec<ReadBack> {
            (0..count).map(|id| ReadBack { id, document: nested(if id == 1 { levels } else { 1 }) }).collect()
        };
        let fits = documents(127);
        assert_eq!(bulk::upsert(&fits).on_conflict(documents::id).call(&mut conn).unwrap().inserted, count as u64);
        assert_eq!(documents::table.order(documents::id).load::<ReadBack>(&mut conn).unwrap(), fits);
        let too_deep = documents(128);
        for result in [
            bulk::upsert(&too_deep).on_conflict(documents::id).call(&mut conn),
            bulk::insert_into(documents::table).values(&too_deep).call(&mut conn),
        ] {
            let Err(BulkError::InvalidRows(invalid)) = result else { panic!("{result:?}") };
            assert_eq!((invalid.len(), invalid[0].row, invalid[0].column.as_str()), (1, 1, "document"));
            assert!(invalid[0].to_string().contains("nested deeper than 127 levels"), "{}", invalid[0]);
        }
        diesel::delete(documents::table).execute(&mut conn).unwrap();
    }
}

#[test]
fn elements_of_an_array_are_looked_at_as_well() {
    diesel::table! {
        lists (id) { id -> Int4, items -> Array<Jsonb> }
    }
    #[derive(Insertable)]
    #[diesel(table_name = lists)]
    struct List {
        id: i32,
        items: Vec<serde_json::Value>,
    }
    let (_db, mut conn) = TestDb::with("CREATE TABLE lists (id INT PRIMARY KEY, items JSONB[] NOT NULL)");
    let nested = |levels: usize| (1..levels).fold(serde_json::json!([]), |inner, _| serde_json::json!([inner]));
    // The lengths of these elements are brackets and quotation marks.
    let texts = [b'[', b'"', b'{'].map(|length| serde_json::json!("a".repeat(usize::from(length) - 3)));
    let many: Vec<_> = (0..600).map(|n| texts[n % 3].clone()).chain([nested(127)]).collect();
    let list = |id, items| List { id, items };
    let rows = [list(0, many.clone()), list(1, vec![nested(127)])];
    bulk::upsert(&rows).on_conflict(lists::id).call(&mut conn).unwrap();
    assert_eq!(lists::table.select(lists::items).find(0).first::<Vec<serde_json::Value>>(&mut conn).unwrap(), many);
    let rows = [list(0, many), list(1, vec![nested(1), nested(128)])];
    let error = bulk::upsert(&rows).on_conflict(lists::id).call(&mut conn).unwrap_err();
    assert!(error.to_string().contains("row 1, items: is nested deeper than 127 levels"), "{error}");
}

#[test]
fn what_is_deeper_than_the_server_can_read_is_its_error_and_changes_nothing() {
    let (_db, mut conn) = database();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        // What closes the innermost of the objects needs a value.
        let deep = |levels: usize| format!("{}null{}", open.repeat(levels), close.repeat(levels));
        assert!(by_every_door(&mut conn, &deep(500)).iter().all(Result::is_ok));
        // In WebAssembly there is no telling where its stack ends.
        if !has_quietly(Needs::TwoConnections) {
            continue;
        }
        for result in by_every_door(&mut conn, &deep(100_000)) {
            let error = result.unwrap_err();
            assert!(matches!(error, BulkError::Database(_)), "{error}");
            assert!(error.to_string().contains("stack depth limit exceeded"), "{error}");
        }
        assert_eq!(value(&mut conn, "SELECT count(*) FROM documents"), "0");
    }
}

#[test]
fn one_document_that_the_server_cannot_read_comes_back_from_a_writer() {
    crate::support::needs!(TwoConnections);
    let (db, mut conn) = database();
    let url = db.url().to_string();
    let rejected = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let of = std::sync::Arc::clone(&rejected);
    let writer = bulk::writer::<Document>()
        .on_conflict(documents::id)
        .on_rejected(move |row, error| of.lock().unwrap().push((row.id, error.to_string())))
        .start(move || PgConnection::establish(&url))
        .unwrap();
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for (id, text) in [(0, "1"), (1, &deep), (2, r#""\ud800""#), (3, "{"), (4, "2")] {
        writer.send(Document { id, document: Raw(text.to_owned()) }).unwrap();
    }
    let status = writer.finish().unwrap();
    assert_eq!((status.stored, status.rejected), (2, 3), "{status:?}");
    let mut rejected = std::mem::take(&mut *rejected.lock().unwrap());
    rejected.sort();
    for ((id, error), (expected, text)) in rejected.iter().zip([
        (1, "stack depth limit exceeded"),
        (2, "half of a surrogate pair"),
        (3, "invalid input syntax"),
    ]) {
        assert!(*id == expected && error.contains(text), "{id}: {error:.200}");
    }
    assert_eq!(value(&mut conn, "SELECT array_agg(id ORDER BY id) FROM documents"), "{0,4}");
}
