//! Retention of the first day: what it does to events and predictions.

use chrono::{DateTime, Days, NaiveTime, Utc};
use diesel::prelude::*;
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::timescale::references::RetentionReport;
use occupancy_models::{Call, Error, drop_sensor_events_before};

use crate::predictions::is_in;
use crate::reading::Scope;

/// How many rows this run's rooms have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub events: i64,
    pub predictions: i64,
    pub predictions_with_event: i64,
}

impl Counts {
    pub fn query(conn: &mut PgConnection, scope: &Scope) -> QueryResult<Self> {
        let predictions = || predictions::table.filter(is_in(scope));
        Ok(Self {
            events: sensor_events::table
                .filter(sensor_events::room_id.eq_any(&scope.rooms))
                .filter(sensor_events::timestamp.between(scope.first, scope.last))
                .count()
                .get_result(conn)?,
            predictions: predictions().count().get_result(conn)?,
            predictions_with_event: predictions()
                .filter(predictions::triggering_event_id.is_not_null())
                .count()
                .get_result(conn)?,
        })
    }
}

/// What retention did.
pub struct Effect {
    pub cutoff: DateTime<Utc>,
    pub before: Counts,
    pub after: Counts,
    pub report: RetentionReport<DateTime<Utc>>,
    pub is_kept: bool,
}

/// Drops the events before the midnight that follows the first reading, and rolls that back (default) or keeps it:
/// it would take along what others have stored of that time.
pub fn apply(conn: &mut PgConnection, scope: &Scope, keep: bool) -> Result<Effect, Error> {
    let cutoff = (scope.first.date_naive() + Days::new(1)).and_time(NaiveTime::MIN).and_utc();
    let mut effect = None;
    let result = conn.transaction(|conn| {
        let before = Counts::query(conn, scope)?;
        let report = drop_sensor_events_before(cutoff).call(conn)?;
        let after = Counts::query(conn, scope)?;
        effect = Some(Effect { cutoff, before, after, report, is_kept: keep });
        if keep { Ok(()) } else { Err(diesel::result::Error::RollbackTransaction.into()) }
    });
    match (result, effect) {
        (Ok(()) | Err(Error::Database(diesel::result::Error::RollbackTransaction)), Some(effect)) => Ok(effect),
        (Err(error), _) => Err(error),
        (Ok(()), None) => Err(diesel::result::Error::NotFound.into()),
    }
}
