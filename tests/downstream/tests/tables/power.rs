//! Power samples: a hypertable whose time is a count of milliseconds.

use diesel::prelude::*;
use home_energy::power::PowerSample;
use home_energy::schema::power_samples;
use occupancy_models::Call;
use occupancy_models::timescale::{Feature, Server, bulk, chunks, drop_chunks};

use crate::support::{database, needs};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

fn samples(from_ms: i64, watts: f64) -> Vec<PowerSample> {
    (0..1_000)
        .map(|n| PowerSample { device_id: format!("heater {}", n % 3), measured_ms: from_ms + n * 500_000, watts })
        .collect()
}

#[test]
fn samples_are_upserted_by_device_and_millisecond() {
    needs!(TwoConnections);
    let (_db, mut conn) = database();
    let upsert = |rows: &[PowerSample], conn: &mut PgConnection| {
        bulk::upsert(rows).on_conflict((power_samples::device_id, power_samples::measured_ms)).call(conn).unwrap()
    };
    let from = 1_767_571_200_000;
    assert_eq!(upsert(&samples(from, 1.0), &mut conn).inserted, 1_000);
    assert_eq!(upsert(&samples(from, 1.0), &mut conn).unchanged, 1_000);
    assert_eq!(upsert(&samples(from, 2.0), &mut conn).updated, 1_000);
    let mut stored: Vec<PowerSample> = PowerSample::query().order(power_samples::measured_ms).load(&mut conn).unwrap();
    assert_eq!(stored, samples(from, 2.0));

    if Server::query().call(&mut conn).unwrap().has(Feature::Hypertables) {
        let days = chunks(power_samples::measured_ms, ..).call(&mut conn).unwrap();
        assert_eq!(days.len(), 6);
        assert!(
            days.iter().all(|day| day.range_end.zip(day.range_start).is_some_and(|(end, start)| end - start == DAY_MS)),
            "{days:?}"
        );
        let dropped = drop_chunks(power_samples::measured_ms, from + DAY_MS).call(&mut conn).unwrap();
        assert_eq!(dropped, 1);
        stored.retain(|sample| Some(sample.measured_ms) >= days[1].range_start);
        assert_eq!(PowerSample::query().order(power_samples::measured_ms).load(&mut conn), Ok(stored));
    }
}
