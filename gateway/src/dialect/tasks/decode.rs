//! What clients ask for.

use bytes::Bytes;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::MethodName;
use tidegate_shared::topic::Topic;

use super::encode::{AUTHENTICATED, NO_LONGER, NOW, WHO, status};
use super::known::{self, ALL, EVENT, MONITOR};
use crate::dialect::fields::Fields;
use crate::dialect::json::Object;
use crate::dialect::{CallRequest, Command, Decoded, Request, RequestId, Speaker};

pub(super) fn message(message: &Bytes, speaker: &Speaker<'_>) -> Decoded {
    let app = &speaker.entrance.app;
    let Some(fields) = Fields::parse(message) else {
        return error("A message is a JSON object with action and topic.");
    };
    let field = |name| fields.text(name).filter(|text| !text.is_empty());
    let action = field("action");
    if action.as_deref() == Some("authenticate") {
        return authenticate(field("token").as_deref(), speaker);
    }
    let (Some(action), Some(topic)) = (action, field("topic")) else {
        return error("Action and topic are required.");
    };
    // The id that the answer comes under is the topic, as the client spells it.
    let under = |sign: char| Some(RequestId::new(&format!("{sign}{topic}")));
    let known = Topic::parse(&format!("{app}:{topic}")).ok();
    match (&*action, known) {
        ("subscribe", Some(name)) => follow(app, &topic, name, under(NOW)),
        ("unsubscribe", Some(name)) => leave(&topic, name, under(NO_LONGER)),
        // Nothing can be published there; that is no reason to refuse.
        ("subscribe", None) => success("subscribe", &format!("Subscribed to topic '{topic}'")),
        ("unsubscribe", None) => success("unsubscribe", &format!("Unsubscribed from topic '{topic}'")),
        (other, _) => error(&format!("Unknown action: '{other}'")),
    }
}

/// What is chosen is heard before its client is told so. `name`: of the topic that has it alone.
fn follow(app: &str, topic: &str, name: Topic, id: Option<RequestId>) -> Decoded {
    let whole = || Topic::parse(&format!("{app}:{ALL}")).map(Request::follow).ok();
    let own = Request::granted(id, subscribe(name));
    if topic == ALL {
        let events = known::events().filter_map(|event| Topic::parse(&format!("{app}:{event}")).ok());
        let first = [choose(topic, true)].into_iter();
        return Decoded::InTurn(first.chain(events.map(Request::follow)).chain([own]).collect());
    }
    if topic.starts_with(EVENT) {
        let both = [Some(choose(topic, true)), whole(), Some(own)];
        return Decoded::InTurn(both.into_iter().flatten().collect());
    }
    let Some(server) = topic.strip_prefix(MONITOR) else {
        return own.into();
    };
    // The application may take its time to hear of it, or not be there.
    let all = [Some(choose(topic, true)), whole(), Some(own), watch(app, server)];
    Decoded::Requests(all.into_iter().flatten().collect())
}

/// Where events come from stays followed: what is not chosen is not heard.
fn leave(topic: &str, name: Topic, id: Option<RequestId>) -> Decoded {
    let unsubscribe = Request::granted(id.clone(), Command::Unsubscribe { topic: name });
    if topic == ALL || known::is_event(topic) {
        let deaf = Request {
            id,
            ..choose(topic, false)
        };
        return deaf.into();
    }
    Decoded::Requests(vec![choose(topic, false), unsubscribe])
}

fn choose(name: &str, chosen: bool) -> Request {
    let name = name.into();
    Request::granted(None, Command::Choose { name, chosen })
}

fn subscribe(topic: Topic) -> Command {
    Command::Subscribe {
        topic,
        since: None,
        presence: false,
    }
}

/// Tells the application that somebody wants to know what a server uses.
fn watch(app: &str, server: &str) -> Option<Request> {
    let mut data = Vec::new();
    let mut object = Object::begin(&mut data);
    object.text("server", server);
    object.end();
    let call = CallRequest {
        method: MethodName::parse(&format!("{app}.watch")).ok()?,
        data: RawJson::trusted(data.into()),
        timeout: None,
    };
    Some(Request::granted(None, Command::Call(Box::new(call))))
}

/// Without a token it is the cookie's that counts.
fn authenticate(token: Option<&str>, speaker: &Speaker<'_>) -> Decoded {
    match token {
        Some(token) => {
            let command = Command::Auth { token: token.into() };
            Request::new(Some(RequestId::new(&WHO.to_string())), command).into()
        }
        None if speaker.user.is_some() => success("auth", AUTHENTICATED),
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
