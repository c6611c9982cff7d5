//! Joins of tables of another crate with the tables of this one.

/// Lets tables of your own appear in one query with this crate's tables.
///
/// Diesel's [`allow_tables_to_appear_in_same_query!`](diesel::allow_tables_to_appear_in_same_query) cannot do that
/// across crates: part of what it makes for PostgreSQL would be implemented for types that are all foreign. Use it for
/// your tables among themselves, and this one besides. `ONLY` and `TABLESAMPLE` of the joined tables are not
/// covered. For `inner_join` without an `ON`, Diesel's [`joinable!`](diesel::joinable) works across crates.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
/// diesel::table! {
///     alerts (id) { id -> Int8, message -> Text, sensor_event_id -> Nullable<Int8> }
/// }
/// occupancy_models::allow_in_same_query!(alerts);
/// diesel::joinable!(alerts -> referenced_events (sensor_event_id));
///
/// # fn main() { run(|conn| {
/// # conn.batch_execute("CREATE TABLE alerts (id BIGINT PRIMARY KEY, message TEXT, sensor_event_id BIGINT)")?;
/// // The row of `referenced_events` has the whole key, and so leads to the chunk.
/// let rooms: Vec<(String, String)> = alerts::table
///     .inner_join(referenced_events::table)
///     .inner_join(
///         sensor_events::table.on(sensor_events::id
///             .eq(referenced_events::id)
///             .and(sensor_events::timestamp.eq(referenced_events::timestamp))),
///     )
///     .select((sensor_events::room_id, alerts::message))
///     .load(conn)?;
/// # assert!(rooms.is_empty());
/// # Ok(()) }) }
/// ```
#[macro_export]
macro_rules! allow_in_same_query {
    (@pair $table:ident, $($ours:ident)::+) => {
        impl ::diesel::query_source::TableNotEqual<$table::table> for $crate::$($ours)::+::table {}
        impl ::diesel::query_source::TableNotEqual<$crate::$($ours)::+::table> for $table::table {}
    };
    (@schema $table:ident) => {
        $crate::allow_in_same_query!(@pair $table, schema::sensor_events);
        $crate::allow_in_same_query!(@pair $table, schema::predictions);
        $crate::allow_in_same_query!(@pair $table, schema::referenced_events);
    };
    (@rollups $table:ident) => {
        $crate::allow_in_same_query!(@pair $table, rollups::hourly_activity);
        $crate::allow_in_same_query!(@pair $table, rollups::hourly_statistics);
        $crate::allow_in_same_query!(@pair $table, rollups::daily_prediction_accuracy);
    };
    ($($table:ident),+ $(,)?) => {
        $(
            $crate::allow_in_same_query!(@schema $table);
            $crate::allow_in_same_query!(@rollups $table);
        )+
    };
}
