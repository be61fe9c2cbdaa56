//! Whole connections: a node over the embedded backend, and clients on real sockets.

mod delivery;
mod ending;
mod harness;
mod jobs;
mod order;
mod presence;
mod rules;
mod size;
mod slow;
mod state;
