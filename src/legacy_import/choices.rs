//! The choices of an import, which [`begin`](super::begin()) records and [`validate`](super::validate()) goes by.

/// Gives a call with the fields of the choices its setters.
macro_rules! choices {
    ($call:ident) => {
        impl $call {
            /// What becomes of old events of the same sensor at the same instant, of which this crate's key allows one: the
            /// one with the smallest id stays (`KeepFirst`), or the one with the largest (`KeepLast`), and references to
            /// the others go to it; or nothing is copied while there are any. Default: [`OnDuplicate::Fail`].
            ///
            /// Rows that are not copied unchanged are recorded in the table `changes` of the old schema, with their
            /// originals.
            pub fn on_duplicate(mut self, on_duplicate: OnDuplicate) -> Self {
                self.on_duplicate = on_duplicate.as_str();
                self
            }

            /// All old events of the same sensor at the same instant stay, in the order of their ids, each a microsecond
            /// after the one before. In place of [`on_duplicate`](Self::on_duplicate).
            pub fn shift_duplicates(mut self) -> Self {
                self.on_duplicate = "shift";
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
