//! The built-in jobs `webhook` and `command`, on real servers and real processes.

#![allow(clippy::expect_used, reason = "a failed expectation is what tests are for")]

mod ark;
mod command;
mod limits;
mod refusals;
mod server;
#[path = "../support/mod.rs"]
mod support;
mod webhook;
