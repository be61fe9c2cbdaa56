//! What comes from the client, on its way to the session.

use tokio::io::{AsyncRead, AsyncWrite};

use super::metrics::{ClosedBy, OK};
use super::{Connection, Farewell};
use crate::dialect::{DecodeError, Decoded, Speaker};
use crate::node::now_ms;
use crate::outbox::Frames;
use crate::session::Effect;
use crate::transport::ws::{Incoming, WsError, frame};

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Some if that is the end.
    pub(super) fn receive(&mut self, incoming: Option<Result<Incoming, WsError>>) -> Option<Farewell> {
        self.member.session.on_sign_of_life();
        let message = match incoming {
            None => return Some(None),
            Some(Err(error)) => return Some(error.close_code().map(|code| self.close(code))),
            Some(Ok(message)) => message,
        };
        if let Incoming::Text(_) | Incoming::Binary(_) = message {
            self.member.note_traffic();
        }
        let effects = match message {
            Incoming::Text(message) => {
                let metrics = &self.member.node.connection_metrics;
                metrics.received_bytes.inc_by(message.len() as u64);
                let dialect = self.member.outbox.format().dialect();
                let decoded = dialect.decode(&message, &self.speaker());
                self.take_in(decoded)
            }
            Incoming::Binary(message) => {
                let metrics = &self.member.node.connection_metrics;
                metrics.received_bytes.inc_by(message.len() as u64);
                let dialect = self.member.outbox.format().dialect();
                let decoded = dialect.decode_binary(&message, &self.speaker());
                self.take_in(decoded)
            }
            Incoming::Ping(payload) => {
                self.put(Frames::control(frame::pong(&payload)));
                Vec::new()
            }
            Incoming::Pong(_) => Vec::new(),
            Incoming::Close(reason) => {
                let code = reason.map(|(code, _)| code);
                self.member.ended = ClosedBy::Client(code);
                return Some(Some(match code {
                    Some(code) => frame::close(code, ""),
                    None => frame::close_without_code(),
                }));
            }
        };
        self.apply(effects)
    }

    /// What the dialect is to know of this connection now.
    pub(super) fn speaker(&self) -> Speaker<'_> {
        Speaker {
            entrance: &self.entrance,
            user: self.member.session.user(),
            session: self.member.outbox.session(),
            time_ms: now_ms(),
        }
    }

    fn take_in(&mut self, decoded: Result<Decoded, DecodeError>) -> Vec<Effect> {
        let session = &mut self.member.session;
        match decoded {
            Ok(Decoded::Request(request)) => return session.on_command(request),
            Ok(Decoded::Requests(requests)) => {
                let effects = requests
                    .into_iter()
                    .flat_map(|request| session.on_command(request));
                return effects.collect();
            }
            Err(error) => return session.on_rubbish(error),
            Ok(Decoded::Answer { action, message }) => {
                session.on_sense();
                self.count(action, OK);
                self.say(|out| out.extend_from_slice(&message));
            }
            Ok(Decoded::Nothing) => session.on_sense(),
            Ok(Decoded::Ignored) => {
                let dialect = self.member.outbox.format().dialect();
                self.member.node.connection_metrics.ignored(dialect.name());
            }
        }
        Vec::new()
    }
}
