//! How commands that concern a topic start, when it is their turn.

use tidegate_shared::broker::{Draft, From};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::publication::Body;
use tidegate_shared::topic::Topic;

use super::{Begun, Session, Work, history_limit, members_limit, refuse};
use crate::dialect::{Command, Failure, Manner, Reply};

impl Session {
    pub(super) fn begin_command(&mut self, topic: &Topic, command: Command, manner: Manner) -> Begun {
        let Manner { quiet, granted, .. } = manner;
        let trace = self.trace(manner);
        let trusted = self.trusted || granted;
        let refused = refuse::command(&self.config, trusted, self.who(), topic, &command);
        let only = match refused {
            Ok(only) => only,
            Err(failure) => return Begun::Answered(Reply::Failed(failure)),
        };
        let topic = topic.clone();
        match command {
            Command::Subscribe { since, presence, .. } => {
                if self.subscriptions.contains(&topic) && !self.follows.has(&topic) {
                    return Begun::Answered(Reply::Failed(Failure::new(
                        ErrorCode::AlreadySubscribed,
                        format!("this connection is subscribed to {topic} already"),
                    )));
                }
                if let Err(failure) = self.check_room() {
                    return Begun::Answered(Reply::Failed(failure));
                }
                self.joining += 1;
                Begun::Takes(Work::Join {
                    topic,
                    since,
                    announced: false,
                    lists: presence,
                    only,
                })
            }
            Command::Unsubscribe { .. } => {
                self.leave_to_client(&topic);
                self.begin_unsubscribe(topic, false)
            }
            Command::Publish { data, event, key, .. } => {
                let mut draft = Draft::new(Body::Message { data, event });
                draft.key = key;
                draft.trace = trace;
                Begun::Takes(Work::Publish { topic, draft, quiet })
            }
            Command::Set { key, value, ttl, .. } => {
                let mut draft = Draft::new(Body::Set { key, value });
                draft.ttl = ttl;
                draft.trace = trace;
                Begun::Takes(Work::Publish { topic, draft, quiet })
            }
            Command::Remove { key, .. } => {
                let mut draft = Draft::new(Body::Remove { key, expired: false });
                draft.trace = trace;
                Begun::Takes(Work::Publish { topic, draft, quiet })
            }
            Command::Presence { limit, .. } => Begun::Takes(Work::Presence {
                topic,
                limit: members_limit(limit),
            }),
            Command::History { since, limit, .. } => Begun::Takes(Work::History {
                topic,
                from: since.map_or(From::Newest, From::After),
                limit: history_limit(limit),
                only,
            }),
            // These have no topic, so they never get here.
            Command::Ping
            | Command::Auth { .. }
            | Command::Login { .. }
            | Command::Submit(_)
            | Command::Call(_)
            | Command::Choose { .. }
            | Command::Cancel { .. } => Begun::Answered(Reply::Pong),
        }
    }

    /// Whether there may be one more subscription.
    pub(super) fn check_room(&self) -> Result<(), Failure> {
        let limit = self.config.limits.subscriptions_per_connection;
        let own = self.subscriptions.len().saturating_sub(self.follows.len());
        if own + usize::from(self.joining) < limit {
            return Ok(());
        }
        Err(Failure::new(
            ErrorCode::LimitExceeded,
            format!("a connection may have {limit} subscriptions: unsubscribe from another topic first"),
        ))
    }
}
