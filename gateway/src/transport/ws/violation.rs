//! How a client can break the protocol, and the close code that answers it.

use thiserror::Error;
use tidegate_shared::code::CloseCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Violation {
    #[error("a frame is not masked")]
    Unmasked,
    #[error("a reserved bit is set")]
    ReservedBits,
    #[error("opcode {0} is reserved")]
    ReservedOpCode(u8),
    #[error("a length is not in its shortest form")]
    LengthNotMinimal,
    #[error("a length has its highest bit set")]
    LengthTooLarge,
    #[error("a control frame is fragmented")]
    FragmentedControl,
    #[error("a control frame has more than 125 bytes")]
    LongControl,
    #[error("a continuation without a message to continue")]
    NothingToContinue,
    #[error("a new message before the last one ended")]
    MessageInMessage,
    #[error("a close frame's payload has one byte")]
    CloseOfOneByte,
    #[error("close code {0} may not be sent")]
    CloseCode(u16),
    #[error("a text is not UTF-8")]
    NotUtf8,
    #[error("a message marked as compressed is not")]
    NotDeflate,
    #[error("a message has more than {limit} bytes")]
    TooBig { limit: usize },
}

impl Violation {
    /// What the close frame to the client says.
    pub fn close_code(self) -> CloseCode {
        match self {
            Self::NotUtf8 | Self::NotDeflate => CloseCode::InvalidPayload,
            Self::TooBig { .. } => CloseCode::MessageTooBig,
            _ => CloseCode::ProtocolError,
        }
    }
}
