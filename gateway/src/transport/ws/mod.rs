//! WebSocket (RFC 6455) with compressed messages (RFC 7692), server side: the handshake, and the frames
//! over the raw stream after it.
//!
//! Relies on nothing but a byte stream. Never holds a buffer for a connection that is idle, never
//! knows what the messages mean.

mod close;
mod decode;
mod deflate;
mod echo;
mod extension;
pub mod frame;
mod handshake;
mod header;
mod inflate;
mod mask;
mod message;
mod origin;
mod queue;
mod scratch;
mod socket;
mod violation;
#[cfg(test)]
mod wire;

pub use decode::Decoder;
pub use echo::echo;
pub use extension::Window;
pub(crate) use handshake::origin_allowed;
pub use handshake::{Handshake, KeepBack, Opening, Refusal, Upgradable, UpgradeError, accept};
pub use message::Incoming;
pub use origin::{OriginError, Origins};
pub use queue::SendQueue;
pub(crate) use queue::{SLICES, gather};
pub use socket::{WebSocket, WsError};
pub use violation::Violation;
