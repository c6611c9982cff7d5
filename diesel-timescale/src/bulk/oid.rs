//! OIDs of PostgreSQL's own types.

pub(super) const BOOL: u32 = 16;
pub(super) const BYTEA: u32 = 17;
pub(super) const CHAR: u32 = 18;
pub(super) const NAME: u32 = 19;
pub(super) const INT8: u32 = 20;
pub(super) const INT2: u32 = 21;
pub(super) const INT4: u32 = 23;
pub(super) const TEXT: u32 = 25;
pub(super) const OID: u32 = 26;
pub(super) const JSON: u32 = 114;
pub(super) const BPCHAR: u32 = 1042;
pub(super) const VARCHAR: u32 = 1043;
pub(super) const DATE: u32 = 1082;
pub(super) const TIME: u32 = 1083;
pub(super) const TIMESTAMP: u32 = 1114;
pub(super) const TIMESTAMPTZ: u32 = 1184;
pub(super) const UUID: u32 = 2950;
pub(super) const JSONB: u32 = 3802;

/// Whether equal values of the type have equal bytes. (Texts: unless their collation says otherwise.)
pub(super) fn is_exact(oid: u32) -> bool {
    matches!(
        oid,
        BOOL | BYTEA
            | CHAR
            | NAME
            | INT8
            | INT2
            | INT4
            | TEXT
            | OID
            | VARCHAR
            | DATE
            | TIME
            | TIMESTAMP
            | TIMESTAMPTZ
            | UUID
    )
}

/// Whether values of both types that are equal have equal bytes when one is stored as the other.
pub(super) fn is_same(bound: u32, stored: u32) -> bool {
    let class = |oid| match oid {
        INT2 | INT4 | INT8 => INT8,
        TEXT | VARCHAR => TEXT,
        other => other,
    };
    class(bound) == class(stored)
}

/// Whether values of a type can be read as those of another one, byte for byte.
#[cfg(feature = "sync")]
pub(super) fn has_same_bytes(bound: u32, stored: u32) -> bool {
    let is_text = |oid| matches!(oid, TEXT | VARCHAR | BPCHAR);
    bound == stored || is_text(bound) && is_text(stored)
}

/// The order in which columns are taken to bound a look by: time first.
const RANGES: [u32; 6] = [TIMESTAMPTZ, TIMESTAMP, DATE, INT8, INT4, INT2];

/// The column of a key that bounds a look at the table, if one can.
pub(super) fn range(key: &[usize], oid_of: impl Fn(usize) -> u32) -> Option<usize> {
    RANGES.iter().find_map(|oid| key.iter().copied().find(|index| oid_of(*index) == *oid))
}
