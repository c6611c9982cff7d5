//! What the tables take of the values that their types can have. What PostgreSQL would refuse of any text, JSON or
//! timestamp is found by the general layer.

use diesel_timescale::bulk::{Validate, Violations};

use crate::models::{NewPrediction, NewSensorEvent};

impl Validate for NewSensorEvent<'_> {
    fn validate(&self, violations: &mut Violations) {
        name("room_id", &self.room_id, violations);
        name("sensor_id", &self.sensor_id, violations);
        name("sensor_type", self.sensor_type.as_str(), violations);
        if let Some(number) = self.numeric_value.filter(|number| !number.is_finite()) {
            violations.add("numeric_value", format!("{number} is not a finite number: leave it out"));
        }
        violations.refuse_deep_json("attributes", &self.attributes);
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
            value.iter().for_each(|value| violations.refuse_deep_json(column, value));
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
