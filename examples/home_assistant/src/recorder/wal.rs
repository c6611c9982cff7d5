//! Whether a file may lack its newest rows, because the file that they are in first was left behind.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::Result;

/// Whether the file's header says that changes go to a write-ahead log, and none is beside it, or an empty one.
///
/// SQLite removes the log when the last program closes the file well, so nothing need be missing.
pub fn is_missing(path: &Path) -> Result<bool> {
    // sqlite.org/fileformat2.html#file_format_version_numbers: the bytes 18 and 19 are 2 in WAL mode.
    let mut header = [0; 20];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    match read {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
        Err(error) => return Err(format!("{}: {error}", path.display()).into()),
        Ok(()) => {}
    }
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    let is_wal_mode = header.starts_with(b"SQLite format 3\0") && header[18..] == [2, 2];
    // An empty one is what whoever read the file before has left.
    Ok(is_wal_mode && fs::metadata(&wal).map_or(0, |wal| wal.len()) == 0)
}
