//! Servers of a test's own, see `dev/server`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use url::Url;

use crate::support::{Needs, has_quietly, sql};

/// A server that may be killed; gone when this is dropped.
pub struct OwnServer {
    name: String,
    settings: Vec<String>,
    small_disk: Option<&'static str>,
    url: Url,
}

fn command(arguments: &[&str]) -> Command {
    // Of the workspace: examples include this file as well.
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let program = folders.map(|folder| folder.join("dev/server")).find(|program| program.exists());
    let mut command = Command::new(program.expect("dev/server of the repository"));
    command.args(arguments);
    command
}

impl OwnServer {
    /// `None`, saying so, where there is none.
    pub fn start(what: &str, settings: &[&str], small_disk: Option<&'static str>) -> Option<Self> {
        let name = format!("{what}_{}", std::process::id());
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut server = Self { name, settings, small_disk, url: Url::parse("postgres://none").unwrap() };
        match server.restart() {
            Ok(()) => Some(server),
            // EX_UNAVAILABLE of dev/server.
            Err(output) if output.status.code() == Some(69) => {
                let test = std::thread::current().name().unwrap_or("a test").to_owned();
                let _ = writeln!(std::io::stderr(), "left out: {test}: needs a server of its own (dev/server)");
                None
            }
            Err(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    fn restart(&mut self) -> Result<(), Output> {
        let mut command = command(&["start", &self.name]);
        command.args(&self.settings).env_remove("DATABASE_URL");
        if let Some(size) = self.small_disk {
            command.env("SMALL_DISK", size);
        }
        let output = command.output().unwrap();
        if !output.status.success() {
            return Err(output);
        }
        self.url = Url::parse(String::from_utf8(output.stdout).unwrap().trim()).unwrap();
        Ok(())
    }

    /// SIGKILL of all its processes at once.
    pub fn kill(&self) {
        assert!(command(&["kill", &self.name]).status().unwrap().success());
    }

    /// Starts it again.
    pub fn start_again(&mut self) {
        if let Err(output) = self.restart() {
            panic!("{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn url(&self, database: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(database);
        url
    }

    pub fn connect(&self, database: &str) -> PgConnection {
        let url = self.url(database);
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match PgConnection::establish(url.as_str()) {
                Ok(conn) => return conn,
                // It recovers from a crash.
                Err(error) if error.to_string().contains("the database system is") && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(error) => panic!("{url}: {error}"),
            }
        }
    }

    /// A new database, with the extension where the server has it.
    pub fn database(&self, name: &str) -> PgConnection {
        sql(&mut self.connect("postgres"), &format!("CREATE DATABASE {name} TEMPLATE template0"));
        let mut conn = self.connect(name);
        if has_quietly(Needs::Timescale) {
            sql(
                &mut conn,
                "SET client_min_messages TO warning; CREATE EXTENSION timescaledb; RESET client_min_messages",
            );
        }
        conn
    }

    /// Runs a program of its release, such as pg_dump, with its connection options, and gives what it says.
    pub fn run(&self, program: &str, arguments: &[&str]) -> (bool, String) {
        let port = self.url.port().unwrap().to_string();
        let mut all = vec!["run", program];
        if program.starts_with("pg_") || program == "psql" {
            all.extend(["--host=127.0.0.1", "--username=postgres", "--port", &port]);
        }
        all.extend(arguments);
        let output = command(&all).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let _ = command(&["drop", &self.name]).status();
    }
}
