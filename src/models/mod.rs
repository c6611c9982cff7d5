//! Rows of the tables, as they are read, inserted and changed.

mod change_fields;
mod changes;
mod json_numbers;
mod labels;
mod new_prediction;
mod new_sensor_event;
mod prediction;
mod referenced_event;
mod sensor_event;
mod sensor_event_key;

pub use changes::{PredictionChanges, SensorEventChanges};
pub use labels::{ModelType, SensorState, SensorType};
pub use new_prediction::NewPrediction;
pub use new_sensor_event::NewSensorEvent;
pub use prediction::{Prediction, TransitionType};
pub use referenced_event::ReferencedEvent;
pub use sensor_event::SensorEvent;
pub use sensor_event_key::SensorEventKey;
