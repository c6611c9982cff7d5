//! What the database has of a batch of predictions.

use chrono::{DateTime, Datelike, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz};
use diesel_timescale::function_call;

use super::prediction_fields::Given;
use crate::error::Error;
use crate::models::Prediction;

type Texts = Array<Nullable<Text>>;
type Instants = Array<Nullable<Timestamptz>>;
type Booleans = Array<Bool>;
type MaybeBigInt = Nullable<BigInt>;

function_call! {
    pub(super) PredictionsToImport {
        room_ids: Vec<Option<String>> = Texts,
        prediction_times: Vec<Option<DateTime<Utc>>> = Instants,
        predicted_transition_times: Vec<Option<DateTime<Utc>>> = Instants,
        transition_types: Vec<Option<String>> = Texts,
        model_types: Vec<Option<String>> = Texts,
        model_versions: Vec<Option<String>> = Texts,
        have_outcomes: Vec<bool> = Booleans,
        sensor_ids: Vec<Option<String>> = Texts,
        event_timestamps: Vec<Option<DateTime<Utc>>> = Instants,
    },
    "SELECT id, is_stored, lacks_outcome, lacks_event, event_id FROM predictions_to_import(", ")",
    (BigInt, Bool, Bool, Bool, MaybeBigInt) => Found => Vec<Found>, Ok,
    error Error,
}

/// What the database has of a prediction.
#[derive(Debug, Queryable)]
pub(super) struct Found {
    /// The id of the prediction that is stored already, or a new one.
    pub id: i64,
    pub is_stored: bool,
    pub lacks_outcome: bool,
    pub lacks_event: bool,
    /// The id of the triggering event, if it is here.
    pub event_id: Option<i64>,
}

impl PredictionsToImport {
    /// Asks for these predictions. What PostgreSQL cannot even compare is asked for as nulls, which nothing equals.
    pub(super) fn new(rows: &[Given]) -> Self {
        let text = |text: &str| is_text(text).then(|| text.to_owned());
        let instant = |at: DateTime<Utc>| is_instant(at).then_some(at);
        let column = |value: fn(&Prediction) -> &str| rows.iter().map(|row| text(value(&row.0))).collect();
        let instants =
            |value: fn(&Prediction) -> DateTime<Utc>| rows.iter().map(|row| instant(value(&row.0))).collect();
        let event = |row: &Given| row.1.as_ref().and_then(|(sensor, at)| text(sensor).zip(instant(*at)));
        let (sensor_ids, event_timestamps) = rows.iter().map(|row| event(row).unzip()).unzip();
        Self {
            room_ids: column(|prediction| &prediction.room_id),
            prediction_times: instants(|prediction| prediction.prediction_time),
            predicted_transition_times: instants(|prediction| prediction.predicted_transition_time),
            transition_types: column(|prediction| prediction.transition_type.as_str()),
            model_types: column(|prediction| prediction.model_type.as_str()),
            model_versions: column(|prediction| &prediction.model_version),
            have_outcomes: rows.iter().map(|row| row.0.validation_timestamp.is_some()).collect(),
            sensor_ids,
            event_timestamps,
        }
    }
}

fn is_text(text: &str) -> bool {
    !text.contains('\0')
}

/// Not before the first instant of PostgreSQL; the last one is later than chrono's.
fn is_instant(at: DateTime<Utc>) -> bool {
    (at.year(), at.month(), at.day()) >= (-4713, 11, 24)
}
