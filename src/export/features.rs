//! Feature matrices as record batches.

use std::sync::Arc;

use arrow_array::builder::Float64Builder;
use arrow_array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use chrono::{DateTime, TimeZone, Utc};

use crate::analysis::FeatureMatrix;

/// The columns of a feature matrix: `at`, and a nullable number for each of its [columns](FeatureMatrix::columns).
pub fn feature_schema<Z: TimeZone>(matrix: &FeatureMatrix<Z>) -> SchemaRef {
    let at = Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false);
    let columns = matrix.columns().into_iter().map(|name| Field::new(name, DataType::Float64, true));
    Arc::new(Schema::new([at].into_iter().chain(columns).collect::<Vec<_>>()))
}

/// Rows of a feature matrix as a record batch. What is not known is null.
///
/// # Errors
/// Arrow's, if the rows are of another matrix.
///
/// ```
/// use chrono::{DateTime, TimeDelta, Utc};
/// use occupancy_models::analysis::FeatureMatrix;
/// use occupancy_models::export::{feature_batch, feature_schema};
///
/// let nine: DateTime<Utc> = "2026-01-05T09:00:00Z".parse().unwrap();
/// let hour = nine..nine + TimeDelta::hours(1);
/// let matrix = FeatureMatrix::new(["office.light"], hour, TimeDelta::minutes(5), Utc);
/// let schema = feature_schema(&matrix);
/// let batch = feature_batch(&schema, &matrix.finish()).unwrap();
/// assert_eq!((batch.num_rows(), batch.num_columns()), (12, schema.fields().len()));
/// ```
pub fn feature_batch(
    schema: &SchemaRef,
    rows: &[(DateTime<Utc>, Vec<Option<f64>>)],
) -> Result<RecordBatch, ArrowError> {
    let instants = rows.iter().map(|(instant, _)| instant.timestamp_micros());
    let mut columns: Vec<ArrayRef> =
        vec![Arc::new(TimestampMicrosecondArray::from_iter_values(instants).with_timezone("UTC"))];
    for place in 0..schema.fields().len().saturating_sub(1) {
        let mut column = Float64Builder::with_capacity(rows.len());
        for (_, values) in rows {
            let value = values.get(place).ok_or_else(|| {
                ArrowError::SchemaError(format!("a row has {} values and not one for each field", values.len()))
            })?;
            column.append_option(*value);
        }
        columns.push(Arc::new(column.finish()));
    }
    RecordBatch::try_new(Arc::clone(schema), columns)
}
