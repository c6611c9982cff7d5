//! Where a writer works: on threads, or on tokio's tasks.

use std::time::Duration;

use crate::bulk::driver::Driver;

/// What threads and tasks do each in their way.
pub(super) trait Site: Send + Sync + 'static {
    type Conn: Send;
    type Driver<'conn>: Driver;

    /// Takes a connection from the pool.
    fn connection(&self) -> impl Future<Output = Result<Self::Conn, String>> + Send;

    fn driver(conn: &mut Self::Conn) -> Self::Driver<'_>;

    /// Marks a connection as broken, so that no pool keeps it.
    fn discard(conn: Self::Conn);

    /// Waits for the future until a moment.
    fn until<F>(&self, moment: Option<Duration>, future: F) -> impl Future<Output = Option<F::Output>> + Send
    where
        F: Future<Output: Send> + Send;

    /// Waits for what a connection does, or until it is not worth it any more. (A thread cannot leave the connection.)
    fn unless<F, S>(&self, stopped: S, work: F) -> impl Future<Output = Option<F::Output>> + Send
    where
        F: Future<Output: Send> + Send,
        S: Future<Output = ()> + Send;
}
