//! `tidegate sub`: each publication is a line; what happens to the connection is said on standard error.

use std::process::ExitCode;

use crate::args::Sub;
use crate::client::{Body, Entry, Event, Follower, Following, Notice, Step};
use crate::failure::Failure;
use crate::output::{self, plain};

pub(crate) async fn run(arguments: Sub) -> Result<ExitCode, Failure> {
    let readable = output::is_readable();
    let topics = arguments.topics.iter().map(ToString::to_string);
    let url = arguments.gateway.target()?;
    let mut following = Following::new(url, Follower::topics(topics), rand::random);
    let mut connected_before = false;
    loop {
        match following.next().await {
            Ok(Step::Event(Event::Entry(entry))) => output::line(&show(&entry, readable))?,
            Ok(Step::Event(event)) => {
                if let Some(text) = event_text(&event) {
                    output::notice(&text);
                }
            }
            Ok(Step::Notice(Notice::Connected)) => {
                if std::mem::replace(&mut connected_before, true) {
                    output::notice("connected again");
                }
            }
            Ok(Step::Notice(lost)) => output::notice(&lost.to_string()),
            Err(ended) => return Err(Failure::Failed(ended.to_string())),
        }
    }
}

fn show(entry: &Entry, readable: bool) -> String {
    if !readable {
        return entry.line.clone();
    }
    let offset = entry
        .offset
        .map_or_else(|| "-".to_owned(), |offset| format!("#{offset}"));
    let (event, data) = match &entry.body {
        Body::Message { data, event } => (event.as_deref(), data.get()),
        Body::Job(record) => (None, record.get()),
        Body::Other => (None, entry.line.as_str()),
    };
    let data = plain(&data.replace(['\n', '\r'], ""));
    match event {
        Some(event) => format!("{}  {offset}  [{}]  {data}", plain(&entry.topic), plain(event)),
        None => format!("{}  {offset}  {data}", plain(&entry.topic)),
    }
}

/// What the user should know of an event; `None` if nothing.
pub(crate) fn event_text(event: &Event) -> Option<String> {
    let text = match event {
        Event::Subscribed { topic, again: true } => {
            format!("{topic}: this topic keeps no log, so what was published in between is missed")
        }
        Event::Recovered { topic, count: 0 } => format!("{topic}: recovered, nothing was missed"),
        Event::Recovered { topic, count } => format!("{topic}: recovered {count} in between"),
        Event::Missed { topic, from, to } if from == to => format!("{topic}: missed {from}"),
        Event::Missed { topic, from, to } => format!("{topic}: missed {from}–{to}"),
        Event::Reset { topic, reason } => {
            format!("{topic}: its history began anew ({reason}); what was published in between is missed")
        }
        Event::Refused {
            topic: Some(topic),
            refusal,
        } => format!("{topic}: refused: {refusal}"),
        Event::Refused { topic: None, refusal } => format!("refused: {refusal}"),
        Event::GoAway { reason, .. } => format!("the gateway asks to reconnect ({reason})"),
        Event::Subscribed { again: false, .. } | Event::Entry(_) | Event::Submitted { .. } => return None,
    };
    Some(plain(&text))
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connected => f.write_str("connected"),
            Self::Lost { reason, wait } => {
                let seconds = wait.as_secs_f64();
                write!(f, "{}; trying again in {seconds:.1} s", plain(reason))
            }
        }
    }
}
