//! What a request for an event stream asks for.

use std::sync::Arc;

use axum::extract::Query;
use axum::http::{HeaderMap, HeaderName, Uri};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::position::{Epoch, Since};
use tidegate_shared::topic::Topic;

use crate::connection::stream::Wanted;
use crate::dialect::Format;
use crate::dialect::events::Cursor;
use crate::identity::Identity;
use crate::transport::http::Problem;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What the client says of where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// It comes for the first time.
    New,
    At(Cursor),
    /// It hands back what is not of our making.
    Unreadable,
}

/// The topics of `?topic=a&topic=b`, each once.
pub(super) fn topics(uri: &Uri, most: usize) -> Result<Vec<Topic>, Problem> {
    let most = most.min(Cursor::TOPICS);
    let mut topics: Vec<Topic> = Vec::new();
    for (name, value) in pairs(uri)? {
        if name != "topic" {
            continue;
        }
        let topic = Topic::parse(&value)?;
        if topics.contains(&topic) {
            continue;
        }
        if topics.len() == most {
            return Err(Problem::new(
                ErrorCode::LimitExceeded,
                format!("an event stream may have {most} topics: open another one for the rest"),
            ));
        }
        topics.push(topic);
    }
    if topics.is_empty() {
        return Err(Problem::bad_request(
            "no topic is named: ask for `/events?topic=a`, with `&topic=b` for each further one",
        ));
    }
    Ok(topics)
}

/// The header of a client that comes back; where there is none, `last_event_id` of the query.
pub(super) fn cursor(headers: &HeaderMap, uri: &Uri) -> Stand {
    let of_query = || {
        let pairs = pairs(uri).unwrap_or_default();
        let found = pairs.into_iter().find(|(name, _)| name == "last_event_id");
        found.map(|(_, value)| value)
    };
    let text = match headers.get(LAST_EVENT_ID) {
        Some(value) => Some(String::from_utf8_lossy(value.as_bytes()).into_owned()),
        None => of_query(),
    };
    match text.as_deref().map(str::trim) {
        None | Some("") => Stand::New,
        Some(text) => Cursor::parse(text).map_or(Stand::Unreadable, Stand::At),
    }
}

pub(super) fn wanted(identity: Option<Identity>, topics: Vec<Topic>, stand: Stand) -> Wanted {
    let (cursor, is_foreign) = match stand {
        Stand::New => (Cursor::default(), false),
        Stand::At(mut cursor) => {
            cursor.retain(&topics);
            let is_foreign = cursor.is_empty();
            (cursor, is_foreign)
        }
        Stand::Unreadable => (Cursor::default(), true),
    };
    let since = |topic: &Topic| match cursor.position(topic) {
        Some(position) => Some(position.into()),
        // Nothing follows it, and the client is told so.
        None if is_foreign => Some(Since {
            epoch: Epoch::from_wire("?"),
            offset: 0,
            tag: None,
        }),
        // It has not been told that it follows this topic.
        None => None,
    };
    Wanted {
        format: Format::EVENTS,
        topics: topics
            .into_iter()
            .map(|topic| {
                let since = since(&topic);
                (topic, since)
            })
            .collect(),
        cursor,
        identity: identity.map(Arc::new),
        from: None,
        trusted: false,
    }
}

fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
    pairs
        .map(|Query(pairs)| pairs)
        .map_err(|_| Problem::bad_request("the query is not of the form `topic=a&topic=b`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(query: &str) -> Result<Vec<String>, u16> {
        let uri: Uri = format!("/events?{query}").parse().expect("a URI");
        let topics = topics(&uri, 3).map_err(|problem| problem.code().number())?;
        Ok(topics.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn topics_come_from_the_query_once_each_and_not_too_many() {
        let some = names("topic=a&x=1&topic=chat%3Ab%2Bc&topic=a").expect("valid");
        assert_eq!(some, ["a", "chat:b+c"]);
        assert_eq!(names("topic=a&topic=b&topic=c&topic=d"), Err(106));
        for bad in ["", "topics=a", "topic=", "topic=a+b", "topic=%7Bx"] {
            assert_eq!(names(bad), Err(103), "{bad}");
        }
    }

    #[test]
    fn the_header_wins_over_the_query_and_rubbish_is_told_from_nothing() {
        let uri: Uri = "/events?topic=a&last_event_id=1".parse().expect("a URI");
        let with =
            |text: &'static str| HeaderMap::from_iter([(LAST_EVENT_ID, text.parse().expect("a header"))]);
        assert_eq!(cursor(&HeaderMap::new(), &uri), Stand::At(Cursor::default()));
        assert_eq!(cursor(&with("what"), &uri), Stand::Unreadable);
        assert_eq!(cursor(&with(""), &uri), Stand::New);
    }

    #[test]
    fn a_foreign_cursor_begins_anew_and_matches_nothing() {
        let topic = Topic::parse("a").expect("valid");
        for stand in [Stand::Unreadable, Stand::At(Cursor::default())] {
            let wanted = wanted(None, vec![topic.clone()], stand);
            assert!(wanted.topics.iter().all(|(_, since)| since.is_some()));
        }
        let wanted = wanted(None, vec![topic], Stand::New);
        assert!(wanted.topics.iter().all(|(_, since)| since.is_none()));
    }
}
