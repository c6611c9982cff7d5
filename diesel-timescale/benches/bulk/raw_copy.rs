//! COPY of prebuilt buffers through libpq: what bulk writes are measured against.
#![allow(unsafe_code, reason = "libpq is called directly, so that nothing of Diesel's is in the measure")]

use std::ffi::{CStr, CString};

use pq_sys::*;

pub struct RawConnection(*mut PGconn);

// SAFETY: libpq lets any thread use a connection, one at a time.
unsafe impl Send for RawConnection {}

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

/// Rows in the binary format of COPY.
#[derive(Default)]
pub struct Buffer(Vec<u8>);

impl Buffer {
    pub fn new() -> Self {
        let mut out = b"PGCOPY\n\xff\r\n\0".to_vec();
        out.extend([0; 8]);
        Self(out)
    }

    pub fn row(&mut self, fields: &[Option<&[u8]>]) {
        self.0.extend((fields.len() as i16).to_be_bytes());
        for field in fields {
            self.0.extend(field.map_or(-1, |bytes| bytes.len() as i32).to_be_bytes());
            self.0.extend(field.unwrap_or_default());
        }
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.0.extend((-1_i16).to_be_bytes());
        self.0
    }
}
