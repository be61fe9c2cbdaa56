//! What comes from the client, on its way to the session.

use tidegate_shared::clock::now_ms;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::metrics::{ClosedBy, OK};
use super::{Connection, Farewell};
use crate::dialect::{Command, DecodeError, Decoded, Speaker};
use crate::outbox::Frames;
use crate::session::{Effect, INVALID, Session};
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
                let refused = self.member.session.over_rate_silently(Instant::now());
                refused.unwrap_or_else(|| {
                    self.put(Frames::control(frame::pong(&payload)));
                    Vec::new()
                })
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
        if session.is_stranger() && !introduces(&decoded) {
            return Session::turn_away();
        }
        let now = Instant::now();
        let mut command = |request| session.on_request(request, now);
        match decoded {
            Ok(Decoded::Request(request)) => return command(request),
            Ok(Decoded::Requests(requests)) => return requests.into_iter().flat_map(command).collect(),
            Err(error) => {
                let refused = session.over_rate(now, INVALID, error.id());
                return refused.unwrap_or_else(|| session.on_rubbish(error));
            }
            Ok(Decoded::InTurn(requests)) => {
                let id = requests.iter().find_map(|one| one.id.as_ref());
                if !requests.iter().any(|one| session.takes_free_one(one))
                    && let Some(refused) = session.over_rate(now, "subscribe", id)
                {
                    return refused;
                }
                session.on_sense();
                return session.greet(requests);
            }
            Ok(Decoded::Answer { action, message }) => {
                if let Some(refused) = session.over_rate(now, action, None) {
                    return refused;
                }
                session.on_sense();
                self.count(action, OK);
                self.member.say(|out| out.extend_from_slice(&message));
            }
            Ok(Decoded::Nothing) => {
                session.on_sense();
                return session.over_rate_silently(now).unwrap_or_default();
            }
            Ok(Decoded::Ignored) => {
                if let Some(refused) = session.over_rate_silently(now) {
                    return refused;
                }
                let dialect = self.member.outbox.format().dialect();
                self.member.node.connection_metrics.ignored(dialect.name());
            }
        }
        Vec::new()
    }
}

/// Whether the client says who it is, and nothing else.
fn introduces(decoded: &Result<Decoded, DecodeError>) -> bool {
    let Ok(Decoded::Request(request)) = decoded else {
        return false;
    };
    matches!(request.command, Command::Auth { .. } | Command::Login { .. })
}
