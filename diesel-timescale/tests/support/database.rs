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
use diesel_timescale::{Call, Edition, Server};
use url::Url;

/// What not every server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    Timescale,
    Community,
    /// Hypertables on UUIDs of version 7.
    UuidTime,
    TwoConnections,
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

struct Facts {
    server: Server,
    is_single: bool,
}

fn facts() -> &'static Facts {
    static FACTS: OnceLock<Facts> = OnceLock::new();
    FACTS.get_or_init(|| {
        let mut conn = establish(&base_url());
        let is_single =
            diesel::select(diesel::dsl::sql::<Bool>("version() ~* 'emscripten|wasm'")).get_result(&mut conn).unwrap();
        Facts { server: Server::query().call(&mut conn).unwrap(), is_single }
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
        Needs::TwoConnections | Needs::Copy => !facts.is_single,
    }
}

pub fn has(need: Needs) -> bool {
    let facts = facts();
    let has = has_quietly(need);
    if !has {
        // Past libtest's capture, so that it shows.
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        let _ = writeln!(
            std::io::stderr(),
            "left out: {test}: needs {need:?}, and the server is {}{}",
            facts.server,
            if facts.is_single { ", one connection at a time" } else { "" },
        );
    }
    has
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

/// A database of its own, gone when this is dropped.
pub struct TestDb {
    name: String,
}

impl TestDb {
    /// An empty database, with the extension where the server has it.
    pub fn new() -> (Self, PgConnection) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("timescale_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let is_single = facts().is_single;
        let mut admin = establish(&base_url());
        if is_single {
            sql(&mut admin, &format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}"));
        } else {
            sql(&mut admin, &format!("CREATE DATABASE {name}"));
        }
        drop(admin);
        let db = Self { name };
        let mut conn = db.connect();
        if server().available.is_some() {
            sql(
                &mut conn,
                "SET client_min_messages TO warning; CREATE EXTENSION IF NOT EXISTS timescaledb; RESET client_min_messages",
            );
        }
        (db, conn)
    }

    /// With the functions of this crate.
    pub fn installed() -> (Self, PgConnection) {
        let (db, mut conn) = Self::new();
        diesel_timescale::migrations::install(&mut conn).unwrap();
        (db, conn)
    }

    /// The schema that this database's tables are in.
    pub fn schema(&self) -> &str {
        if facts().is_single { &self.name } else { "public" }
    }

    pub fn url(&self) -> Url {
        let mut url = base_url();
        if !facts().is_single {
            url.set_path(&self.name);
        }
        url
    }

    /// A URL that leads another program to the same tables. On a server that takes one connection at a time, close
    /// the test's own before running it.
    pub fn url_for_child(&self) -> Url {
        let mut url = self.url();
        if facts().is_single {
            // Without a blank, which this would encode as `+`, and libpq reads that as it is.
            url.query_pairs_mut().append_pair("options", &format!("-csearch_path={},public", self.name));
        }
        url
    }

    pub fn connect(&self) -> PgConnection {
        let mut conn = establish(&self.url());
        if facts().is_single {
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
        if facts().is_single {
            conn.batch_execute(&format!("SET search_path TO {}, public", self.name)).await.unwrap();
        }
        conn
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let mut admin = establish(&base_url());
        let statement = if facts().is_single {
            format!("SET client_min_messages TO warning; DROP SCHEMA {} CASCADE", self.name)
        } else {
            format!("DROP DATABASE {} WITH (FORCE)", self.name)
        };
        let result = admin.batch_execute(&statement);
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
