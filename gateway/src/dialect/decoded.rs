//! What one message of a client asks for.

use super::Request;

#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    Request(Request),
    /// One after the other where they are about the same topic.
    Requests(Vec<Request>),
    /// One after the other, whatever they are about, and nothing else of the client's before they are done. If one
    /// cannot be done just now, the client has to come back.
    InTurn(Vec<Request>),
    /// It is answered by this one message, and concerns nobody else.
    Answer {
        /// What metrics call the command.
        action: &'static str,
        message: Vec<u8>,
    },
    /// There is nothing to do, and the dialect's clients expect no answer.
    Nothing,
    /// The dialect has no messages from clients. Operators are told now and then.
    Ignored,
}

impl From<Request> for Decoded {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}
