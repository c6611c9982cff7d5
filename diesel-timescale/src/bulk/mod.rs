//! Bulk writes of any Diesel table.
