//! The transport over real TCP: against a client that is not ours, and against raw bytes.

#![expect(
    clippy::expect_used,
    reason = "a test fails by panicking, in its own functions too"
)]

mod accept;
mod client;
mod echo;
mod websocket;
