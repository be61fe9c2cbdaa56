//! The whole system as a test fixture: real processes, killed and stopped at will, and clients that audit
//! what they are told.
//!
//! Relies on redis-server, nginx, chromium and the workspace's binaries (`cargo xtask test` sees to all of
//! them). Knows the product by its contracts only: command lines, wire, files. Never waits for time to
//! pass, always for a thing to happen, and never without a deadline.
#![allow(clippy::print_stdout, reason = "a test's output is shown when it fails")]

pub mod admin;
pub mod browser;
pub mod chaos;
pub mod client;
pub mod follower;
pub mod job;
pub mod nginx;
pub mod ports;
pub mod process;
pub mod prometheus;
pub mod raw;
pub mod served;
pub mod socketio;
pub mod stack;
pub mod systems;
pub mod token;
pub mod tree;
pub mod wait;
pub mod wire;

pub use stack::{Stack, stack};
