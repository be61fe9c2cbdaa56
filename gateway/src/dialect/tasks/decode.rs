//! What clients ask for.

use bytes::Bytes;
use tidegate_shared::topic::Topic;

use super::encode::{NO_LONGER, NOW, WHO, status};
use crate::dialect::fields::Fields;
use crate::dialect::{Command, Decoded, Request, RequestId};

pub(super) fn message(message: &Bytes, app: &str) -> Decoded {
    let Some(fields) = Fields::parse(message) else {
        return error("A message is a JSON object with action and topic.");
    };
    let field = |name| fields.text(name).filter(|text| !text.is_empty());
    let action = field("action");
    if action.as_deref() == Some("authenticate") {
        return authenticate(field("token").as_deref());
    }
    let (Some(action), Some(topic)) = (action, field("topic")) else {
        return error("Action and topic are required.");
    };
    // The id that the answer comes under is the topic, as the client spells it.
    let under = |sign: char| Some(RequestId::new(&format!("{sign}{topic}")));
    let known = Topic::parse(&format!("{app}:{topic}")).ok();
    match (&*action, known) {
        ("subscribe", Some(topic)) => {
            let command = Command::Subscribe {
                topic,
                since: None,
                presence: false,
            };
            Request::granted(under(NOW), command).into()
        }
        ("unsubscribe", Some(topic)) => {
            Request::granted(under(NO_LONGER), Command::Unsubscribe { topic }).into()
        }
        // Nothing can be published there; that is no reason to refuse.
        ("subscribe", None) => success("subscribe", &format!("Subscribed to topic '{topic}'")),
        ("unsubscribe", None) => success("unsubscribe", &format!("Unsubscribed from topic '{topic}'")),
        (other, _) => error(&format!("Unknown action: '{other}'")),
    }
}

fn authenticate(token: Option<&str>) -> Decoded {
    match token {
        Some(token) => {
            let command = Command::Auth { token: token.into() };
            Request::new(Some(RequestId::new(&WHO.to_string())), command).into()
        }
        None => error("A token is required."),
    }
}

fn success(action: &'static str, text: &str) -> Decoded {
    let mut message = Vec::new();
    status("success", text, &mut message);
    Decoded::Answer { action, message }
}

fn error(text: &str) -> Decoded {
    let mut message = Vec::new();
    status("error", text, &mut message);
    Decoded::Answer {
        action: "invalid",
        message,
    }
}
