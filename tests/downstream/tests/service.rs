//! The service over HTTP, on a pool of asynchronous connections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::net::SocketAddr;

use chrono::{TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, bb8, deadpool};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use home_energy::energy::{ENERGY, EnergyReading};
use home_energy::schema::alerts;
use home_energy::service::{self, MAX_LIMIT, Recorded, Timeline};
use home_energy::setup;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use occupancy_models::asynchronous::{self, Call};
use occupancy_models::bulk;
use occupancy_models::timescale::testing::TestDatabase;
use occupancy_models::{NewSensorEvent, SensorEvent, SensorState, SensorType, verify};
use serde::de::DeserializeOwned;
use serde_json::Value;
use support::{needs, start};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

type Pool = bb8::Pool<AsyncPgConnection>;

fn manager(db: &TestDatabase) -> AsyncDieselConnectionManager<AsyncPgConnection> {
    AsyncDieselConnectionManager::new(db.url())
}

/// The service, with a database of its own.
struct Served {
    pool: Pool,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
    _db: TestDatabase,
}

impl Served {
    async fn start() -> Self {
        let db = TestDatabase::create_async(async |url| {
            let pool = bb8::Pool::builder().build(AsyncDieselConnectionManager::new(url)).await?;
            setup::run(&pool).await?;
            Ok(())
        })
        .await
        .unwrap();
        let pool = bb8::Pool::builder().max_size(4).build(manager(&db)).await.unwrap();
        // A service that starts again finds everything done.
        setup::run(&pool).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = service::router(pool.clone());
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(async move {
            let stopped = async { stopped.await.unwrap_or(()) };
            axum::serve(listener, router).with_graceful_shutdown(stopped).await.unwrap();
        });
        Self { pool, address, stop, server, _db: db }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.server.await.unwrap();
        let mut conn = self.pool.get().await.unwrap();
        assert_eq!(verify().allow_plain_table().call(&mut conn).await.unwrap(), []);
    }

    async fn request(&self, request: Request<Full<Bytes>>) -> (StatusCode, Value) {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let request = Request::get(path).header("host", self.address.to_string());
        self.request(request.body(Full::default()).unwrap()).await
    }

    async fn ok<T: DeserializeOwned>(&self, path: &str) -> T {
        let (status, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        serde_json::from_value(body).unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = Request::post(path)
            .header("host", self.address.to_string())
            .header("content-type", "application/json")
            .body(Full::from(body.to_string()))
            .unwrap();
        self.request(request).await
    }
}

/// Events of two sensors at the same instants, so that pages end within an instant.
fn events() -> Vec<NewSensorEvent<'static>> {
    (0..40)
        .map(|n| {
            let at = start() + TimeDelta::hours(n / 2);
            match n % 2 {
                0 => NewSensorEvent::new(at, "living room", "motion", SensorType::MOTION, SensorState::ON),
                _ => NewSensorEvent::new(at, "living room", "meter", ENERGY, n.to_string()),
            }
        })
        .collect()
}

const ROOM: &str = "/rooms/living%20room/timeline";
const DAY: &str = "from=2026-01-05T00:00:00Z&to=2026-01-06T00:00:00Z";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeline_comes_in_pages_to_many_at_once() {
    needs!(TwoConnections);
    let served = Served::start().await;
    let stored = events();
    bulk::upsert_sensor_events(&stored).call(&mut served.pool.get().await.unwrap()).await.unwrap();

    let whole: Timeline = served.ok(&format!("{ROOM}?{DAY}")).await;
    assert_eq!((whole.room_id.as_str(), whole.events.len(), whole.next), ("living room", 40, None));
    let in_order = whole.events.is_sorted_by_key(|event| (event.timestamp, event.id));
    assert!(in_order, "{:?}", whole.events);

    // The ends: the first instant is in, the last one is not.
    let part: Timeline = served.ok(&format!("{ROOM}?from=2026-01-05T01:00:00Z&to=2026-01-05T03:00:00%2B00:00")).await;
    assert_eq!(part.events, whole.events[2..6]);
    let motions: Timeline = served.ok(&format!("{ROOM}?{DAY}&types=motion")).await;
    assert_eq!(motions.events.len(), 20);
    let both: Timeline = served.ok(&format!("{ROOM}?{DAY}&types=energy,motion")).await;
    assert_eq!(both.events, whole.events);

    // More clients than connections, each with another size of page.
    let pages = (1..=12).map(|limit| {
        let served = &served;
        let whole = &whole.events;
        async move {
            let mut events = Vec::new();
            let mut after = String::new();
            loop {
                let page: Timeline = served.ok(&format!("{ROOM}?{DAY}&limit={limit}{after}")).await;
                assert!(page.events.len() <= limit);
                events.extend(page.events);
                assert!(events.len() <= whole.len(), "pages of {limit} go on");
                match page.next {
                    Some(next) => after = format!("&after={next}"),
                    None => break,
                }
            }
            assert_eq!(events, *whole, "pages of {limit}");
        }
    });
    futures_util::future::join_all(pages).await;

    // Without `from`, a page starts where the one before has ended.
    let page: Timeline = served.ok(&format!("{ROOM}?{DAY}&limit=7")).await;
    let rest: Timeline = served.ok(&format!("{ROOM}?after={}", page.next.unwrap())).await;
    assert_eq!(rest.events, whole.events[7..]);

    // A room without events has an empty timeline.
    let empty: Timeline = served.ok("/rooms/attic/timeline").await;
    assert_eq!((empty.events, empty.next), (vec![], None));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_are_told_what_is_wrong() {
    needs!(TwoConnections);
    let served = Served::start().await;
    let above = MAX_LIMIT + 1;
    for (query, named) in [
        ("from=yesterday".to_owned(), "\"yesterday\""),
        ("to=2026-13-01T00:00:00Z".to_owned(), "2026-13-01"),
        ("limit=0".to_owned(), "limit 0"),
        ("limit=-1".to_owned(), "limit -1"),
        (format!("limit={above}"), "limit 1001"),
        ("limit=many".to_owned(), "many"),
        ("after=42".to_owned(), "after \"42\""),
        ("from=2026-01-06T00:00:00Z&to=2026-01-05T00:00:00Z".to_owned(), "is after to"),
        ("types=motion,,door".to_owned(), "types"),
        ("types=mo%00tion".to_owned(), "types"),
        ("to=-262143-01-01T00:00:00Z".to_owned(), "-262143"),
        ("from=%2B12000-01-01T00:00:00Z".to_owned(), "12000"),
        ("after=1@-9999-01-01T00:00:00Z".to_owned(), "-9999"),
        ("form=2026-01-06T00:00:00Z".to_owned(), "form"),
    ] {
        let (status, body) = served.get(&format!("{ROOM}?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}: {body}");
        let message = body["error"].as_str().unwrap_or_else(|| panic!("{query}: {body}"));
        assert!(message.contains(named), "{query}: {message}");
    }
    assert_eq!(served.get("/rooms").await.0, StatusCode::NOT_FOUND);
    assert_eq!(served.get("/rooms/%00/timeline").await.0, StatusCode::BAD_REQUEST);

    let (status, body) = served.post("/energy", &serde_json::json!([{ "meter_id": "m" }])).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    let nameless = serde_json::json!([{ "meter_id": "", "read_at": start(), "room_id": "hall", "watt_hours": 1.0 }]);
    let (status, body) = served.post("/energy", &nameless).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    assert!(body["error"].as_str().unwrap().contains("sensor_id"), "{body}");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn energy_is_recorded_once_and_alerts_show_their_events() {
    needs!(TwoConnections);
    let served = Served::start().await;
    let now = Utc::now();
    let readings: Vec<_> = (0..3)
        .map(|n| EnergyReading {
            meter_id: "meter".to_owned(),
            read_at: now - TimeDelta::minutes(n),
            room_id: "hall".to_owned(),
            watt_hours: n as f64,
        })
        .collect();
    let body = serde_json::to_value(&readings).unwrap();
    for (inserted, unchanged) in [(3, 0), (0, 3)] {
        let (status, body) = served.post("/energy", &body).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let recorded: Recorded = serde_json::from_value(body).unwrap();
        assert_eq!(recorded, Recorded { inserted, updated: 0, unchanged });
    }
    let timeline: Timeline = served.ok("/rooms/hall/timeline?types=energy").await;
    assert_eq!(timeline.events.len(), 3);
    let event = &timeline.events[0];
    assert_eq!((&event.sensor_type, event.numeric_value), (&ENERGY, Some(2.0)));

    let mut conn = served.pool.get().await.unwrap();
    diesel::insert_into(alerts::table)
        .values((
            alerts::room_id.eq("hall"),
            alerts::message.eq("more than usual"),
            alerts::sensor_event_id.eq(event.id),
        ))
        .execute(&mut conn)
        .await
        .unwrap();
    drop(conn);
    let alerts: Vec<Value> = served.ok("/rooms/hall/alerts").await;
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0]["alert"]["message"], "more than usual");
    assert_eq!(serde_json::from_value::<SensorEvent>(alerts[0]["event"].clone()).unwrap(), *event);
    assert_eq!(served.ok::<Vec<Value>>("/rooms/attic/alerts").await.len(), 0);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn samples_of_devices_are_recorded_once() {
    needs!(TwoConnections);
    let served = Served::start().await;
    let sample = |watts: f64| serde_json::json!({ "device_id": "heater", "measured_ms": 1, "watts": watts });
    // The last of a repeat counts.
    for (body, inserted, updated, unchanged) in [
        (serde_json::json!([sample(1.0), sample(2.0)]), 1, 0, 0),
        (serde_json::json!([sample(2.0)]), 0, 0, 1),
        (serde_json::json!([sample(3.0)]), 0, 1, 0),
        (serde_json::json!([]), 0, 0, 0),
    ] {
        let (status, body) = served.post("/power", &body).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let recorded: Recorded = serde_json::from_value(body).unwrap();
        assert_eq!(recorded, Recorded { inserted, updated, unchanged });
    }
    let nameless = serde_json::json!([{ "device_id": "a\u{0}b", "measured_ms": 1, "watts": 1.0 }]);
    let (status, body) = served.post("/power", &nameless).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadpool_does_as_well() {
    needs!(TwoConnections);
    let db = TestDatabase::create_async(async |_| Ok(())).await.unwrap();
    let pool: deadpool::Pool<AsyncPgConnection> = deadpool::Pool::builder(manager(&db)).max_size(4).build().unwrap();
    assert!(!asynchronous::run_migrations(pool.get().await.unwrap()).await.unwrap().is_empty());
    let mut conn = pool.get().await.unwrap();
    SensorEvent::hypertable().allow_plain_table().call(&mut conn).await.unwrap();
    let stored = events();
    let report = bulk::upsert_sensor_events(&stored).call(&mut conn).await.unwrap();
    assert_eq!(report.inserted, 40);
}
