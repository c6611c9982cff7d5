//! Labels: text columns with constants for common values. Any other text is accepted too.

use std::borrow::Cow;
use std::fmt;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Text;
use serde::{Deserialize, Serialize};

/// Declares a label: a string with constants for the known values.
macro_rules! label {
    (
        $(#[$doc:meta])*
        $name:ident { $( $(#[$constant_doc:meta])* $constant:ident = $text:literal, )+ }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow, Serialize, Deserialize)]
        #[diesel(sql_type = Text)]
        #[serde(transparent)]
        pub struct $name<'a>(Cow<'a, str>);

        impl $name<'static> {
            $( $(#[$constant_doc])* pub const $constant: Self = Self::from_static($text); )+

            /// The values that this release has a constant for.
            pub const KNOWN: &'static [Self] = &[$( Self::$constant, )+];

            /// A value for a constant of your own; it behaves like the constants here.
            pub const fn from_static(text: &'static str) -> Self {
                Self(Cow::Borrowed(text))
            }
        }

        impl<'a> $name<'a> {
            /// The value with this text, known or not; borrows where possible.
            pub fn new(text: impl Into<Cow<'a, str>>) -> Self {
                Self(text.into())
            }

            /// The name, as the database has it.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether this release has a constant for the value.
            pub fn is_known(&self) -> bool {
                $name::KNOWN.iter().any(|known| known.as_str() == self.as_str())
            }

            /// The same value, owning its name.
            pub fn into_owned(self) -> $name<'static> {
                $name(Cow::Owned(self.0.into_owned()))
            }
        }

        impl AsRef<str> for $name<'_> {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl<'a> From<&'a str> for $name<'a> {
            fn from(text: &'a str) -> Self {
                Self(Cow::Borrowed(text))
            }
        }

        impl From<String> for $name<'_> {
            fn from(text: String) -> Self {
                Self(Cow::Owned(text))
            }
        }

        impl<'a> From<Cow<'a, str>> for $name<'a> {
            fn from(text: Cow<'a, str>) -> Self {
                Self(text)
            }
        }

        impl<'a> From<&'a $name<'_>> for $name<'a> {
            fn from(value: &'a $name<'_>) -> Self {
                Self(Cow::Borrowed(value.as_str()))
            }
        }

        impl PartialEq<str> for $name<'_> {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $name<'_> {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }

        impl FromSql<Text, Pg> for $name<'_> {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                let text = std::str::from_utf8(value.as_bytes())?;
                // A known name needs no memory of its own.
                Ok(match $name::KNOWN.iter().find(|known| known.as_str() == text) {
                    Some(known) => known.clone(),
                    None => Self(Cow::Owned(text.to_owned())),
                })
            }
        }

        impl ToSql<Text, Pg> for $name<'_> {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                <str as ToSql<Text, Pg>>::to_sql(self.as_str(), out)
            }
        }
    };
}

label! {
    /// What a sensor measures. Any other text is accepted: a value that this release does not know is stored and read unchanged.
    ///
    /// ```
    /// use occupancy_models::SensorType;
    ///
    /// const VIBRATION: SensorType<'static> = SensorType::from_static("vibration");
    /// assert_eq!(SensorType::new("motion"), SensorType::MOTION);
    /// assert!(SensorType::MOTION.is_known() && !VIBRATION.is_known());
    /// ```
    SensorType {
        /// Motion in view, such as from a passive infrared sensor.
        MOTION = "motion",
        /// Presence, also without motion, such as from a radar.
        PRESENCE = "presence",
        /// A door.
        DOOR = "door",
        /// A window.
        WINDOW = "window",
        /// Temperature of the air.
        TEMPERATURE = "temperature",
        /// Relative humidity of the air.
        HUMIDITY = "humidity",
        /// Light.
        LIGHT = "light",
        /// Pressure of the air.
        PRESSURE = "pressure",
        /// Quality of the air, such as CO2.
        AIR_QUALITY = "air_quality",
    }
}

label! {
    /// The state that a sensor reports. Any other text is accepted: numbers, and states of your own.
    ///
    /// ```
    /// use occupancy_models::SensorState;
    ///
    /// assert_eq!(SensorState::ON.numeric_value(), None);
    /// assert_eq!(SensorState::new("21.5").numeric_value(), Some(21.5));
    /// ```
    SensorState {
        /// Switched on.
        ON = "on",
        /// Switched off.
        OFF = "off",
        /// Open.
        OPEN = "open",
        /// Closed.
        CLOSED = "closed",
        /// Something was detected.
        DETECTED = "detected",
        /// Nothing is detected any more.
        CLEAR = "clear",
        /// The state is not known.
        UNKNOWN = "unknown",
    }
}

impl SensorState<'_> {
    /// The state as a number, or `None` where it is none. `nan` and `inf` are no numbers.
    pub fn numeric_value(&self) -> Option<f64> {
        self.as_str().trim().parse().ok().filter(|number: &f64| number.is_finite())
    }
}

label! {
    /// The kind of model that made a prediction. Any other text is accepted.
    ModelType {
        /// A long short-term memory network.
        LSTM = "lstm",
        /// Gradient-boosted trees.
        XGBOOST = "xgboost",
        /// A hidden Markov model.
        HMM = "hmm",
        /// A Gaussian process.
        GAUSSIAN_PROCESS = "gaussian_process",
        /// Several models together.
        ENSEMBLE = "ensemble",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_finite_number_has_no_numeric_value() {
        for text in ["on", "", "nan", "inf", "-infinity", "1,5", "12 %"] {
            assert_eq!(SensorState::new(text).numeric_value(), None, "{text:?}");
        }
        for (text, number) in [("0", 0.0), ("-3.5", -3.5), (" 7 ", 7.0), ("1e3", 1000.0)] {
            assert_eq!(SensorState::new(text).numeric_value(), Some(number), "{text:?}");
        }
    }

    #[test]
    fn serde_knows_only_the_name() {
        let text = serde_json::to_string(&SensorType::new("vibration")).unwrap();
        assert_eq!(text, r#""vibration""#);
        assert_eq!(serde_json::from_str::<SensorType<'_>>(&text).unwrap(), SensorType::new("vibration"));
    }
}
