//! The recorder of Home Assistant: where its rows are read from.

mod field;
mod layout;
mod postgres;
mod sqlite;
mod statistics;
mod wal;

use std::path::Path;

pub use self::field::Field;
pub use self::statistics::{Period, Statistic};
use crate::Result;

/// The most bytes of values that a batch has, but for its last row.
const MOST_BYTES: usize = 4 << 20;

/// A row of `states` as it is; what it means is `reading`'s concern.
#[derive(Debug)]
pub struct Row {
    pub state_id: i64,
    pub entity_id: Field,
    pub state: Field,
    pub time: Field,
    pub attributes: Field,
    pub metadata_id: Option<i64>,
    pub has_user: bool,
}

impl Row {
    /// The bytes that its values take, roughly.
    fn size(&self) -> usize {
        [&self.entity_id, &self.state, &self.time, &self.attributes].map(Field::size).iter().sum()
    }
}

/// A recorder's database, which is only read.
pub trait Recorder {
    /// What stays the same when the database is moved, copied or purged, and differs from any other one.
    fn identity(&self) -> &str;

    /// The database and its layout, for people.
    fn describe(&self) -> String;

    /// What the database itself says of rows that it may lack, if it says so.
    fn note(&self) -> Result<Option<String>>;

    /// The largest `state_id`, 0 if there is none.
    fn last_state_id(&self) -> Result<i64>;

    /// The next rows by `state_id`: no more than `limit`, and fewer where they have many bytes.
    ///
    /// The recorder writes from one thread, so no row with a smaller id can still appear. The order of the ids is not
    /// that of time: Home Assistant stores the rows of one commit in another order than it made them.
    fn rows_after(&self, state_id: i64, limit: usize) -> Result<Vec<Row>>;

    /// The row with this `state_id`.
    fn row(&self, state_id: i64) -> Result<Option<Row>>;

    /// The names of all entities, each once.
    fn entities(&self) -> Result<Vec<String>>;

    /// The entity's last row that says something of the entity: a removed one has no attributes.
    fn last_row_of(&self, entity_id: &str) -> Result<Option<Row>>;

    /// The next rows of statistics by their id, no more than `limit`; none if there is no such table.
    fn statistics_after(&self, period: Period, id: i64, limit: usize) -> Result<Vec<Statistic>>;
}

/// Opens a file, or the database of a URL such as `postgres://user@host/homeassistant`.
///
/// # Errors
/// If it cannot be read or is no recorder's; the error names what is missing.
pub fn open(source: &Path) -> Result<Box<dyn Recorder>> {
    match source.to_str() {
        Some(url) if is_url(url) => Ok(Box::new(postgres::Database::connect(url)?)),
        _ => Ok(Box::new(sqlite::File::open(source)?)),
    }
}

/// Whether this names a database of PostgreSQL rather than a file.
fn is_url(source: &str) -> bool {
    source.starts_with("postgres://") || source.starts_with("postgresql://")
}
