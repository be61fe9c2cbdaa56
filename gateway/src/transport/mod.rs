//! What knows sockets, and nothing else: HTTP, event streams and WebSocket, and the loop that accepts for
//! all of them.

pub mod accept;
pub(crate) mod engineio;
pub mod http;
mod sse;
pub mod ws;
