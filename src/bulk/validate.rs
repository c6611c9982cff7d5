//! What the tables take of the values that their types can have. What PostgreSQL would refuse of any text, JSON or
//! timestamp is found by the general layer.

use diesel_timescale::bulk::{Validate, Violations};

use serde_json::Value;

use crate::models::{NewPrediction, NewSensorEvent};

impl Validate for NewSensorEvent<'_> {
    fn validate(&self, violations: &mut Violations) {
        name("room_id", &self.room_id, violations);
        name("sensor_id", &self.sensor_id, violations);
        name("sensor_type", self.sensor_type.as_str(), violations);
        if let Some(number) = self.numeric_value.filter(|number| !number.is_finite()) {
            violations.add("numeric_value", format!("{number} is not a finite number: leave it out"));
        }
        json("attributes", &self.attributes, violations);
        if let Some(score) = self.confidence_score {
            confidence(score, violations);
        }
    }
}

impl Validate for NewPrediction<'_> {
    fn validate(&self, violations: &mut Violations) {
        name("room_id", &self.room_id, violations);
        name("model_type", self.model_type.as_str(), violations);
        confidence(self.confidence_score, violations);
        for (column, value) in [("feature_importance", &self.feature_importance), ("alternatives", &self.alternatives)]
        {
            value.iter().for_each(|value| json(column, value, violations));
        }
        match (self.prediction_interval_lower, self.prediction_interval_upper) {
            (Some(lower), Some(upper)) if lower > upper => violations.add(
                "prediction_interval_lower",
                format!("the interval starts at {lower}, after its end at {upper}: exchange them"),
            ),
            _ => {}
        }
        match self.processing_time_ms {
            Some(time) if !time.is_finite() || time < 0.0 => {
                violations.add("processing_time_ms", format!("{time} is not a finite number from 0 on: leave it out"));
            }
            _ => {}
        }
    }
}

/// What `serde_json` reads back.
const LEVELS: usize = 127;

/// By a list of its own: the stack is no deeper than JSON may be.
fn json(column: &str, value: &Value, violations: &mut Violations) {
    let mut nested = Vec::new();
    let (mut level, mut next) = (1, value);
    loop {
        let is_nested = |value: &&Value| value.is_array() || value.is_object();
        match next {
            Value::Array(values) => nested.extend(values.iter().filter(is_nested).map(|value| (level + 1, value))),
            Value::Object(fields) => nested.extend(fields.values().filter(is_nested).map(|value| (level + 1, value))),
            _ => {}
        }
        match nested.pop() {
            None => return,
            Some((deeper, value)) => (level, next) = (deeper, value),
        }
        if level > LEVELS {
            let text = format!("is nested deeper than {LEVELS} levels, and could not be read back: flatten it");
            return violations.refuse(column, text);
        }
    }
}

fn name(column: &str, value: &str, violations: &mut Violations) {
    if value.is_empty() {
        violations.add(column, "is empty: give it a name");
    }
}

fn confidence(score: f64, violations: &mut Violations) {
    if !(0.0..=1.0).contains(&score) {
        violations.add("confidence_score", format!("{score} is not a number from 0 to 1"));
    }
}
