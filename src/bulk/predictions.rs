//! Ready calls for predictions.

use diesel_timescale::bulk::{self, Insert, Row, Upsert, Validate};

use super::keyed::Keyed;
use crate::models::NewPrediction;
use crate::schema::predictions;

type PredictionColumns = <NewPrediction<'static> as Row<predictions::table>>::Columns;
type KeyedColumns = <Keyed<NewPrediction<'static>> as Row<predictions::table>>::Columns;

/// Inserts predictions: [`NewPrediction`]s, owned or borrowed.
///
/// Rows are written in the order of their triggering events, so that calls that refer to the same events do not deadlock.
/// [`returning`](Insert::returning) gives their ids in the order of the input, which need not ascend.
///
/// # Errors
/// [`BulkError::InvalidRows`](bulk::BulkError::InvalidRows), before anything is sent. When it runs: a foreign key violation if an event does
/// not exist; then nothing is stored.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// # fn main() { run(|conn| {
/// # let event = an_event(conn);
/// let at = event.timestamp + TimeDelta::minutes(15);
/// let rows = [TransitionType::VacantToOccupied, TransitionType::StateChange].map(|transition| {
///     NewPrediction::new("office", at, transition, 0.8, ModelType::HMM, "1").with_triggering_event(event.key())
/// });
/// let call = occupancy_models::bulk::insert_predictions(&rows).returning(predictions::id);
/// let (_, ids): (_, Vec<i64>) = call.call(conn)?;
/// assert_eq!(predictions::table.filter(predictions::id.eq_any(ids)).count().get_result::<i64>(conn)?, 2);
/// # Ok(()) }) }
/// ```
pub fn insert_predictions<I>(rows: I) -> Insert<I::IntoIter, predictions::table>
where
    I: IntoIterator<Item: Row<predictions::table, Columns = PredictionColumns> + Validate>,
{
    bulk::insert_into(predictions::table).values(rows).order_by(predictions::triggering_event_id).validate()
}

/// Stores predictions, each once by its id: for ids that were [reserved](super::reserve_prediction_ids) or read
/// before. What validation has recorded stays.
///
/// Those that are stored are locked in the order of their ids, and all are written in the order of their triggering events,
/// whatever order they come in: calls that store the same predictions at the same time wait for each other, and do not
/// deadlock.
///
/// # Errors
/// [`BulkError::InvalidRows`](bulk::BulkError::InvalidRows), before anything is sent. When it runs, a refusal that
/// [`Error::IdNotHandedOut`](crate::Error::IdNotHandedOut) is made of, or a foreign key violation.
pub fn upsert_predictions<I>(rows: I) -> Upsert<I::IntoIter, predictions::table>
where
    I: IntoIterator<Item: Row<predictions::table, Columns = KeyedColumns> + Validate>,
{
    bulk::upsert(rows)
        .on_conflict(predictions::id)
        .overriding_system_value()
        .order_by((predictions::triggering_event_id, predictions::id))
        .check_with("check_prediction_ids", predictions::id)
        .validate()
}
