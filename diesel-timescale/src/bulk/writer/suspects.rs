//! Statements of connections that were lost.
//!
//! When a connection is lost, the server may not know it yet, and go on with the statement that it was sent. If the same
//! rows are written by another connection, and then newer ones of the same keys, that statement could be the last to
//! write, and bring the older rows back. So whatever it may be is waited for: statements of the same role that are
//! running on the table when the new connection looks for the first time.

use diesel::QueryResult;
use diesel::sql_types::Text;

use crate::bulk::driver::Driver;
use crate::bulk::statement::{Bind, Statement};

/// Who writes a table locks it. One that waits for its client will not commit what the client does not send.
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
