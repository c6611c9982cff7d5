//! What a row of the recorder says: a reading of a sensor, or why it is none.

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::mapping::Silent;
use crate::recorder::Field;

/// Why a row is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    Unavailable,
    Removed,
    Ignored,
    NoArea,
    Unmapped,
    OtherUnit,
    NoEntity,
    NoTime,
    NoState,
    Refused,
}

impl Reason {
    /// Whether something is wrong with the row, rather than with its being imported.
    pub fn is_fault(self) -> bool {
        self >= Self::OtherUnit
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Removed => "entity removed",
            Self::Ignored => "ignored",
            Self::NoArea => "no area",
            Self::Unmapped => "not mapped",
            Self::OtherUnit => "another unit",
            Self::NoEntity => "no entity",
            Self::NoTime => "bad timestamp",
            Self::NoState => "bad state",
            Self::Refused => "refused",
        }
    }
}

/// A reason, and what was found.
pub type Violation = (Reason, String);

/// The entity that a row is of, by its name or else by the number that should lead to it.
pub fn entity_id(value: &Field, metadata_id: Option<i64>) -> Result<&str, Violation> {
    match (value, metadata_id) {
        (Field::Text(text), _) if !text.contains('\0') => Ok(text),
        (Field::Null, Some(id)) => Err((Reason::NoEntity, format!("states_meta has no name for metadata_id {id}"))),
        (other, _) => Err((Reason::NoEntity, other.to_string())),
    }
}

/// The state to store. None tells that the entity was removed; the empty one is a state as any other.
pub fn state(value: &Field, unavailable: Silent, removed: Silent) -> Result<&str, Violation> {
    let silent = |what, reason| match what {
        Silent::Skip => Err((reason, String::new())),
        Silent::Unknown => Ok("unknown"),
    };
    match value {
        Field::Null => silent(removed, Reason::Removed),
        Field::Text(text) if text == "unavailable" => silent(unavailable, Reason::Unavailable),
        Field::Text(text) if !text.contains('\0') => Ok(text),
        other => Err((Reason::NoState, other.to_string())),
    }
}

/// The number that a state is, if it is one; as `occupancy-models` has it.
pub fn number(state: &str) -> Option<f64> {
    state.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// The instant: seconds since 1970 as a number, or a date and time in UTC as text.
///
/// Seconds and fraction are taken apart first, and the fraction is rounded to the nearest microsecond, to the even one
/// in the middle, as Python does: Home Assistant's own numbers have digits below the microsecond. A product of the whole
/// number would be rounded twice, and be off by one now and then.
pub fn instant(value: &Field) -> Result<DateTime<Utc>, Violation> {
    const YEAR_10000: f64 = 253_402_300_800.0;
    let at = match value {
        Field::Real(seconds) if (0.0..YEAR_10000).contains(seconds) => {
            let micros = (seconds.fract() * 1e6).round_ties_even() as i64;
            DateTime::from_timestamp_micros(seconds.trunc() as i64 * 1_000_000 + micros)
        }
        Field::Integer(seconds) if (0..YEAR_10000 as i64).contains(seconds) => DateTime::from_timestamp(*seconds, 0),
        Field::Text(text) => date_time(text).filter(|at| (0..YEAR_10000 as i64).contains(&at.timestamp())),
        _ => None,
    };
    at.ok_or_else(|| (Reason::NoTime, value.to_string()))
}

fn date_time(text: &str) -> Option<DateTime<Utc>> {
    let local = |format| NaiveDateTime::parse_from_str(text, format).ok().map(|at| at.and_utc());
    local("%Y-%m-%d %H:%M:%S%.f")
        .or_else(|| local("%Y-%m-%dT%H:%M:%S%.f"))
        .or_else(|| Some(DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%:z").ok()?.to_utc()))
        .or_else(|| Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Field {
        Field::Text(text.to_owned())
    }

    #[test]
    fn a_number_is_rounded_to_the_microsecond_that_was_meant() {
        // In 2025, and in 2038, when doubles become coarser.
        for second in [1_764_030_000_i64, 2_150_000_000] {
            for micros in (1..1_000_000).step_by(7) {
                // As Python makes a number of a date.
                let seconds = second as f64 + f64::from(micros) / 1e6;
                let at = instant(&Field::Real(seconds)).unwrap();
                assert_eq!(at.timestamp_micros(), second * 1_000_000 + i64::from(micros));
            }
        }
    }

    #[test]
    fn a_number_with_digits_below_the_microsecond_is_rounded_once() {
        // The right sides are what Python's datetime.fromtimestamp(seconds, timezone.utc) gives.
        for (seconds, micros) in [
            (1_795_647_955.924_608_5, 1_795_647_955_924_608),
            (1_795_647_955.925_567_4, 1_795_647_955_925_567),
            (1_795_647_955.999_999_8, 1_795_647_956_000_000),
            (0.000_000_5, 0),
            (0.000_001_5, 2),
        ] {
            assert_eq!(instant(&Field::Real(seconds)).unwrap().timestamp_micros(), micros, "{seconds:?}");
        }
    }

    #[test]
    fn only_no_state_at_all_tells_that_the_entity_was_removed() {
        let of =
            |value: &Field| state(value, Silent::Skip, Silent::Skip).map(str::to_owned).map_err(|(reason, _)| reason);
        assert_eq!(of(&Field::Null), Err(Reason::Removed));
        // Such as that of an input_text.
        assert_eq!(of(&text("")), Ok(String::new()));
        assert_eq!(of(&text("unavailable")), Err(Reason::Unavailable));
    }

    #[test]
    fn text_and_number_of_an_instant_agree() {
        let at = instant(&text("2023-04-05 06:07:08.123456")).unwrap();
        assert_eq!(at.timestamp_micros(), 1_680_674_828_123_456);
        for other in
            ["2023-04-05T06:07:08.123456", "2023-04-05 06:07:08.123456+00:00", "2023-04-05T08:07:08.123456+02:00"]
        {
            assert_eq!(instant(&text(other)).unwrap(), at, "{other}");
        }
        assert_eq!(instant(&Field::Real(1_680_674_828.123_456)).unwrap(), at);
        assert_eq!(instant(&text("2023-04-05 06:07:08")).unwrap(), instant(&Field::Integer(1_680_674_828)).unwrap());
    }

    #[test]
    fn what_is_no_instant_says_what_was_found() {
        let values = [
            Field::Null,
            text("yesterday"),
            Field::Real(-1.0),
            Field::Real(1e300),
            Field::Real(f64::NAN),
            Field::Integer(i64::MAX),
            Field::Bytes(1),
            Field::TooLong(65, 64),
        ];
        for value in values {
            let (reason, found) = instant(&value).unwrap_err();
            assert_eq!((reason, found), (Reason::NoTime, value.to_string()));
        }
    }
}
