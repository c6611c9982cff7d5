//! The values of one column, one after the other.

/// Serialized values; those that are null have no bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct ColumnBytes {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    nulls: Vec<bool>,
    null_count: usize,
}

impl ColumnBytes {
    pub(super) fn with_capacity(rows: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(rows * 8),
            ends: Vec::with_capacity(rows),
            nulls: Vec::with_capacity(rows),
            null_count: 0,
        }
    }

    #[inline]
    pub(super) fn push(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => self.bytes.extend_from_slice(value),
            None => self.null_count += 1,
        }
        self.nulls.push(value.is_none());
        self.ends.push(self.bytes.len());
    }

    /// Replaces the value that was pushed last.
    pub(super) fn replace_last(&mut self, value: Option<&[u8]>) {
        if self.nulls.pop() == Some(true) {
            self.null_count -= 1;
        }
        self.ends.pop();
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
        self.push(value);
    }

    /// The bytes of all values, without a border between them.
    pub(super) fn all(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn has_nulls(&self) -> bool {
        self.null_count > 0
    }

    pub(super) fn is_all_null(&self) -> bool {
        self.null_count == self.ends.len()
    }

    /// Whether all values have the same length and none is null.
    pub(super) fn is_fixed(&self) -> bool {
        let width = self.ends.first().copied().unwrap_or(0);
        self.null_count == 0 && self.ends.iter().zip(1..).all(|(end, n)| *end == width * n)
    }

    #[inline]
    pub(super) fn get(&self, row: usize) -> Option<&[u8]> {
        if self.nulls[row] {
            return None;
        }
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        Some(&self.bytes[start..self.ends[row]])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        (0..self.ends.len()).map(|row| self.get(row))
    }
}
