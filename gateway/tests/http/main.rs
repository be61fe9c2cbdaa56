//! Nodes over real sockets: their HTTP API, admin port, what they do together, rubbish on the wire, and the
//! binary.

#![allow(
    clippy::expect_used,
    reason = "what a test's helper expects is part of what the test proves"
)]

mod access;
mod admin;
mod api;
mod bridge;
mod calls;
mod client;
mod commands;
mod desk;
mod encodings;
mod endpoint;
mod events;
mod fleet;
mod following;
mod limits;
mod node;
mod permissions;
mod presence;
mod process;
mod rooms;
mod rubbish;
mod sessions;
mod shutdown;
mod stream;
mod tokens;
mod users;
mod wire;
