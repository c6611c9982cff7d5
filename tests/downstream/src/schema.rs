//! The tables of this crate, beside those of `occupancy_models::schema`.

use occupancy_models::schema::referenced_events;

diesel::table! {
    alerts (id) {
        id -> Int8,
        room_id -> Text,
        raised_at -> Timestamptz,
        message -> Text,
        sensor_event_id -> Nullable<Int8>,
    }
}

diesel::table! {
    energy_readings (meter_id, read_at) {
        meter_id -> Text,
        read_at -> Timestamptz,
        room_id -> Text,
        watt_hours -> Float8,
    }
}

diesel::joinable!(alerts -> referenced_events (sensor_event_id));

diesel::allow_tables_to_appear_in_same_query!(alerts, energy_readings);
// Diesel's macro cannot name tables of another crate.
occupancy_models::allow_in_same_query!(alerts, energy_readings);
