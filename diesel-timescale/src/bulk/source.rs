//! Where rows come from.

/// An iterator or a stream of rows.
pub(crate) trait Source {
    type Row;

    /// The next rows: as many as asked for, or fewer at the end.
    fn next_rows(&mut self, size: usize) -> impl Future<Output = Vec<Self::Row>>;
}

impl<I: Iterator> Source for I {
    type Row = I::Item;

    async fn next_rows(&mut self, size: usize) -> Vec<I::Item> {
        self.by_ref().take(size).collect()
    }
}

/// Rows of a stream: what `upsert_stream` and `values_stream` make of it.
#[cfg(feature = "async")]
#[derive(Debug)]
pub struct Streamed<S>(pub(super) std::pin::Pin<Box<S>>);

#[cfg(feature = "async")]
impl<S: futures_core::Stream> Source for Streamed<S> {
    type Row = S::Item;

    async fn next_rows(&mut self, size: usize) -> Vec<S::Item> {
        let mut rows = Vec::new();
        while rows.len() < size {
            match std::future::poll_fn(|context| self.0.as_mut().poll_next(context)).await {
                Some(row) => rows.push(row),
                None => break,
            }
        }
        rows
    }
}
