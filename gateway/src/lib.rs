//! One gateway node, as a library: [`run`] serves clients and operators until told to stop.
//!
//! `transport` knows sockets, `dialect` the wire, `session` what a client may do and has asked for,
//! `hub` who listens to what on this node. What flows where is in ARCHITECTURE.md.

mod admin;
mod advertise;
mod calls;
mod capacity;
pub mod connection;
mod control;
pub mod dialect;
mod drain;
mod following;
pub mod hub;
pub mod identity;
mod listeners;
pub mod node;
mod outbox;
mod permission;
mod presence;
mod publishing;
mod rate;
mod run;
mod session;
mod steps;
pub mod transport;

pub use capacity::raise_descriptor_limit;
pub use listeners::{BindError, Listeners};
pub use run::{Options, RunError, run};
