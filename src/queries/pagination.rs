//! Orders of events, and keyset pagination.

use diesel::dsl::{Asc, Desc};
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Timestamptz};

use crate::models::SensorEventKey;
use crate::schema::sensor_events;

pub(super) type OldestFirst = (Asc<sensor_events::timestamp>, Asc<sensor_events::id>);
type NewestFirst = (Desc<sensor_events::timestamp>, Desc<sensor_events::id>);

/// Events by time, and at one instant by id: for `order`.
pub fn oldest_first() -> OldestFirst {
    (sensor_events::timestamp.asc(), sensor_events::id.asc())
}

/// Events by time, the newest first, and at one instant by id: for `order`.
pub fn newest_first() -> NewestFirst {
    (sensor_events::timestamp.desc(), sensor_events::id.desc())
}

/// Whether an event comes before the one with this key, by time and at one instant by id: for `filter`.
///
/// With [`newest_first`] and a limit this is the next page after the event. Unlike an offset it costs the same on
/// every page, and no event is skipped or given twice when others are stored meanwhile.
///
/// ```
/// # include!("../doctest_setup.rs");
/// use occupancy_models::queries::{newest_first, before};
///
/// # fn main() { run(|conn| {
/// # for _ in 0..3 { an_event(conn); }
/// let range = Utc::now() - TimeDelta::days(1)..;
/// let page: Vec<SensorEvent> = SensorEvent::timeline("office", range.clone()).order(newest_first()).limit(2).load(conn)?;
/// let next: Vec<SensorEvent> = SensorEvent::timeline("office", range)
///     .filter(before(page[1].key()))
///     .order(newest_first())
///     .limit(2)
///     .load(conn)?;
/// assert_eq!((page.len(), next.len()), (2, 1));
/// # Ok(()) }) }
/// ```
pub fn before(key: SensorEventKey) -> BesideKey {
    BesideKey { key, operator: "<" }
}

/// Whether an event comes after the one with this key, by time and at one instant by id: for `filter`.
///
/// With [`oldest_first`] and a limit this is the next page after the event; see [`before`].
pub fn after(key: SensorEventKey) -> BesideKey {
    BesideKey { key, operator: ">" }
}

/// The condition that [`before`] and [`after`] give.
#[derive(Debug, Clone, Copy, ValidGrouping)]
pub struct BesideKey {
    key: SensorEventKey,
    operator: &'static str,
}

impl Expression for BesideKey {
    type SqlType = Bool;
}

impl<QS> AppearsOnTable<QS> for BesideKey where OldestFirst: AppearsOnTable<QS> {}

impl<QS> SelectableExpression<QS> for BesideKey
where
    OldestFirst: SelectableExpression<QS>,
    Self: AppearsOnTable<QS>,
{
}

// The operator is in the SQL, so a statement goes by its text.
impl QueryId for BesideKey {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Pg> for BesideKey {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // (timestamp <= $1 AND (timestamp, id) < ($1, $2)): no chunk is excluded by a comparison of rows.
        out.push_sql("(");
        sensor_events::timestamp.walk_ast(out.reborrow())?;
        out.push_sql(" ");
        out.push_sql(self.operator);
        out.push_sql("= ");
        out.push_bind_param::<Timestamptz, _>(self.key.timestamp_ref())?;
        out.push_sql(" AND (");
        sensor_events::timestamp.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        sensor_events::id.walk_ast(out.reborrow())?;
        out.push_sql(") ");
        out.push_sql(self.operator);
        out.push_sql(" (");
        out.push_bind_param::<Timestamptz, _>(self.key.timestamp_ref())?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(self.key.id_ref())?;
        out.push_sql("))");
        Ok(())
    }
}
