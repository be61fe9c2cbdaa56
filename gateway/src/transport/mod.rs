//! What knows sockets, and nothing else: HTTP and WebSocket.

pub mod http;
pub mod ws;
