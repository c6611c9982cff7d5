//! The import: batch by batch, each with its place in the file, in one transaction.

use std::rc::Rc;

use diesel::PgConnection;
use serde_json::Value;

use crate::Result;
use crate::attributes::{self, Attributes};
use crate::cursor::{Cursor, Start};
use crate::left_out::{LeftOut, Place};
use crate::mapping::{Decision, Mapping, Sensor};
use crate::progress::Progress;
use crate::reading::{self, Reason, Violation};
use crate::recorder::{Recorder, Row};
use crate::report::Report;
use crate::sensors::Sensors;
use crate::store::{self, Event};
use crate::units::{Reading, Units};
use crate::{moved, statistics};

const UNIT: &str = "unit_of_measurement";

pub struct Import<'i> {
    pub recorder: &'i dyn Recorder,
    pub mapping: &'i Mapping,
    pub sensors: Sensors<'i>,
    pub units: Units,
    pub left_out: LeftOut,
    pub progress: Progress,
    pub report: Report,
}

impl Import<'_> {
    /// Reads from `start` on, in batches of `batch` rows, no more than `batches` of them, and then the statistics.
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
        let was_text = cursor.last_text_state_id();
        let mut after = start.after();
        if !matches!(start, Start::After(_)) {
            // Before the first batch, whose place makes the next run go on.
            statistics::forget_places(conn, cursor.source())?;
        }
        for done in 0_u64.. {
            let rows = self.recorder.rows_after(after, batch)?;
            let Some(last) = rows.last() else { break };
            if batches.is_some_and(|batches| done >= batches) {
                self.report.is_partial = true;
                return Ok(self.report);
            }
            after = last.state_id;
            cursor = cursor.at(&rows);
            self.batch(conn, rows, &cursor, was_text)?;
            self.progress.reach(after);
        }
        statistics::import(&mut self, conn, cursor.source(), batch)?;
        Ok(self.report)
    }

    fn batch(&mut self, conn: &mut PgConnection, rows: Vec<Row>, cursor: &Cursor, was_text: Option<i64>) -> Result<()> {
        let known_units = self.units.of_types().len();
        let mut events = Vec::with_capacity(rows.len());
        for row in rows {
            self.report.read += 1;
            match self.event(&row, was_text)? {
                Ok(event) => events.push(event),
                Err(fault) => self.leave_out(&row, fault)?,
            }
        }
        if self.units.of_types().len() > known_units {
            store::save_units(conn, &self.units)?;
        }
        self.left_out.flush()?;
        let saved = store::save(conn, events, cursor)?;
        for (id, problem) in saved.refused {
            let place = Place { table: "states", id, entity_id: "" };
            self.left_out.row(&mut self.report, &self.progress, place, (Reason::Refused, problem))?;
        }
        self.left_out.flush()?;
        self.report.stored += saved.report;
        self.report.relinked += saved.relinked;
        self.report.moved += saved.moved;
        Ok(())
    }

    /// The event of a row, or why there is none.
    fn event(&mut self, row: &Row, was_text: Option<i64>) -> Result<Result<Event, Violation>> {
        let sensor = match reading::entity_id(&row.entity_id, row.metadata_id) {
            Ok(entity_id) => self.sensor(entity_id)?,
            Err(fault) => return Ok(Err(fault)),
        };
        let sensor = match sensor {
            Ok(sensor) => sensor,
            Err(fault) => return Ok(Err(fault)),
        };
        let state = reading::state(&row.state, self.mapping.unavailable(), self.mapping.removed());
        let (at, state) = match (reading::instant(&row.time), state) {
            (Ok(at), Ok(state)) => (at, state),
            // That the entity is gone or out of reach explains more than its time.
            (_, Err(fault)) | (Err(fault), _) => return Ok(Err(fault)),
        };
        let mut attributes = self.attributes(row)?;
        let unit = attributes.get(UNIT).and_then(Value::as_str).or(sensor.unit.as_deref());
        let state = match reading::number(state).map(|number| self.units.reading(&sensor.sensor_type, unit, number)) {
            None | Some(Ok(Reading::AsItIs)) => state.to_owned(),
            Some(Ok(Reading::Converted(number, unit))) => {
                attributes.insert(UNIT.to_owned(), Value::String(unit));
                number.to_string()
            }
            Some(Err(problem)) => return Ok(Err((Reason::OtherUnit, problem))),
        };
        Ok(Ok(Event {
            state_id: row.state_id,
            at,
            state,
            attributes: Value::Object(attributes),
            is_human_triggered: sensor.is_tripped_by_people || row.has_user,
            moved: moved::may_be(row.state_id, &row.time, at, was_text),
            sensor,
        }))
    }

    /// The sensor that an entity is, or why it is none.
    pub fn sensor(&mut self, entity_id: &str) -> Result<Result<Rc<Sensor>, Violation>> {
        let (reason, entities) = match self.sensors.decide(entity_id)? {
            Decision::Import(sensor) => return Ok(Ok(Rc::clone(sensor))),
            Decision::Ignored => return Ok(Err((Reason::Ignored, String::new()))),
            Decision::NoArea => (Reason::NoArea, &mut self.report.without_area),
            Decision::Unmapped => (Reason::Unmapped, &mut self.report.unmapped),
        };
        if !entities.contains(entity_id) {
            entities.insert(entity_id.to_owned());
        }
        Ok(Err((reason, String::new())))
    }

    fn attributes(&mut self, row: &Row) -> Result<serde_json::Map<String, Value>> {
        let place = Place { table: "states", id: row.state_id, entity_id: "" };
        match attributes::parse(&row.attributes) {
            Ok(Attributes { values, nulled: 0 }) => Ok(values),
            Ok(Attributes { values, nulled }) => {
                self.report.nulled += 1;
                let found = format!("{nulled} of the attributes' numbers");
                self.left_out.part(&self.progress, place, "NaN or infinite, stored as null", &found)?;
                Ok(values)
            }
            Err(problem) => {
                self.report.without_attributes += 1;
                self.left_out.part(&self.progress, place, "without attributes", &problem)?;
                Ok(serde_json::Map::new())
            }
        }
    }

    fn leave_out(&mut self, row: &Row, (reason, mut found): Violation) -> Result<()> {
        let entity_id = reading::entity_id(&row.entity_id, row.metadata_id).unwrap_or_default();
        if reason == Reason::OtherUnit {
            found = format!("{entity_id}: {found}");
            if !self.report.other_units.contains(&found) {
                self.report.other_units.insert(found.clone());
            }
        }
        let place = Place { table: "states", id: row.state_id, entity_id };
        self.left_out.row(&mut self.report, &self.progress, place, (reason, found))
    }
}
