//! `POST /api/disconnect`, `/api/subscribe` and `/api/unsubscribe`: a session or a user, on whichever node
//! it lives.

use serde::{Deserialize, Serialize};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::name::{SessionId, UserId};
use tidegate_shared::topic::{Reserved, Topic};

use super::Api;
use crate::control::{Place, Reached, What, Who};
use crate::transport::http::Problem;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Disconnect {
    #[serde(default)]
    session: Option<SessionId>,
    #[serde(default)]
    user: Option<UserId>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Subscribe {
    #[serde(default)]
    session: Option<SessionId>,
    #[serde(default)]
    user: Option<UserId>,
    topic: Topic,
    #[serde(default)]
    since: Option<Place>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unsubscribe {
    #[serde(default)]
    session: Option<SessionId>,
    #[serde(default)]
    user: Option<UserId>,
    topic: Topic,
}

/// How far it went.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    connections: usize,
    nodes: usize,
    answered: usize,
}

impl Disconnect {
    pub(super) async fn run(self, api: &Api) -> Result<Answer, Problem> {
        ask(api, who(self.session, self.user)?, What::Disconnect).await
    }
}

impl Subscribe {
    pub(super) async fn run(self, api: &Api) -> Result<Answer, Problem> {
        let Self {
            session,
            user,
            topic,
            since,
        } = self;
        if topic.reserved() == Some(Reserved::Nothing) {
            return Err(Problem::new(
                ErrorCode::UnknownTopic,
                format!("topic {topic} names nothing that can exist"),
            ));
        }
        ask(api, who(session, user)?, What::Subscribe { topic, since }).await
    }
}

impl Unsubscribe {
    pub(super) async fn run(self, api: &Api) -> Result<Answer, Problem> {
        let Self { session, user, topic } = self;
        ask(api, who(session, user)?, What::Unsubscribe { topic }).await
    }
}

fn who(session: Option<SessionId>, user: Option<UserId>) -> Result<Who, Problem> {
    match (session, user) {
        (Some(session), None) => Ok(Who::Session(session)),
        (None, Some(user)) => Ok(Who::User(user)),
        _ => Err(Problem::bad_request("name either a `session` or a `user`")),
    }
}

/// A session that no node has is not found; a user may well be away.
async fn ask(api: &Api, who: Who, what: What) -> Result<Answer, Problem> {
    let is_session = matches!(who, Who::Session(_));
    let reached: Reached = api.gate.node().ask(who, what).await?;
    if is_session && reached.connections == 0 && reached.is_complete() {
        return Err(Problem::new(
            ErrorCode::NotFound,
            "no node has this session, or it cannot do that: it has ended, or is an event stream",
        ));
    }
    let Reached {
        connections,
        nodes,
        answered,
    } = reached;
    Ok(Answer {
        connections,
        nodes,
        answered,
    })
}
