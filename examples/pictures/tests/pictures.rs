//! The program, run as its users run it, against a real database.
//!
//!     dev/db cargo test -p occupancy-pictures
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[allow(dead_code, unused_imports, unused_macros, reason = "not all of it is used")]
#[path = "../../../tests/support/database.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use occupancy_models::schema::{predictions, sensor_events};
use occupancy_models::testing;
use roxmltree::Document;
use support::needs;

const ACCURATE: &str = "#009E73";
const LATE_OR_EARLY: &str = "#E69F00";
const NO_SUCH_CHANGE: &str = "#D55E00";

fn run(url: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pictures")).args(arguments).env("DATABASE_URL", url).output().unwrap()
}

/// Runs the program, which must succeed, with a folder of its own; gives its pictures.
fn draw(url: &str, folder: &str, options: &[&str]) -> [String; 2] {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    let output = run(url, &[&[folder.to_str().unwrap()], options].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    ["week.svg", "reliability.svg"].map(|name| std::fs::read_to_string(folder.join(name)).unwrap())
}

/// All that is written in a picture.
fn texts(picture: &Document<'_>) -> Vec<String> {
    let texts = picture.descendants().filter(|node| node.has_tag_name("text"));
    texts.filter_map(|node| node.text()).map(|text| text.trim().to_owned()).collect()
}

fn count_of(picture: &Document<'_>, shape: &str, colour: &str) -> usize {
    let is_one =
        |node: &roxmltree::Node<'_, '_>| node.tag_name().name() == shape && node.attribute("fill") == Some(colour);
    picture.descendants().filter(is_one).count()
}

/// The minutes of each day of the week in which the room was occupied, counted one by one from the events.
fn occupied_minutes(conn: &mut PgConnection) -> Vec<usize> {
    const MINUTES: usize = 7 * 1_440;
    let mut is_on = vec![false; MINUTES];
    for sensor in ["pictures1.lounge.motion", "pictures1.lounge.seat"] {
        let events: Vec<(DateTime<Utc>, String)> = sensor_events::table
            .filter(sensor_events::sensor_id.eq(sensor))
            .order(sensor_events::timestamp)
            .select((sensor_events::timestamp, sensor_events::state))
            .load(conn)
            .unwrap();
        let minute = |at: DateTime<Utc>| (at - testing::start()).num_minutes().clamp(0, MINUTES as i64) as usize;
        for (n, (at, state)) in events.iter().enumerate() {
            let end = events.get(n + 1).map_or(MINUTES, |next| minute(next.0));
            if state == "on" {
                is_on[minute(*at)..end].fill(true);
            }
        }
    }
    let is_occupied = |minute: usize| is_on[minute.saturating_sub(5)..=minute].contains(&true);
    (0..7).map(|day| (day * 1_440..(day + 1) * 1_440).filter(|minute| is_occupied(*minute)).count()).collect()
}

#[test]
fn pictures_show_what_the_database_has_and_are_those_of_the_readme() {
    needs!(TwoConnections);
    let db = testing::database().unwrap();
    let [week, reliability] = draw(db.url(), "pictures", &[]);
    // A run on what is there, of another length, draws the same week.
    assert_eq!(draw(db.url(), "pictures_again", &["--days", "7"])[0], week);

    let picture = Document::parse(&week).unwrap();
    let conn = &mut db.connect().unwrap();
    let texts_of_week = texts(&picture);
    for words in ["A week of the lounge", "Mon 5 Jan", "Sun 11 Jan", "motion", "seat", "light", "predicted"] {
        assert!(texts_of_week.iter().any(|text| text == words), "{words} is missing: {texts_of_week:?}");
    }
    let durations: Vec<_> = texts_of_week.iter().filter(|text| text.ends_with(" min")).cloned().collect();
    let minutes = occupied_minutes(conn);
    assert!(minutes.iter().all(|minutes| *minutes > 0), "{minutes:?}");
    let expected: Vec<_> =
        minutes.iter().map(|minutes| format!("{} h {:02} min", minutes / 60, minutes % 60)).collect();
    assert_eq!(durations, expected);

    let end = testing::start() + TimeDelta::days(7);
    let outcomes: Vec<(bool, bool)> = predictions::table
        .filter(predictions::room_id.eq("pictures1.lounge"))
        .filter(predictions::prediction_time.lt(end))
        .select((predictions::is_accurate.assume_not_null(), predictions::actual_transition_time.is_not_null()))
        .load(conn)
        .unwrap();
    for (colour, outcome) in
        [(ACCURATE, (true, true)), (LATE_OR_EARLY, (false, true)), (NO_SUCH_CHANGE, (false, false))]
    {
        let stored = outcomes.iter().filter(|one| **one == outcome).count();
        // One more explains the colour.
        assert_eq!(count_of(&picture, "polygon", colour), stored + 1, "{colour}");
    }
    assert!(outcomes.len() > 7, "{outcomes:?}");

    let picture = Document::parse(&reliability).unwrap();
    let count: i64 = predictions::table.count().get_result(conn).unwrap();
    let texts = texts(&picture);
    assert!(texts.iter().any(|text| text.starts_with(&format!("{count} predictions of"))), "{count}: {texts:?}");
    let bins: Vec<i64> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    assert_eq!(bins.iter().sum::<i64>(), count, "{bins:?}");
    let points = picture.descendants().filter(|node| node.has_tag_name("circle")).count();
    assert!(points > 3 && points == bins.len(), "{points} points, {bins:?}");

    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    for (name, drawn) in [("week.svg", &week), ("reliability.svg", &reliability)] {
        let committed = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(
            committed == *drawn,
            "{name} is another: run `dev/db cargo run -p occupancy-pictures -- examples/pictures`, look at it, and commit it"
        );
    }
}

#[test]
fn a_folder_that_is_missing_is_named() {
    needs!(TwoConnections);
    let db = testing::database().unwrap();
    let output = run(db.url(), &["no/such/folder", "--days", "7"]);
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.starts_with("no/such/folder/week.svg: "), "{message}");
}
