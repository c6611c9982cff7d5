//! Verification: finds what keeps references from holding.

mod violation;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Integer, Nullable, Text};

#[doc(hidden)]
pub use self::violation::drifts;
pub use self::violation::{Violation, ViolationKind};
use crate::call::{Call, Relation, Statement, push_relation, relation_name};
use crate::error::{Error, Result};
use crate::server::TimescaleVersion;

/// Looks for what keeps references from holding, in the whole database: every [target](crate::references) with its
/// triggers and functions, every table that references one with its keys, triggers and rows, and native foreign keys to
/// any hypertable.
///
/// Gives one [`Violation`] for each, with its remedy; none if all is well. For one target see
/// [`references::verify`](crate::references::verify), and what is said there.
///
/// # Errors
/// What the database itself reports; a violation is not an error.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// # fn main() { run(|conn| {
/// for violation in diesel_timescale::verify().call(conn)? {
///     eprintln!("{violation}");
/// }
/// # Ok(()) }) }
/// ```
pub fn verify() -> impl Call<Output = Vec<Violation>, Error = Error> + Clone {
    VerifyDatabase {}
}

/// Looks for what keeps references to the rows of a [target](crate::references::create_target) from holding.
///
/// Gives one [`Violation`] for each, with its remedy; none if all is well. Run it while nothing removes rows: a chunk
/// that retention drops while verification waits for it looks as if its references dangled, until the next run.
///
/// It writes nothing, so it runs on a read replica and in a read-only transaction. It reads tables that belong to a
/// superuser or to its caller: an index or a policy of another role's table could run that role's code with the rights of
/// the caller. What it could not read is a violation of the kind [`ViolationKind::Unchecked`].
///
/// # Errors
/// [`ReferenceError::NotATarget`](crate::ReferenceError::NotATarget); a violation is not an error.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::references;
///
/// # fn main() { run(|conn| {
/// references::create_target(readings::time).call(conn)?;
/// assert!(references::verify(readings::table).call(conn)?.is_empty());
/// # Ok(()) }) }
/// ```
pub fn verify_target<T>(target: T) -> impl Call<Output = Vec<Violation>, Error = Error> + Clone
where
    T: Table + QueryFragment<Pg>,
{
    VerifyTarget { target: relation_name(&target) }
}

/// A violation as it comes, and the releases of the server.
type Row = (Violation, Option<TimescaleVersion>, i32);
type SqlType = ((Text, Text, Text, Text), Nullable<Text>, Integer);

/// Writes the SQL of violations, from that of a query for those of references.
#[doc(hidden)]
pub fn push_violations<'b>(
    out: &mut AstPass<'_, 'b, Pg>,
    query: impl FnOnce(&mut AstPass<'_, 'b, Pg>) -> QueryResult<()>,
) -> QueryResult<()> {
    out.push_sql(
        "SELECT violation, object, detail, remedy, (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'), \
         current_setting('server_version_num')::int FROM (",
    );
    query(out)?;
    out.push_sql(
        " UNION ALL SELECT 'jobs_reported_failed', 'job ' || array_to_string(ids, ', '), '', '' \
         FROM diesel_timescale.scheduled_jobs() AS ids WHERE ids <> '{}') AS violations (violation, object, detail, remedy)",
    );
    Ok(())
}

/// Violations, with what the server that was found is known to do.
#[doc(hidden)]
pub fn violations(rows: Vec<(Violation, Option<TimescaleVersion>, i32)>) -> Vec<Violation> {
    rows.into_iter()
        .filter_map(|(violation, timescaledb, postgres)| violation::with_known_issues(violation, timescaledb, postgres))
        .collect()
}

/// The call that [`verify`] makes.
#[derive(Debug, Clone, QueryId)]
struct VerifyDatabase {}

impl Statement for VerifyDatabase {
    type SqlType = SqlType;
    type Row = Row;
    type Output = Vec<Violation>;
    type Error = Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_violations(&mut out, |out| {
            out.push_sql("SELECT * FROM diesel_timescale.verify_database()");
            Ok(())
        })
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output> {
        Ok(violations(rows))
    }
}

/// The call that [`verify_target`] makes.
#[derive(Debug, Clone, QueryId)]
struct VerifyTarget {
    target: Relation,
}

impl Statement for VerifyTarget {
    type SqlType = SqlType;
    type Row = Row;
    type Output = Vec<Violation>;
    type Error = Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_violations(&mut out, |out| {
            out.push_sql("SELECT * FROM diesel_timescale.verify_references(");
            push_relation(&self.target, out)?;
            out.push_sql(")");
            Ok(())
        })
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output> {
        Ok(violations(rows))
    }
}
