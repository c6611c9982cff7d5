//! Predictions: storing what the rule inferred, once, together with what came of it.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use occupancy_models::schema::{predictions, referenced_events, sensor_events};
use occupancy_models::transaction::Retry;
use occupancy_models::{Error, ModelType, NewPrediction, Prediction, PredictionChanges, SensorEvent};
use serde_json::json;

use crate::Result;
use crate::reading::Scope;
use crate::rule::{MODEL_TYPE, MODEL_VERSION, Transition};
use crate::score::{RecordedTransition, TOLERANCE, WINDOW};

/// Stores and validates a prediction for each transition.
///
/// One that this model made at the same time, in an earlier run, is brought up to date instead: its event may have
/// gone and come back with another id.
pub fn store(
    conn: &mut PgConnection,
    room: &str,
    transitions: &[Transition],
    recorded: &[RecordedTransition],
) -> Result<Vec<Prediction>, Error> {
    // Those who reference or remove events at the same time can end in a deadlock.
    Retry::default().transaction(conn, |conn| {
        let earlier = earlier(conn, room, transitions)?;
        let mut unmatched = recorded.to_vec();
        let mut stored = Vec::with_capacity(transitions.len());
        for transition in transitions {
            let prediction = match earlier.get(&transition.trigger.at) {
                Some(&id) => update(conn, id, transition)?,
                None => insert(conn, room, transition)?,
            };
            let actual = take_nearest(&mut unmatched, &prediction);
            stored.push(
                diesel::update(&prediction)
                    .set(prediction.outcome(actual, TOLERANCE))
                    .returning(Prediction::as_returning())
                    .get_result(conn)?,
            );
        }
        Ok(stored)
    })
}

#[diesel::dsl::auto_type]
fn is_of_this_model() -> _ {
    let model_type: ModelType<'static> = MODEL_TYPE;
    let model_version: &'static str = MODEL_VERSION;
    predictions::model_type.eq(model_type).and(predictions::model_version.eq(model_version))
}

/// Whether a prediction is of this run's model, rooms and time.
#[diesel::dsl::auto_type]
pub fn is_in<'a>(scope: &'a Scope) -> _ {
    let rooms: &'a [String] = &scope.rooms;
    let first: DateTime<Utc> = scope.first;
    let last: DateTime<Utc> = scope.last;
    is_of_this_model().and(predictions::room_id.eq_any(rooms)).and(predictions::prediction_time.between(first, last))
}

/// The ids of this model's predictions for the room, by the time at which they were made.
fn earlier(
    conn: &mut PgConnection,
    room: &str,
    transitions: &[Transition],
) -> QueryResult<HashMap<DateTime<Utc>, i64>> {
    let times = transitions.iter().map(|transition| transition.trigger.at);
    let ids: Vec<(DateTime<Utc>, i64)> = predictions::table
        .filter(is_of_this_model())
        .filter(predictions::room_id.eq(room))
        .filter(predictions::prediction_time.eq_any(times))
        .select((predictions::prediction_time, predictions::id))
        .load(conn)?;
    Ok(ids.into_iter().collect())
}

fn update(conn: &mut PgConnection, id: i64, transition: &Transition) -> QueryResult<Prediction> {
    diesel::update(predictions::table.find(id))
        .set(PredictionChanges {
            predicted_transition_time: Some(transition.at),
            transition_type: Some(transition.transition_type),
            confidence_score: Some(transition.confidence),
            triggering_event_id: Some(Some(transition.trigger.event_id)),
            ..Default::default()
        })
        .returning(Prediction::as_returning())
        .get_result(conn)
}

fn insert(conn: &mut PgConnection, room: &str, transition: &Transition) -> QueryResult<Prediction> {
    let prediction = NewPrediction::new(
        room,
        transition.at,
        transition.transition_type,
        transition.confidence,
        MODEL_TYPE,
        MODEL_VERSION,
    )
    .with_prediction_time(transition.trigger.at)
    .with_feature_importance(json!({ "light": 1.0 }))
    .with_triggering_event_id(transition.trigger.event_id);
    diesel::insert_into(predictions::table).values(prediction).returning(Prediction::as_returning()).get_result(conn)
}

/// The recorded transition that a prediction is about: the nearest one of its type, which no other prediction then
/// gets.
fn take_nearest(unmatched: &mut Vec<RecordedTransition>, prediction: &Prediction) -> Option<DateTime<Utc>> {
    let off =
        |transition: &RecordedTransition| -> TimeDelta { (transition.at - prediction.predicted_transition_time).abs() };
    let nearest = unmatched
        .iter()
        .enumerate()
        .filter(|(_, transition)| transition.transition_type == prediction.transition_type && off(transition) <= WINDOW)
        .min_by_key(|(_, transition)| off(transition))?
        .0;
    Some(unmatched.remove(nearest).at)
}

/// The last prediction of this run's rooms that has its event, with that event.
pub fn last_with_event(conn: &mut PgConnection, scope: &Scope) -> Result<Option<(Prediction, SensorEvent)>> {
    // On the whole key, because the id alone does not tell the chunk.
    let is_its_event =
        sensor_events::id.eq(referenced_events::id).and(sensor_events::timestamp.eq(referenced_events::timestamp));
    let row = predictions::table
        .inner_join(referenced_events::table)
        .inner_join(sensor_events::table.on(is_its_event))
        .filter(is_in(scope))
        .order((predictions::prediction_time.desc(), predictions::id.desc()))
        .select((Prediction::as_select(), SensorEvent::as_select()))
        .first(conn)
        .optional()?;
    Ok(row)
}
