//! What the tests share.
#![allow(dead_code, unused_imports, unused_macros, reason = "no test file uses all of it")]

mod database;

pub(crate) use database::*;
