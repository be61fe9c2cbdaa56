//! One gateway node, as a library: [`run`] serves clients and operators until told to stop.
//!
//! `transport` knows sockets, `dialect` the wire, `session` what a client may do and has asked for,
//! `hub` who listens to what on this node. What flows where is in ARCHITECTURE.md.

mod admin;
mod run;
pub mod transport;

pub use run::{Listeners, Options, RunError, run};
