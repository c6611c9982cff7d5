//! COPY TO STDOUT through libpq: what an export is measured against.
#![allow(unsafe_code, reason = "libpq is called directly, so that nothing of Diesel's is in the measure")]

use std::ffi::{CStr, CString, c_char};
use std::ptr;

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

    /// Reads all that a COPY TO STDOUT gives, and gives the number of bytes.
    pub fn copy_out(&mut self, statement: &CStr) -> usize {
        let mut bytes = 0;
        // SAFETY: the connection is open; every buffer is freed and every result is cleared.
        unsafe {
            let result = PQexec(self.0, statement.as_ptr());
            assert_eq!(PQresultStatus(result), ExecStatusType::PGRES_COPY_OUT);
            PQclear(result);
            loop {
                let mut row: *mut c_char = ptr::null_mut();
                let length = PQgetCopyData(self.0, &mut row, 0);
                if length < 0 {
                    break;
                }
                bytes += length as usize;
                PQfreemem(row.cast());
            }
            loop {
                let result = PQgetResult(self.0);
                if result.is_null() {
                    break;
                }
                assert_eq!(PQresultStatus(result), ExecStatusType::PGRES_COMMAND_OK);
                PQclear(result);
            }
        }
        bytes
    }
}

impl Drop for RawConnection {
    fn drop(&mut self) {
        // SAFETY: the connection is not used after this.
        unsafe { PQfinish(self.0) }
    }
}
