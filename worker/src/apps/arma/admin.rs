//! What admins can have done: markers cleared, somebody sent away, something said to all.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidegate_shared::broker::BrokerError;
use tidegate_shared::call::{CallFailure, Caller};
use tidegate_shared::clock::now_ms;
use tidegate_shared::code::ErrorCode;
use tidegate_shared::control::Who;
use tidegate_shared::iso;
use tidegate_shared::name::{SessionId, StateKey, UserId};

use super::places::Places;
use crate::call::CallContext;

/// Longest announcement, in bytes.
const MESSAGE_LIMIT: usize = 2_048;
/// Markers that are removed at once.
const AT_ONCE: usize = 32;
/// Who says what is announced.
const SPEAKER: &str = "SERVER";

#[derive(Debug)]
pub(super) struct Admin {
    pub(super) places: Arc<Places>,
    pub(super) admins: Vec<String>,
}

/// Which markers: those of a user, those of a kind, or all.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Clear {
    #[serde(default)]
    user_id: Option<Value>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Cleared {
    removed: usize,
}

/// Whom: all connections of a user, one connection, or a player's place on the map.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kick {
    #[serde(default)]
    user: Option<UserId>,
    #[serde(default)]
    session: Option<SessionId>,
    #[serde(default)]
    user_id: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Announce {
    message: String,
}

/// As clients of the map say it.
#[derive(Serialize)]
struct Chat<'a> {
    r#type: &'static str,
    username: &'static str,
    message: &'a str,
    timestamp: String,
}

/// What a token may say of its user.
#[derive(Deserialize)]
struct Info {
    admin: bool,
}

/// It was done.
#[derive(Debug, Serialize)]
pub(super) struct Done {}

impl Admin {
    pub(super) async fn clear_markers(
        &self,
        which: Option<Clear>,
        context: &CallContext,
    ) -> Result<Cleared, CallFailure> {
        self.permit(context.caller())?;
        let which = which.unwrap_or_default();
        let markers = context.state(&self.places.markers).await?;
        let wanted = markers.into_iter().filter(|(_, marker)| {
            let marker: Value = serde_json::from_str(marker.as_str()).unwrap_or_default();
            let user = which.user_id.as_ref();
            let kind = which.kind.as_deref();
            user.is_none_or(|id| word(id).is_some() && word(&marker["user_id"]) == word(id))
                && kind.is_none_or(|kind| marker["type"].as_str() == Some(kind))
        });
        let keys: Vec<StateKey> = wanted.map(|(key, _)| key).collect();
        let removed = stream::iter(keys)
            .map(|key| async move { context.remove(&self.places.markers, &key).await })
            .buffer_unordered(AT_ONCE)
            .try_fold(0, async |count, published| {
                Ok::<_, BrokerError>(count + usize::from(published.changed))
            })
            .await?;
        Ok(Cleared { removed })
    }

    pub(super) async fn kick(&self, whom: Kick, context: &CallContext) -> Result<Done, CallFailure> {
        self.permit(context.caller())?;
        if whom.user.is_none() && whom.session.is_none() && whom.user_id.is_none() {
            return Err(CallFailure::new(
                ErrorCode::BadRequest,
                "whom? Name a `user`, a `session`, or the `user_id` of a player",
            ));
        }
        if let Some(user) = whom.user {
            context.disconnect(Who::User(user)).await?;
        }
        if let Some(session) = whom.session {
            context.disconnect(Who::Session(session)).await?;
        }
        let key = whom.user_id.as_ref().and_then(word);
        if let Some(key) = key.and_then(|key| StateKey::parse(&key).ok()) {
            context.remove(&self.places.positions, &key).await?;
        }
        Ok(Done {})
    }

    /// As chat, which every client shows.
    pub(super) async fn announce(&self, what: Announce, context: &CallContext) -> Result<Done, CallFailure> {
        self.permit(context.caller())?;
        let message = what.message.trim();
        if message.is_empty() || message.len() > MESSAGE_LIMIT {
            let text = format!("an announcement has 1 to {MESSAGE_LIMIT} bytes");
            return Err(CallFailure::new(ErrorCode::BadRequest, text));
        }
        let chat = Chat {
            r#type: "chat_message",
            username: SPEAKER,
            message,
            timestamp: iso::time(now_ms()),
        };
        context.publish(&self.places.chat, None, &chat).await?;
        Ok(Done {})
    }

    /// Whom the environment names, whose token says so, and who has a key to the HTTP API.
    fn permit(&self, caller: &Caller) -> Result<(), CallFailure> {
        let info = caller.info.as_ref();
        let says = info.and_then(|info| serde_json::from_str::<Info>(info.as_str()).ok());
        let named = caller.user.as_ref().is_some_and(|user| {
            let name = user.as_str();
            self.admins.iter().any(|admin| admin == name) || says.is_some_and(|info| info.admin)
        });
        let operator = caller.user.is_none() && caller.session.is_none();
        if named || operator {
            return Ok(());
        }
        Err(CallFailure::new(
            ErrorCode::Forbidden,
            "only admins may: users that ARMA_ADMINS names, or whose token has \"info\": {\"admin\": true}",
        ))
    }
}

/// An id as it is part of a key: a text or a number.
fn word(id: &Value) -> Option<String> {
    match id {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tidegate_shared::json::RawJson;

    use super::*;

    #[test]
    fn who_is_no_admin_may_not_command() {
        let admin = Admin {
            places: Arc::new(Places::new().expect("names")),
            admins: vec!["ann".into()],
        };
        let caller = |user: Option<&str>, info: Option<&str>| Caller {
            user: user.map(|user| UserId::parse(user).expect("a user")),
            session: Some(SessionId::new()),
            info: info.map(|info| RawJson::trusted(info.to_owned().into())),
        };
        assert!(admin.permit(&caller(Some("ann"), None)).is_ok());
        assert!(
            admin
                .permit(&caller(Some("bob"), Some(r#"{"admin":true}"#)))
                .is_ok()
        );
        assert!(admin.permit(&Caller::default()).is_ok(), "with a key of the API");
        for info in [
            None,
            Some("{}"),
            Some(r#"{"admin":false}"#),
            Some(r#"{"admin":"true"}"#),
        ] {
            assert!(admin.permit(&caller(Some("bob"), info)).is_err(), "{info:?}");
        }
        let nobody = caller(None, Some(r#"{"admin":true}"#));
        assert!(admin.permit(&nobody).is_err(), "without a name");
    }
}
