//! A declared hypertable as the options of `CREATE TABLE`, for a migration.

use super::declaration::{Columnstore, Unit};
use super::length::Length;
use super::names::{ordered, plain_name};
use super::sql::{identifier, literal};
use super::wanted::Wanted;
use super::{HypertableDeclaration, Setup};
use crate::error::{Error, Result};

impl Setup {
    /// What stands between `CREATE TABLE name (…)` and the semicolon so that the table is made as it is declared, a
    /// hypertable with its columnstore: `WITH (tsdb.hypertable, …)`, for a migration of servers with
    /// [`Feature::CreateTableWith`](crate::Feature::CreateTableWith). Names the table as it was declared.
    ///
    /// Policies are no part of it, nor are dimensions of space, direct compress and granular refresh: apply the set-up
    /// for them.
    ///
    /// # Errors
    /// [`Error::Declaration`] if no hypertable of that name is declared, or it has what these options cannot say.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// use diesel_timescale::setup::Setup;
    ///
    /// # fn main() {
    /// let setup = Setup::new()
    ///     .with(hypertable(readings::time).chunk_interval(TimeDelta::days(1)))
    ///     .with(columnstore(readings::table).segment_by(readings::sensor).order_by_desc(readings::time));
    /// assert_eq!(
    ///     setup.create_table_options("readings").unwrap(),
    ///     "WITH (tsdb.hypertable, tsdb.partition_column = 'time', tsdb.chunk_interval = '1 day', \
    ///      tsdb.segmentby = '\"sensor\"', tsdb.orderby = '\"time\" DESC')"
    /// );
    /// # }
    /// ```
    pub fn create_table_options(&self, table: &str) -> Result<String> {
        let wrong = |message: String| Error::Declaration { message: format!("{table}: {message}") };
        let declared = self.tables.get(&plain_name(table));
        let Some((table, HypertableDeclaration { time, chunk_interval, integer_now, default_indexes, .. })) =
            declared.and_then(|table| Some((table, table.hypertable.as_ref()?)))
        else {
            return Err(wrong("no hypertable of this name is declared".to_owned()));
        };
        if let Some(Unit(nanoseconds)) = integer_now {
            let message =
                format!("no option tells the present in units of {nanoseconds} nanoseconds: set_integer_now()");
            return Err(wrong(message));
        }
        if !table.dimensions.is_empty() {
            return Err(wrong("no option makes a dimension of space".to_owned()));
        }
        let mut options = vec!["tsdb.hypertable".to_owned(), format!("tsdb.partition_column = {}", literal(time))];
        if let Some(interval) = chunk_interval.or(table.chunk_interval) {
            let interval = match interval {
                Length::Interval { .. } => literal(&interval.to_string()),
                Length::Integer(units) => units.to_string(),
            };
            options.push(format!("tsdb.chunk_interval = {interval}"));
        }
        if !default_indexes {
            options.push("tsdb.create_default_indexes = false".to_owned());
        }
        match &table.columnstore {
            Some(Wanted::Present(columnstore)) => options.extend(columnstore_options(columnstore)),
            // Default of the server: a columnstore, and a policy for it.
            Some(Wanted::Absent) | None => options.push("tsdb.columnstore = false".to_owned()),
        }
        Ok(format!("WITH ({})", options.join(", ")))
    }
}

fn columnstore_options(columnstore: &Columnstore) -> impl Iterator<Item = String> {
    let columns = |columns: &[String]| columns.iter().map(|column| identifier(column)).collect::<Vec<_>>().join(", ");
    let order: Vec<_> = columnstore
        .order_by
        .iter()
        .map(|column| {
            let (column, is_descending) = ordered(column);
            format!("{}{}", identifier(column), if is_descending { " DESC" } else { "" })
        })
        .collect();
    let indexes = |kind: &'static str, columns: &[String]| {
        columns.iter().map(move |column| format!("{kind}({})", identifier(column))).collect::<Vec<_>>()
    };
    let sparse = [indexes("bloom", &columnstore.bloom), indexes("minmax", &columnstore.minmax)].concat();
    let option = |name: &str, value: String| (!value.is_empty()).then(|| format!("tsdb.{name} = {}", literal(&value)));
    [
        option("segmentby", columns(&columnstore.segment_by)),
        option("orderby", order.join(", ")),
        option("sparse_index", sparse.join(", ")),
    ]
    .into_iter()
    .flatten()
}
