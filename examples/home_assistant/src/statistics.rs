//! The import of statistics: numbers by the hour and by five minutes, for all that Home Assistant has them of.
//!
//! Home Assistant keeps those by the hour for ever, and the states that they were made of for ten days by default.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Double, Interval, Nullable, Text, Timestamptz};

use crate::Result;
use crate::import::Import;
use crate::left_out::Place;
use crate::mapping::Sensor;
use crate::reading::{self, Reason, Violation};
use crate::recorder::{Field, Period, Statistic};
use crate::store;
use crate::units::Reading;

diesel::table! {
    home_assistant_statistics_imports (source, recorder_table) {
        source -> Text,
        recorder_table -> Text,
        last_id -> BigInt,
        last_start -> Nullable<Timestamptz>,
    }
}

const SAVE: &str = "
    INSERT INTO home_assistant_statistics AS s
        (sensor_id, period, start, room_id, sensor_type, mean, min, max, state, sum)
    SELECT n.sensor_id, $1, n.start, n.room_id, n.sensor_type, n.mean, n.min, n.max, n.state, n.sum
    FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10)
        AS n (sensor_id, start, room_id, sensor_type, mean, min, max, state, sum)
    ON CONFLICT (sensor_id, period, start) DO UPDATE
    SET (room_id, sensor_type, mean, min, max, state, sum)
        = ROW (EXCLUDED.room_id, EXCLUDED.sensor_type, EXCLUDED.mean, EXCLUDED.min, EXCLUDED.max, EXCLUDED.state, EXCLUDED.sum)
    WHERE (s.room_id, s.sensor_type, s.mean, s.min, s.max, s.state, s.sum)
        IS DISTINCT FROM (EXCLUDED.room_id, EXCLUDED.sensor_type, EXCLUDED.mean, EXCLUDED.min, EXCLUDED.max, EXCLUDED.state, EXCLUDED.sum)";

/// The numbers of a sensor and period.
struct Numbers {
    room: String,
    sensor_type: String,
    /// Mean, min, max, state and sum.
    values: [Option<f64>; 5],
}

/// The sensor and the start.
type Key = (String, DateTime<Utc>);
type Batch = BTreeMap<Key, Numbers>;

/// Lets the next import read all rows again.
pub fn forget_places(conn: &mut PgConnection, source: &str) -> QueryResult<usize> {
    let of_source = home_assistant_statistics_imports::source.eq(source);
    diesel::delete(home_assistant_statistics_imports::table.filter(of_source)).execute(conn)
}

/// Imports the rows that are new since the last time.
pub fn import(import: &mut Import<'_>, conn: &mut PgConnection, source: &str, batch: usize) -> Result<()> {
    for period in Period::ALL {
        let mut after = place(import, conn, source, period)?;
        loop {
            let rows = import.recorder.statistics_after(period, after, batch)?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            let last_start = reading::instant(&last.start).ok();
            let known_units = import.units.of_types().len();
            let mut numbers = Batch::new();
            for row in &rows {
                import.report.statistics.read += 1;
                match numbers_of(import, row)? {
                    Ok((key, value)) => drop(numbers.insert(key, value)),
                    Err(fault) => leave_out(import, period, row, fault)?,
                }
            }
            if import.units.of_types().len() > known_units {
                store::save_units(conn, &import.units)?;
            }
            import.left_out.flush()?;
            let stored = conn.transaction(|conn| {
                let stored = save(conn, period, numbers)?;
                save_place(conn, source, period, after, last_start)?;
                Ok::<_, diesel::result::Error>(stored)
            })?;
            import.report.statistics.stored += stored as u64;
        }
    }
    Ok(())
}

/// The id to read after: the last one that was read, unless the file has another row there now.
fn place(import: &Import<'_>, conn: &mut PgConnection, source: &str, period: Period) -> Result<i64> {
    let stored: Option<(i64, Option<DateTime<Utc>>)> = home_assistant_statistics_imports::table
        .find((source, period.table()))
        .select((home_assistant_statistics_imports::last_id, home_assistant_statistics_imports::last_start))
        .first(conn)
        .optional()?;
    let Some((id, start)) = stored else { return Ok(i64::MIN) };
    let rows = import.recorder.statistics_after(period, id.saturating_sub(1), 1)?;
    let is_there = rows.first().is_some_and(|row| row.id == id && reading::instant(&row.start).ok() == start);
    Ok(if is_there { id } else { i64::MIN })
}

fn save_place(
    conn: &mut PgConnection,
    source: &str,
    period: Period,
    last_id: i64,
    last_start: Option<DateTime<Utc>>,
) -> QueryResult<usize> {
    use home_assistant_statistics_imports as imports;

    let place = (imports::last_id.eq(last_id), imports::last_start.eq(last_start));
    diesel::insert_into(imports::table)
        .values((imports::source.eq(source), imports::recorder_table.eq(period.table()), place))
        .on_conflict((imports::source, imports::recorder_table))
        .do_update()
        .set(place)
        .execute(conn)
}

/// The numbers of a row, or why there are none to store.
fn numbers_of(import: &mut Import<'_>, row: &Statistic) -> Result<std::result::Result<(Key, Numbers), Violation>> {
    let sensor = match reading::entity_id(&row.name, None) {
        Ok(name) => import.sensor(name)?,
        Err(fault) => return Ok(Err(fault)),
    };
    Ok(sensor.and_then(|sensor| {
        let start = reading::instant(&row.start)?;
        let unit = match &row.unit {
            Field::Text(unit) => Some(&**unit),
            _ => None,
        };
        let mut values = [row.mean, row.min, row.max, row.state, row.sum];
        if values.iter().all(Option::is_none) {
            return Err((Reason::NoState, "no number".to_owned()));
        }
        for value in values.iter_mut().flatten() {
            match import.units.reading(&sensor.sensor_type, unit.or(sensor.unit.as_deref()), *value) {
                Ok(Reading::AsItIs) => {}
                Ok(Reading::Converted(number, _)) => *value = number,
                Err(problem) => return Err((Reason::OtherUnit, problem)),
            }
        }
        let Sensor { id, room, sensor_type, .. } = &*sensor;
        Ok(((id.clone(), start), Numbers { room: room.clone(), sensor_type: sensor_type.clone(), values }))
    }))
}

fn leave_out(import: &mut Import<'_>, period: Period, row: &Statistic, (reason, mut found): Violation) -> Result<()> {
    let entity_id = reading::entity_id(&row.name, None).unwrap_or_default();
    if reason == Reason::OtherUnit {
        found = format!("{entity_id}: {found}");
    }
    let place = Place { table: period.table(), id: row.id, entity_id };
    import.left_out.row(&mut import.report, &import.progress, place, (reason, found))
}

/// Stores numbers; gives how many are new or other than before.
fn save(conn: &mut PgConnection, period: Period, numbers: Batch) -> QueryResult<usize> {
    let (keys, numbers): (Vec<_>, Vec<_>) = numbers.into_iter().unzip();
    let (sensors, starts): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
    let column = |index: usize| numbers.iter().map(|number: &Numbers| number.values[index]).collect::<Vec<_>>();
    diesel::sql_query(SAVE)
        .bind::<Interval, _>(period.length())
        .bind::<Array<Text>, _>(sensors)
        .bind::<Array<Timestamptz>, _>(starts)
        .bind::<Array<Text>, _>(numbers.iter().map(|number| &*number.room).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(numbers.iter().map(|number| &*number.sensor_type).collect::<Vec<_>>())
        .bind::<Array<Nullable<Double>>, _>(column(0))
        .bind::<Array<Nullable<Double>>, _>(column(1))
        .bind::<Array<Nullable<Double>>, _>(column(2))
        .bind::<Array<Nullable<Double>>, _>(column(3))
        .bind::<Array<Nullable<Double>>, _>(column(4))
        .execute(conn)
}
