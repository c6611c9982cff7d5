//! Replicas, failover and PgBouncer, on the cluster that `dev/cluster` makes:
//!
//!     dev/cluster cargo test --test cluster -- --nocapture
//!
//! `CLUSTER_KILLS` is how often the leader is killed (default 10, every fifth time with its Patroni and so for the time
//! to live of its lease, 20 s).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "../support/mod.rs"]
mod support;

mod failover;
mod own_writes;
mod reads;

use std::io::Write;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use url::Url;

/// The cluster, for one test at a time.
struct Cluster {
    control: String,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    /// `None`, saying so, without one.
    fn get() -> Option<Self> {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(control) = std::env::var("CLUSTER_CONTROL") else {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            let _ = writeln!(std::io::stderr(), "left out: {test}: needs the cluster (dev/cluster COMMAND)");
            return None;
        };
        let cluster = Self { control, _turn: turn };
        cluster.run(&["--ready"]);
        Some(cluster)
    }

    fn try_run(&self, arguments: &[&str]) -> Option<String> {
        let output = Command::new(&self.control).args(arguments).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    fn run(&self, arguments: &[&str]) -> String {
        self.try_run(arguments).unwrap_or_else(|| panic!("dev/cluster {arguments:?} failed"))
    }

    fn leader(&self) -> String {
        self.run(&["--leader"])
    }

    /// Waits for another leader, and gives the time that took.
    fn await_other_leader(&self, old: &str) -> Duration {
        let started = Instant::now();
        while self.try_run(&["--leader"]).is_none_or(|leader| leader == old) {
            assert!(started.elapsed() < Duration::from_secs(90), "no other leader than {old}");
            std::thread::sleep(Duration::from_millis(100));
        }
        started.elapsed()
    }
}

/// A database of the cluster by one of its ways: `PRIMARY`, `REPLICAS` or `POOL`.
fn url(way: &str, database: &Url) -> Url {
    let name = format!("CLUSTER_{way}_URL");
    let mut url = Url::parse(&std::env::var(&name).unwrap_or_else(|_| panic!("no {name}"))).unwrap();
    url.set_path(database.path());
    url
}

/// The databases of the replicas themselves.
fn replicas(cluster: &Cluster, database: &Url) -> Vec<Url> {
    let leader = cluster.leader();
    let nodes = std::env::var("CLUSTER_NODES").unwrap();
    let others = nodes.split(' ').filter_map(|node| node.split_once('=')).filter(|(name, _)| *name != leader);
    others
        .map(|(_, node)| {
            let mut url = Url::parse(node).unwrap();
            url.set_path(database.path());
            url
        })
        .collect()
}

fn connect(url: &Url) -> PgConnection {
    PgConnection::establish(url.as_str()).unwrap()
}
