//! What the queries are made of.

pub use diesel_timescale::subquery::Subquery;
pub(crate) use diesel_timescale::subquery::{Part, subquery};
pub(crate) use diesel_timescale::subquery_columns;
