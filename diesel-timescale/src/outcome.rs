//! What the calls that set something up did.

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::sql_types::Text;
use serde::Serialize;

/// What a call did that sets something up: a hypertable, a continuous aggregate, the extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FromSqlRow, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It has been made. A continuous aggregate has no data yet: [`refresh`](crate::refresh()) it.
    Created,
    /// It was there already, as it is declared.
    AlreadyThere,
    /// The server has no such thing, and the caller allowed that: there is a plain table, a plain view, or a server
    /// without the extension.
    Plain,
}

impl FromSql<Text, Pg> for Outcome {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match std::str::from_utf8(value.as_bytes())? {
            "created" => Ok(Self::Created),
            "already_there" => Ok(Self::AlreadyThere),
            "plain_table" | "plain_view" | "unavailable" => Ok(Self::Plain),
            other => {
                Err(format!("the database reports the outcome {other:?}, which this release does not know").into())
            }
        }
    }
}
