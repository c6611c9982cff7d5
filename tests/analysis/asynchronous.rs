//! The same on diesel-async, with futures that are `Send`.

use chrono::TimeDelta;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use occupancy_models::analysis::{PredictionErrors, prediction_errors};
use occupancy_models::schema::sensor_events;
use occupancy_models::timescale::states::{
    Calendar, HourlyPrior, IntervalRule, StateInterval, StateSpan, TimeInState, hourly_priors, state_intervals,
    state_spans, times_in_state,
};
use occupancy_models::{Prediction, SensorEvent};

use super::readings::{instant, random, store};
use super::support::TestDb;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_analysis_gives_the_same_on_an_async_connection() {
    let (db, mut conn) = TestDb::ready();
    let range = instant("2026-03-26T13:10:00Z")..instant("2026-04-01T00:00:00Z");
    store(&mut conn, &random(1, range.start, range.end, &["on", "off", "unavailable"]));
    macro_rules! queries {
        ($run:ident) => {{
            let states = || {
                SensorEvent::states().filter(sensor_events::room_id.eq("office")).silence_limit(TimeDelta::minutes(95))
            };
            let rule = || IntervalRule::any_of(["on"]).hold(TimeDelta::minutes(5));
            let spans = states().spans(range.clone()).order((state_spans::series, state_spans::began_at));
            let times = states().time_in_state(range.clone(), Calendar::hours("Australia/Lord_Howe")).order((
                times_in_state::series,
                times_in_state::bucket,
                times_in_state::state,
            ));
            let intervals =
                states().intervals(sensor_events::room_id, rule(), range.clone()).order(state_intervals::began_at);
            let priors = states()
                .priors(sensor_events::room_id, rule(), range.clone(), "Europe/Berlin")
                .order((hourly_priors::day_of_week, hourly_priors::hour));
            let errors = prediction_errors(Prediction::within(range.clone()), Calendar::days("UTC"));
            (
                $run!(spans, StateSpan),
                $run!(times, TimeInState),
                $run!(intervals, StateInterval),
                $run!(priors, HourlyPrior),
                $run!(errors, PredictionErrors),
            )
        }};
    }
    macro_rules! sync {
        ($query:expr, $row:ty) => {
            diesel::RunQueryDsl::load::<$row>($query, &mut conn).unwrap()
        };
    }
    let expected = queries!(sync);
    assert!(!expected.0.is_empty() && !expected.1.is_empty() && !expected.2.is_empty() && !expected.3.is_empty());
    drop(conn);

    let conn = db.connect_async().await;
    // On a task, so that every future is `Send`.
    tokio::spawn(async move {
        let mut conn = conn;
        macro_rules! asynchronous {
            ($query:expr, $row:ty) => {
                $query.load::<$row>(&mut conn).await.unwrap()
            };
        }
        assert!(queries!(asynchronous) == expected);
    })
    .await
    .unwrap();
}
