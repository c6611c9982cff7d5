//! Predictions with their triggering events, and events with their predictions.

use std::collections::HashMap;

use diesel::dsl::{AsSelect, EqAny, Filter, Order, Select};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Nullable};
#[cfg(feature = "arrow")]
use diesel::sql_types::{Text, Timestamptz};

use super::fixed_query::FixedQuery;
use super::query_of::QueryOf;
use crate::models::Prediction;
use crate::models::SensorEvent;
use crate::schema::{predictions, sensor_events};

type TriggeredBy = Order<
    Filter<Select<predictions::table, AsSelect<Prediction, Pg>>, EqAny<predictions::triggering_event_id, Vec<i64>>>,
    (predictions::prediction_time, predictions::id),
>;

impl Prediction {
    /// The predictions that these events triggered, by the time they were made: a query that takes further clauses.
    ///
    /// [`SensorEvent::group_predictions`] sorts what it gives by event.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// # fn main() { run(|conn| {
    /// # let (event, other) = (an_event(conn), an_event(conn));
    /// # let prediction: Prediction = diesel::update(&a_prediction(conn))
    /// #     .set(predictions::triggering_event_id.eq(event.id))
    /// #     .returning(Prediction::as_returning())
    /// #     .get_result(conn)?;
    /// let events = [other, event];
    /// let predictions: Vec<Prediction> = Prediction::triggered_by(&events)
    ///     .filter(predictions::model_type.eq(ModelType::HMM))
    ///     .load(conn)?;
    /// assert_eq!(SensorEvent::group_predictions(&events, predictions), [vec![], vec![prediction]]);
    /// # Ok(()) }) }
    /// ```
    pub fn triggered_by<'e>(events: impl IntoIterator<Item = &'e SensorEvent>) -> TriggeredBy {
        let ids: Vec<i64> = events.into_iter().map(|event| event.id).collect();
        predictions::table
            .select(Self::as_select())
            .filter(predictions::triggering_event_id.eq_any(ids))
            .order((predictions::prediction_time, predictions::id))
    }

    /// The events that triggered these predictions, one for each prediction and in their order; `None` where there is
    /// none, or it is gone.
    ///
    /// Reads only the chunks of the weeks that the events lie in.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// # fn main() { run(|conn| {
    /// # let event = an_event(conn);
    /// # let without = a_prediction(conn);
    /// # let with: Prediction = diesel::update(&a_prediction(conn))
    /// #     .set(predictions::triggering_event_id.eq(event.id))
    /// #     .returning(Prediction::as_returning())
    /// #     .get_result(conn)?;
    /// assert_eq!(Prediction::triggering_events(&[without, with]).load::<Option<SensorEvent>>(conn)?, [None, Some(event)]);
    /// # Ok(()) }) }
    /// ```
    pub fn triggering_events<'p, I>(
        predictions: I,
    ) -> FixedQuery<impl Query<SqlType = Nullable<sensor_events::SqlType>> + QueryFragment<Pg> + QueryId + Clone>
    where
        I: IntoIterator<Item = &'p Self>,
    {
        let ids = predictions.into_iter().map(|prediction| prediction.triggering_event_id).collect();
        FixedQuery(TriggeringEvents { ids })
    }
}

impl SensorEvent {
    /// Sorts predictions by the event that triggered them: one list for each event, in the order of the events, and
    /// in each the predictions in the order that they come in. Predictions of other events are left out.
    pub fn group_predictions(
        events: &[Self],
        predictions: impl IntoIterator<Item = Prediction>,
    ) -> Vec<Vec<Prediction>> {
        let mut by_event: HashMap<i64, Vec<Prediction>> = HashMap::new();
        for prediction in predictions {
            if let Some(id) = prediction.triggering_event_id {
                by_event.entry(id).or_default().push(prediction);
            }
        }
        events.iter().map(|event| by_event.get(&event.id).cloned().unwrap_or_default()).collect()
    }
}

/// The query that [`Prediction::triggering_events`] makes.
#[derive(Debug, Clone, QueryId)]
struct TriggeringEvents {
    ids: Vec<Option<i64>>,
}

impl Query for TriggeringEvents {
    type SqlType = Nullable<sensor_events::SqlType>;
}

impl QueryFragment<Pg> for TriggeringEvents {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT ");
        sensor_events::all_columns.walk_ast(out.reborrow())?;
        out.push_sql(" FROM unnest(");
        out.push_bind_param::<Array<Nullable<BigInt>>, _>(&self.ids)?;
        out.push_sql(") WITH ORDINALITY AS reference (id, position) LEFT JOIN referenced_sensor_events(");
        out.push_bind_param::<Array<Nullable<BigInt>>, _>(&self.ids)?;
        out.push_sql(r#") AS "sensor_events" ON "sensor_events"."id" = reference.id ORDER BY reference.position"#);
        Ok(())
    }
}

/// Predictions with the events that triggered them, in the order of the query of predictions; `None` where there is no
/// event, or it is gone.
///
/// One statement. It reads only the chunks of the weeks that the events lie in, where a join would look into every
/// chunk for every prediction. Further clauses go to the query of predictions.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use occupancy_models::queries;
///
/// # fn main() { run(|conn| {
/// # a_prediction(conn);
/// let recent = Prediction::in_room("office", Utc::now() - TimeDelta::hours(24)..)
///     .order(predictions::prediction_time.desc())
///     .limit(100);
/// for (prediction, event) in queries::with_events(recent).load::<(Prediction, Option<SensorEvent>)>(conn)? {
///     println!("{}: {:?}", prediction.predicted_transition_time, event.map(|event| event.state));
/// }
/// # Ok(()) }) }
/// ```
pub fn with_events<Q: QueryOf<Prediction> + QueryId>(
    predictions: Q,
) -> FixedQuery<
    impl Query<SqlType = (predictions::SqlType, Nullable<sensor_events::SqlType>)> + QueryFragment<Pg> + QueryId,
> {
    FixedQuery(WithEvents { predictions })
}

/// As [`with_events`], with no more of the events than their sensors and timestamps: what they go by in a file.
#[cfg(feature = "arrow")]
pub(crate) fn with_event_keys<Q: QueryOf<Prediction> + QueryId>(
    predictions: Q,
) -> FixedQuery<
    impl Query<SqlType = (predictions::SqlType, Nullable<Text>, Nullable<Timestamptz>)> + QueryFragment<Pg> + QueryId,
> {
    FixedQuery(WithEventKeys { predictions })
}

/// The query that [`with_events`] makes.
#[derive(Debug, Clone, Copy, QueryId)]
struct WithEvents<Q> {
    predictions: Q,
}

impl<Q> Query for WithEvents<Q> {
    type SqlType = (predictions::SqlType, Nullable<sensor_events::SqlType>);
}

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for WithEvents<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        with_columns_of_events(&self.predictions, &sensor_events::all_columns, out)
    }
}

/// The query that [`with_event_keys`] makes.
#[cfg(feature = "arrow")]
#[derive(Debug, Clone, Copy, QueryId)]
struct WithEventKeys<Q> {
    predictions: Q,
}

#[cfg(feature = "arrow")]
impl<Q> Query for WithEventKeys<Q> {
    type SqlType = (predictions::SqlType, Nullable<Text>, Nullable<Timestamptz>);
}

#[cfg(feature = "arrow")]
impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for WithEventKeys<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        with_columns_of_events(&self.predictions, &(sensor_events::sensor_id, sensor_events::timestamp), out)
    }
}

/// The predictions of a query, in its order, with these columns of the events that triggered them.
fn with_columns_of_events<'b>(
    predictions: &'b impl QueryFragment<Pg>,
    columns: &'b impl QueryFragment<Pg>,
    mut out: AstPass<'_, 'b, Pg>,
) -> QueryResult<()> {
    out.push_sql("WITH found AS MATERIALIZED (SELECT found.*, row_number() OVER () AS position FROM (");
    predictions.walk_ast(out.reborrow())?;
    out.push_sql(") AS found) SELECT ");
    predictions::all_columns.walk_ast(out.reborrow())?;
    out.push_sql(", ");
    columns.walk_ast(out.reborrow())?;
    out.push_sql(
        r#" FROM found AS "predictions" LEFT JOIN referenced_sensor_events(ARRAY(SELECT triggering_event_id FROM found)) AS "sensor_events" ON "sensor_events"."id" = "predictions"."triggering_event_id" ORDER BY "predictions".position"#,
    );
    Ok(())
}
