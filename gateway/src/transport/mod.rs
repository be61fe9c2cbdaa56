//! What knows sockets, and nothing else: HTTP and WebSocket, and the loop that accepts for both.

pub mod accept;
pub mod http;
pub mod ws;
