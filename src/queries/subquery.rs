//! What the queries are made of.

pub use diesel_timescale::subquery::{Part, Subquery, subquery};
pub(crate) use diesel_timescale::{subquery_columns, usable_in_subquery};
