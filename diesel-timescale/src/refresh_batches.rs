//! In what batches the job of a refresh policy works.

use diesel::sql_types::{Bool, Integer, Nullable};

use crate::call::value;
use crate::function_call;

type NullableInteger = Nullable<Integer>;
type NullableBool = Nullable<Bool>;

/// Sets in what batches the job of a [refresh policy](crate::add_refresh_policy) works, so that each transaction is
/// small: what is not named stays as it is. Gives the job.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) before 2.19 (2.20 for the order), in the Apache edition and
/// without TimescaleDB; [`Error::RefreshBatches`](crate::Error::RefreshBatches) for negative numbers.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{Feature, Server, add_refresh_policy, continuous_aggregate, refresh_batches};
///
/// diesel::table! { hourly_readings (bucket) { bucket -> Timestamptz, readings -> Int8 } }
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::RefreshOrder) { return Ok(()); }
/// continuous_aggregate("hourly_readings", TimeDelta::hours(1), readings::time)
///     .aggregate("readings", diesel::dsl::count_star())
///     .create()
///     .call(conn)?;
/// let (hour, month) = (TimeDelta::hours(1), TimeDelta::days(30));
/// let job = add_refresh_policy(hourly_readings::bucket, Some(month), hour, hour).call(conn)?;
/// refresh_batches(job).buckets_per_batch(24).max_batches_per_execution(7).newest_first(false).call(conn)?;
/// # diesel_timescale::drop_continuous_aggregate("hourly_readings").call(conn)?;
/// # Ok(()) }) }
/// ```
pub fn refresh_batches(job: i32) -> RefreshBatches {
    RefreshBatches { job, buckets_per_batch: None, max_batches_per_execution: None, newest_first: None }
}

function_call! {
    /// The call that [`refresh_batches`] makes.
    pub RefreshBatches {
        job: i32 = Integer,
        buckets_per_batch: Option<i32> = NullableInteger,
        max_batches_per_execution: Option<i32> = NullableInteger,
        newest_first: Option<bool> = NullableBool,
    },
    "SELECT diesel_timescale.set_refresh_batches(", ")",
    (Integer,) => (i32,) => i32, value,
    requires RefreshBatches,
}

impl RefreshBatches {
    /// How many buckets a batch has; 0: all of them. The server's default: 1, from 2.25 on 10.
    pub fn buckets_per_batch(mut self, buckets: i32) -> Self {
        self.buckets_per_batch = Some(buckets);
        self
    }

    /// How many batches a run of the job does; 0: all of them, which is the server's default.
    pub fn max_batches_per_execution(mut self, batches: i32) -> Self {
        self.max_batches_per_execution = Some(batches);
        self
    }

    /// Whether the newest buckets come first, or the oldest. The server's default: `true`. TimescaleDB 2.20 and later.
    pub fn newest_first(mut self, newest_first: bool) -> Self {
        self.newest_first = Some(newest_first);
        self
    }
}
