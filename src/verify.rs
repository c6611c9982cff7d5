//! Verification: finds violations of the guarantees that this schema gives.

use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryId};
use diesel::sql_types::{Bool, Integer, Nullable, Text};
use diesel_timescale::verify::{drifts, push_violations, violations};
use diesel_timescale::{Call, TimescaleVersion};
pub use diesel_timescale::{Violation, ViolationKind};

use crate::call::Statement;
use crate::error::{Error, Result};
use crate::models::SensorEvent;

/// Looks for violations: in the hypertable and its dimension, keys, triggers, foreign keys, references and ids.
///
/// References are verified as those to any target ([`timescale::references::verify`](crate::timescale::references::verify));
/// [`timescale::verify`](crate::timescale::verify()) looks at all targets of the database.
///
/// Where it finds none of that, it compares both tables with [`SensorEvent::setup`]: what differs, a column of another type
/// say, is a violation of the kind [`ViolationKind::Drift`].
///
/// Gives one [`Violation`] for each, with its remedy; none if all is well. Run it while nothing removes events: a chunk
/// that retention drops while verification waits for it looks as if its references dangled, until the next run.
///
/// It writes nothing, so it runs on a read replica and in a read-only transaction. It reads the tables that refer to
/// events only if they belong to a superuser, to its caller, or to the owner of `sensor_events`: an index or a policy
/// of another role's table could run that role's code with the rights of the caller. What it could not read is a
/// violation of the kind [`ViolationKind::Unchecked`]. The rights that it needs are in [`rights`](crate::rights).
///
/// # Errors
/// What the database itself reports; a violation is not an error.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// # fn main() { run(|conn| {
/// let violations = verify().allow_plain_table().call(conn)?;
/// for violation in &violations {
///     eprintln!("{violation}");
/// }
/// assert!(violations.is_empty());
/// # Ok(()) }) }
/// ```
pub fn verify() -> Verify {
    Verify { allow_plain_table: false, scan_events: true }
}

/// The call that [`verify()`] makes.
#[derive(Debug, Clone, Copy, QueryId)]
#[must_use = "a call does nothing until it runs"]
pub struct Verify {
    allow_plain_table: bool,
    scan_events: bool,
}

impl Verify {
    /// Accepts a plain table in place of a hypertable. Default: that is reported.
    pub fn allow_plain_table(mut self) -> Self {
        self.allow_plain_table = true;
        self
    }

    /// Whether to look for duplicate ids, which reads every event. Default: `true`.
    pub fn scan_events(mut self, scan: bool) -> Self {
        self.scan_events = scan;
        self
    }
}

impl Call for Verify {
    type Output = Vec<Violation>;
    type Error = Error;

    fn call<C>(self, conn: &mut C) -> Result<Vec<Violation>>
    where
        C: LoadConnection<Backend = Pg> + 'static,
    {
        let found = VerifyEvents { verify: self }.call(conn)?;
        if !found.is_empty() {
            return Ok(found);
        }
        Ok(drifts(&SensorEvent::tables().plan().call(conn)?))
    }

    #[cfg(feature = "async")]
    async fn call_async<C>(self, conn: &mut C) -> Result<Vec<Violation>>
    where
        C: diesel_async::AsyncConnection<Backend = Pg>,
    {
        let found = VerifyEvents { verify: self }.call_async(conn).await?;
        if !found.is_empty() {
            return Ok(found);
        }
        Ok(drifts(&SensorEvent::tables().plan().call_async(conn).await?))
    }
}

/// The statement that [`Verify`] begins with.
#[derive(Debug, Clone, Copy, QueryId)]
#[must_use = "a statement does nothing until it runs"]
struct VerifyEvents {
    verify: Verify,
}

impl Statement for VerifyEvents {
    type SqlType = ((Text, Text, Text, Text), Nullable<Text>, Integer);
    type Row = (Violation, Option<TimescaleVersion>, i32);
    type Output = Vec<Violation>;
    type Error = Error;

    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_violations(&mut out, |out| {
            out.push_sql("SELECT * FROM verify_sensor_events(");
            out.push_bind_param::<Bool, _>(&self.verify.allow_plain_table)?;
            out.push_sql(", ");
            out.push_bind_param::<Bool, _>(&self.verify.scan_events)?;
            out.push_sql(")");
            Ok(())
        })
    }

    fn output(rows: Vec<Self::Row>) -> Result<Self::Output> {
        Ok(violations(rows))
    }
}
