//! SIGKILL of the whole server in mid-write.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use rand::Rng;

use crate::Rounds;
use crate::readings::{self, batch, count, store, stored};
use crate::server::OwnServer;

const WRITERS: usize = 3;

/// What a writer has sent last, and whether that was acknowledged.
struct Sent {
    number: i64,
    rows: usize,
    acknowledged: bool,
}

#[test]
fn kills_leave_every_acknowledged_batch_whole_and_no_other_half() {
    let Some(mut server) = OwnServer::start("kills", &[], None) else { return };
    let mut rounds = Rounds::new("kills", 3);
    readings::create(&mut server.database("kills"));
    let next = AtomicI64::new(1);
    let mut expected = 0;
    let mut pending: Vec<(i64, usize)> = Vec::new();
    let (mut acknowledged, mut whole, mut absent) = (0, 0, 0);
    let mut recovery = Duration::ZERO;
    while rounds.next() {
        let url = server.url("kills").to_string();
        let pause = Duration::from_millis(rounds.random.random_range(20..400));
        // Below and above what is one statement, and what goes through COPY.
        let sizes: Vec<usize> = (0..WRITERS).map(|_| [1, 40, 400, 900][rounds.random.random_range(0..4)]).collect();
        let again = std::mem::take(&mut pending);
        let sent: Vec<Vec<Sent>> = std::thread::scope(|scope| {
            let writers: Vec<_> = sizes
                .iter()
                .zip((0..WRITERS).map(|n| again.iter().skip(n).step_by(WRITERS).copied().collect::<Vec<_>>()))
                .map(|(&rows, again)| {
                    let (url, next) = (&url, &next);
                    scope.spawn(move || write(url, again, rows, next))
                })
                .collect();
            std::thread::sleep(pause);
            server.kill();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let started = Instant::now();
        server.start_again();
        recovery = recovery.max(started.elapsed());
        let mut conn = server.connect("kills");
        for Sent { number, rows, acknowledged: is_acknowledged } in sent.into_iter().flatten() {
            let found = stored(&mut conn, number);
            if is_acknowledged {
                assert_eq!(found, rows, "batch {number} was acknowledged");
                acknowledged += 1;
            } else {
                assert!(found == 0 || found == rows, "batch {number}: {found} of {rows} rows");
                if found == rows {
                    whole += 1
                } else {
                    absent += 1
                }
                pending.push((number, rows));
            }
            expected += found;
        }
        // Those that are sent again are counted then.
        let found: usize = pending.iter().map(|(number, _)| stored(&mut conn, *number)).sum();
        assert_eq!(count(&mut conn), expected, "rows that nobody sent, or that were there and are not");
        expected -= found;
    }
    println!(
        "kills: {} kills, {acknowledged} acknowledged batches of 1 to 900 rows whole; of the others {whole} whole, {absent} \
         not there, none half; back after {recovery:?} at most",
        rounds.done - 1,
    );
}

/// Stores what was not acknowledged again, then new batches, to the first error.
fn write(url: &str, again: Vec<(i64, usize)>, rows: usize, next: &AtomicI64) -> Vec<Sent> {
    let mut sent = Vec::new();
    let Ok(mut conn) = PgConnection::establish(url) else {
        sent.extend(again.into_iter().map(|(number, rows)| Sent { number, rows, acknowledged: false }));
        return sent;
    };
    let mut again = again.into_iter();
    let mut is_up = true;
    loop {
        let (number, rows) = match again.next() {
            Some(first) => first,
            None if is_up => (next.fetch_add(1, Ordering::Relaxed), rows),
            None => return sent,
        };
        let acknowledged = is_up && store(&batch(number, rows), &mut conn).is_ok();
        is_up &= acknowledged;
        sent.push(Sent { number, rows, acknowledged });
    }
}
