//! Of the rows of one key, the last one is stored.

use std::time::Duration;

use diesel::prelude::*;
use diesel_timescale::bulk;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::failures::Killer;
use crate::proxy::Proxy;
use crate::readings::{Reading, hypertable, stored};
use crate::support::{TestDb, needs, sql, value};
use crate::ways::{Way, assert_balance, eventually, pool, writer};

#[test]
fn the_last_row_wins_on_several_connections_that_are_killed() {
    needs!(TwoConnections);
    let seed = std::env::var("SEED").map_or_else(|_| rand::rng().random(), |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let (db, mut conn) = hypertable();
    let pool = pool(db.url().as_str(), 4);
    let writer = writer().connections(4).batch_of(40, Duration::from_millis(1)).start(move || pool.get()).unwrap();
    let killer = Killer::of(&db);
    let mut last = vec![None; 50];
    for version in 0.. {
        if version >= 20_000 && killer.has_killed() {
            break;
        }
        let key = rng.random_range(0..50);
        last[key] = Some(f64::from(version));
        let row = Reading { temperature: Some(f64::from(version)), ..Reading::new(key, 0) };
        writer.send(row).unwrap();
    }
    let status = writer.finish().unwrap();
    killer.stop();
    assert_balance(&status);
    assert!(status.retried > 0, "{status:?}");
    let found: Vec<_> = stored(&mut conn).into_iter().map(|row| row.temperature).collect();
    assert!(found == last);
}

diesel::table! {
    points (x) {
        x -> Double,
        version -> Integer,
    }
}

#[derive(Insertable, Clone)]
#[diesel(table_name = points)]
struct Point {
    x: f64,
    version: i32,
}

/// Zero and minus zero are one key, and two rows of bytes.
#[test]
fn the_last_row_wins_also_where_equal_keys_are_not_identical() {
    needs!(TwoConnections);
    let (db, mut conn) = TestDb::with("CREATE TABLE points (x float8 PRIMARY KEY, version int NOT NULL)");
    sql(
        &mut conn,
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF NEW.version % 2 = 1 THEN PERFORM pg_sleep(0.02); END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER slow BEFORE INSERT ON points FOR EACH ROW EXECUTE FUNCTION slow()",
    );
    let way = Way::to(&db);
    let writer = bulk::writer::<Point>().on_conflict(points::x).connections(16).batch_of(1, Duration::ZERO);
    let writer = writer.start(move || way.connect()).unwrap();
    for version in 0..41 {
        writer.send(Point { x: if version % 2 == 0 { 0.0 } else { -0.0 }, version }).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(value(&mut conn, "SELECT string_agg(version::text, ',') FROM points"), "40");
}

/// The server goes on with a statement whose connection is lost: it must not be the last to write.
#[test]
fn a_statement_of_a_lost_connection_does_not_bring_an_older_row_back() {
    needs!(TwoConnections);
    let (db, mut conn) = hypertable();
    sql(
        &mut conn,
        "CREATE SEQUENCE calls;
         CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF NEW.temperature = 1 AND nextval('calls') = 1 THEN PERFORM pg_sleep(2); END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER slow BEFORE INSERT ON readings FOR EACH ROW EXECUTE FUNCTION slow()",
    );
    // The chunk is there: making it would let the second one wait for the first.
    sql(&mut conn, "INSERT INTO readings VALUES ('other', '2026-01-01T00:00:00Z', 0)");
    let mut url = db.url();
    let proxy = Proxy::to(url.host_str().unwrap(), url.port().unwrap());
    url.set_port(Some(proxy.port())).unwrap();
    let pool = pool(url.as_str(), 1);
    let writer = writer().batch_of(1, Duration::ZERO).start(move || pool.get()).unwrap();
    let row = |version| Reading { temperature: Some(version), ..Reading::new(0, 0) };
    writer.send(row(1.0)).unwrap();
    let sleeping =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
    eventually("the statement runs", || value(&mut conn, sleeping) == "1");
    proxy.cut();
    writer.send(row(2.0)).unwrap();
    let status = writer.finish().unwrap();
    assert_balance(&status);
    assert!(status.retried > 0, "{status:?}");
    eventually("the statement has ended", || value(&mut conn, sleeping) == "0");
    // Its commit may come a moment later.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(stored(&mut conn)[0].temperature, Some(2.0));
}
