//! A value of the recorder as it is, and never more of it than fits a bound: the file may hold anything.

use std::fmt;

use rusqlite::types::ValueRef;

/// The most that is read of each value, in bytes. Home Assistant itself writes at most 255 characters of an entity or a
/// state, and since 2022 no attributes over 16 KiB.
pub const LONGEST_NAME: u32 = 1 << 10;
pub const LONGEST_TIME: u32 = 64;
pub const LONGEST_STATE: u32 = 64 << 10;
pub const LONGEST_ATTRIBUTES: u32 = 1 << 20;

#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    /// Bytes that are no UTF-8, or no text at all; how many.
    Bytes(usize),
    /// A value that was not read, because it has more bytes than allowed; how many, and how many are allowed.
    TooLong(i64, u32),
}

impl Field {
    /// The bytes that it takes in memory, roughly.
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            _ => 0,
        }
    }
}

impl From<ValueRef<'_>> for Field {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Real(number) => Self::Real(number),
            ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Self::Text(text.to_owned()),
                Err(_) => Self::Bytes(bytes.len()),
            },
            ValueRef::Blob(bytes) => Self::Bytes(bytes.len()),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Integer(number) => number.fmt(f),
            Self::Real(number) => number.fmt(f),
            Self::Text(text) => write!(f, "{:?}", text.chars().take(60).collect::<String>()),
            Self::Bytes(count) => write!(f, "{count} bytes that are no text"),
            Self::TooLong(count, allowed) => write!(f, "{count} bytes, and {allowed} are the most that is read"),
        }
    }
}
