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

diesel::table! {
    power_samples (device_id, measured_ms) {
        device_id -> Text,
        measured_ms -> Int8,
        watts -> Float8,
    }
}

diesel::table! {
    work_orders (id) {
        id -> Int8,
        description -> Text,
        meter_id -> Nullable<Text>,
        read_at -> Nullable<Timestamptz>,
    }
}

diesel::joinable!(alerts -> referenced_events (sensor_event_id));

diesel::allow_tables_to_appear_in_same_query!(alerts, energy_readings, power_samples, work_orders);
// Diesel's macro cannot name tables of another crate.
occupancy_models::allow_in_same_query!(alerts, energy_readings, power_samples, work_orders);

/// A table of occupancy-models with the column of this crate. What knows the other columns alone goes on using
/// `occupancy_models::schema`.
pub mod extended {
    diesel::table! {
        sensor_events (id, timestamp) {
            id -> Int8,
            timestamp -> Timestamptz,
            room_id -> Text,
            sensor_id -> Text,
            sensor_type -> Text,
            state -> Text,
            numeric_value -> Nullable<Float8>,
            #[sql_name = "home_energy_battery_percent"]
            battery_percent -> Nullable<Int2>,
        }
    }
}
