//! COPY of prebuilt buffers through libpq: what bulk writes are measured against.
#![allow(unsafe_code, reason = "libpq is called directly, so that nothing of Diesel's is in the measure")]

use std::ffi::{CStr, CString};

use occupancy_models::NewSensorEvent;
use pq_sys::*;

pub struct RawConnection(*mut PGconn);

impl RawConnection {
    pub fn connect(url: &str) -> Self {
        let url = CString::new(url).unwrap();
        // SAFETY: the string ends in a zero byte and outlives the call.
        let conn = unsafe { PQconnectdb(url.as_ptr()) };
        // SAFETY: PQconnectdb never returns an invalid pointer, and null is checked by PQstatus.
        assert_eq!(unsafe { PQstatus(conn) }, ConnStatusType::CONNECTION_OK, "cannot connect");
        Self(conn)
    }

    fn message(&self) -> String {
        // SAFETY: the connection is open, and its message is a string that ends in a zero byte.
        unsafe { CStr::from_ptr(PQerrorMessage(self.0)) }.to_string_lossy().into_owned()
    }

    /// Copies one buffer into a table.
    pub fn copy(&mut self, statement: &CStr, buffer: &[u8]) {
        // SAFETY: the connection is open; the buffer is as long as it says; every result is cleared.
        unsafe {
            let result = PQexec(self.0, statement.as_ptr());
            assert_eq!(PQresultStatus(result), ExecStatusType::PGRES_COPY_IN, "{}", self.message());
            PQclear(result);
            assert_eq!(PQputCopyData(self.0, buffer.as_ptr().cast(), buffer.len() as i32), 1, "{}", self.message());
            assert_eq!(PQputCopyEnd(self.0, std::ptr::null()), 1, "{}", self.message());
            loop {
                let result = PQgetResult(self.0);
                if result.is_null() {
                    break;
                }
                assert_eq!(PQresultStatus(result), ExecStatusType::PGRES_COMMAND_OK, "{}", self.message());
                PQclear(result);
            }
        }
    }
}

impl Drop for RawConnection {
    fn drop(&mut self) {
        // SAFETY: the connection is not used after this.
        unsafe { PQfinish(self.0) }
    }
}

pub const COLUMNS: &str = "timestamp, room_id, sensor_id, sensor_type, state, numeric_value, previous_state, attributes, is_human_triggered, confidence_score";

/// Rows in the binary format of COPY.
pub fn buffer(events: &[NewSensorEvent<'_>]) -> Vec<u8> {
    let mut out = b"PGCOPY\n\xff\r\n\0".to_vec();
    out.extend([0; 8]);
    for event in events {
        // What NewSensorEvent keeps to itself comes by serde.
        let json = serde_json::to_value(event).unwrap();
        let text = |field: &str| json[field].as_str().unwrap().to_owned();
        out.extend(10_i16.to_be_bytes());
        let mut nullable = |bytes: Option<&[u8]>| {
            out.extend(bytes.map_or(-1, |bytes| bytes.len() as i32).to_be_bytes());
            out.extend(bytes.unwrap_or_default());
        };
        let number = event.numeric_value().map(f64::to_be_bytes);
        let mut field = |bytes: &[u8]| nullable(Some(bytes));
        field(&(event.timestamp().timestamp_micros() - 946_684_800_000_000).to_be_bytes());
        field(event.room_id().as_bytes());
        field(event.sensor_id().as_bytes());
        field(text("sensor_type").as_bytes());
        field(event.state().as_str().as_bytes());
        nullable(number.as_ref().map(<[u8; 8]>::as_slice));
        nullable(json["previous_state"].as_str().map(str::as_bytes));
        let mut field = |bytes: &[u8]| nullable(Some(bytes));
        field(&[b"\x01", json["attributes"].to_string().as_bytes()].concat());
        field(&[u8::from(json["is_human_triggered"].as_bool().unwrap())]);
        field(&json["confidence_score"].as_f64().unwrap().to_be_bytes());
    }
    out.extend((-1_i16).to_be_bytes());
    out
}
