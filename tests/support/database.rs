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
use occupancy_models::timescale::testing::TestDatabase;
use occupancy_models::timescale::{Edition, Server};
use occupancy_models::{Call, SensorEvent};
use url::Url;

/// What not every server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    Timescale,
    Community,
    TwoConnections,
    /// Background workers, which run jobs by themselves.
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

struct Facts {
    server: Server,
    is_single: bool,
    has_workers: bool,
}

fn facts() -> &'static Facts {
    static FACTS: OnceLock<Facts> = OnceLock::new();
    FACTS.get_or_init(|| {
        let mut conn = establish(&base_url());
        let mut is_true =
            |sql: &str| -> bool { diesel::select(diesel::dsl::sql::<Bool>(sql)).get_result(&mut conn).unwrap() };
        let is_single = is_true("version() ~* 'emscripten|wasm'");
        // What the library defines when the server starts.
        let has_workers =
            is_true("coalesce(current_setting('timescaledb.max_background_workers', true)::int > 0, false)");
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
        Needs::Community => facts.server.edition == Some(Edition::Community),
        Needs::TwoConnections | Needs::Copy => !facts.is_single,
        Needs::Workers => facts.server.edition == Some(Edition::Community) && facts.has_workers && !facts.is_single,
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

    /// An empty database. (The server that has one database has the extension in it all the same.)
    pub fn without_extension() -> (Self, PgConnection) {
        Self::create(|conn| {
            if !facts().is_single {
                sql(conn, "DROP EXTENSION IF EXISTS timescaledb");
            }
            Ok(())
        })
    }

    /// With this crate's tables.
    pub fn migrated() -> (Self, PgConnection) {
        Self::create(|conn| Ok(occupancy_models::run_migrations(conn).map(drop)?))
    }

    /// With `sensor_events` as a hypertable of daily chunks, or plain where the server is.
    pub fn ready() -> (Self, PgConnection) {
        Self::create(|conn| {
            occupancy_models::run_migrations(conn)?;
            daily_chunks(conn);
            Ok(())
        })
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
        let name = format!("occupancy_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
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
        let mut url = self.database.as_ref().map_or_else(base_url, |database| Url::parse(database.url()).unwrap());
        // A pool in transaction mode, to the same server: databases are made past it, by locks of the session.
        if let Ok(pool) = std::env::var("TEST_POOL_URL") {
            url.set_port(Url::parse(&pool).unwrap().port()).unwrap();
        }
        url
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

fn daily_chunks(conn: &mut PgConnection) {
    SensorEvent::hypertable().chunk_interval(chrono::TimeDelta::days(1)).allow_plain_table().call(conn).unwrap();
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

/// A database that a role without special rights owns, with this crate's tables; the role is gone with it.
pub struct OwnedDb {
    pub conn: PgConnection,
    pub db: TestDb,
    pub owner: String,
    superuser: String,
    roles: Roles,
}

/// Roles belong to the whole server: they go when the database is gone.
struct Roles(Vec<String>);

impl OwnedDb {
    /// The connection is the superuser's. The extension is there where the server has it.
    pub fn new() -> Self {
        let (db, mut conn) = TestDb::new();
        let owner = format!("{}_owner", db.name);
        let roles = Roles(vec![owner.clone()]);
        let whose = if facts().is_single { format!("SCHEMA {}", db.name) } else { format!("DATABASE {}", db.name) };
        sql(&mut conn, &format!("CREATE ROLE {owner} LOGIN; ALTER {whose} OWNER TO {owner}"));
        if facts().is_single {
            // One for all tests, which an owner of a schema may not make.
            occupancy_models::timescale::migrations::install(&mut conn).unwrap();
        }
        let superuser = value(&mut conn, "SELECT current_user");
        let mut owned = Self { conn, db, owner, superuser, roles };
        owned.as_owner(|conn| {
            occupancy_models::run_migrations(conn).unwrap();
            daily_chunks(conn);
        });
        owned
    }

    /// Makes another role.
    pub fn role(&mut self, name: &str) -> String {
        let role = format!("{}_{name}", self.db.name);
        sql(&mut self.conn, &format!("CREATE ROLE {role} LOGIN"));
        self.roles.0.push(role.clone());
        role
    }

    pub fn as_role<T>(&mut self, role: &str, work: impl FnOnce(&mut PgConnection) -> T) -> T {
        sql(&mut self.conn, &format!("SET SESSION AUTHORIZATION {role}"));
        let result = work(&mut self.conn);
        // Not RESET, which does nothing on the WebAssembly server.
        sql(&mut self.conn, &format!("SET SESSION AUTHORIZATION {}", self.superuser));
        result
    }

    pub fn as_owner<T>(&mut self, work: impl FnOnce(&mut PgConnection) -> T) -> T {
        let owner = self.owner.clone();
        self.as_role(&owner, work)
    }
}

impl Drop for OwnedDb {
    /// A test that fails as another role would leave it to the next test: the WebAssembly server has one session.
    fn drop(&mut self) {
        let _ = self.conn.batch_execute(&format!("ROLLBACK; SET SESSION AUTHORIZATION {}", self.superuser));
    }
}

impl Drop for Roles {
    fn drop(&mut self) {
        let mut admin = establish(&base_url());
        for role in &self.0 {
            let result = admin.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
            if !std::thread::panicking() {
                result.unwrap();
            }
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
