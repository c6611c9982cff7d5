//! Rows of which some cannot be stored, generated: each of these is refused by every door, by its row and column, and
//! nothing else is. What is refused the server would refuse as well, but for what nobody could read back or means.
//!
//! A failure names the seed; `SEED=n` runs that one alone, `CASES=n` tries more: 340 are 29,000 rows.

use diesel::result::Error as DieselError;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use crate::deep::{nested, with_stack};
use crate::fixtures::*;
use crate::values;

/// What is wrong with a row.
struct Wrong {
    row: usize,
    column: &'static str,
    /// Whether the server takes it all the same; `None` where that depends on its stack.
    is_taken: Option<bool>,
    /// Whether it can be written as JSON, and read from it.
    is_json: bool,
}

/// Each of the events may have one value that is wrong.
fn events(random: &mut StdRng, rows: usize) -> (Vec<NewSensorEvent<'static>>, Vec<Wrong>) {
    let mut events = values::events(random, rows);
    let mut wrong = Vec::new();
    for (row, event) in events.iter_mut().enumerate() {
        if random.random_bool(0.3) {
            let spoilt;
            (spoilt, *event) = spoil(random, row, event.clone());
            wrong.push(spoilt);
        }
    }
    (events, wrong)
}

fn spoil(random: &mut StdRng, row: usize, event: NewSensorEvent<'static>) -> (Wrong, NewSensorEvent<'static>) {
    let refused = |column| Wrong { row, column, is_taken: Some(false), is_json: true };
    let with = |column: &'static str, value: Value| {
        let mut json = json!(event);
        json[column] = value;
        (refused(column), serde_json::from_value(json).unwrap())
    };
    match random.random_range(0..7) {
        0 => {
            const TEXTS: [&str; 5] = ["room_id", "sensor_id", "sensor_type", "state", "previous_state"];
            with(TEXTS[random.random_range(0..5)], json!(with_nul(random)))
        }
        1 => with(["room_id", "sensor_id", "sensor_type"][random.random_range(0..3)], json!("")),
        2 => {
            let first: DateTime<Utc> = "-4713-11-24T00:00:00Z".parse().unwrap();
            let (least, first) = (DateTime::<Utc>::MIN_UTC.timestamp_micros(), first.timestamp_micros());
            let at = [least, first - 1, random.random_range(least..first)][random.random_range(0..3)];
            let at = DateTime::from_timestamp_micros(at).unwrap();
            with(["timestamp", "processed_at"][random.random_range(0..2)], json!(at))
        }
        3 => {
            let number = not_finite(random);
            let number = [number, -f64::MIN_POSITIVE, 1.0 + f64::EPSILON, f64::MAX][random.random_range(0..4)];
            let wrong = Wrong { is_json: number.is_finite(), ..refused("confidence_score") };
            (wrong, event.with_confidence_score(number))
        }
        4 => {
            let wrong = Wrong { is_taken: Some(true), is_json: false, ..refused("numeric_value") };
            (wrong, event.with_numeric_value(not_finite(random)))
        }
        5 => {
            let text = with_nul(random);
            let inner = if random.random() { json!(text) } else { json!({ text: null }) };
            let json = (0..random.random_range(0..50)).fold(inner, |inner, level| {
                if level % 3 == 0 { json!({ "\\": inner }) } else { json!([1, inner, ""]) }
            });
            (refused("attributes"), event.with_attributes(json))
        }
        _ => {
            let levels = 128 << random.random_range(0..10) | random.random_range(0..100);
            let wrong = Wrong { is_taken: (levels < 300).then_some(true), is_json: false, ..refused("attributes") };
            (wrong, event.with_attributes(nested(levels, random.random())))
        }
    }
}

fn with_nul(random: &mut StdRng) -> String {
    let mut text: Vec<char> = values::text(random).chars().collect();
    text.insert(random.random_range(0..=text.len()), '\0');
    text.into_iter().collect()
}

fn not_finite(random: &mut StdRng) -> f64 {
    match random.random_range(0..3) {
        0 => f64::INFINITY,
        1 => f64::NEG_INFINITY,
        // Any NaN.
        _ => f64::from_bits(random.random::<u64>() | f64::NAN.to_bits()),
    }
}

#[track_caller]
fn assert_refused<T>(result: Result<T, BulkError>, wrong: &[Wrong], seed: u64) {
    let found = invalid_rows(result.err().unwrap_or_else(|| panic!("nothing is refused, SEED={seed}")));
    let found: Vec<_> = found.iter().map(|row| (row.row, row.column.as_str())).collect();
    let expected: Vec<_> = wrong.iter().map(|wrong| (wrong.row, wrong.column)).collect();
    assert_eq!(found, expected, "SEED={seed}");
}

/// Some batches are large enough for COPY.
fn size(seed: u64) -> usize {
    if seed % 10 == 0 { 600 } else { 30 }
}

#[test]
fn exactly_what_cannot_be_stored_is_refused_by_every_door() {
    let (_db, mut conn) = TestDb::migrated();
    let conn = &mut conn;
    // Only values that are so deep need it: to be dropped.
    with_stack(1_024, || {
        for seed in values::seeds() {
            let mut random = StdRng::seed_from_u64(seed);
            let (rows, wrong) = events(&mut random, size(seed));
            assert_refused(bulk::upsert_sensor_events(&rows).call(conn), &wrong, seed);
            assert_refused(bulk::insert_sensor_events(&rows).call(conn), &wrong, seed);
            let returned = bulk::upsert_sensor_events(&rows).returning(SensorEventKey::as_select());
            assert_refused(returned.call(conn), &wrong, seed);
            let keyed: Vec<_> = (1..).zip(&rows).map(|(id, row)| Keyed::new(id, row.clone())).collect();
            assert_refused(bulk::upsert_sensor_events_by_key(&keyed).call(conn), &wrong, seed);
            assert_eq!(count(conn), 0, "SEED={seed}");
            for wrong in wrong.iter().take(20) {
                let row = &rows[wrong.row];
                through_json(row, wrong.is_json, seed);
                if let Some(is_taken) = wrong.is_taken {
                    assert_eq!(server_takes(conn, row), is_taken, "row {}, {}, SEED={seed}", wrong.row, wrong.column);
                }
            }
            // The others are stored as they are, together with those that come after.
            let is_wrong = |row: &usize| wrong.iter().any(|wrong| wrong.row == *row);
            let right: Vec<_> = rows.iter().enumerate().filter(|(row, _)| !is_wrong(row)).map(|(_, row)| row).collect();
            let right: Vec<_> = right.into_iter().cloned().collect();
            assert_eq!(bulk::upsert_sensor_events(&right).call(conn).unwrap().inserted, n(right.len()), "SEED={seed}");
            assert_eq!(values::stored(conn), values::event_rows(right), "SEED={seed}");
            sql(conn, "TRUNCATE sensor_events");
        }
    });
}

/// Through JSON it is the same row, or an error.
fn through_json(row: &NewSensorEvent<'static>, is_json: bool, seed: u64) {
    let again = serde_json::to_string(row).and_then(|text| serde_json::from_str::<NewSensorEvent<'static>>(&text));
    assert_eq!(again.is_ok(), is_json, "SEED={seed}");
    let Ok(again) = again else { return };
    assert_eq!(values::exactly(&again), values::exactly(row), "SEED={seed}");
    // Half of a surrogate pair anywhere in a text.
    let state = json!(row.state()).to_string();
    let text = json!(row).to_string();
    for half in [r#""\ud800"#, r#""\udfff"#] {
        let spoilt = text.replacen(&format!("\"state\":{state}"), &format!("\"state\":{half}{}", &state[1..]), 1);
        assert_ne!(spoilt, text, "SEED={seed}");
        assert!(serde_json::from_str::<NewSensorEvent<'static>>(&spoilt).is_err(), "SEED={seed}: {spoilt}");
    }
}

fn server_takes(conn: &mut PgConnection, row: &NewSensorEvent<'static>) -> bool {
    let undone = conn.transaction(|conn| {
        diesel::insert_into(sensor_events::table).values(row).execute(conn)?;
        Err::<(), _>(DieselError::RollbackTransaction)
    });
    matches!(undone, Err(DieselError::RollbackTransaction))
}

#[cfg(feature = "async")]
#[test]
fn exactly_what_cannot_be_stored_is_refused_on_an_asynchronous_connection() {
    use occupancy_models::asynchronous::Call;

    let (db, conn) = TestDb::migrated();
    drop(conn);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    with_stack(1_024, || {
        runtime.block_on(async {
            let mut conn = db.connect_async().await;
            for seed in values::seeds() {
                let (rows, wrong) = events(&mut StdRng::seed_from_u64(seed), size(seed));
                assert_refused(Call::call(bulk::upsert_sensor_events(&rows), &mut conn).await, &wrong, seed);
                assert_refused(Call::call(bulk::insert_sensor_events(&rows), &mut conn).await, &wrong, seed);
                let keyed: Vec<_> = (1..).zip(&rows).map(|(id, row)| Keyed::new(id, row.clone())).collect();
                assert_refused(Call::call(bulk::upsert_sensor_events_by_key(&keyed), &mut conn).await, &wrong, seed);
            }
        });
    });
}
