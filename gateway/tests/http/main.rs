//! One node over real sockets: its HTTP API, its admin port, rubbish on the wire, and the binary.

#![allow(
    clippy::expect_used,
    reason = "what a test's helper expects is part of what the test proves"
)]

mod access;
mod admin;
mod api;
mod commands;
mod desk;
mod encodings;
mod endpoint;
mod events;
mod node;
mod process;
mod rubbish;
mod sessions;
mod shutdown;
mod tokens;
mod wire;
