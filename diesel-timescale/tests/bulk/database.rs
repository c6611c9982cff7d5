// A database of its own for each test, on the server that `DATABASE_URL` names. On the server of one process, which has
// one database and one connection at a time, it is a schema.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use url::Url;

struct Server {
    has_timescale: bool,
    is_single: bool,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let mut conn = establish(&base_url());
        let mut is = |sql: &str| diesel::select(diesel::dsl::sql::<Bool>(sql)).get_result(&mut conn).unwrap();
        Server {
            has_timescale: is("EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')"),
            is_single: is("version() ~* 'emscripten|wasm'"),
        }
    })
}

/// Whether the server has TimescaleDB; says what is left out if it does not.
pub fn has_timescale() -> bool {
    if !server().has_timescale {
        eprintln!("left out: needs TimescaleDB");
    }
    server().has_timescale
}

/// Whether the server has a columnstore; says what is left out if it does not.
pub fn has_columnstore() -> bool {
    let mut conn = establish(&base_url());
    let license = value(&mut conn, "SELECT current_setting('timescaledb.license', true)");
    if license != "timescale" {
        eprintln!("left out: needs the columnstore");
    }
    license == "timescale"
}

/// Whether the server takes several connections; says what is left out if it does not.
pub fn has_connections() -> bool {
    if server().is_single {
        eprintln!("left out: needs several connections");
    }
    !server().is_single
}

fn base_url() -> Url {
    let url = std::env::var("DATABASE_URL").expect("these tests need a server: run them as `dev/db cargo test`");
    Url::parse(&url).unwrap()
}

fn establish(url: &Url) -> PgConnection {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match PgConnection::establish(url.as_str()) {
            Ok(conn) => return conn,
            Err(error) if Instant::now() > deadline => panic!("no connection to {url}: {error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// A database, gone when this is dropped.
pub struct TestDb {
    name: String,
}

impl TestDb {
    /// A database with the extension, where the server has it, and these tables.
    pub fn with(tables: &str) -> (Self, PgConnection) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bulk_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let kind = if server().is_single { "SCHEMA" } else { "DATABASE" };
        sql(&mut establish(&base_url()), &format!("CREATE {kind} {name}"));
        let db = Self { name };
        let mut conn = db.connect();
        if server().has_timescale {
            sql(&mut conn, "SET client_min_messages TO warning; CREATE EXTENSION IF NOT EXISTS timescaledb");
        }
        sql(&mut conn, tables);
        (db, conn)
    }

    pub fn url(&self) -> Url {
        let mut url = base_url();
        if !server().is_single {
            url.set_path(&self.name);
        }
        url
    }

    pub fn connect(&self) -> PgConnection {
        let mut conn = establish(&self.url());
        if server().is_single {
            sql(&mut conn, &format!("SET search_path TO {}, public", self.name));
        }
        conn
    }

    pub async fn connect_async(&self) -> diesel_async::AsyncPgConnection {
        use diesel_async::{AsyncConnection, SimpleAsyncConnection};

        let mut conn = diesel_async::AsyncPgConnection::establish(self.url().as_str()).await.unwrap();
        if server().is_single {
            conn.batch_execute(&format!("SET search_path TO {}, public", self.name)).await.unwrap();
        }
        conn
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let statement = if server().is_single {
            format!("SET client_min_messages TO warning; DROP SCHEMA {} CASCADE", self.name)
        } else {
            format!("DROP DATABASE {} WITH (FORCE)", self.name)
        };
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

/// The one value of a query, as text.
pub fn value(conn: &mut PgConnection, query: &str) -> String {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        value: String,
    }
    let query = format!("SELECT coalesce(q.value::text, '') AS value FROM ({query}) AS q (value)");
    let rows: Vec<Row> = diesel::sql_query(&query).load(conn).unwrap_or_else(|error| panic!("{error}\nin: {query}"));
    rows.into_iter().next().unwrap_or_else(|| panic!("no row: {query}")).value
}
