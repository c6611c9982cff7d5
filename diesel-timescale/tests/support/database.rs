// A database of its own for every test, on the server that `DATABASE_URL` names. On the WebAssembly server, which
// has one database and one connection at a time, it is a schema instead.
//
// The examples in the documentation include this file as well (src/doctest_setup.rs).

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel_timescale::testing::TestDatabase;
use diesel_timescale::{Call, Edition, Feature, Server};
use url::Url;

/// What not every server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    Timescale,
    Community,
    /// Hypertables on UUIDs of version 7.
    UuidTime,
    TwoConnections,
    /// Jobs that run in the background.
    Workers,
    /// COPY FROM STDIN.
    Copy,
    PlainPostgres,
}

/// Returns from the test, saying what it left out and why, unless the server has what is needed.
macro_rules! needs {
    ($($need:ident),+) => {
        $( if !crate::support::has(crate::support::Needs::$need) { return; } )+
    };
}
pub(crate) use needs;

/// Returns from the test, saying what it left out and why, unless the server has the feature.
macro_rules! needs_feature {
    ($feature:ident) => {
        if !crate::support::has_feature(diesel_timescale::Feature::$feature) {
            return;
        }
    };
}
pub(crate) use needs_feature;

struct Facts {
    server: Server,
    is_single: bool,
    has_workers: bool,
}

fn facts() -> &'static Facts {
    static FACTS: OnceLock<Facts> = OnceLock::new();
    FACTS.get_or_init(|| {
        let mut conn = establish(&base_url());
        let is_single: bool =
            diesel::select(diesel::dsl::sql::<Bool>("version() ~* 'emscripten|wasm'")).get_result(&mut conn).unwrap();
        let has_workers = diesel::select(diesel::dsl::sql::<Bool>(
            "coalesce(current_setting('timescaledb.max_background_workers', true)::int, 0) > 0",
        ));
        let has_workers = !is_single && has_workers.get_result(&mut conn).unwrap();
        let mut server = Server::query().call(&mut conn).unwrap();
        if server.timescaledb.is_none() && server.available.is_some() {
            // The database to connect to need not have the extension: one of our own tells the edition.
            let own = TestDatabase::create(|_| Ok(())).unwrap();
            server = Server::query().call(&mut own.connect().unwrap()).unwrap();
        }
        Facts { server, is_single, has_workers }
    })
}

pub fn server() -> &'static Server {
    &facts().server
}

/// Whether the server has it, for a test that has something to do without it.
pub fn has_quietly(need: Needs) -> bool {
    let facts = facts();
    match need {
        Needs::Timescale => facts.server.available.is_some(),
        Needs::PlainPostgres => facts.server.available.is_none(),
        Needs::UuidTime => facts.server.available >= Some(diesel_timescale::TimescaleVersion::new(2, 25, 0)),
        Needs::Community => facts.server.edition == Some(Edition::Community),
        Needs::Workers => facts.has_workers && facts.server.edition == Some(Edition::Community),
        Needs::TwoConnections | Needs::Copy => !facts.is_single,
    }
}

pub fn has(need: Needs) -> bool {
    let has = has_quietly(need);
    if !has {
        leave_out(&format!("{need:?}"));
    }
    has
}

pub fn has_feature(feature: Feature) -> bool {
    let required = server().require(feature);
    if let Err(unsupported) = &required {
        let unsupported = unsupported.to_string();
        let needed = unsupported.rsplit_once("needed ").map_or("", |(_, needed)| needed);
        leave_out(&format!("{feature:?} ({needed})"));
    }
    required.is_ok()
}

fn leave_out(need: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let single = if facts().is_single { ", one connection at a time" } else { "" };
    let line = format!("left out: {test}: needs {need}, and the server is {}{single}\n", facts().server);
    // Past libtest's capture, so that it shows; at once, so that lines of several threads do not mix.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

pub fn base_url() -> Url {
    let url = std::env::var("DATABASE_URL")
        .expect("these tests need a database server: run them as `dev/db cargo test`, or set DATABASE_URL");
    Url::parse(&url).expect("DATABASE_URL is a URL such as postgres://user@127.0.0.1:5432/postgres")
}

/// Connects; a server that takes one connection at a time may be busy for a while.
fn establish(url: &Url) -> PgConnection {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match PgConnection::establish(url.as_str()) {
            Ok(conn) => return conn,
            Err(error) if Instant::now() > deadline => {
                panic!("no connection to {url}: {error}\nrun the tests as `dev/db cargo test`")
            }
            Err(error) if error.to_string().contains("does not exist") => panic!("{error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// A database of its own, gone when this is dropped; a schema on the server that has one database.
pub struct TestDb {
    name: String,
    // Dropped with this.
    database: Option<TestDatabase>,
}

impl TestDb {
    /// An empty database, with the extension where the server has it.
    pub fn new() -> (Self, PgConnection) {
        Self::create(|_| Ok(()))
    }

    /// With the functions of this crate.
    pub fn installed() -> (Self, PgConnection) {
        Self::create(|conn| Ok(diesel_timescale::migrations::install(conn).map(drop)?))
    }

    /// With these tables, and not the functions of this crate.
    pub fn with(tables: &str) -> (Self, PgConnection) {
        let (db, mut conn) = Self::new();
        sql(&mut conn, tables);
        (db, conn)
    }

    fn create(
        setup: impl FnOnce(&mut PgConnection) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + 'static,
    ) -> (Self, PgConnection) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !facts().is_single {
            let database = TestDatabase::create(setup).unwrap();
            let name = Url::parse(database.url()).unwrap().path()[1..].to_owned();
            let db = Self { name, database: Some(database) };
            let conn = db.connect();
            return (db, conn);
        }
        let name = format!("timescale_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut admin = establish(&base_url());
        sql(&mut admin, &format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}"));
        drop(admin);
        let db = Self { name, database: None };
        let mut conn = db.connect();
        setup(&mut conn).unwrap();
        (db, conn)
    }

    /// The schema that this database's tables are in.
    pub fn schema(&self) -> &str {
        if self.database.is_some() { "public" } else { &self.name }
    }

    pub fn url(&self) -> Url {
        self.database.as_ref().map_or_else(base_url, |database| Url::parse(database.url()).unwrap())
    }

    /// A URL that leads another program to the same tables. On a server that takes one connection at a time, close
    /// the test's own before running it.
    pub fn url_for_child(&self) -> Url {
        let mut url = self.url();
        if self.database.is_none() {
            // Without a blank, which this would encode as `+`, and libpq reads that as it is.
            url.query_pairs_mut().append_pair("options", &format!("-csearch_path={},public", self.name));
        }
        url
    }

    pub fn connect(&self) -> PgConnection {
        let mut conn = establish(&self.url());
        if self.database.is_none() {
            sql(&mut conn, &format!("SET search_path TO {}, public", self.name));
        }
        conn
    }
}

#[cfg(feature = "async")]
impl TestDb {
    pub async fn connect_async(&self) -> diesel_async::AsyncPgConnection {
        use diesel_async::{AsyncConnection, SimpleAsyncConnection};

        let mut conn = diesel_async::AsyncPgConnection::establish(self.url().as_str()).await.unwrap();
        if self.database.is_none() {
            conn.batch_execute(&format!("SET search_path TO {}, public", self.name)).await.unwrap();
        }
        conn
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        if self.database.is_some() {
            return;
        }
        let statement = format!("SET client_min_messages TO warning; DROP SCHEMA {} CASCADE", self.name);
        let result = establish(&base_url()).batch_execute(&statement);
        if !std::thread::panicking() {
            result.unwrap();
        }
    }
}

/// Runs statements.
pub fn sql(conn: &mut PgConnection, statements: &str) {
    if let Err(error) = conn.batch_execute(statements) {
        panic!("{error}\nin: {statements}");
    }
}

/// Runs statements that must fail, and gives the message.
pub fn sql_error(conn: &mut PgConnection, statements: &str) -> String {
    match conn.batch_execute(statements) {
        Ok(()) => panic!("this must fail: {statements}"),
        Err(error) => error.to_string(),
    }
}

/// The one value of a query, as text; `NULL` is the empty text.
pub fn value(conn: &mut PgConnection, query: &str) -> String {
    values(conn, query).into_iter().next().unwrap_or_else(|| panic!("no row: {query}"))
}

/// The one column of a query, as texts.
pub fn values(conn: &mut PgConnection, query: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        value: String,
    }
    diesel::sql_query(format!("SELECT coalesce(q.value::text, '') AS value FROM ({query}) AS q (value)"))
        .load::<Row>(conn)
        .unwrap_or_else(|error| panic!("{error}\nin: {query}"))
        .into_iter()
        .map(|row| row.value)
        .collect()
}
