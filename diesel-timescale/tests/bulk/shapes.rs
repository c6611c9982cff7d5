//! Rows of every shape.
