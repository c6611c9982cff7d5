//! The columns of a batch, read as what a field needs, whatever they are kept as.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, Utc};

use super::field_places::Places;
use crate::error::Error;

/// The columns of a batch.
pub(super) struct Columns<'a> {
    batch: &'a RecordBatch,
    places: &'a Places,
    first: u64,
}

/// Gives the value of a column in a place of the batch; `None` where there is none, or no such column.
type Get<'a, T> = Box<dyn Fn(usize) -> Option<T> + 'a>;

/// The same of values that may be out of range.
type TryGet<'a, T> = Box<dyn Fn(usize) -> Result<Option<T>, Error> + 'a>;

impl<'a> Columns<'a> {
    /// The columns of a batch, whose first row has this number.
    pub(super) fn new(batch: &'a RecordBatch, places: &'a Places, first: u64) -> Self {
        Self { batch, places, first }
    }

    pub(super) fn places(&self) -> Range<usize> {
        0..self.batch.num_rows()
    }

    /// The number of the row.
    pub(super) fn row(&self, place: usize) -> u64 {
        self.first + place as u64
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.places.of(field).is_some()
    }

    /// The column, if the file has it, and any value in it: pandas gives one without values no type.
    fn column(&self, field: &str) -> Option<&'a dyn Array> {
        let array = self.batch.column(self.places.of(field)?).as_ref();
        (*array.data_type() != DataType::Null).then_some(array)
    }

    pub(super) fn texts(&self, field: &'static str) -> Result<Get<'a, &'a str>, Error> {
        let Some(array) = self.column(field) else { return Ok(Box::new(|_| None)) };
        let texts = Texts::new(field, array)?;
        Ok(Box::new(move |place| texts.get(place)))
    }

    /// Integers, and floating-point numbers that are whole: pandas makes these of a column that lacks values.
    pub(super) fn integers(&self, field: &'static str) -> Result<TryGet<'a, i64>, Error> {
        let Some(array) = self.column(field) else { return Ok(Box::new(|_| Ok(None))) };
        if let Some(integers) = array.as_primitive_opt::<Int64Type>() {
            return Ok(Box::new(move |place| Ok(integers.is_valid(place).then(|| integers.value(place)))));
        }
        let numbers =
            array.as_primitive_opt::<Float64Type>().ok_or_else(|| other_type(field, array, "a 64-bit integer"))?;
        let first = self.first;
        Ok(Box::new(move |place| match numbers.is_valid(place).then(|| numbers.value(place)) {
            Some(number) if number.fract() == 0.0 && number.abs() < 2_f64.powi(63) => Ok(Some(number as i64)),
            Some(number) => {
                let (row, value) = (first + place as u64, number.to_string());
                Err(Error::FieldValue { row, field, value, expected: "a whole number" })
            }
            None => Ok(None),
        }))
    }

    pub(super) fn booleans(&self, field: &'static str) -> Result<Get<'a, bool>, Error> {
        let Some(array) = self.column(field) else { return Ok(Box::new(|_| None)) };
        let booleans = array.as_boolean_opt().ok_or_else(|| other_type(field, array, "a boolean"))?;
        Ok(Box::new(move |place| booleans.is_valid(place).then(|| booleans.value(place))))
    }

    pub(super) fn numbers(&self, field: &'static str) -> Result<Get<'a, f64>, Error> {
        let Some(array) = self.column(field) else { return Ok(Box::new(|_| None)) };
        if let Some(numbers) = array.as_primitive_opt::<Float64Type>() {
            return Ok(Box::new(move |place| numbers.is_valid(place).then(|| numbers.value(place))));
        }
        if let Some(numbers) = array.as_primitive_opt::<Float32Type>() {
            return Ok(Box::new(move |place| numbers.is_valid(place).then(|| f64::from(numbers.value(place)))));
        }
        Err(other_type(field, array, "a floating-point number"))
    }

    pub(super) fn instants(&self, field: &'static str) -> Result<TryGet<'a, DateTime<Utc>>, Error> {
        let Some(array) = self.column(field) else { return Ok(Box::new(|_| Ok(None))) };
        let first = self.first;
        macro_rules! instants {
            ($unit:ty, $make:expr) => {{
                let instants = array.as_primitive::<$unit>();
                let make: fn(i64) -> Option<DateTime<Utc>> = $make;
                Box::new(move |place| {
                    let Some(at) = instants.is_valid(place).then(|| instants.value(place)) else { return Ok(None) };
                    make(at).map(Some).ok_or_else(|| Error::FieldValue {
                        row: first + place as u64,
                        field,
                        value: at.to_string(),
                        expected: "an instant of the years -262143 to 262142",
                    })
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
            _ => return Err(other_type(field, array, "a timestamp with a time zone")),
        })
    }
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
