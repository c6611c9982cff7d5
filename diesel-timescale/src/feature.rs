//! Features that depend on the edition and release of TimescaleDB.

use std::fmt;

use crate::server::{Edition, Server, TimescaleVersion};

/// What a server needs for a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// A release of TimescaleDB, in any edition.
    Apache(TimescaleVersion),
    /// A release of TimescaleDB, in the Community edition.
    Community(TimescaleVersion),
    /// A release of the extension `timescaledb_toolkit`, beside any TimescaleDB.
    Toolkit(TimescaleVersion),
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Apache(since) | Self::Community(since) | Self::Toolkit(since)) = self;
        let extension = if let Self::Toolkit(_) = self { "the extension timescaledb_toolkit" } else { "TimescaleDB" };
        write!(f, "{extension} {}.{} or later", since.major, since.minor)?;
        if let Self::Community(_) = self { write!(f, ", Community edition") } else { Ok(()) }
    }
}

/// Declares the features: name in words, what they need, and what plain PostgreSQL does instead.
macro_rules! features {
    ($( $(#[$doc:meta])* $feature:ident = $name:literal, $needs:ident $major:literal, $minor:literal, $plain:literal; )+) => {
        /// Something that not every edition and release of TimescaleDB can do; the [`tour`](crate::tour) lists them.
        ///
        /// Source: TimescaleDB's comparison of its editions, its changelog, and what the servers themselves refuse.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
        #[serde(rename_all = "snake_case")]
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

            /// What plain PostgreSQL does instead, and this crate on it.
            pub const fn on_plain_postgres(self) -> &'static str {
                match self {
                    $( Self::$feature => $plain, )+
                }
            }

            /// The name in `diesel_timescale.features`.
            pub(crate) const fn sql_name(self) -> &'static str {
                match self {
                    $( Self::$feature => stringify!($feature), )+
                }
            }

            /// The feature of that name.
            pub(crate) fn from_sql_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|feature| feature.sql_name() == name)
            }

            pub(crate) const fn needs(self) -> Needs {
                match self {
                    $( Self::$feature => Needs::$needs(TimescaleVersion::new($major, $minor, 0)), )+
                }
            }
        }
    };
}

// The table in `diesel_timescale.features` (migration 02) is the same; a test compares the two.
features! {
    /// Tables partitioned by time, with what belongs to them: chunks, sizes, `time_bucket`, `first`, `last`, `histogram`.
    Hypertables = "hypertables", Apache 2, 17,
        "the table stays a plain one where `allow_plain_table` is set";
    /// Compression of chunks, by columns.
    Columnstore = "columnstore", Community 2, 17, "an error";
    /// Indexes of each batch of the columnstore: a bloom filter, or the smallest and largest value of a column.
    SparseIndexes = "sparse indexes", Community 2, 22, "an error";
    /// What [`live`](crate::live) tells of the new rows of a hypertable; those of a plain table are told by every server.
    InsertNotifications = "notifications of new rows of a hypertable", Apache 2, 18, "a plain table has them";
    /// Inserted rows are compressed in memory and go into the columnstore at once, for one transaction.
    DirectCompress = "direct compress", Community 2, 23, "an error";
    /// The same, as a setting of the hypertable.
    DirectCompressOfTable = "direct compress as a setting of the table", Community 2, 29, "an error";
    /// Jobs in the background, and with them the policies.
    Jobs = "jobs and policies", Community 2, 17, "an error; a scheduler of your own can run the calls";
    /// Retention that goes by when chunks were created. Earlier releases add the policy, and every run of it fails.
    RetentionByCreation = "retention by creation", Community 2, 27, "an error";
    /// Chunks of the columnstore that a query leaves out by the values of a column that is not the time.
    ChunkSkipping = "chunk skipping", Community 2, 17, "an error; an index does what there is to do";
    /// Chunks that move to another tablespace, or into the order of an index.
    MoveChunks = "moving and reordering of chunks", Community 2, 17, "an error; `ALTER TABLE … SET TABLESPACE`, `CLUSTER`";
    /// One chunk made of several.
    MergeChunks = "merging of chunks", Community 2, 18, "an error";
    /// Two chunks made of one.
    SplitChunks = "splitting of chunks", Community 2, 20, "an error";
    /// Chunks that become tables of their own, and tables that become chunks.
    AttachChunks = "attaching and detaching of chunks", Community 2, 21, "an error";
    /// Hypertables that `CREATE TABLE … WITH (tsdb.hypertable, …)` makes.
    CreateTableWith = "hypertables made by CREATE TABLE", Apache 2, 21, "an error of the server";
    /// Views that keep their aggregates up to date.
    ContinuousAggregates = "continuous aggregates", Community 2, 17,
        "a plain view of the same columns where `allow_plain_view` is set";
    /// Window functions in continuous aggregates.
    AggregateWindows = "window functions in continuous aggregates", Community 2, 20,
        "a plain view of the same columns where `allow_plain_view` is set";
    /// A column more for a continuous aggregate that is there.
    AggregateColumns = "columns added to a continuous aggregate", Community 2, 28, "an error";
    /// A refresh even of what has not changed.
    ForcedRefresh = "forced refresh", Community 2, 18, "nothing to refresh";
    /// Refresh policies that work in batches of buckets.
    RefreshBatches = "refresh policies in batches", Community 2, 19, "nothing to refresh";
    /// Refresh policies that take the batch with the newest or the oldest buckets first.
    RefreshOrder = "order of the batches of a refresh policy", Community 2, 20, "nothing to refresh";
    /// Several refresh policies for one continuous aggregate, over windows that do not overlap.
    SeveralRefreshPolicies = "several refresh policies", Community 2, 21, "nothing to refresh";
    /// A refresh by hand that works in batches of buckets.
    RefreshInBatches = "refresh in batches", Community 2, 28, "nothing to refresh";
    /// Aggregates that refresh only the values of a column, devices say, of which rows have changed.
    GranularRefresh = "granular refresh", Community 2, 30, "nothing to refresh";
    /// `time_bucket_gapfill`, `locf` and `interpolate`.
    Gapfill = "gap filling", Community 2, 17, "an error of the server";
    /// `generate_uuidv7`, `to_uuidv7`, `uuid_timestamp` and their like.
    UuidV7 = "UUIDv7 functions", Apache 2, 22, "an error of the server; PostgreSQL 18 has `uuidv7()`";
    /// Hypertables on UUIDv7, with all that goes by time: partitioning came with 2.22, the ranges of chunks and
    /// `time_bucket` with 2.24, retention policies with 2.25.
    UuidTime = "hypertables on UUIDv7", Apache 2, 25, "the table stays a plain one where `allow_plain_table` is set";
    /// The functions of the extension `timescaledb_toolkit`.
    Toolkit = "Toolkit", Toolkit 1, 18, "an error of the server";
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Server {
    /// Whether the server has a feature.
    pub fn has(&self, feature: Feature) -> bool {
        let reaches = |installed: Option<TimescaleVersion>, since| installed.is_some_and(|version| version >= since);
        match feature.needs() {
            Needs::Apache(since) => self.edition.is_some() && reaches(self.timescaledb, since),
            Needs::Community(since) => self.edition == Some(Edition::Community) && reaches(self.timescaledb, since),
            Needs::Toolkit(since) => self.edition.is_some() && reaches(self.toolkit, since),
        }
    }

    /// Every feature that the server has.
    pub fn capabilities(&self) -> impl Iterator<Item = Feature> + '_ {
        Feature::ALL.iter().copied().filter(|feature| self.has(*feature))
    }
}
