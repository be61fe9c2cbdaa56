//! What clients ask for.

use bytes::Bytes;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::MethodName;
use tidegate_shared::topic::Topic;

use super::encode::{AUTHENTICATED, NO_LONGER, NOW, WHO, status};
use super::known;
use crate::dialect::fields::Fields;
use crate::dialect::json::Object;
use crate::dialect::{CallRequest, Command, Decoded, Request, RequestId, Speaker};

/// All events.
const ALL: &str = "*";
/// What a server uses.
const MONITOR: &str = "resource-monitor:";

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
        ("subscribe", Some(name)) => {
            let first = Request::granted(under(NOW), subscribe(name));
            match topic.strip_prefix(MONITOR).and_then(|server| watch(app, server)) {
                Some(watch) => Decoded::Requests(vec![first, watch]),
                None => with_all(app, &topic, first, subscribe),
            }
        }
        ("unsubscribe", Some(name)) => {
            let first = Request::granted(under(NO_LONGER), unsubscribe(name));
            with_all(app, &topic, first, unsubscribe)
        }
        // Nothing can be published there; that is no reason to refuse.
        ("subscribe", None) => success("subscribe", &format!("Subscribed to topic '{topic}'")),
        ("unsubscribe", None) => success("unsubscribe", &format!("Unsubscribed from topic '{topic}'")),
        (other, _) => error(&format!("Unknown action: '{other}'")),
    }
}

fn subscribe(topic: Topic) -> Command {
    Command::Subscribe {
        topic,
        since: None,
        presence: false,
    }
}

fn unsubscribe(topic: Topic) -> Command {
    Command::Unsubscribe { topic }
}

/// If it is about all events: the same for each of them, of which nobody is told.
fn with_all(app: &str, topic: &str, first: Request, command: fn(Topic) -> Command) -> Decoded {
    if topic != ALL {
        return first.into();
    }
    let topics = known::events().filter_map(|event| Topic::parse(&format!("{app}:{event}")).ok());
    let rest = topics.map(|topic| Request::granted(None, command(topic)));
    // Who is answered follows all of them.
    Decoded::InTurn(rest.chain([first]).collect())
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
