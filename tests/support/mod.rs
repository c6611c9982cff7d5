//! What the tests share.
#![allow(dead_code, unused_imports, unused_macros, reason = "no test file uses all of it")]

mod catalog;
mod database;

pub(crate) use catalog::*;
pub(crate) use database::*;
