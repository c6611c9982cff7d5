//! What a server has: this crate and the functions in the database say the same of every feature.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use diesel::prelude::*;
use diesel_timescale::{Call, Error, Feature, HypertableError, Server};
use support::TestDb;

#[test]
fn the_database_says_of_every_feature_what_the_crate_says() {
    let (_db, mut conn) = TestDb::installed();
    let conn = &mut conn;
    let server = Server::query().call(conn).unwrap();
    for feature in Feature::ALL {
        // Its name there is that of the variant.
        let asked = diesel::sql_query(format!("SELECT diesel_timescale.require_feature('{feature:?}')")).execute(conn);
        match (asked.map_err(Error::from), server.require(*feature)) {
            (Ok(_), Ok(())) => {}
            (Err(Error::Unsupported { feature: there, message, .. }), Err(here)) => {
                assert_eq!(there, *feature);
                assert!(here.to_string().starts_with(&message), "there {message}, here {here}");
                assert!(message.contains(feature.as_str()), "{message}");
            }
            (Err(Error::Hypertable(HypertableError::ExtensionUnavailable { .. })), Err(_))
                if server.available.is_none() => {}
            (there, here) => panic!("{feature} on {server}: the database says {there:?}, the crate {here:?}"),
        }
    }
}

/// What no server at hand has shows among the tests that CI lists as left out on each.
#[test]
fn every_feature_is_named_by_a_test() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let mut sources = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            sources += &std::fs::read_to_string(path).unwrap();
        }
    }
    // Those of the aggregates and jobs are most tests' own need.
    let is_common = |feature: &Feature| matches!(feature, Feature::Hypertables | Feature::ContinuousAggregates);
    for feature in Feature::ALL.iter().filter(|feature| !is_common(feature)) {
        let names = [format!("needs_feature!({feature:?}"), format!("Feature::{feature:?}")];
        let is_whole = |rest: &str| !rest.starts_with(|next: char| next.is_alphanumeric());
        let is_named = names.iter().any(|name| sources.split(name.as_str()).skip(1).any(is_whole));
        assert!(is_named, "no test needs {feature:?}");
    }
}
