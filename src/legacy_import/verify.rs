//! Compares the old rows with the new ones.

use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_timescale::{Call, function_call};

use super::validate::Violation;
use crate::error::Error;

type NullableBigInt = Nullable<BigInt>;
type NullableText = Nullable<Text>;

/// Compares every old row, and every reference, with the new one. Gives a violation for each row that differs, at most a
/// hundred of each table; none if all is well.
///
/// The [`kind`](Violation::kind) of a violation is `missing`, `different` or `its replacement is missing`, the object is
/// the table, and the example is the id of the row.
///
/// What the application has changed or removed since shows as well, so run it before retention.
///
/// # Errors
/// Only what the database itself reports, such as that no import was begun.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::legacy_import;
///
/// # fn main() { run(|conn| {
/// # conn.batch_execute("CREATE SCHEMA old_pair_2; CREATE TABLE old_pair_2.sensor_events (LIKE sensor_events, PRIMARY KEY (id))")?;
/// # legacy_import::begin("old_pair_2").call(conn)?;
/// assert_eq!(legacy_import::verify("old_pair_2").call(conn)?, []);
/// # conn.batch_execute("DROP SCHEMA old_pair_2 CASCADE")?;
/// # Ok(()) }) }
/// ```
pub fn verify(schema: impl Into<String>) -> impl Call<Output = Vec<Violation>, Error = Error> + Clone {
    VerifyImport { schema: schema.into() }
}

function_call! {
    VerifyImport { schema: String = Text },
    "SELECT 'error', v.violation, v.relation, 1::bigint, v.id::text, \
     format('Compare: SELECT * FROM %I.%I WHERE id = %s', a.legacy, v.relation, v.id) FROM (SELECT ",
    ") AS a (legacy), LATERAL verify_legacy_import(a.legacy::name) AS v",
    (Text, Text, Text, NullableBigInt, NullableText, Text) => Violation => Vec<Violation>, Ok,
    error Error,
}
