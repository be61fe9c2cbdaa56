//! What this node is told about calls: answers to those it made, and that one it runs is not wanted any more.

use std::collections::HashMap;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::call::{Answer, CallFailure, CallId};
use crate::code::ErrorCode;

/// What becomes of a call.
pub(super) type Outcome = Result<Answer, CallFailure>;

/// A message begins with one of these and the call's id.
const ANSWER: u8 = b'a';
const CANCEL: u8 = b'c';

#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Calls that this node made.
    asking: Mutex<HashMap<CallId, oneshot::Sender<Outcome>>>,
    /// Calls that this node runs.
    running: Mutex<HashMap<CallId, CancellationToken>>,
}

/// An answer on its way.
#[derive(Serialize, Deserialize)]
enum Written {
    #[serde(rename = "ok")]
    Ok(Answer),
    #[serde(rename = "no")]
    No(u16, String),
}

impl Answers {
    pub(super) fn ask(&self, id: CallId) -> oneshot::Receiver<Outcome> {
        let (sender, receiver) = oneshot::channel();
        self.asking.lock().insert(id, sender);
        receiver
    }

    /// Nobody waits for it any more.
    pub(super) fn forget(&self, id: CallId) {
        self.asking.lock().remove(&id);
    }

    pub(super) fn run(&self, id: CallId) -> CancellationToken {
        let cancelled = CancellationToken::new();
        self.running.lock().insert(id, cancelled.clone());
        cancelled
    }

    pub(super) fn ran(&self, id: CallId) {
        self.running.lock().remove(&id);
    }

    pub(super) fn hear(&self, message: &Bytes) {
        let Some((kind, id, rest)) = split(message) else {
            tracing::debug!("a message about a call is not understood");
            return;
        };
        if kind == CANCEL {
            if let Some(cancelled) = self.running.lock().get(&id) {
                cancelled.cancel();
            }
            return;
        }
        let asker = self.asking.lock().remove(&id);
        if let Some(asker) = asker {
            // It may have left meanwhile.
            let _ = asker.send(read(rest));
        }
    }
}

fn split(message: &Bytes) -> Option<(u8, CallId, &[u8])> {
    let (kind, rest) = message.split_first()?;
    let (id, rest) = rest.split_at_checked(CallId::LENGTH)?;
    let id = CallId::parse(std::str::from_utf8(id).ok()?)?;
    matches!(*kind, ANSWER | CANCEL).then_some((*kind, id, rest))
}

fn read(bytes: &[u8]) -> Outcome {
    match serde_json::from_slice(bytes) {
        Ok(Written::Ok(answer)) => Ok(answer),
        Ok(Written::No(code, message)) => {
            let code = ErrorCode::of_number(code).unwrap_or(ErrorCode::Internal);
            Err(CallFailure { code, message })
        }
        Err(_) => Err(CallFailure::new(ErrorCode::Internal, "the answer cannot be read")),
    }
}

pub(super) fn answer(id: CallId, outcome: Outcome) -> Bytes {
    let written = match outcome {
        Ok(answer) => Written::Ok(answer),
        Err(failure) => Written::No(failure.code.number(), failure.message),
    };
    let mut message = head(ANSWER, id);
    // Valid JSON and texts always serialise; if not, it is told as an answer that can't be read.
    let _ = serde_json::to_writer(&mut message, &written);
    message.into()
}

pub(super) fn cancel(id: CallId) -> Bytes {
    head(CANCEL, id).into()
}

fn head(kind: u8, id: CallId) -> Vec<u8> {
    let mut message = vec![kind];
    message.extend_from_slice(id.to_string().as_bytes());
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::RawJson;

    #[test]
    fn an_answer_reaches_who_asked_and_nobody_else() {
        let answers = Answers::default();
        let (id, other) = (CallId::random(), CallId::random());
        let (mut mine, mut others) = (answers.ask(id), answers.ask(other));
        let failure = CallFailure::new(ErrorCode::Conflict, "no \"luck\"");
        answers.hear(&answer(id, Err(failure.clone())));
        assert_eq!(mine.try_recv(), Ok(Err(failure)));
        assert!(others.try_recv().is_err());
        let said = Answer::new(RawJson::null());
        answers.hear(&answer(other, Ok(said.clone())));
        assert_eq!(others.try_recv(), Ok(Ok(said)));
        assert!(answers.asking.lock().is_empty());
    }

    #[test]
    fn rubbish_changes_nothing() {
        let answers = Answers::default();
        let id = CallId::random();
        let (mut asking, running) = (answers.ask(id), answers.run(id));
        for message in [
            "",
            "a",
            "a0",
            "x00000000000000000000000000000000{}",
            "agggggggggggggggggggggggggggggggg",
        ] {
            answers.hear(&Bytes::from_static(message.as_bytes()));
        }
        assert!(asking.try_recv().is_err());
        assert!(!running.is_cancelled());
        answers.hear(&cancel(id));
        assert!(running.is_cancelled());
    }
}
