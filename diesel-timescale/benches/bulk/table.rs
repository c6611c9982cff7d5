//! A table that is measured, and its rows.

use std::ffi::CString;

use diesel::prelude::*;

use crate::measure::Measurements;
use crate::raw_copy::{Buffer, RawConnection};
use crate::support::{Needs, TestDb, has_quietly, sql};

/// A row type with its table.
pub trait WideOrNarrow: Clone {
    const NAME: &'static str;
    const COLUMNS: &'static str;
    const CREATE: &'static str;
    const TIME: &'static str;

    /// The row of this number; `different` is how many different JSON values there are among all rows.
    fn new(n: usize, is_changed: bool, different: usize) -> Self;
    fn copy(&self, buffer: &mut Buffer);
    fn upsert(rows: &[Self], conn: &mut PgConnection);
    fn insert(rows: &[Self], conn: &mut PgConnection);
    fn diesel_batch(rows: &[Self], conn: &mut PgConnection);
}

/// The rows of a round, in batches.
pub struct Rows<R> {
    pub batches: Vec<Vec<R>>,
    changed: Vec<Vec<R>>,
    buffers: Vec<Vec<u8>>,
    pub len: usize,
}

impl<R: WideOrNarrow> Rows<R> {
    pub fn new(len: usize, batch: usize, different: usize) -> Self {
        let all = |is_changed: bool| -> Vec<Vec<R>> {
            let rows: Vec<_> = (0..len).map(|n| R::new(n, is_changed, different)).collect();
            rows.chunks(batch).map(<[R]>::to_vec).collect()
        };
        let batches = all(false);
        let buffer = |rows: &Vec<R>| {
            let mut buffer = Buffer::new();
            rows.iter().for_each(|row| row.copy(&mut buffer));
            buffer.finish()
        };
        Self { buffers: batches.iter().map(buffer).collect(), changed: all(true), batches, len }
    }
}

/// A database with the table: a hypertable of weekly chunks where the server has TimescaleDB.
pub struct Table<R> {
    pub db: TestDb,
    pub conn: PgConnection,
    raw: RawConnection,
    row: std::marker::PhantomData<R>,
}

impl<R: WideOrNarrow> Table<R> {
    pub fn new() -> Self {
        let (db, mut conn) = TestDb::with(R::CREATE);
        if has_quietly(Needs::Timescale) {
            let create =
                format!("SELECT create_hypertable('{}', '{}', create_default_indexes => false)", R::NAME, R::TIME);
            sql(&mut conn, &create);
        }
        let raw = RawConnection::connect(db.url().as_str());
        Self { db, conn, raw, row: std::marker::PhantomData }
    }

    pub fn clear(&mut self) {
        sql(&mut self.conn, &format!("TRUNCATE {}", R::NAME));
        sql(&mut self.conn, "CHECKPOINT");
    }

    fn raw_copy(&mut self, rows: &Rows<R>) {
        let statement = CString::new(format!("COPY {} ({}) FROM STDIN BINARY", R::NAME, R::COLUMNS)).unwrap();
        rows.buffers.iter().for_each(|buffer| self.raw.copy(&statement, buffer));
    }

    /// One round: raw COPY; our insert; our upsert of new, of the same and of changed rows; Diesel's own batch.
    pub fn round(&mut self, rows: &Rows<R>, measured: &mut Measurements, with_diesel: bool) {
        let each = |write: fn(&[R], &mut PgConnection), batches: &[Vec<R>], conn: &mut PgConnection| {
            batches.iter().for_each(|batch| write(batch, conn));
        };
        self.clear();
        measured.time("raw_copy", rows.len, || self.raw_copy(rows));
        self.clear();
        measured.time("insert", rows.len, || each(R::insert, &rows.batches, &mut self.conn));
        self.clear();
        measured.time("fresh", rows.len, || each(R::upsert, &rows.batches, &mut self.conn));
        measured.time("unchanged", rows.len, || each(R::upsert, &rows.batches, &mut self.conn));
        measured.time("changed", rows.len, || each(R::upsert, &rows.changed, &mut self.conn));
        if with_diesel {
            self.clear();
            measured.time("diesel_fresh", rows.len, || each(R::diesel_batch, &rows.batches, &mut self.conn));
            measured.time("diesel_unchanged", rows.len, || each(R::diesel_batch, &rows.batches, &mut self.conn));
        }
    }
}
