//! One gateway node, as a library: [`run`] serves clients and operators until told to stop.
//!
//! `transport` knows sockets, `dialect` the wire, `session` what a client may do and has asked for,
//! `hub` who listens to what on this node. What flows where is in ARCHITECTURE.md.

mod admin;
pub mod connection;
pub mod dialect;
pub mod hub;
pub mod node;
mod outbox;
mod run;
mod session;
pub mod transport;

pub use run::{Listeners, Options, RunError, run};
