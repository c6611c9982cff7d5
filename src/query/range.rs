//! Ranges of time, as bounds in a query.

/// Adds the two ends of a range to a boxed query, as far as it has them.
macro_rules! within {
    ($query:expr, $column:expr, $range:expr) => {{
        let query = match std::ops::RangeBounds::start_bound($range) {
            std::ops::Bound::Included(from) => $query.filter($column.ge(*from)),
            std::ops::Bound::Excluded(from) => $query.filter($column.gt(*from)),
            std::ops::Bound::Unbounded => $query,
        };
        match std::ops::RangeBounds::end_bound($range) {
            std::ops::Bound::Included(to) => query.filter($column.le(*to)),
            std::ops::Bound::Excluded(to) => query.filter($column.lt(*to)),
            std::ops::Bound::Unbounded => query,
        }
    }};
}
pub(crate) use within;
