//! Statements of connections that were lost.
//!
//! When a connection is lost, the server may still run the statement that was sent on it. If another connection writes
//! the same rows, and then newer rows of the same keys, that statement could write last and bring the older rows back.
//! So the writer waits for every statement that can be it: those of the same role that run on the table when the new
//! connection looks for the first time.

use diesel::QueryResult;
use diesel::sql_types::Text;

use crate::bulk::driver::Driver;
use crate::bulk::statement::{Bind, Statement};

/// A transaction that writes a table holds a lock on it. One that is idle is left out: it commits only if its client
/// sends COMMIT.
const SQL: [&str; 3] = [
    "SELECT DISTINCT l.pid || ' ' || l.virtualtransaction \
     FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid \
     WHERE l.relation = pg_catalog.to_regclass(",
    ") AND l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.pid <> pg_catalog.pg_backend_pid() \
     AND a.datname = pg_catalog.current_database() AND a.usename = current_user \
     AND a.state = 'active' AND a.wait_event IS DISTINCT FROM 'ClientRead' \
     AND pg_catalog.strpos(a.query, ",
    ") > 0",
];

/// Whether one of the statements that were running at the first look still is.
pub(super) async fn are_left<D: Driver>(
    driver: &mut D,
    table: &str,
    suspects: &mut Option<Vec<String>>,
) -> QueryResult<bool> {
    let binds = vec![Bind::Text(table.to_owned()), Bind::Text(table.to_owned())];
    let statement = Statement::<(Text,)>::new(SQL.map(str::to_owned).to_vec(), binds);
    let rows: Vec<(String,)> = driver.load(statement).await?;
    let running: Vec<_> = rows.into_iter().map(|(running,)| running).collect();
    let suspects = suspects.get_or_insert_with(|| running.clone());
    suspects.retain(|suspect| running.contains(suspect));
    Ok(!suspects.is_empty())
}
