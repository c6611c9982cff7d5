//! A column of a batch, filled with values as the server sends them.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, Float32Builder, Float64Builder, Int16Builder, Int32Builder, Int64Builder,
    StringBuilder, StringDictionaryBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::types::Int32Type;
use arrow_schema::{DataType, Field, Schema, TimeUnit};

use super::error::ExportError;

/// Microseconds from 1970, where Arrow begins, to 2000, where PostgreSQL does.
const TO_2000: i64 = 946_684_800_000_000;

pub(super) struct Column {
    field: Arc<Field>,
    values: Values,
}

enum Values {
    SmallInt(Int16Builder),
    Integer(Int32Builder),
    BigInt(Int64Builder),
    Float(Float32Builder),
    Double(Float64Builder),
    Bool(BooleanBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Timestamptz(TimestampMicrosecondBuilder),
    Text(StringBuilder),
    Dictionary(StringDictionaryBuilder<Int32Type>),
}

/// The columns of a schema.
pub(super) fn columns(schema: &Schema, rows: usize) -> Result<Vec<Column>, ExportError> {
    schema.fields().iter().map(|field| Column::new(Arc::clone(field), rows.min(65_536))).collect()
}

impl Column {
    fn new(field: Arc<Field>, rows: usize) -> Result<Self, ExportError> {
        let utc: Arc<str> = Arc::from("UTC");
        let values = match field.data_type() {
            DataType::Int16 => Values::SmallInt(Int16Builder::with_capacity(rows)),
            DataType::Int32 => Values::Integer(Int32Builder::with_capacity(rows)),
            DataType::Int64 => Values::BigInt(Int64Builder::with_capacity(rows)),
            DataType::Float32 => Values::Float(Float32Builder::with_capacity(rows)),
            DataType::Float64 => Values::Double(Float64Builder::with_capacity(rows)),
            DataType::Boolean => Values::Bool(BooleanBuilder::with_capacity(rows)),
            DataType::Timestamp(TimeUnit::Microsecond, None) => {
                Values::Timestamp(TimestampMicrosecondBuilder::with_capacity(rows))
            }
            DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if *zone == utc => {
                Values::Timestamptz(TimestampMicrosecondBuilder::with_capacity(rows).with_timezone(utc))
            }
            DataType::Utf8 => Values::Text(StringBuilder::new()),
            DataType::Dictionary(key, value) if **key == DataType::Int32 && **value == DataType::Utf8 => {
                Values::Dictionary(StringDictionaryBuilder::new())
            }
            data_type => {
                let (field, data_type) = (field.name().clone(), data_type.clone());
                return Err(ExportError::UnsupportedType { field, data_type });
            }
        };
        Ok(Self { field, values })
    }

    /// Takes a value in PostgreSQL's binary format, and the OID of its type.
    pub(super) fn push(&mut self, bytes: &[u8], oid: u32) -> Result<(), ExportError> {
        let is_taken = match &mut self.values {
            Values::SmallInt(values) if oid == 21 => append(bytes, |n| values.append_value(i16::from_be_bytes(n))),
            Values::Integer(values) if oid == 23 => append(bytes, |n| values.append_value(i32::from_be_bytes(n))),
            Values::BigInt(values) if oid == 20 => append(bytes, |n| values.append_value(i64::from_be_bytes(n))),
            Values::Float(values) if oid == 700 => append(bytes, |n| values.append_value(f32::from_be_bytes(n))),
            Values::Double(values) if oid == 701 => append(bytes, |n| values.append_value(f64::from_be_bytes(n))),
            Values::Bool(values) if oid == 16 => append(bytes, |[byte]: [u8; 1]| values.append_value(byte != 0)),
            Values::Timestamp(values) if oid == 1114 => return timestamp(values, bytes, &self.field),
            Values::Timestamptz(values) if oid == 1184 => return timestamp(values, bytes, &self.field),
            Values::Text(values) => text(bytes, oid).map(|text| values.append_value(text)),
            Values::Dictionary(values) => match text(bytes, oid) {
                Some(text) => {
                    values.append(text)?;
                    Some(())
                }
                None => None,
            },
            _ => None,
        };
        is_taken.ok_or_else(|| ExportError::Type {
            field: self.field.name().clone(),
            data_type: self.field.data_type().clone(),
            oid,
        })
    }

    pub(super) fn push_null(&mut self) -> Result<(), ExportError> {
        if !self.field.is_nullable() {
            return Err(ExportError::Null { field: self.field.name().clone() });
        }
        match &mut self.values {
            Values::SmallInt(values) => values.append_null(),
            Values::Integer(values) => values.append_null(),
            Values::BigInt(values) => values.append_null(),
            Values::Float(values) => values.append_null(),
            Values::Double(values) => values.append_null(),
            Values::Bool(values) => values.append_null(),
            Values::Timestamp(values) | Values::Timestamptz(values) => values.append_null(),
            Values::Text(values) => values.append_null(),
            Values::Dictionary(values) => values.append_null(),
        }
        Ok(())
    }

    /// The array, and then the column is empty.
    pub(super) fn finish(&mut self) -> ArrayRef {
        let values: &mut dyn ArrayBuilder = match &mut self.values {
            Values::SmallInt(values) => values,
            Values::Integer(values) => values,
            Values::BigInt(values) => values,
            Values::Float(values) => values,
            Values::Double(values) => values,
            Values::Bool(values) => values,
            Values::Timestamp(values) | Values::Timestamptz(values) => values,
            Values::Text(values) => values,
            Values::Dictionary(values) => values,
        };
        values.finish()
    }
}

/// `None` if the value has another length.
fn append<const N: usize>(bytes: &[u8], push: impl FnOnce([u8; N])) -> Option<()> {
    bytes.try_into().ok().map(push)
}

fn timestamp(values: &mut TimestampMicrosecondBuilder, bytes: &[u8], field: &Field) -> Result<(), ExportError> {
    let since_2000 = bytes.try_into().map(i64::from_be_bytes).ok().filter(|at| ![i64::MIN, i64::MAX].contains(at));
    let at = since_2000.and_then(|at| at.checked_add(TO_2000));
    values.append_value(
        at.ok_or_else(|| ExportError::Value { field: field.name().clone(), what: "a timestamp that is infinite" })?,
    );
    Ok(())
}

/// Text, `varchar`, JSON and binary JSON, which has its version before it.
fn text(bytes: &[u8], oid: u32) -> Option<&str> {
    let bytes = match oid {
        25 | 1043 | 1042 | 19 | 114 => bytes,
        3802 => bytes.strip_prefix(b"\x01")?,
        _ => return None,
    };
    std::str::from_utf8(bytes).ok()
}
