//! Events from Parquet.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, Utc};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;

use super::event_fields::{EventFields, Places};
use super::file_error;
use crate::error::Error;
use crate::models::NewSensorEvent;

const BATCH: usize = 8_192;

/// The events of a Parquet file, in its order: one that [`sensor_events`](super::sensor_events) has written, or another
/// with columns of these names. Texts may be dictionaries or not, instants in any unit with a time zone, `attributes`
/// is JSON as text; all but `timestamp`, `room_id`, `sensor_id`, `sensor_type` and `state` may be left out.
///
/// # Errors
/// [`Error`], at once if it is no Parquet file or has other columns, and of each row that cannot be read. The rows
/// of a batch that has another type are not read.
pub fn sensor_events_from_parquet<R: ChunkReader + Send + 'static>(
    file: R,
) -> Result<impl Iterator<Item = Result<NewSensorEvent<'static>, Error>> + Send, Error> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(file_error)?;
    let reader = builder.with_batch_size(BATCH).build().map_err(file_error)?;
    let schema = arrow_array::RecordBatchReader::schema(&reader);
    let places = Places::new(schema.fields().iter().map(|field| field.name().as_str()))?;
    let mut first = 1;
    Ok(reader.flat_map(move |batch| {
        let events = batch.map_err(file_error).and_then(|batch| {
            let events = events(&batch, &places, first);
            first += batch.num_rows() as u64;
            events
        });
        events.unwrap_or_else(|error| vec![Err(error)])
    }))
}

/// The events of a batch, whose first row has this number.
fn events(
    batch: &RecordBatch,
    places: &Places,
    first: u64,
) -> Result<Vec<Result<NewSensorEvent<'static>, Error>>, Error> {
    let column = |field: &str| places.of(field).map(|place| batch.column(place).as_ref());
    let text = |field| column(field).map(|array| Texts::new(field, array)).transpose();
    let number = |field| column(field).map(|array| numbers(field, array)).transpose();
    let instant = |field| column(field).map(|array| instants(field, array)).transpose();
    let timestamp = instant("timestamp")?;
    let processed_at = instant("processed_at")?;
    let [room_id, sensor_id, sensor_type, state, previous_state, attributes] =
        ["room_id", "sensor_id", "sensor_type", "state", "previous_state", "attributes"].map(text);
    let (room_id, sensor_id, sensor_type, state) = (room_id?, sensor_id?, sensor_type?, state?);
    let (previous_state, attributes) = (previous_state?, attributes?);
    let numeric_value = number("numeric_value")?;
    let confidence_score = number("confidence_score")?;
    let is_human_triggered = match column("is_human_triggered") {
        Some(array) => {
            Some(array.as_boolean_opt().ok_or_else(|| other_type("is_human_triggered", array, "a boolean"))?)
        }
        None => None,
    };
    let event = |place: usize| {
        EventFields {
            row: first + place as u64,
            timestamp: timestamp.as_ref().and_then(|instants| instants(place)),
            room_id: room_id.as_ref().and_then(|texts| texts.get(place)),
            sensor_id: sensor_id.as_ref().and_then(|texts| texts.get(place)),
            sensor_type: sensor_type.as_ref().and_then(|texts| texts.get(place)),
            state: state.as_ref().and_then(|texts| texts.get(place)),
            numeric_value: numeric_value.as_ref().map(|numbers| numbers(place)),
            previous_state: previous_state.as_ref().and_then(|texts| texts.get(place)),
            attributes: attributes.as_ref().and_then(|texts| texts.get(place)),
            is_human_triggered: is_human_triggered.filter(|a| a.is_valid(place)).map(|a| a.value(place)),
            confidence_score: confidence_score.as_ref().and_then(|numbers| numbers(place)),
            processed_at: processed_at.as_ref().and_then(|instants| instants(place)),
        }
        .event()
    };
    Ok((0..batch.num_rows()).map(event).collect())
}

fn other_type(field: &'static str, array: &dyn Array, expected: &'static str) -> Error {
    Error::FieldType { field, data_type: array.data_type().to_string(), expected }
}

/// Texts, whatever they are kept as.
struct Texts<'a> {
    /// Where the value of each row is, for a dictionary.
    keys: Option<(&'a dyn Array, Vec<usize>)>,
    values: &'a dyn Array,
}

impl<'a> Texts<'a> {
    fn new(field: &'static str, array: &'a dyn Array) -> Result<Self, Error> {
        let (keys, values) = match array.as_any_dictionary_opt() {
            // Without values, every key is null.
            Some(dictionary) if dictionary.values().is_empty() => {
                (Some((array, Vec::new())), dictionary.values().as_ref())
            }
            Some(dictionary) => (Some((array, dictionary.normalized_keys())), dictionary.values().as_ref()),
            None => (None, array),
        };
        match values.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(Self { keys, values }),
            _ => Err(other_type(field, array, "text, or a dictionary of text")),
        }
    }

    fn get(&self, place: usize) -> Option<&'a str> {
        let place = match &self.keys {
            Some((array, keys)) if array.is_valid(place) => *keys.get(place)?,
            Some(_) => return None,
            None => place,
        };
        if self.values.is_null(place) {
            return None;
        }
        match self.values.data_type() {
            DataType::Utf8 => Some(self.values.as_string::<i32>().value(place)),
            DataType::LargeUtf8 => Some(self.values.as_string::<i64>().value(place)),
            _ => Some(self.values.as_string_view().value(place)),
        }
    }
}

type Get<'a, T> = Box<dyn Fn(usize) -> Option<T> + 'a>;

fn numbers<'a>(field: &'static str, array: &'a dyn Array) -> Result<Get<'a, f64>, Error> {
    if let Some(numbers) = array.as_primitive_opt::<Float64Type>() {
        return Ok(Box::new(move |place| numbers.is_valid(place).then(|| numbers.value(place))));
    }
    if let Some(numbers) = array.as_primitive_opt::<Float32Type>() {
        return Ok(Box::new(move |place| numbers.is_valid(place).then(|| f64::from(numbers.value(place)))));
    }
    // What pandas makes of a column without any value.
    if *array.data_type() == DataType::Null {
        return Ok(Box::new(|_| None));
    }
    Err(other_type(field, array, "a floating-point number"))
}

fn instants<'a>(field: &'static str, array: &'a dyn Array) -> Result<Get<'a, DateTime<Utc>>, Error> {
    macro_rules! instants {
        ($unit:ty, $make:expr) => {{
            let instants = array.as_primitive::<$unit>();
            Box::new(move |place| {
                let make: fn(i64) -> Option<DateTime<Utc>> = $make;
                instants.is_valid(place).then(|| instants.value(place)).and_then(make)
            })
        }};
    }
    Ok(match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, Some(_)) => {
            instants!(TimestampSecondType, |at| DateTime::from_timestamp(at, 0))
        }
        DataType::Timestamp(TimeUnit::Millisecond, Some(_)) => {
            instants!(TimestampMillisecondType, DateTime::from_timestamp_millis)
        }
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            instants!(TimestampMicrosecondType, DateTime::from_timestamp_micros)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, Some(_)) => {
            instants!(TimestampNanosecondType, |at| Some(DateTime::from_timestamp_nanos(at)))
        }
        DataType::Null => Box::new(|_| None),
        _ => return Err(other_type(field, array, "a timestamp with a time zone")),
    })
}
