//! A database of its own for every test: the one that the tests of occupancy-models use.
#![allow(dead_code, unused_macros, unused_imports, unexpected_cfgs, reason = "the other crate's tests use all of it")]

#[path = "../../../support/database.rs"]
mod database;

pub(crate) use database::*;
