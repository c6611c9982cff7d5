//! How far a listener has come, and how it reads what it has missed.

use diesel::query_source::Column;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use super::news::{Inserted, Told, moment};
use crate::call::{Call, Relation, relation_name, value};
use crate::error::{Error, Result};
use crate::function_call;
use crate::time_column::{IntervalOf, TimeColumn, TimeType, ValueOf};

/// How far the listener to a table has come. Moments are numbers, as in a notification.
pub(super) struct Position {
    relation: Relation,
    time: &'static str,
    /// The newest so far, or from where the caller wants to go on.
    newest: Option<i64>,
    lateness: i64,
    /// Whether the table was read: without a position since then, it was empty.
    is_known: bool,
}

impl Position {
    pub(super) fn new<C>(since: Option<ValueOf<C>>, lateness: IntervalOf<C>) -> Self
    where
        C: TimeColumn,
        C::Table: Default + diesel::query_builder::QueryFragment<diesel::pg::Pg>,
    {
        Self {
            relation: relation_name(&C::Table::default()),
            time: <C as Column>::NAME,
            newest: since.map(|since| C::SqlType::value(since).number()),
            lateness: C::SqlType::interval(lateness).number().max(0),
            is_known: false,
        }
    }

    /// The call that gives the channel to listen to.
    pub(super) fn channel(&self) -> impl Call<Output = String, Error = Error> + Send + use<> {
        InsertChannel { relation: self.relation.clone() }
    }

    /// The call that gives whether the session listens, which a pool may have ended, to what is still notified.
    pub(super) fn is_told(&self) -> impl Call<Output = bool, Error = Error> + Send + use<> {
        IsTold { relation: self.relation.clone(), time: self.time }
    }

    /// The call that reads what may have been missed.
    pub(super) fn read(&self) -> impl Call<Output = String, Error = Error> + Send + use<> {
        let (relation, time) = (self.relation.clone(), self.time);
        InsertedSince { relation, time, since: self.from(), everything: self.is_known }
    }

    /// Whether the table was read, and so a connection was made.
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }

    fn from(&self) -> Option<i64> {
        self.newest.map(|newest| newest.saturating_sub(self.lateness))
    }

    /// What that call has read.
    pub(super) fn missed<ST: TimeType>(&mut self, payload: &str) -> Result<Inserted<ST::Value>> {
        let told = Told::of(payload).ok_or_else(|| {
            let message = format!("what was missed cannot be read: {payload}");
            diesel::result::Error::DeserializationError(message.into())
        })?;
        let from = self.from().and_then(moment::<ST>);
        self.is_known = true;
        Ok(self.come_to::<ST>(told, true, from))
    }

    /// What notifications tell; `None` if the table must be read, because one of them cannot be.
    pub(super) fn told<ST: TimeType>(&mut self, payloads: &[String]) -> Option<Inserted<ST::Value>> {
        let told = Told::all(payloads.iter().map(String::as_str))?;
        Some(self.come_to::<ST>(told, false, None))
    }

    fn come_to<ST: TimeType>(&mut self, mut told: Told, missed: bool, from: Option<ST::Value>) -> Inserted<ST::Value> {
        self.newest = self.newest.max(told.position);
        told.position = self.newest;
        Inserted::new::<ST>(told, missed, from)
    }
}

type OptionalBigInt = Nullable<BigInt>;

function_call! {
    InsertChannel { relation: Relation = Relation },
    "SELECT CAST(diesel_timescale.insert_channel(", ") AS TEXT)",
    (Text,) => (String,) => String, value,
}

function_call! {
    IsTold { relation: Relation = Relation, time: &'static str = Text },
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_listening_channels()) AND diesel_timescale.is_notified(", ")",
    (Bool,) => (bool,) => bool, value,
}

function_call! {
    InsertedSince {
        relation: Relation = Relation,
        time: &'static str = Text,
        since: Option<i64> = OptionalBigInt,
        everything: bool = Bool,
    },
    "SELECT diesel_timescale.inserted_since(", ")",
    (Text,) => (String,) => String, value,
}

#[cfg(test)]
mod tests {
    use diesel::sql_types::Integer;

    use super::*;

    diesel::table! { ticks (tick) { tick -> Integer } }

    #[test]
    fn a_position_goes_on_and_never_back() {
        let mut position = Position::new::<ticks::tick>(None, 10);
        assert_eq!((position.from(), position.is_known()), (None, false));
        let first = position.missed::<Integer>(r#"{"count": 0, "position": 100}"#).unwrap();
        assert_eq!((first.missed, first.read_from, first.position), (true, None, Some(100)));
        let mut told = |newest: i64| {
            let payload = format!(r#"{{"count": 1, "newest": {newest}, "position": {newest}}}"#);
            position.told::<Integer>(&[payload]).unwrap().position
        };
        assert_eq!((told(120), told(90)), (Some(120), Some(120)));
        assert_eq!(position.from(), Some(110));
        assert!(position.told::<Integer>(&["{}".to_owned()]).is_none());
        position.missed::<Integer>("no JSON").unwrap_err();
        assert_eq!(position.missed::<Integer>(r#"{"count": 0}"#).unwrap().read_from, Some(110));
    }
}
