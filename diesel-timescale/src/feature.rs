//! Features: what not every edition and release of TimescaleDB can do.

use std::fmt;

use crate::server::{Edition, Server, TimescaleVersion};

/// What a server needs for a feature.
struct Needs {
    edition: Edition,
    since: TimescaleVersion,
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TimescaleDB {}.{} or later", self.since.major, self.since.minor)?;
        if self.edition == Edition::Community { write!(f, ", Community edition") } else { Ok(()) }
    }
}

/// Declares the features with their names and what they need.
macro_rules! features {
    ($( $(#[$doc:meta])* $feature:ident = $name:literal, $edition:ident $major:literal, $minor:literal; )+) => {
        /// Something that not every edition and release of TimescaleDB can do.
        ///
        /// Source: TimescaleDB's comparison of its editions, and what the servers themselves refuse.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Feature {
            $( $(#[$doc])* $feature, )+
        }

        impl Feature {
            /// Every feature.
            pub const ALL: &[Self] = &[$( Self::$feature, )+];

            /// The name, in words.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$feature => $name, )+
                }
            }

            /// The name in `diesel_timescale.require_feature`.
            pub(crate) const fn sql_name(self) -> &'static str {
                match self {
                    $( Self::$feature => stringify!($feature), )+
                }
            }

            /// The feature of that name.
            pub(crate) fn from_sql_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|feature| feature.sql_name() == name)
            }

            const fn needs(self) -> Needs {
                match self {
                    $( Self::$feature => Needs {
                        edition: Edition::$edition,
                        since: TimescaleVersion::new($major, $minor, 0),
                    }, )+
                }
            }
        }
    };
}

features! {
    /// Tables partitioned by time, with what belongs to them: chunks, sizes, `time_bucket`, `first`, `last`, `histogram`.
    Hypertables = "hypertables", Apache 2, 17;
    /// Compression of chunks, by columns.
    Columnstore = "columnstore", Community 2, 17;
    /// Jobs in the background, and with them the policies.
    Jobs = "jobs and policies", Community 2, 17;
    /// Views that keep their aggregates up to date.
    ContinuousAggregates = "continuous aggregates", Community 2, 17;
    /// `time_bucket_gapfill`, `locf` and `interpolate`.
    Gapfill = "gap filling", Community 2, 17;
    /// Hypertables on UUIDs of version 7, whole: partitioning came with 2.22, `drop_chunks` and the ranges of chunks with
    /// 2.24, retention policies with 2.25.
    UuidTime = "hypertables on UUIDs of version 7", Apache 2, 25;
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A feature that the server does not have. Nothing has changed.
///
/// ```
/// # include!("doctest_setup.rs");
/// use diesel_timescale::{Feature, Server};
///
/// # fn main() { run(|conn| {
/// let server = Server::query().call(conn)?;
/// if let Err(unsupported) = server.require(Feature::Columnstore) {
///     println!("{unsupported}");
/// }
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}. {remedy}")]
#[non_exhaustive]
pub struct Unsupported {
    /// The feature.
    pub feature: Feature,
    /// Names the feature, what was found and what is needed.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl Server {
    /// Whether the server has a feature.
    pub fn has(&self, feature: Feature) -> bool {
        let needs = feature.needs();
        self.timescaledb.is_some_and(|version| version >= needs.since)
            && match self.edition {
                Some(Edition::Community) => true,
                Some(Edition::Apache) => needs.edition == Edition::Apache,
                None => false,
            }
    }

    /// Every feature that the server has.
    pub fn capabilities(&self) -> impl Iterator<Item = Feature> + '_ {
        Feature::ALL.iter().copied().filter(|feature| self.has(*feature))
    }

    /// Makes sure that the server has a feature.
    ///
    /// # Errors
    /// [`Unsupported`], which names the feature, what was found and what is needed.
    pub fn require(&self, feature: Feature) -> Result<(), Unsupported> {
        if self.has(feature) {
            Ok(())
        } else {
            Err(Unsupported {
                feature,
                message: format!("the server has no {feature}: found {self}, needed {}", feature.needs()),
                remedy: "Run a server that has it.".to_owned(),
            })
        }
    }
}
