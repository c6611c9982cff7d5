//! The import: batch by batch, each with its place in the file, in one transaction.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use occupancy_models::bulk::{self, InvalidRow, Repeats};
use occupancy_models::schema::sensor_events;
use occupancy_models::transaction::Retry;
use occupancy_models::{Call, Error, NewSensorEvent};
use serde_json::Value;

use crate::Result;
use crate::cursor::{Cursor, Start};
use crate::mapping::{Decision, Mapping, Sensor};
use crate::progress::Progress;
use crate::reading::{self, Fault, Reason};
use crate::recorder::{Recorder, Row};
use crate::report::Report;

/// How many rows with the same fault are told one by one.
const TOLD: u64 = 20;

pub struct Import<'i> {
    recorder: &'i Recorder,
    mapping: &'i Mapping,
    progress: Progress,
    report: Report,
    decisions: HashMap<String, Decision>,
    /// The last state of each sensor.
    last_states: HashMap<String, String>,
    told: HashMap<&'static str, u64>,
}

impl<'i> Import<'i> {
    pub fn new(recorder: &'i Recorder, mapping: &'i Mapping, progress: Progress) -> Self {
        Self {
            recorder,
            mapping,
            progress,
            report: Report::default(),
            decisions: HashMap::new(),
            last_states: HashMap::new(),
            told: HashMap::new(),
        }
    }

    /// Reads from `start` on, in batches of `batch` rows, no more than `batches` of them.
    ///
    /// # Errors
    /// If the file cannot be read, or the database fails. What batches before have stored stays, with the place to
    /// go on from.
    pub fn run(
        mut self,
        conn: &mut PgConnection,
        mut cursor: Cursor,
        start: &Start,
        batch: usize,
        batches: Option<u64>,
    ) -> Result<Report> {
        let mut after = start.after();
        for done in 0_u64.. {
            let rows = self.recorder.rows_after(after, batch)?;
            let Some(last) = rows.last() else { break };
            if batches.is_some_and(|batches| done >= batches) {
                self.report.is_partial = true;
                break;
            }
            cursor = cursor.at(last);
            after = last.state_id;
            self.batch(conn, &rows, &cursor)?;
            self.progress.reach(after);
        }
        Ok(self.report)
    }

    fn batch(&mut self, conn: &mut PgConnection, rows: &[Row], cursor: &Cursor) -> Result<()> {
        let mut events = Vec::with_capacity(rows.len());
        let mut state_ids = Vec::with_capacity(rows.len());
        for row in rows {
            self.report.read += 1;
            match self.event(conn, row)? {
                Ok(event) => {
                    events.push(event);
                    state_ids.push(row.state_id);
                }
                Err(fault) => self.leave_out(row.state_id, fault),
            }
        }
        // What the crate refuses beyond the checks here costs the row, not the import.
        while let Err(error) = bulk::upsert_events(&events, Repeats::LastWins) {
            let Error::InvalidRow(InvalidRow { row, field, problem }) = error else { return Err(error.into()) };
            drop(events.remove(row));
            self.leave_out(state_ids.remove(row), (Reason::Refused, format!("{field} {problem}")));
        }
        self.report.stored += Retry::default().transaction(conn, |conn| {
            let report = bulk::upsert_events(&events, Repeats::LastWins)?.call(conn)?;
            cursor.save(conn)?;
            Ok::<_, Error>(report)
        })?;
        Ok(())
    }

    /// The event of a row, or why there is none.
    fn event(&mut self, conn: &mut PgConnection, row: &Row) -> Result<Result<NewSensorEvent<'static>, Fault>> {
        let entity_id = match reading::entity_id(&row.entity_id) {
            Ok(entity_id) => entity_id,
            Err(fault) => return Ok(Err(fault)),
        };
        let sensor = match self.decision(entity_id)? {
            Decision::Import(sensor) => sensor.clone(),
            Decision::Ignored => return Ok(Err((Reason::Ignored, String::new()))),
            Decision::Unmapped => {
                self.report.unmapped.insert(entity_id.to_owned());
                return Ok(Err((Reason::Unmapped, String::new())));
            }
        };
        let unavailable = self.mapping.unavailable();
        let (at, state) = match (reading::instant(&row.time), reading::state(&row.state, unavailable)) {
            (Ok(at), Ok(state)) => (at, state.to_owned()),
            // That the entity is gone or out of reach explains more than its time.
            (_, Err(fault)) | (Err(fault), _) => return Ok(Err(fault)),
        };
        let old_state = reading::state(&row.old_state, unavailable).ok();
        let previous = self.previous_state(conn, &sensor, at, old_state)?;
        self.last_states.insert(sensor.id.clone(), state.clone());

        let attributes = reading::attributes(&row.attributes).unwrap_or_else(|problem| {
            self.report.without_attributes += 1;
            self.tell("without attributes", row.state_id, &problem);
            serde_json::Map::new()
        });
        let event = NewSensorEvent::new(at, sensor.room, sensor.id, sensor.sensor_type, state)
            .with_attributes(Value::Object(attributes))
            .with_human_triggered(sensor.is_tripped_by_people || row.has_user);
        Ok(Ok(match previous {
            Some(previous) => event.with_previous_state(previous),
            None => event,
        }))
    }

    /// The state that the sensor reported before: of the row that `old_state_id` leads to, or else of the sensor's
    /// last row here, or else of its last event in the database. (Home Assistant forgets the former when it starts
    /// anew, or purges that row.)
    fn previous_state(
        &self,
        conn: &mut PgConnection,
        sensor: &Sensor,
        at: DateTime<Utc>,
        old_state: Option<&str>,
    ) -> Result<Option<String>> {
        if let Some(state) = old_state.or(self.last_states.get(&sensor.id).map(String::as_str)) {
            return Ok(Some(state.to_owned()));
        }
        Ok(sensor_events::table
            .filter(sensor_events::sensor_id.eq(&sensor.id))
            .filter(sensor_events::timestamp.lt(at))
            .order(sensor_events::timestamp.desc())
            .select(sensor_events::state)
            .first(conn)
            .optional()?)
    }

    fn decision(&mut self, entity_id: &str) -> Result<&Decision> {
        if !self.decisions.contains_key(entity_id) {
            let decision = decide(self.recorder, self.mapping, entity_id)?;
            self.decisions.insert(entity_id.to_owned(), decision);
        }
        Ok(&self.decisions[entity_id])
    }

    fn leave_out(&mut self, state_id: i64, (reason, found): Fault) {
        self.report.leave_out(reason);
        if reason.is_fault() {
            self.tell(reason.as_str(), state_id, &found);
        }
    }

    /// Tells of a row with a fault, unless many with the same were told already.
    fn tell(&mut self, fault: &'static str, state_id: i64, found: &str) {
        let told = self.told.entry(fault).or_default();
        *told += 1;
        match *told {
            ..=TOLD => self.progress.say(&format!("row {state_id}: {fault}: {found}")),
            n if n == TOLD + 1 => self.progress.say(&format!("{fault}: further rows are only counted")),
            _ => {}
        }
    }
}

/// Decides about an entity, by the attributes of its last row.
pub fn decide(recorder: &Recorder, mapping: &Mapping, entity_id: &str) -> Result<Decision> {
    let last = recorder.last_row_of(entity_id)?;
    let attributes = last.and_then(|row| reading::attributes(&row.attributes).ok()).unwrap_or_default();
    Ok(mapping.decide(entity_id, &attributes))
}
