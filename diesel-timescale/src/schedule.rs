//! When a job runs, and what happens when a run fails: the same for every policy and job.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::pg::data_types::PgInterval;
use diesel::query_builder::AstPass;
use diesel::sql_types::{Bool, Integer, Interval, Nullable, Text, Timestamptz};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::chunks::interval;
use crate::microseconds;
use crate::setup::Length;
use crate::timestamp::TimestampOrInfinity;

/// When a job runs, and what happens when a run fails. What is not set stays as it is, or as the server has it by
/// default.
///
/// [`scheduled`](crate::AddJob::scheduled) gives it to a policy that is added, [`alter_job`](crate::alter_job) to a job that is
/// there.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// use diesel_timescale::{AddJob as _, Feature, Schedule, Server, add_retention_policy};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// # if !server.has(Feature::Jobs) { return Ok(()); }
/// let nightly = Schedule::every(TimeDelta::days(1))
///     .starting_at("2026-01-01T02:00:00Z".parse().unwrap())
///     .time_zone("Europe/Berlin")
///     .max_retries(3)
///     .retry_period(TimeDelta::minutes(10));
/// let _job = add_retention_policy(readings::time, TimeDelta::days(730)).scheduled(nightly).call(conn)?;
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use = "a schedule does nothing until a job has it"]
pub struct Schedule {
    pub(crate) settings: Settings,
    next_start: Option<TimestampOrInfinity>,
}

/// What a file says of a schedule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Length>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_runtime: Option<Length>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_period: Option<Length>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

impl Schedule {
    /// Nothing that is set yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often the job runs: from start to start where the schedule is [fixed](Self::fixed), otherwise from the end
    /// of a run to the start of the next one.
    pub fn every(every: TimeDelta) -> Self {
        Self { settings: Settings { every: Some(interval(every).into()), ..Settings::default() }, next_start: None }
    }

    /// When it runs first. The schedule is fixed then: later runs start whole intervals after this.
    pub fn starting_at(mut self, start: DateTime<Utc>) -> Self {
        self.settings.start = Some(microseconds::truncate(start));
        self
    }

    /// Whether it starts at fixed times, and not some time after the last run has ended.
    pub fn fixed(mut self, fixed: bool) -> Self {
        self.settings.fixed = Some(fixed);
        self
    }

    /// The time zone of fixed times, such as `Europe/Berlin`: a job of each night stays at its hour when the clocks
    /// change. Default: UTC. The schedule is fixed then.
    pub fn time_zone(mut self, time_zone: impl Into<String>) -> Self {
        self.settings.time_zone = Some(time_zone.into());
        self
    }

    /// How long a run may take; zero: without end.
    pub fn max_runtime(mut self, max_runtime: TimeDelta) -> Self {
        self.settings.max_runtime = Some(interval(max_runtime).into());
        self
    }

    /// How often a run that failed is repeated before the job is disabled; -1: without end.
    pub fn max_retries(mut self, max_retries: i32) -> Self {
        self.settings.max_retries = Some(max_retries);
        self
    }

    /// How long to wait before a run that failed is repeated.
    pub fn retry_period(mut self, retry_period: TimeDelta) -> Self {
        self.settings.retry_period = Some(interval(retry_period).into());
        self
    }

    /// Whether it runs by itself.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.settings.enabled = Some(enabled);
        self
    }

    /// When it is due next. [`Infinity`](TimestampOrInfinity::Infinity) pauses it until it is given an instant again.
    /// No part of a declared set-up.
    pub fn next_start(mut self, next_start: impl Into<TimestampOrInfinity>) -> Self {
        self.next_start = Some(match next_start.into() {
            TimestampOrInfinity::Finite(at) => TimestampOrInfinity::Finite(microseconds::truncate(at)),
            infinite => infinite,
        });
        self
    }

    /// How often it runs, and nothing else.
    pub(crate) fn of_interval(every: Length) -> Self {
        Self { settings: Settings { every: Some(every), ..Settings::default() }, next_start: None }
    }

    /// With how often it runs, where that is not set.
    pub(crate) fn or_every(mut self, every: Length) -> Self {
        self.settings.every.get_or_insert(every);
        self
    }

    /// Pushes the arguments of `diesel_timescale.set_job_schedule()` after the job, in order.
    pub(crate) fn arguments(&self) -> Arguments {
        let settings = self.settings.clone();
        let interval = |length: Option<Length>| match length? {
            Length::Interval { months, microseconds } => Some(PgInterval::new(microseconds, 0, months)),
            // Refused where a file is read; no call makes one.
            Length::Integer(_) => None,
        };
        Arguments {
            every: interval(settings.every),
            start: settings.start,
            fixed: settings.fixed,
            time_zone: settings.time_zone,
            max_runtime: interval(settings.max_runtime),
            max_retries: settings.max_retries,
            retry_period: interval(settings.retry_period),
            enabled: settings.enabled,
            next_start: self.next_start,
        }
    }
}

/// A schedule as arguments.
#[derive(Debug, Clone)]
pub(crate) struct Arguments {
    every: Option<PgInterval>,
    start: Option<DateTime<Utc>>,
    fixed: Option<bool>,
    time_zone: Option<String>,
    max_runtime: Option<PgInterval>,
    max_retries: Option<i32>,
    retry_period: Option<PgInterval>,
    enabled: Option<bool>,
    next_start: Option<TimestampOrInfinity>,
}

impl Arguments {
    pub(crate) fn push<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<Nullable<Interval>, _>(&self.every)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Timestamptz>, _>(&self.start)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Bool>, _>(&self.fixed)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Text>, _>(&self.time_zone)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Interval>, _>(&self.max_runtime)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Integer>, _>(&self.max_retries)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Interval>, _>(&self.retry_period)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Bool>, _>(&self.enabled)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Timestamptz>, _>(&self.next_start)
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.settings.every {
            Some(every) if self.settings == Self::of_interval(every).settings => every.serialize(serializer),
            _ => self.settings.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IntervalOrMap;

        impl<'de> Visitor<'de> for IntervalOrMap {
            type Value = Settings;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a length of time such as \"6 hours\", or a table of settings")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Settings, E> {
                let every = Length::parse(text).map_err(E::custom)?;
                Ok(Settings { every: Some(every), ..Settings::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Settings, A::Error> {
                Settings::deserialize(MapAccessDeserializer::new(map))
            }
        }

        let settings = deserializer.deserialize_any(IntervalOrMap)?;
        for length in [settings.every, settings.max_runtime, settings.retry_period].into_iter().flatten() {
            if let Length::Integer(units) = length {
                return Err(de::Error::custom(format!("{units} is no length of time: write it as \"6 hours\"")));
            }
        }
        Ok(Self { settings, next_start: None })
    }
}
