//! A network that cuts, delays and swallows at every byte of the protocol in turn. Each batch is sent again until it is
//! acknowledged, and is then stored once.

use std::time::Duration;

use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use occupancy_models::timescale::{asynchronous, bulk};
use rand::seq::SliceRandom;
use url::Url;

use crate::Rounds;
use crate::proxy::{Direction, Fault, Kind, Proxy};
use crate::readings::{self, Reading, batch, count, store, stored};
use crate::support::{TestDb, needs};

/// One statement, and what is looked at first and goes through COPY where there is one.
const SIZES: [usize; 2] = [3, 600];
/// After this a client with a clock gives the connection up.
const PATIENCE: Duration = Duration::from_millis(400);

/// Every fault at every byte of an exchange, in random order; `bytes` as an exchange without a fault had them. Those of
/// the small batch, which are fewer, take turns with those of the large one.
fn faults(rounds: &mut Rounds, kinds: &[Kind], bytes: [[usize; 2]; 2]) -> Vec<(usize, Fault)> {
    let mut parts = SIZES.into_iter().zip(bytes).map(|(rows, [to_server, to_client])| {
        let mut part = Vec::new();
        for (direction, bytes) in [(Direction::ToServer, to_server), (Direction::ToClient, to_client)] {
            for after in 0..bytes {
                part.extend(kinds.iter().map(|&kind| (rows, Fault { kind, direction, after })));
            }
        }
        part.shuffle(&mut rounds.random);
        part
    });
    let (small, mut large) = (parts.next().unwrap(), parts.next().unwrap());
    let rest = large.split_off(small.len().min(large.len()));
    small.into_iter().zip(large).flat_map(|(small, large)| [small, large]).chain(rest).collect()
}

/// Whatever the server still holds for a client that it never hears of again ends by these.
fn with_timeouts(url: &Url) -> Url {
    let mut url = url.clone();
    let options = "-cstatement_timeout%3D1s%20-cidle_in_transaction_session_timeout%3D1s";
    let query = url.query().map_or(format!("options={options}"), |query| format!("{query}&options={options}"));
    url.set_query(Some(&query));
    url
}

/// Runs faults until the time is over; `send` stores a batch and gives how often it had to.
fn torture(what: &str, kinds: &[Kind], mut send: impl FnMut(&Url, &[Reading]) -> u32) {
    let mut rounds = Rounds::new(what, 30);
    let (db, mut conn) = TestDb::new();
    readings::create(&mut conn);
    let proxy = Proxy::to(&db.url());
    let url = with_timeouts(&proxy.url(&db.url()));
    let (mut number, mut expected) = (0, 0);
    let mut bytes = [[0; 2]; 2];
    for (rows, bytes) in SIZES.into_iter().zip(&mut bytes) {
        assert_eq!(send(&url, &batch(number, rows)), 1, "without a fault");
        // The last bytes are those of the end.
        std::thread::sleep(Duration::from_millis(50));
        *bytes = proxy.bytes();
        (number, expected) = (number + 1, expected + rows);
    }
    let faults = faults(&mut rounds, kinds, bytes);
    let (mut repeats, mut done) = (0, 0);
    for &(rows, fault) in &faults {
        if !rounds.next() {
            break;
        }
        proxy.arm(fault);
        repeats += send(&url, &batch(number, rows)) - 1;
        (number, expected, done) = (number + 1, expected + rows, done + 1);
        assert_eq!(stored(&mut conn, number - 1), rows, "{fault:?}");
        assert_eq!(count(&mut conn), expected, "{fault:?}");
    }
    println!(
        "{what}: {done} of {} faults ({} and {} bytes to the server, {} and {} back), {repeats} sent again; {expected} rows \
         stored once",
        faults.len(),
        bytes[0][0],
        bytes[1][0],
        bytes[0][1],
        bytes[1][1],
    );
    assert!(repeats > 0, "no fault was felt");
}

#[test]
fn a_synchronous_connection_that_is_cut_at_any_byte_stores_once() {
    needs!(TwoConnections);
    torture("cuts and delays, sync", &[Kind::Cut, Kind::Delay], |url, rows| {
        for attempt in 1..50 {
            if PgConnection::establish(url.as_str()).is_ok_and(|mut conn| store(rows, &mut conn).is_ok()) {
                return attempt;
            }
        }
        panic!("never stored");
    });
}

#[test]
fn an_asynchronous_connection_that_is_cut_or_swallowed_at_any_byte_stores_once() {
    needs!(TwoConnections);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    torture("cuts, black holes and delays, async", &[Kind::Cut, Kind::Stall, Kind::Delay], |url, rows| {
        runtime.block_on(async {
            for attempt in 1..50 {
                let once = async {
                    let mut conn = AsyncPgConnection::establish(url.as_str()).await.ok()?;
                    let upsert = bulk::upsert(rows).on_conflict((readings::readings::sensor, readings::readings::at));
                    asynchronous::Call::call(upsert, &mut conn).await.ok()
                };
                if let Ok(Some(_)) = tokio::time::timeout(PATIENCE, once).await {
                    return attempt;
                }
            }
            panic!("never stored");
        })
    });
}
