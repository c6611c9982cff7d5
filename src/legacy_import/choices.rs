//! The choices of an import, which [`begin`](super::begin()) records and [`validate`](super::validate()) goes by.

use serde::{Deserialize, Serialize};

/// What becomes of old events of the same sensor at the same instant, of which this crate's key allows one.
///
/// Rows that are not copied unchanged are recorded in the table `changes` of the old schema, with their originals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnDuplicate {
    /// Nothing is copied while there are any.
    #[default]
    Fail,
    /// The one with the smallest id stays; references to the others go to it.
    KeepFirst,
    /// The one with the largest id stays; references to the others go to it.
    KeepLast,
    /// All stay, in the order of their ids, each a microsecond after the one before.
    Shift,
}

impl OnDuplicate {
    /// The name that the SQL functions give it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::KeepFirst => "keep_first",
            Self::KeepLast => "keep_last",
            Self::Shift => "shift",
        }
    }
}

/// Gives a call with the fields of the choices its setters.
macro_rules! choices {
    ($call:ident) => {
        impl $call {
            /// What becomes of events of one sensor at one instant. Default: [`OnDuplicate::Fail`].
            pub fn on_duplicate(mut self, on_duplicate: OnDuplicate) -> Self {
                self.on_duplicate = on_duplicate.as_str();
                self
            }

            /// The time zone, by a name that PostgreSQL knows, of old columns that have none (`timestamp without time
            /// zone`).
            pub fn time_zone(mut self, time_zone: impl Into<String>) -> Self {
                self.time_zone = Some(time_zone.into());
                self
            }

            /// An old column without a counterpart that may be left behind, such as `sensor_events.battery`.
            pub fn leave_column(mut self, column: impl Into<String>) -> Self {
                self.leave_columns.push(column.into());
                self
            }
        }
    };
}

pub(super) use choices;
