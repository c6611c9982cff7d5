//! Batches, room, and the end.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use diesel_timescale::bulk::BulkError;

use crate::readings::{Reading, hypertable, rows, stored};
use crate::support::needs;
use crate::ways::{Way, assert_balance, count, eventually, pool, writer};

#[test]
fn rows_of_many_senders_are_stored() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    for connections in [1, 3] {
        let pool = pool(db.url().as_str(), 4);
        let writer = writer()
            .connections(connections)
            .batch_of(700, Duration::from_millis(20))
            .start(move || pool.get())
            .unwrap();
        let rows = rows(8, 1500);
        std::thread::scope(|scope| {
            for part in rows.chunks(1500) {
                let writer = &writer;
                scope.spawn(move || part.iter().for_each(|row| writer.send(row.clone()).unwrap()));
            }
        });
        let status = writer.finish().unwrap();
        assert_balance(&status);
        // The second time they are all there.
        let (stored_rows, unchanged) = if connections == 1 { (12_000, 0) } else { (0, 12_000) };
        assert_eq!(
            (status.taken, status.stored, status.unchanged, status.retried),
            (12_000, stored_rows, unchanged, 0)
        );
        assert!(matches!(writer.send(rows[0].clone()), Err(BulkError::WriterClosed)));
        assert_eq!(writer.finish().unwrap(), status);
        assert!(stored(&mut conn) == rows);
    }
}

#[test]
fn a_batch_goes_after_a_time_or_with_enough_rows() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    let way = Way::to(&db);
    let slow = writer().batch_of(10, Duration::from_secs(3600)).start({
        let way = way.clone();
        move || way.connect()
    });
    let slow = slow.unwrap();
    (0..9).for_each(|minute| slow.send(Reading::new(1, minute)).unwrap());
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!((count(&mut conn), slow.status().waiting), (0, 9));
    assert!(slow.status().oldest.unwrap() >= Duration::from_millis(300));
    let confirmation = slow.send_and_confirm(Reading::new(1, 9)).unwrap();
    confirmation.wait().unwrap();
    assert_eq!(count(&mut conn), 10);
    // What is left goes when it is full, or at the end.
    slow.send(Reading::new(1, 10)).unwrap();
    assert_eq!(slow.finish().unwrap().stored, 11);

    let quick = writer().batch_of(1000, Duration::from_millis(100)).start(move || way.connect()).unwrap();
    let start = Instant::now();
    quick.send_and_confirm(Reading::new(2, 1)).unwrap().wait().unwrap();
    assert!(start.elapsed() >= Duration::from_millis(100));
    quick.finish().unwrap();
}

#[test]
fn a_full_writer_lets_senders_wait() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    for (max_rows, max_bytes) in [(100, usize::MAX), (usize::MAX, 40_000)] {
        let way = Way::closed(&db);
        let connect = {
            let way = way.clone();
            move || way.connect()
        };
        let writer = writer().batch_of(1000, Duration::from_secs(3600)).holding(max_rows, max_bytes).start(connect);
        let writer = writer.unwrap();
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| rows(2, 250).into_iter().for_each(|row| writer.send(row).unwrap()));
            let mut taken = 0;
            eventually("it is full", || {
                let before = std::mem::replace(&mut taken, writer.status().taken);
                std::thread::sleep(Duration::from_millis(100));
                taken > 0 && before == taken
            });
            let status = writer.status();
            assert!(
                !sender.is_finished() && status.waiting <= max_rows && status.waiting_bytes <= max_bytes,
                "{status:?}"
            );
            assert!(status.last_error.is_some() && status.retried > 0, "{status:?}");
            way.open();
        });
        let status = writer.finish().unwrap();
        assert_balance(&status);
        assert_eq!(status.stored + status.unchanged, 500);
        assert_eq!(count(&mut conn), 500);
    }
}

#[test]
fn the_oldest_rows_make_room() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    let way = Way::closed(&db);
    let connect = {
        let way = way.clone();
        move || way.connect()
    };
    let writer =
        writer().batch_of(10, Duration::ZERO).holding(100, usize::MAX).drop_oldest().connections(2).start(connect);
    let writer = writer.unwrap();
    let first = writer.send_and_confirm(Reading::new(1, 0)).unwrap();
    eventually("the first is being written", || writer.status().retried > 0);
    let dropped = writer.send_and_confirm(Reading::new(1, 1)).unwrap();
    (2..1000).for_each(|minute| writer.send(Reading::new(1, minute)).unwrap());
    let status = writer.status();
    assert_eq!((status.taken, status.waiting, status.dropped), (1000, 100, 900), "{status:?}");
    assert!(matches!(dropped.wait(), Err(BulkError::Dropped)));
    way.open();
    first.wait().unwrap();
    assert_balance(&writer.finish().unwrap());
    // What is being written is not dropped.
    let minutes: Vec<_> = std::iter::once(0).chain(901..1000).collect();
    assert!(stored(&mut conn) == minutes.into_iter().map(|minute| Reading::new(1, minute)).collect::<Vec<_>>());
}

#[test]
fn rows_that_are_not_in_time_come_back() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    let back = Arc::new(Mutex::new(Vec::new()));
    let on_rejected = || {
        let back = Arc::clone(&back);
        move |row: Reading, error: &BulkError| {
            assert!(matches!(error, BulkError::NotInTime { last_error: Some(_) }), "{error}");
            back.lock().unwrap().push(row);
        }
    };
    let taken = || {
        let mut rows = std::mem::take(&mut *back.lock().unwrap());
        rows.sort_by_key(|row| row.measured_at);
        rows
    };
    let sent = rows(1, 50);

    // At the end.
    let way = Way::closed(&db);
    let connect = {
        let way = way.clone();
        move || way.connect()
    };
    let one = writer().batch_of(20, Duration::ZERO).on_rejected(on_rejected()).start(connect.clone()).unwrap();
    sent.iter().for_each(|row| one.send(row.clone()).unwrap());
    let start = Instant::now();
    let status = one.finish_within(Duration::from_millis(300)).unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_balance(&status);
    assert_eq!((status.rejected, status.waiting), (50, 0));
    assert!(taken() == sent);

    // By a limit.
    let limited = writer().batch_of(20, Duration::ZERO).on_rejected(on_rejected());
    let limited = limited.give_up_after(Duration::from_millis(200)).start(connect.clone()).unwrap();
    sent[..20].iter().for_each(|row| limited.send(row.clone()).unwrap());
    eventually("they come back", || limited.status().rejected == 20);
    assert!(taken() == sent[..20]);
    way.open();
    sent.iter().for_each(|row| limited.send(row.clone()).unwrap());
    assert_eq!(limited.finish().unwrap().stored, 50);
    assert_eq!(count(&mut conn), 50);

    // Without an end.
    let way = Way::closed(&db);
    let dropped =
        writer().batch_of(20, Duration::ZERO).on_rejected(on_rejected()).start(move || way.connect()).unwrap();
    let confirmation = dropped.send_and_confirm(sent[0].clone()).unwrap();
    sent[1..].iter().for_each(|row| dropped.send(row.clone()).unwrap());
    eventually("it was tried", || dropped.status().retried > 0);
    drop(dropped);
    assert!(matches!(confirmation.wait(), Err(BulkError::Rejected(_))));
    let mut all = Vec::new();
    eventually("they come back", || {
        all.append(&mut taken());
        all.len() == 50
    });
}
