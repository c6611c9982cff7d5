//! Direct compress: rows go into the columnstore as they are inserted.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::Bool;

use crate::call::{Call, Relation, done, relation_name};
use crate::error::Error;
use crate::function_call;
use crate::setup::{Declare, Setup};

/// Lets rows that the transaction inserts after this go into the columnstore of a hypertable directly, by `INSERT` and
/// by `COPY`, where a statement brings ten rows or more. Run it inside a transaction: it holds to the end of it.
///
/// A table with a primary key, unique index, foreign key or trigger cannot: TimescaleDB would write rows as usual with
/// no more than a warning. Duplicates are not found, so this is for rows that are new.
///
/// # Errors
/// [`Error::Unsupported`] before 2.23, in the Apache edition and without TimescaleDB; [`Error::DirectCompress`] if
/// something of the table stands in the way.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Error, Feature, Server, columnstore, compress_directly};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::DirectCompress) { return Ok(()); }
/// columnstore(readings::table).order_by(readings::time).enable().call(conn)?;
/// // Its primary key stands in the way.
/// let refused = conn.transaction(|conn| compress_directly(readings::table).call(conn)).unwrap_err();
/// assert!(matches!(refused, Error::DirectCompress { .. }));
///
/// conn.batch_execute("ALTER TABLE readings DROP CONSTRAINT readings_pkey")?;
/// conn.transaction::<_, Error, _>(|conn| {
///     compress_directly(readings::table).call(conn)?;
///     // Inserts.
///     Ok(())
/// })?;
/// # Ok(()) }) }
/// ```
pub fn compress_directly<T>(table: T) -> impl Call<Output = (), Error = Error> + Clone
where
    T: Table + QueryFragment<Pg>,
{
    CompressDirectly { relation: relation_name(&table) }
}

function_call! {
    /// The call that [`compress_directly`] makes.
    CompressDirectly { relation: Relation = Relation },
    "SELECT diesel_timescale.compress_directly(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
    requires DirectCompress,
}

/// Sets whether rows go into the columnstore of a hypertable [directly](compress_directly), whoever inserts them.
/// Default: they do not.
///
/// # Errors
/// [`Error::Unsupported`] before 2.29, in the Apache edition and without TimescaleDB; [`Error::DirectCompress`] if
/// something of the table stands in the way.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, columnstore, set_direct_compress};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::DirectCompressOfTable) { return Ok(()); }
/// conn.batch_execute("ALTER TABLE readings DROP CONSTRAINT readings_pkey")?;
/// columnstore(readings::table).order_by(readings::time).enable().call(conn)?;
/// set_direct_compress(readings::table, true).call(conn)?;
/// set_direct_compress(readings::table, false).call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn set_direct_compress<T>(table: T, enabled: bool) -> impl Call<Output = (), Error = Error> + Declare + Clone
where
    T: Table + QueryFragment<Pg>,
{
    SetDirectCompress { relation: relation_name(&table), enabled }
}

function_call! {
    /// The call that [`set_direct_compress`] makes.
    SetDirectCompress { relation: Relation = Relation, enabled: bool = Bool },
    "SELECT diesel_timescale.set_direct_compress(", ") IS NOT NULL",
    (Bool,) => (bool,) => (), done,
    requires DirectCompressOfTable,
}

impl Declare for SetDirectCompress {
    fn declare(self, setup: &mut Setup) {
        setup.declare_direct_compress(&self.relation, self.enabled);
    }
}
