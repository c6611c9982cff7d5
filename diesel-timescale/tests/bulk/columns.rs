//! As many columns as Diesel has tuples for.

use diesel::prelude::*;
use diesel_timescale::Call;
use diesel_timescale::bulk;

use crate::support::{TestDb, value};

diesel::table! {
    wide (c00) {
        c00 -> Integer,
        c01 -> Integer,
        c02 -> Integer,
        c03 -> Integer,
        c04 -> Integer,
        c05 -> Integer,
        c06 -> Integer,
        c07 -> Integer,
        c08 -> Integer,
        c09 -> Integer,
        c10 -> Integer,
        c11 -> Integer,
        c12 -> Integer,
        c13 -> Integer,
        c14 -> Integer,
        c15 -> Integer,
        c16 -> Integer,
        c17 -> Integer,
        c18 -> Integer,
        c19 -> Integer,
        c20 -> Integer,
        c21 -> Integer,
        c22 -> Integer,
        c23 -> Integer,
        c24 -> Integer,
        c25 -> Integer,
        c26 -> Integer,
        c27 -> Integer,
        c28 -> Integer,
        c29 -> Integer,
        c30 -> Integer,
        c31 -> Integer,
    }
}

#[derive(Insertable, Clone)]
#[diesel(table_name = wide)]
struct Wide {
    c00: i32,
    c01: i32,
    c02: i32,
    c03: i32,
    c04: i32,
    c05: i32,
    c06: i32,
    c07: i32,
    c08: i32,
    c09: i32,
    c10: i32,
    c11: i32,
    c12: i32,
    c13: i32,
    c14: i32,
    c15: i32,
    c16: i32,
    c17: i32,
    c18: i32,
    c19: i32,
    c20: i32,
    c21: i32,
    c22: i32,
    c23: i32,
    c24: i32,
    c25: i32,
    c26: i32,
    c27: i32,
    c28: i32,
    c29: i32,
    c30: i32,
    c31: i32,
}

fn wide_row(n: i32) -> Wide {
    Wide {
        c00: n,
        c01: n,
        c02: n,
        c03: n,
        c04: n,
        c05: n,
        c06: n,
        c07: n,
        c08: n,
        c09: n,
        c10: n,
        c11: n,
        c12: n,
        c13: n,
        c14: n,
        c15: n,
        c16: n,
        c17: n,
        c18: n,
        c19: n,
        c20: n,
        c21: n,
        c22: n,
        c23: n,
        c24: n,
        c25: n,
        c26: n,
        c27: n,
        c28: n,
        c29: n,
        c30: n,
        c31: n,
    }
}

#[test]
fn thirty_two_columns() {
    let columns: Vec<_> = (0..32).map(|n| format!("c{n:02} int NOT NULL")).collect();
    let (_db, mut conn) = TestDb::with(&format!("CREATE TABLE wide ({}, PRIMARY KEY (c31, c00))", columns.join(", ")));
    for count in [10, 1000] {
        let batch: Vec<_> = (0..count).map(wide_row).collect();
        let call = bulk::upsert(&batch).on_conflict((wide::c31, wide::c00)).update((wide::c01, wide::c30));
        call.call(&mut conn).unwrap();
    }
    assert_eq!(value(&mut conn, "SELECT count(*) FILTER (WHERE c00 = c30 AND c17 = c01) FROM wide"), "1000");
}
