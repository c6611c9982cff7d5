//! Tables that are not what they seem.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_timescale::Call;
use diesel_timescale::bulk::{self, BulkError, OnDuplicate, Report};

use crate::support::{TestDb, needs, sql, value};

diesel::table! {
    people (name) {
        name -> Text,
        note -> Nullable<Text>,
    }
}

diesel::table! {
    pairs (a, b) {
        a -> Nullable<Integer>,
        b -> Nullable<Integer>,
        note -> Nullable<Text>,
    }
}

diesel::table! {
    points (x) {
        x -> Double,
        note -> Nullable<Text>,
    }
}

diesel::table! {
    measures (id) {
        id -> Integer,
        amount -> BigInt,
        at -> Timestamptz,
    }
}

type Person = (diesel::dsl::Eq<people::name, String>, diesel::dsl::Eq<people::note, Option<String>>);

fn person(name: &str, note: &str) -> Person {
    (people::name.eq(name.to_owned()), people::note.eq(Some(note.to_owned())))
}

fn report(inserted: u64, updated: u64, unchanged: u64, deduplicated: u64) -> Report {
    let mut report = Report::default();
    (report.inserted, report.updated) = (inserted, updated);
    (report.unchanged, report.deduplicated) = (unchanged, deduplicated);
    report
}

/// The rows, and as many others as make the batch a large one.
fn with_others(people: Vec<Person>, is_large: bool) -> Vec<Person> {
    let others = if is_large { 600 } else { 0 };
    people.into_iter().chain((0..others).map(|n| person(&format!("~{n}"), "x"))).collect()
}

fn upsert(conn: &mut PgConnection, people: &[Person]) -> Result<Report, BulkError> {
    bulk::upsert(people.iter().cloned()).on_conflict(people::name).call(conn)
}

/// Names that are equal and not identical, by type and by collation: written once, and written again when they differ.
#[test]
fn equal_is_not_identical() {
    needs!(TwoConnections);
    for column in ["citext", "text COLLATE nocase"] {
        for is_large in [false, true] {
            let (_db, mut conn) = TestDb::with(&format!(
                "CREATE EXTENSION IF NOT EXISTS citext;
                CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
                CREATE TABLE people (name {column} PRIMARY KEY, note {column})"
            ));
            let conn = &mut conn;
            let others = if is_large { 600 } else { 0 };
            let batch = with_others(vec![person("Ann", "a"), person("Bob", "b"), person("ANN", "c")], is_large);
            assert_eq!(upsert(conn, &batch).unwrap(), report(2 + others, 0, 0, 1), "{column}");
            assert_eq!(value(conn, "SELECT note FROM people WHERE name = 'ann'"), "c", "the last one counts");
            let again = with_others(vec![person("ann", "c"), person("Bob", "B")], is_large);
            assert_eq!(
                upsert(conn, &again).unwrap(),
                report(0, 1, 1 + others, 0),
                "{column}: the note of Bob is another"
            );
            assert_eq!(value(conn, "SELECT note FROM people WHERE name = 'bob'"), "B");
            let call = bulk::upsert(with_others(vec![person("x", "1"), person("X", "2")], is_large));
            let error = call.on_conflict(people::name).on_duplicate(OnDuplicate::Fail).call(conn).unwrap_err();
            assert!(error.to_string().contains("repeats row 0"), "{error}");
            let call = bulk::upsert(with_others(vec![person("ANN", "9"), person("aNN", "8")], is_large));
            let call = call.on_conflict(people::name).on_duplicate(OnDuplicate::KeepFirst).returning(people::note);
            let (_, notes): (_, Vec<Option<String>>) = call.call(conn).unwrap();
            assert_eq!(notes[..2], [Some("9".to_owned()), Some("9".to_owned())]);
        }
    }
}

/// What makes an operator class of this name, whose equality does not tell capitals from small letters.
const NOCASE_OPS: &str = "
CREATE FUNCTION nocase_cmp(a TEXT, b TEXT) RETURNS INT LANGUAGE sql IMMUTABLE STRICT
    RETURN CASE WHEN lower(a) < lower(b) THEN -1 WHEN lower(a) > lower(b) THEN 1 ELSE 0 END;
CREATE FUNCTION nocase_lt(a TEXT, b TEXT) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE STRICT RETURN lower(a) < lower(b);
CREATE FUNCTION nocase_le(a TEXT, b TEXT) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE STRICT RETURN lower(a) <= lower(b);
CREATE FUNCTION nocase_eq(a TEXT, b TEXT) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE STRICT RETURN lower(a) = lower(b);
CREATE FUNCTION nocase_ge(a TEXT, b TEXT) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE STRICT RETURN lower(a) >= lower(b);
CREATE FUNCTION nocase_gt(a TEXT, b TEXT) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE STRICT RETURN lower(a) > lower(b);
CREATE OPERATOR #< (LEFTARG = TEXT, RIGHTARG = TEXT, FUNCTION = nocase_lt, COMMUTATOR = #>);
CREATE OPERATOR #<= (LEFTARG = TEXT, RIGHTARG = TEXT, FUNCTION = nocase_le, COMMUTATOR = #>=);
CREATE OPERATOR #= (LEFTARG = TEXT, RIGHTARG = TEXT, FUNCTION = nocase_eq, COMMUTATOR = #=);
CREATE OPERATOR #>= (LEFTARG = TEXT, RIGHTARG = TEXT, FUNCTION = nocase_ge, COMMUTATOR = #<=);
CREATE OPERATOR #> (LEFTARG = TEXT, RIGHTARG = TEXT, FUNCTION = nocase_gt, COMMUTATOR = #<);
CREATE OPERATOR CLASS nocase_ops FOR TYPE TEXT USING btree AS
    OPERATOR 1 #<, OPERATOR 2 #<=, OPERATOR 3 #=, OPERATOR 4 #>=, OPERATOR 5 #>, FUNCTION 1 nocase_cmp(TEXT, TEXT);
CREATE TABLE people (name TEXT, note TEXT);
CREATE UNIQUE INDEX ON people (name nocase_ops)";

/// A type whose operators are in no schema of the search_path.
const OUT_OF_PATH: &str = "
CREATE SCHEMA types; CREATE EXTENSION citext SCHEMA types;
CREATE OPERATOR #= (LEFTARG = TEXT, RIGHTARG = TEXT, FUNCTION = texticlike);
CREATE TABLE people (name types.CITEXT PRIMARY KEY, note TEXT)";

/// An operator class of somebody's own says what is equal, and neither the type of the column nor the search_path.
#[test]
fn equal_is_what_the_operator_class_of_the_index_says() {
    needs!(TwoConnections);
    for (tables, is_large) in [(NOCASE_OPS, false), (NOCASE_OPS, true), (OUT_OF_PATH, false), (OUT_OF_PATH, true)] {
        let (_db, mut conn) = TestDb::with(tables);
        let conn = &mut conn;
        let others = if is_large { 600 } else { 0 };
        let batch = with_others(vec![person("Ann", "a"), person("Bob", "b"), person("ANN", "c")], is_large);
        assert_eq!(upsert(conn, &batch).unwrap(), report(2 + others, 0, 0, 1), "{is_large}");
        assert_eq!(value(conn, "SELECT note FROM people WHERE name #= 'ann'"), "c", "the last one counts");
        let again = with_others(vec![person("ann", "c"), person("Bob", "B")], is_large);
        assert_eq!(upsert(conn, &again).unwrap(), report(0, 1, 1 + others, 0), "{is_large}");
        assert_eq!(value(conn, "SELECT note FROM people WHERE name #= 'bob'"), "B");
        let call = bulk::upsert(with_others(vec![person("ANN", "9"), person("aNN", "8")], is_large));
        let call = call.on_conflict(people::name).on_duplicate(OnDuplicate::KeepFirst).returning(people::note);
        let (_, notes): (_, Vec<Option<String>>) = call.call(conn).unwrap();
        assert_eq!(notes[..2], [Some("9".to_owned()), Some("9".to_owned())]);
    }
}

/// In a batch of few rows, which is one statement if it can be: what is stored already as one of two keys has it, and what
/// is not updated at all, must not hide that the two are the same.
#[test]
fn few_keys_that_are_the_same_are_found() {
    needs!(TwoConnections);
    for column in ["citext", "text COLLATE nocase"] {
        let (_db, mut conn) = TestDb::with(&format!(
            "CREATE EXTENSION IF NOT EXISTS citext;
            CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
            CREATE TABLE people (name {column} PRIMARY KEY, note text); INSERT INTO people VALUES ('ann', 'c')"
        ));
        let conn = &mut conn;
        // The last one says what is stored; by its bytes it comes first.
        let batch = [person("Ann", "d"), person("ANN", "c")];
        assert_eq!(upsert(conn, &batch).unwrap(), report(0, 0, 1, 1), "{column}");
        let first = bulk::upsert(batch.clone()).on_conflict(people::name).on_duplicate(OnDuplicate::KeepFirst);
        assert_eq!(first.call(conn).unwrap(), report(0, 1, 0, 1), "{column}");
        let call = bulk::upsert([person("Élan", "1"), person("élan", "2")]).on_conflict(people::name).update_nothing();
        assert_eq!(call.call(conn).unwrap(), report(1, 0, 0, 1), "{column}");
        assert_eq!(value(conn, "SELECT string_agg(note, '' ORDER BY note) FROM people"), "2d", "{column}");
        let call = bulk::upsert([person("bo", "1"), person("BO", "2")]).on_conflict(people::name).update_nothing();
        assert!(call.on_duplicate(OnDuplicate::Fail).call(conn).is_err(), "{column}");
    }
}

diesel::table! {
    ticks (at) {
        at -> Timestamptz,
        note -> Nullable<Text>,
    }
}

#[test]
fn instants_that_are_rounded_to_one_are_the_same() {
    let (_db, mut conn) = TestDb::with("CREATE TABLE ticks (at timestamptz(0) PRIMARY KEY, note text)");
    for count in [0, 600] {
        sql(&mut conn, "TRUNCATE ticks");
        let tick = |milliseconds: i64, note: &'static str| {
            (ticks::at.eq(chrono::DateTime::from_timestamp_millis(milliseconds).unwrap()), ticks::note.eq(note))
        };
        let others: Vec<_> = (10..10 + count).map(|n| tick(n * 1000, "n")).collect();
        let total = u64::try_from(count).unwrap();
        let batch = [vec![tick(1600, "a"), tick(2400, "b"), tick(3000, "c")], others].concat();
        let mut upsert = || bulk::upsert(batch.clone()).on_conflict(ticks::at).call(&mut conn).unwrap();
        assert_eq!(upsert(), report(2 + total, 0, 0, 1));
        assert_eq!(upsert(), report(0, 0, 2 + total, 1));
    }
}

/// An index with another collation than its column: the index says what is the same.
#[test]
fn the_index_says_what_is_equal() {
    needs!(TwoConnections);
    let (_db, mut conn) = TestDb::with(
        "CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TABLE people (name text COLLATE nocase NOT NULL, note text);
        CREATE UNIQUE INDEX ON people (name COLLATE \"C\")",
    );
    for is_large in [false, true] {
        sql(&mut conn, "TRUNCATE people");
        let batch = with_others(vec![person("ann", "a"), person("ANN", "a")], is_large);
        let others = if is_large { 600 } else { 0 };
        assert_eq!(upsert(&mut conn, &batch[..1]).unwrap(), report(1, 0, 0, 0));
        assert_eq!(upsert(&mut conn, &batch).unwrap(), report(1 + others, 0, 1, 0));
    }
}

#[test]
fn zeros_and_nans_are_keys() {
    let (_db, mut conn) = TestDb::with("CREATE TABLE points (x float8 PRIMARY KEY, note text)");
    let point = |x: f64, note: &'static str| (points::x.eq(x), points::note.eq(note));
    for is_large in [false, true] {
        sql(&mut conn, "TRUNCATE points");
        let others: Vec<_> = (1..if is_large { 600 } else { 1 }).map(|n| point(f64::from(n), "n")).collect();
        let count = u64::try_from(others.len()).unwrap();
        let nan = f64::from_bits(f64::NAN.to_bits() | 1);
        let batch = [vec![point(0.0, "a"), point(-0.0, "b"), point(f64::NAN, "c"), point(nan, "d")], others].concat();
        let done = bulk::upsert(batch.clone()).on_conflict(points::x).call(&mut conn).unwrap();
        assert_eq!(done, report(2 + count, 0, 0, 2));
        let notes = "SELECT string_agg(note, '' ORDER BY x) FROM points WHERE note <> 'n'";
        assert_eq!(value(&mut conn, notes), "bd");
        let done = bulk::upsert(batch).on_conflict(points::x).call(&mut conn).unwrap();
        assert_eq!(done, report(0, 0, 2 + count, 2));
    }
}

#[test]
fn nulls_in_keys() {
    needs!(TwoConnections);
    let pair =
        |a: Option<i32>, b: Option<i32>, note: &'static str| (pairs::a.eq(a), pairs::b.eq(b), pairs::note.eq(note));
    for is_large in [false, true] {
        let others: Vec<_> = (10..if is_large { 610 } else { 10 }).map(|n| pair(Some(n), Some(n), "n")).collect();
        let count = u64::try_from(others.len()).unwrap();
        let batch = [
            vec![
                pair(Some(1), None, "a"),
                pair(Some(1), None, "b"),
                pair(None, None, "c"),
                pair(Some(1), Some(1), "d"),
            ],
            others,
        ]
        .concat();
        let create = "CREATE TABLE pairs (a int, b int, note text, UNIQUE";
        // Nulls are unlike each other: each of these rows is new, always.
        let (_db, mut conn) = TestDb::with(&format!("{create} (a, b))"));
        let upsert = |conn: &mut PgConnection| {
            bulk::upsert(batch.clone()).on_conflict((pairs::a, pairs::b)).update(pairs::note).call(conn).unwrap()
        };
        assert_eq!(upsert(&mut conn), report(4 + count, 0, 0, 0));
        assert_eq!(upsert(&mut conn), report(3, 0, 1 + count, 0));
        let call = bulk::upsert(batch.clone()).on_conflict((pairs::a, pairs::b)).returning(pairs::note);
        let error = call.call(&mut conn).map(|(_, notes): (_, Vec<Option<String>>)| notes).unwrap_err();
        assert!(matches!(error, BulkError::NullKey { row: 0 }), "{error}");
        // Nulls are the same.
        let (_db, mut conn) = TestDb::with(&format!("{create} NULLS NOT DISTINCT (a, b))"));
        assert_eq!(upsert(&mut conn), report(3 + count, 0, 0, 1));
        assert_eq!(upsert(&mut conn), report(0, 0, 3 + count, 1));
        let call = bulk::upsert(batch.clone()).on_conflict((pairs::a, pairs::b)).returning(pairs::note);
        let (_, notes): (_, Vec<Option<String>>) = call.call(&mut conn).unwrap();
        let notes: Vec<_> = notes.iter().flatten().take(4).cloned().collect();
        assert_eq!(notes, ["b", "b", "c", "d"]);
    }
}

#[test]
fn a_row_of_nothing_but_nulls_is_a_row() {
    let (_db, mut conn) =
        TestDb::with("CREATE TABLE pairs (a int, b int, note text, UNIQUE NULLS NOT DISTINCT (a, b))");
    let row = || (pairs::a.eq(None::<i32>), pairs::b.eq(None::<i32>));
    assert_eq!(
        bulk::upsert([row(), row()]).on_conflict((pairs::a, pairs::b)).call(&mut conn).unwrap(),
        report(1, 0, 0, 1)
    );
    sql(&mut conn, "TRUNCATE pairs");
    assert_eq!(
        bulk::insert_into(pairs::table).values([(pairs::note.eq(None::<String>),)]).call(&mut conn).unwrap(),
        report(1, 0, 0, 0)
    );
}

#[test]
fn triggers_change_rows_before_they_are_compared() {
    let (_db, mut conn) = TestDb::with(
        "CREATE TABLE people (name text PRIMARY KEY, note text);
        CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.note = 'skip' THEN RETURN NULL; END IF;
            NEW.note := upper(NEW.note); RETURN NEW; END $$;
        CREATE TRIGGER shout BEFORE INSERT OR UPDATE ON people FOR EACH ROW EXECUTE FUNCTION shout()",
    );
    for is_large in [false, true] {
        sql(&mut conn, "TRUNCATE people");
        let others = if is_large { 600 } else { 0 };
        let batch = with_others(vec![person("a", "one"), person("b", "skip")], is_large);
        assert_eq!(upsert(&mut conn, &batch).unwrap(), report(1 + others, 0, 1, 0));
        assert_eq!(upsert(&mut conn, &batch).unwrap(), report(0, 0, 2 + others, 0));
        // Stored before there was the trigger.
        sql(
            &mut conn,
            "ALTER TABLE people DISABLE TRIGGER shout; UPDATE people SET note = lower(note); ALTER TABLE people ENABLE TRIGGER shout",
        );
        assert_eq!(upsert(&mut conn, &batch).unwrap(), report(0, 1 + others, 1, 0));
        assert_eq!(value(&mut conn, "SELECT bool_and(note = upper(note)) FROM people"), "true");
    }
}

#[test]
fn row_security_is_kept() {
    needs!(TwoConnections);
    let role = format!("bulk_test_writer_{}", std::process::id());
    let (db, mut admin) = TestDb::with(&format!(
        "CREATE TABLE people (name text PRIMARY KEY, note text);
        CREATE ROLE {role}; GRANT ALL ON people TO {role};
        ALTER TABLE people ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON people USING (name NOT LIKE 'secret%');
        INSERT INTO people VALUES ('secret', 'x')"
    ));
    let mut conn = db.connect();
    sql(&mut conn, &format!("SET ROLE {role}"));
    for is_large in [false, true] {
        let others = if is_large { 600 } else { 0 };
        let batch = with_others(vec![person(if is_large { "b" } else { "a" }, "1")], is_large);
        assert_eq!(upsert(&mut conn, &batch).unwrap(), report(1 + others, 0, 0, 0));
        assert_eq!(upsert(&mut conn, &batch).unwrap(), report(0, 0, 1 + others, 0));
        for hidden in ["secret", "secret too"] {
            let error = upsert(&mut conn, &with_others(vec![person(hidden, "y")], is_large)).unwrap_err();
            assert!(error.to_string().contains("row-level security"), "{error}");
        }
    }
    assert_eq!(value(&mut admin, "SELECT note FROM people WHERE name = 'secret'"), "x");
    drop(conn);
    sql(&mut admin, &format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn indexes_that_on_conflict_cannot_use_are_told() {
    needs!(TwoConnections);
    for (index, told) in [
        ("CREATE UNIQUE INDEX i ON people (name) WHERE note IS NULL", "i (name), partial"),
        ("CREATE UNIQUE INDEX i ON people (lower(name))", "i (lower(name))"),
        ("ALTER TABLE people ADD CONSTRAINT i UNIQUE (name) DEFERRABLE", "i (name), deferrable"),
        ("CREATE UNIQUE INDEX i ON people (name, note)", "i (name, note)"),
    ] {
        let (_db, mut conn) = TestDb::with(&format!("CREATE TABLE people (name text NOT NULL, note text); {index}"));
        for is_large in [false, true] {
            let error = upsert(&mut conn, &with_others(vec![person("a", "b")], is_large)).unwrap_err();
            let BulkError::NoUniqueIndex { unique_indexes, .. } = error else { panic!("{error}") };
            assert_eq!(unique_indexes, [told]);
            assert_eq!(value(&mut conn, "SELECT count(*) FROM people"), "0");
        }
    }
    // Columns that are in the index besides the key do not count.
    let (_db, mut conn) =
        TestDb::with("CREATE TABLE people (name text, note text); CREATE UNIQUE INDEX ON people (name) INCLUDE (note)");
    assert_eq!(upsert(&mut conn, &with_others(vec![person("a", "b")], true)).unwrap(), report(601, 0, 0, 0));
}

#[test]
fn views_and_missing_things_are_told() {
    let (_db, mut conn) = TestDb::with(
        "CREATE TABLE t (name text PRIMARY KEY, note text);
        CREATE VIEW people AS SELECT * FROM t",
    );
    for is_large in [false, true] {
        let error = upsert(&mut conn, &with_others(vec![person("a", "b")], is_large)).unwrap_err();
        assert_eq!(error.to_string(), "\"people\" is a view: write into the table itself");
    }
    sql(&mut conn, "DROP VIEW people");
    let error = upsert(&mut conn, &[person("a", "b")]).unwrap_err();
    assert!(matches!(error, BulkError::NoTable { .. }), "{error}");
    sql(&mut conn, "CREATE TABLE people (name text PRIMARY KEY)");
    let error = upsert(&mut conn, &[person("a", "b")]).unwrap_err();
    assert_eq!(error.to_string(), "\"people\" has no column note: check table! against the database");
    sql(&mut conn, "ALTER TABLE people ADD note text GENERATED ALWAYS AS (upper(name)) STORED");
    for is_large in [false, true] {
        let error = upsert(&mut conn, &with_others(vec![person("a", "b")], is_large)).unwrap_err();
        assert!(matches!(&error, BulkError::GeneratedColumn { columns, .. } if columns == &["note"]), "{error}");
    }
}

#[test]
fn an_identity_that_is_always_generated_is_no_key() {
    let (_db, mut conn) =
        TestDb::with("CREATE TABLE pairs (a int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, b int, note text)");
    for count in [2, 700] {
        let rows: Vec<_> = (0..count).map(|n| (pairs::a.eq(n), pairs::note.eq("x"))).collect();
        let error = bulk::upsert(rows).on_conflict(pairs::a).call(&mut conn).unwrap_err();
        assert!(matches!(&error, BulkError::GeneratedColumn { columns, .. } if columns == &["a"]), "{error}");
    }
    for (from, count) in [(0, 3), (10, 700)] {
        let rows = || (from..from + count).map(|n| (pairs::a.eq(n), pairs::note.eq("x")));
        let total = u64::try_from(count).unwrap();
        let call = bulk::upsert(rows()).on_conflict(pairs::a).overriding_system_value();
        assert_eq!(call.call(&mut conn).unwrap(), report(total, 0, 0, 0));
        let call = bulk::upsert(rows()).on_conflict(pairs::a).overriding_system_value();
        assert_eq!(call.call(&mut conn).unwrap(), report(0, 0, total, 0));
        let rows = rows().take(1);
        bulk::insert_into(pairs::table).values(rows).overriding_system_value().call(&mut conn).unwrap_err();
    }
    sql(&mut conn, "TRUNCATE pairs; ALTER TABLE pairs ALTER a SET GENERATED BY DEFAULT");
    let rows: Vec<_> = (0..700).map(|n| (pairs::a.eq(n), pairs::note.eq("x"))).collect();
    assert_eq!(bulk::upsert(rows).on_conflict(pairs::a).call(&mut conn).unwrap(), report(700, 0, 0, 0));
}

#[test]
fn partitions_and_children() {
    needs!(TwoConnections);
    let partitioned = "CREATE TABLE people (name text, note text, PRIMARY KEY (name)) PARTITION BY LIST (name);
        CREATE TABLE others (note text, name text NOT NULL); ALTER TABLE people ATTACH PARTITION others DEFAULT";
    let (_db, mut conn) = TestDb::with(partitioned);
    for is_large in [false, true] {
        sql(&mut conn, "TRUNCATE people");
        let others = if is_large { 600 } else { 0 };
        let mut batch = with_others(vec![person("a", "1"), person("b", "1")], is_large);
        assert_eq!(upsert(&mut conn, &batch).unwrap(), report(2 + others, 0, 0, 0));
        batch[1] = person("b", "2");
        assert_eq!(upsert(&mut conn, &batch).unwrap(), report(0, 1, 1 + others, 0));
    }
    // Partitions whose columns are in the order of the table's, as those have that it makes itself.
    for nulls in ["", "NULLS NOT DISTINCT"] {
        let (_db, mut conn) = TestDb::with(&format!(
            "CREATE TABLE people (name text, note text, UNIQUE {nulls} (name)) PARTITION BY RANGE (name);
             CREATE TABLE first PARTITION OF people FOR VALUES FROM (MINVALUE) TO ('m');
             CREATE TABLE second PARTITION OF people FOR VALUES FROM ('m') TO (MAXVALUE)"
        ));
        for is_large in [false, true] {
            sql(&mut conn, "TRUNCATE people");
            let others = if is_large { 600 } else { 0 };
            let mut batch = with_others(vec![person("a", "1"), person("n", "1")], is_large);
            assert_eq!(upsert(&mut conn, &batch).unwrap(), report(2 + others, 0, 0, 0));
            batch[1] = person("n", "2");
            batch[0] = person("c", "1");
            assert_eq!(upsert(&mut conn, &batch).unwrap(), report(1, 1, others, 0));
            let twice = conn.transaction(|conn| {
                batch[1] = person("n", "3");
                upsert(conn, &batch).and_then(|_| upsert(conn, &batch))
            });
            assert_eq!(twice.unwrap(), report(0, 0, 2 + others, 0));
            assert_eq!(value(&mut conn, "SELECT note FROM people WHERE name = 'n'"), "3");
            let call = bulk::upsert(batch.iter().cloned()).on_conflict(people::name).update_nothing();
            assert_eq!(call.call(&mut conn).unwrap(), report(0, 0, 2 + others, 0));
        }
    }
    // Rows of a table that inherits are not rows of the table.
    let (_db, mut conn) = TestDb::with(
        "CREATE TABLE people (name text PRIMARY KEY, note text); CREATE TABLE children () INHERITS (people);
        INSERT INTO children SELECT '~' || n, 'x' FROM generate_series(0, 599) AS n",
    );
    let batch = with_others(vec![person("a", "1")], true);
    assert_eq!(upsert(&mut conn, &batch).unwrap(), report(601, 0, 0, 0));
    let call = bulk::upsert(batch.iter().cloned()).on_conflict(people::name).returning(people::name);
    let (_, names): (_, Vec<String>) = call.call(&mut conn).unwrap();
    assert_eq!(names.len(), 601);
    assert_eq!(value(&mut conn, "SELECT count(*) FROM ONLY people"), "601");
}

#[test]
fn rules_are_refused_by_the_database() {
    let (_db, mut conn) = TestDb::with(
        "CREATE TABLE people (name text PRIMARY KEY, note text);
        CREATE RULE r AS ON INSERT TO people DO ALSO NOTIFY someone",
    );
    for is_large in [false, true] {
        let error = upsert(&mut conn, &with_others(vec![person("a", "b")], is_large)).unwrap_err();
        assert!(error.to_string().contains("rule"), "{error}");
    }
}

/// Lengths and precisions: what the table refuses is refused, what it rounds is compared as it is stored.
#[test]
fn types_that_cut_and_round() {
    needs!(TwoConnections);
    let (_db, mut conn) = TestDb::with(
        "CREATE DOMAIN short AS varchar(5) CHECK (VALUE <> ''); CREATE TABLE people (name char(8) PRIMARY KEY, note short)",
    );
    for is_large in [false, true] {
        sql(&mut conn, "TRUNCATE people");
        let others = if is_large { 600 } else { 0 };
        let batch = with_others(vec![person("a", "12345"), person("a  ", "1")], is_large);
        assert_eq!(upsert(&mut conn, &batch).unwrap(), report(1 + others, 0, 0, 1));
        assert_eq!(upsert(&mut conn, &batch).unwrap(), report(0, 0, 1 + others, 1));
        let error = upsert(&mut conn, &with_others(vec![person("a", "123456789")], is_large)).unwrap_err();
        assert!(error.to_string().contains("too long"), "{error}");
        let error = upsert(&mut conn, &with_others(vec![person("a", "")], is_large)).unwrap_err();
        assert!(error.to_string().contains("check constraint"), "{error}");
    }
    let (_db, mut conn) = TestDb::with("CREATE TABLE people (name text PRIMARY KEY, note varchar(5))");
    let batch = with_others(vec![person("a", "12345")], true);
    upsert(&mut conn, &batch).unwrap();
    let mut longer = batch.clone();
    longer[0] = person("a", "1234567");
    let error = upsert(&mut conn, &longer).unwrap_err();
    assert!(error.to_string().contains("too long"), "{error}");
}

diesel::table! {
    amounts (id) {
        id -> Integer,
        amount -> Text,
    }
}

/// Numbers that are equal and look otherwise, JSON too, are written again.
#[test]
fn values_are_compared_bit_for_bit() {
    needs!(TwoConnections);
    for (column, one, other) in [
        ("numeric", "1.0", "1.00"),
        ("jsonb", "{\"a\": 1.0}", "{\"a\": 1.00}"),
        ("json", "{\"a\":1}", "{\"a\": 1}"),
        ("interval", "1 day", "24:00:00"),
        ("float8", "0", "-0"),
        ("point", "(1,2)", "(1.0000000001,2)"),
        ("citext", "a", "A"),
    ] {
        // The column is bound as a text, and becomes what it is in the table.
        let (_db, mut conn) = TestDb::with("CREATE EXTENSION IF NOT EXISTS citext");
        sql(&mut conn, &format!("CREATE TABLE amounts (id int PRIMARY KEY, amount {column})"));
        if column != "citext" {
            sql(&mut conn, &format!("CREATE CAST (text AS {column}) WITH INOUT AS ASSIGNMENT"));
        }
        for count in [3, 700] {
            let total = u64::try_from(count).unwrap();
            let mut upsert = |amount: &str| {
                let rows = (0..count).map(|n| (amounts::id.eq(n), amounts::amount.eq(amount.to_owned())));
                bulk::upsert(rows).on_conflict(amounts::id).call(&mut conn).unwrap()
            };
            upsert(one);
            assert_eq!(upsert(other), report(0, total, 0, 0), "{column}");
            assert_eq!(upsert(other), report(0, 0, total, 0), "{column}");
        }
    }
}

/// Where `table!` has another type than the table, a value is converted as PostgreSQL assigns it, in any batch: COPY would
/// store its bytes as those of the other type.
#[test]
fn types_that_table_does_not_have() {
    let (_db, mut conn) = TestDb::with(
        "CREATE TABLE measures (id bigint PRIMARY KEY, amount double precision, at timestamp);
         SET TIME ZONE 'Asia/Tokyo'",
    );
    let noon: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().unwrap();
    let rows = |from: i32, count: i32| {
        let row = move |id: i32| (measures::id.eq(id), measures::amount.eq(i64::from(id)), measures::at.eq(noon));
        (from..from + count).map(row)
    };
    let upsert = |rows, conn: &mut PgConnection| bulk::upsert(rows).on_conflict(measures::id).call(conn).unwrap();
    assert_eq!(bulk::insert_into(measures::table).values(rows(0, 900)).call(&mut conn).unwrap().inserted, 900);
    assert_eq!(upsert(rows(1000, 900), &mut conn).inserted, 900);
    assert_eq!(upsert(rows(1000, 900), &mut conn).unchanged, 900);
    assert_eq!(upsert(rows(2000, 9), &mut conn).inserted, 9);
    let wrong = "SELECT count(*) FROM measures WHERE amount <> id OR at <> '2026-03-01 21:00:00'";
    assert_eq!(value(&mut conn, wrong), "0");
    assert_eq!(value(&mut conn, "SELECT count(*) FROM measures"), "1809");
}
