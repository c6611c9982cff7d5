//! The known issues.

use super::KnownIssue;
use crate::server::TimescaleVersion;

/// Declares the issues: the first release of 2 that has it, those that fixed it, and the releases of PostgreSQL that
/// bring it about, if not all do; what happens; and where that is said, in TimescaleDB's repository.
macro_rules! known_issues {
    ($(
        $id:literal, $subject:literal, ($since:literal, $since_patch:literal)
            to [$(($fixed:literal, $fixed_patch:literal)),*] on [$($postgres:literal),*],
        $what:literal,
        [$($source:literal),+];
    )+) => {
        /// The known issues. `verify` of occupancy-models reports those about native foreign keys to a hypertable
        /// (possible since 2.16) where there is one, and those about jobs where there are jobs.
        pub const KNOWN_ISSUES: &[KnownIssue] = &[$(
            KnownIssue {
                id: $id,
                subject: $subject,
                since: TimescaleVersion::new(2, $since, $since_patch),
                fixed_in: &[$(TimescaleVersion::new(2, $fixed, $fixed_patch)),*],
                postgres: &[$($postgres),*],
                what: $what,
                sources: &[$(concat!("https://github.com/timescale/timescaledb/", $source)),+],
            },
        )+];
    };
}

known_issues! {
    "false_foreign_key_violations", "foreign_key_to_hypertable", (16, 0) to [(21, 1)] on [],
        "After some inserts in one session, rows whose event exists are refused with a false foreign key \
         violation",
        ["issues/9250", "pull/8336"];

    "drop_chunks_refused", "foreign_key_to_hypertable", (16, 0) to [(22, 0)] on [],
        "drop_chunks, and with it retention, is refused, even when no row refers to the chunk",
        ["issues/7181", "issues/498"];

    "drop_chunks_drops_foreign_key", "foreign_key_to_hypertable", (22, 0) to [(28, 0)] on [],
        "drop_chunks drops the foreign key without asking: references are left dangling, and new ones are not \
         checked",
        ["pull/8496"];

    "drop_chunks_refused_again", "foreign_key_to_hypertable", (28, 0) to [] on [],
        "drop_chunks, and with it retention, is refused again, even when no row refers to the chunk",
        ["pull/9915"];

    "concurrent_delete_leaves_reference", "foreign_key_to_hypertable", (16, 0) to [(25, 2)] on [],
        "A row that is deleted while another session refers to it can leave a dangling reference",
        ["pull/9324"];

    "second_foreign_key_not_kept", "foreign_key_to_hypertable", (16, 0) to [] on [],
        "Of several foreign keys from one table only the first is kept when rows are deleted",
        ["issues/10055"];

    "jobs_reported_failed", "jobs", (0, 0) to [(27, 3), (28, 4), (31, 2), (32, 1)] on [150_020, 160_016, 170_012, 180_007],
        "Every run of a job in the background is reported as failed (\"cannot drop portal\"), and counted and \
         repeated as such, although its work is done",
        ["pull/11015", "releases/tag/2.27.3", "releases/tag/2.28.4", "releases/tag/2.31.2", "releases/tag/2.32.0"];

    "repeated_grant_crashes_server", "grants", (0, 0) to [(23, 0)] on [],
        "GRANT or REVOKE on a hypertable that runs several times from one plan (in a loop of PL/pgSQL, or \
         prepared) can crash the server",
        ["issues/8600", "pull/8739"];

    "new_rows_are_misread", "triggers", (18, 0) to [(26, 4)] on [],
        "The transition table of a trigger on a hypertable that has lost a column gives wrong values of new rows, and \
         reading them can crash the server (this crate's notifications tell such a table's rows by their count alone)",
        ["issues/9613", "pull/9615", "pull/9641"];

    "truncate_refused", "foreign_key_to_hypertable", (16, 0) to [(22, 0)] on [],
        "TRUNCATE … CASCADE of a hypertable that a foreign key references is refused",
        ["pull/8496"];

    "truncate_drops_foreign_key", "foreign_key_to_hypertable", (22, 0) to [(31, 0)] on [],
        "TRUNCATE … CASCADE of a hypertable drops the foreign keys that reference it without asking",
        ["pull/10718"];

    "first_and_last_of_one_value", "queries", (0, 0) to [(28, 1)] on [],
        "Several first() or last() of one value that order by different columns give the same value where both \
         columns have an index",
        ["pull/10060"];

    "do_nothing_stops_at_conflict", "columnstore_writes", (0, 0) to [(18, 1)] on [],
        "INSERT … ON CONFLICT DO NOTHING into the columnstore stops at the first conflict: the rows after it are \
         not written",
        ["issues/7672", "pull/7673"];

    "update_breaks_unique_key", "columnstore_writes", (0, 0) to [(28, 0)] on [],
        "An UPDATE that moves a row of the columnstore onto the key of another is not refused: the key is there \
         twice",
        ["pull/10003"];

    "delete_with_null_array", "columnstore_writes", (17, 0) to [(28, 3)] on [],
        "DELETE from the columnstore with <> ANY of an array that is null, or has null in it, deletes rows that \
         it should not",
        ["issues/10129", "pull/10254"];

    "delete_with_false_subquery", "columnstore_writes", (21, 0) to [(28, 1)] on [],
        "DELETE from the columnstore with a subquery that gives false can delete every row",
        ["pull/10089"];

    "delete_where_exists_fails", "columnstore_writes", (0, 0) to [(25, 2)] on [],
        "DELETE and UPDATE of a hypertable with a condition that is a subquery alone can fail with an internal \
         error",
        ["pull/9294"];

    "delete_misses_rows", "columnstore_writes", (0, 0) to [(25, 0)] on [150_000, 160_000],
        "DELETE from a chunk that is partly in the columnstore can miss rows when it reads them through a bitmap",
        ["pull/9120"];

    "upsert_misses_conflicts", "columnstore_writes", (27, 0) to [(30, 1)] on [],
        "INSERT … ON CONFLICT into the columnstore of a table with several unique keys, or with null in a key, \
         can miss a conflict that a bloom filter seems to exclude",
        ["pull/10580", "pull/10583"];

    "direct_compress_loses_rows", "columnstore_writes", (21, 0) to [(31, 0)] on [],
        "Rows that go into the columnstore directly can be lost where TimescaleDB chooses the segments by itself, \
         or rows come from another columnstore in the order of the client",
        ["pull/9381", "pull/10791"];

    "merge_is_not_refreshed", "continuous_aggregates", (23, 0) to [(31, 0)] on [],
        "What MERGE updates or deletes in a hypertable is not refreshed in its continuous aggregates",
        ["pull/10508"];

    "refresh_skips_last_bucket", "continuous_aggregates", (19, 0) to [(29, 0)] on [],
        "A refresh policy that works in batches does not refresh the last bucket of a change that begins exactly \
         at the start of a bucket",
        ["pull/10221"];

    "refresh_ignores_origin", "continuous_aggregates", (0, 0) to [(25, 2)] on [],
        "The refresh of a continuous aggregate with an offset or an origin looks at windows without them",
        ["pull/9308"];

    "refresh_with_open_end_fails", "continuous_aggregates", (0, 0) to [(22, 0)] on [],
        "A refresh policy without an end can fail with timestamp out of range",
        ["pull/8559"];

    "refresh_never_ends", "continuous_aggregates", (0, 0) to [(31, 0)] on [],
        "The refresh of a continuous aggregate of months or a time zone with a negative offset can run without \
         end",
        ["issues/10746", "pull/10749"];

    "dropped_chunk_is_not_refreshed", "continuous_aggregates", (0, 0) to [(31, 0)] on [],
        "A chunk that is dropped by its name without its schema is not refreshed in continuous aggregates",
        ["pull/10783"];

    "jobs_never_run", "jobs", (0, 0) to [(28, 0)] on [],
        "Jobs can be put off for ever while others are due",
        ["pull/9929"];

    "chunk_skipping_wrong_results", "queries", (16, 0) to [(31, 0)] on [],
        "With chunk skipping, rows at the largest value of a chunk, or written to the columnstore since, can be \
         missing from results",
        ["pull/10558"];

    "distinct_misses_rows", "queries", (20, 0) to [(29, 2)] on [],
        "count(DISTINCT …) of a chunk that is partly in the columnstore can leave out the rows that are not",
        ["issues/10421", "pull/10423"];

    "null_misses_rows", "queries", (0, 0) to [(29, 2)] on [],
        "IS NULL on a column with a sparse index of the smallest and largest value can miss rows",
        ["pull/9921"];

    "snapshot_misses_converted_rows", "queries", (0, 0) to [] on [],
        "A transaction at REPEATABLE READ or SERIALIZABLE whose snapshot is older than the conversion of a chunk to or \
         from the columnstore can find none of the rows of the chunk; UPDATE and DELETE then change nothing, without an \
         error",
        ["issues/6841", "issues/6842"];

    "read_misses_moved_rows", "queries", (0, 0) to [] on [],
        "A statement can miss rows of the columnstore that an INSERT, UPDATE or DELETE moves to the rowstore between \
         its planning and its execution, at READ COMMITTED as well; the next statement finds them",
        ["issues/10487"];

    "limit_doubles_rows", "queries", (30, 0) to [(30, 1)] on [],
        "A query with LIMIT can give rows twice once its plan is generic",
        ["issues/10584", "pull/10592"];

    "bloom_filters_miss_rows", "queries", (20, 0) to [(24, 0)] on [],
        "Bloom filters written by a package that was built otherwise, for another processor, say, can hide rows: \
         chunks must be converted anew",
        ["pull/8761"];

    "refresh_misses_upper_bounds", "continuous_aggregates", (24, 0) to [] on [],
        "The refresh of buckets in a time zone misses the last row of each chunk where one statement has changed rows of \
         several: refresh by force",
        ["issues/10296"];

    "refresh_leaves_gaps", "continuous_aggregates", (22, 0) to [(22, 1)] on [],
        "Refresh policies leave buckets out, and can crash: refresh by force after the update",
        ["issues/8621"];

    "refresh_of_months_misses_changes", "continuous_aggregates", (0, 0) to [(25, 1)] on [],
        "The refresh of buckets of months, or in a time zone, can leave changes at the bounds of buckets and batches out",
        ["pull/9226"];

    "concurrent_refreshes_interfere", "continuous_aggregates", (0, 0) to [(26, 3)] on [],
        "Refreshes of one continuous aggregate at the same time can interfere with each other",
        ["pull/9571"];

    "real_time_of_uuid_fails", "continuous_aggregates", (24, 0) to [(25, 2)] on [],
        "Continuous aggregates of a hypertable on UUIDv7 do not show the latest rows: materialize only",
        ["pull/9281"];

    "null_breaks_unique_key", "columnstore_writes", (0, 0) to [(25, 2)] on [],
        "An INSERT with null in a unique key, or with a column left to its default, is not compared rightly with the \
         rows of the columnstore",
        ["pull/9276"];

    "generated_columns_are_null", "columnstore_writes", (0, 0) to [(25, 2)] on [],
        "Generated columns of rows that are inserted into chunks of the columnstore are null",
        ["pull/9314"];

    "direct_compress_checks_nothing", "columnstore_writes", (21, 0) to [(28, 1)] on [],
        "CHECK and NOT NULL are not enforced of rows that go into the columnstore directly",
        ["pull/10056"];

    "direct_compress_returns_nothing", "columnstore_writes", (23, 0) to [(29, 0)] on [],
        "INSERT … RETURNING of rows that go into the columnstore directly gives none",
        ["pull/10280"];

    "merged_chunks_are_corrupt", "columnstore_writes", (18, 0) to [(26, 4)] on [],
        "Merging chunks of the columnstore that were converted by different settings corrupts them: convert them anew \
         by the same settings first",
        ["pull/9655"];

    "write_crashes_server", "columnstore_writes", (0, 0) to [(28, 1)] on [],
        "UPDATE and DELETE of rows of the columnstore through a bitmap can crash the server",
        ["pull/9913"];

    "delete_of_aggregated_rows_crashes_server", "columnstore_writes", (25, 0) to [(29, 1)] on [],
        "DELETE from the columnstore of a hypertable with a continuous aggregate can crash the server",
        ["pull/10339"];

    "insert_of_referencing_row_fails", "columnstore_writes", (0, 0) to [(26, 0)] on [],
        "An INSERT into a hypertable that references another table can fail with a false foreign key violation",
        ["pull/9378"];

    "columnstore_policy_skips_chunks", "jobs", (0, 0) to [(27, 0)] on [],
        "A columnstore policy can leave chunks in the rowstore",
        ["pull/9590"];

    "jobs_stop_after_failover", "jobs", (0, 0) to [(26, 4)] on [],
        "Jobs that were running when the primary failed do not run again on the new primary",
        ["pull/9360"];

    "policies_keep_their_owner", "jobs", (0, 0) to [(25, 2)] on [],
        "ALTER … OWNER TO leaves the jobs of the policies of a table with the owner before: remove the policies and \
         add them anew",
        ["pull/9290"];

    "uuid_micros_are_wrong", "queries", (22, 0) to [(23, 1)] on [],
        "uuid_timestamp_micros() gives wrong microseconds",
        ["pull/8875"];

    "bloom_filters_of_smallint_miss_rows", "queries", (20, 0) to [(27, 0)] on [],
        "Bloom filters on a smallint column can hide rows: chunks must be converted anew",
        ["pull/9579"];

    "mutable_condition_is_left_out", "queries", (0, 0) to [(26, 2)] on [],
        "A condition on the time column with a value that is not fixed, now() say, can be taken for true of all rows of \
         a chunk",
        ["pull/9392"];

    "date_compared_with_instant", "queries", (0, 0) to [(28, 0)] on [],
        "Comparing a date column with a timestamptz can give wrong results",
        ["pull/9976"];
}
