//! Nodes over real sockets: their HTTP API, admin port, what they do together, rubbish on the wire, and the
//! binary.

#![allow(
    clippy::expect_used,
    reason = "what a test's helper expects is part of what the test proves"
)]

mod access;
mod admin;
mod api;
mod app_events;
mod attacks;
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
mod jwks;
mod limits;
mod node;
mod permissions;
mod presence;
mod process;
mod rooms;
mod rpc;
mod rubbish;
mod sessions;
mod shutdown;
mod sign_in;
mod stream;
mod tls;
mod tokens;
mod users;
mod wire;
