//! Events by key, and by id.

use diesel::dsl::{AsSelect, Filter, Select};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Nullable, Timestamptz};

use super::condition::Condition;
use super::events::EventsWithin;
use super::fixed_query::FixedQuery;
use super::subquery::{Part, Subquery, subquery};
use super::time_range::within;
use crate::models::{SensorEvent, SensorEventKey};
use crate::schema::sensor_events;
use chrono::{DateTime, Utc};

type EventsByKeys = Filter<EventsWithin, Condition<sensor_events::id>>;

impl SensorEvent {
    /// The events with these keys, as far as they exist, in no order: a query that takes further clauses.
    ///
    /// Bounded by the smallest timestamp and the largest, so that only the chunks in between are planned. For the
    /// events in the order of the keys, and for keys that lie far apart, see [`find_in_order`](Self::find_in_order). A single event
    /// is `SensorEvent::query().find((key.id(), key.timestamp()))`.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// # fn main() { run(|conn| {
    /// # let keys = [an_event(conn).key(), an_event(conn).key()];
    /// let states: Vec<String> =
    ///     SensorEvent::by_keys(&keys).select(sensor_events::state).load(conn)?;
    /// assert_eq!(states, ["on", "on"]);
    /// # Ok(()) }) }
    /// ```
    pub fn by_keys(keys: &[SensorEventKey]) -> EventsByKeys {
        let timestamps = || keys.iter().map(SensorEventKey::timestamp);
        // No key: no id, so the range does not matter.
        let first = timestamps().min().unwrap_or(DateTime::UNIX_EPOCH);
        let last = timestamps().max().unwrap_or(DateTime::UNIX_EPOCH);
        let mut ids: Vec<i64> = keys.iter().map(SensorEventKey::id).collect();
        // The server sorts them for the index of each chunk, at once if they are sorted.
        ids.sort_unstable();
        // Ids are unique across all chunks, so the ids alone name the events.
        sensor_events::table
            .select(Self::as_select())
            .filter(within(sensor_events::timestamp, first..=last))
            .filter(id_in(ids))
    }

    /// The events with these keys, one for each key and in their order; `None` where the event is gone.
    ///
    /// Reads only the chunks of the weeks that the keys lie in.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// # fn main() { run(|conn| {
    /// # let (first, second) = (an_event(conn), an_event(conn));
    /// diesel::delete(&first).execute(conn)?;
    /// assert_eq!(SensorEvent::find_in_order(&[second.key(), first.key()]).load::<Option<SensorEvent>>(conn)?, [Some(second), None]);
    /// # Ok(()) }) }
    /// ```
    pub fn find_in_order(
        keys: &[SensorEventKey],
    ) -> FixedQuery<impl Query<SqlType = Nullable<sensor_events::SqlType>> + QueryFragment<Pg> + QueryId + Clone + use<>>
    {
        FixedQuery(FindInOrder {
            ids: keys.iter().map(SensorEventKey::id).collect(),
            timestamps: keys.iter().map(SensorEventKey::timestamp).collect(),
        })
    }

    /// The event with this id: for people, and for ids that came without their timestamps.
    ///
    /// The id does not tell the chunk, so this looks into the last day first. Then it searches: later events mostly have
    /// larger ids, so a few chunks tell which one has the id, however many there are. An event that is not where its id
    /// leads, because it was imported later, is looked for in everything, as is one that does not exist. Under a
    /// row-level security policy nothing is searched. Code that loops carries keys.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// # fn main() { run(|conn| {
    /// # let event = an_event(conn);
    /// let found: Option<SensorEvent> = SensorEvent::by_id(event.id).first(conn).optional()?;
    /// assert_eq!(found, Some(event));
    /// # Ok(()) }) }
    /// ```
    pub fn by_id(id: i64) -> Select<Subquery<sensor_events::table, ()>, AsSelect<Self, Pg>> {
        let parts = [Part::Sql("SELECT * FROM sensor_event_by_id("), Part::BigInt(id), Part::Sql(")")];
        subquery(sensor_events::table, (), parts).select(Self::as_select())
    }
}

/// Whether an event has one of these ids.
fn id_in(ids: Vec<i64>) -> Condition<sensor_events::id> {
    // From a subquery, because the planner would look at each id for each chunk: that takes longer than the rest.
    let parts = vec![Part::Rows, Part::Sql(" = ANY (ARRAY(SELECT unnest("), Part::BigInts(ids), Part::Sql(")))")];
    Condition::new(sensor_events::id, parts)
}

/// The query that [`SensorEvent::find_in_order`] makes.
#[derive(Debug, Clone, QueryId)]
struct FindInOrder {
    ids: Vec<i64>,
    timestamps: Vec<DateTime<Utc>>,
}

impl Query for FindInOrder {
    type SqlType = Nullable<sensor_events::SqlType>;
}

impl QueryFragment<Pg> for FindInOrder {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let push_keys = |out: &mut AstPass<'_, 'b, Pg>| -> QueryResult<()> {
            out.push_bind_param::<Array<BigInt>, _>(&self.ids)?;
            out.push_sql(", ");
            out.push_bind_param::<Array<Timestamptz>, _>(&self.timestamps)?;
            out.push_sql(")");
            Ok(())
        };
        out.push_sql("SELECT ");
        sensor_events::all_columns.walk_ast(out.reborrow())?;
        out.push_sql(" FROM unnest(");
        push_keys(&mut out)?;
        out.push_sql(" WITH ORDINALITY AS key (id, timestamp, position) LEFT JOIN sensor_events_by_keys(");
        push_keys(&mut out)?;
        out.push_sql(
            r#" AS "sensor_events" ON "sensor_events"."id" = key.id AND "sensor_events"."timestamp" = key.timestamp ORDER BY key.position"#,
        );
        Ok(())
    }
}
