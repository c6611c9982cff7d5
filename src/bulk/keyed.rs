//! Rows with ids of their own.

use diesel::dsl::Eq;
use diesel::prelude::*;
use diesel_timescale::bulk::{Validate, Violations};

use crate::models::{NewPrediction, NewSensorEvent, SensorEventKey};
use crate::schema::{predictions, sensor_events};

/// A [`NewSensorEvent`] or [`NewPrediction`] with the id that was reserved for it, by
/// [`reserve_keys`](super::reserve_keys) or [`reserve_prediction_ids`](super::reserve_prediction_ids).
#[derive(Debug, Clone, PartialEq)]
#[must_use = "does nothing until it is inserted"]
pub struct Keyed<R> {
    id: i64,
    row: R,
}

impl<R> Keyed<R> {
    /// The row with this id. (The timestamp of an event is the other half of its key.)
    pub fn new(id: i64, row: R) -> Self {
        Self { id, row }
    }

    /// The id.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// The row.
    pub fn row(&self) -> &R {
        &self.row
    }
}

impl Keyed<NewSensorEvent<'_>> {
    /// The key of the event.
    pub fn key(&self) -> SensorEventKey {
        SensorEventKey::new(self.id, self.row.timestamp())
    }
}

impl<R: Validate> Validate for Keyed<R> {
    fn validate(&self, violations: &mut Violations) {
        self.row.validate(violations);
    }
}

/// A row is inserted as its id and what the row itself inserts.
macro_rules! insertable {
    ($($row:ident => $table:ident;)+) => {$(
        impl<'a> Insertable<$table::table> for Keyed<$row<'a>> {
            type Values = <(Eq<$table::id, i64>, $row<'a>) as Insertable<$table::table>>::Values;

            fn values(self) -> Self::Values {
                ($table::id.eq(self.id), self.row).values()
            }
        }

        impl<'a, 'r> Insertable<$table::table> for &'r Keyed<$row<'a>> {
            type Values = <(Eq<$table::id, i64>, &'r $row<'a>) as Insertable<$table::table>>::Values;

            fn values(self) -> Self::Values {
                ($table::id.eq(self.id), &self.row).values()
            }
        }
    )+};
}

insertable! {
    NewSensorEvent => sensor_events;
    NewPrediction => predictions;
}
