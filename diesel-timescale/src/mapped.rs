//! A call whose output becomes another type.

use diesel::connection::LoadConnection;
use diesel::pg::Pg;

use crate::call::Call;
use crate::setup::{Declare, Setup};

/// A call, and what becomes of its output.
#[derive(Debug, Clone, Copy)]
#[must_use = "a call does nothing until it runs"]
pub(crate) struct Mapped<S, F> {
    call: S,
    map: F,
}

/// Gives what `map` makes of the output of the call.
pub(crate) fn mapped<S, O>(call: S, map: fn(S::Output) -> O) -> Mapped<S, fn(S::Output) -> O>
where
    S: Call,
{
    Mapped { call, map }
}

impl<S, O> Call for Mapped<S, fn(S::Output) -> O>
where
    S: Call + Send,
{
    type Output = O;
    type Error = S::Error;

    fn call<C>(self, conn: &mut C) -> Result<O, S::Error>
    where
        C: LoadConnection<Backend = Pg> + 'static,
    {
        self.call.call(conn).map(self.map)
    }

    #[cfg(feature = "async")]
    async fn call_async<C>(self, conn: &mut C) -> Result<O, S::Error>
    where
        C: diesel_async::AsyncConnection<Backend = Pg>,
        Self: Send,
    {
        self.call.call_async(conn).await.map(self.map)
    }
}

impl<S: Declare, F> Declare for Mapped<S, F> {
    fn declare(self, setup: &mut Setup) {
        self.call.declare(setup);
    }
}
