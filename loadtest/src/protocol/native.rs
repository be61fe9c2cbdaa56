//! Tidegate's JSON. Fields are looked for as bytes, which is cheap, and right for frames whose `data` is ours.

use crate::audit::{Position, contains, field, last_number, number};
use crate::frame;
use crate::protocol::{Heard, Protocol};

pub(crate) struct Native;

impl Protocol for Native {
    fn subscribe(&self, topic: &str, since: Option<&Position>) -> Option<Vec<u8>> {
        let since = since.map(|at| {
            let tag = match &*at.tag {
                "" => String::new(),
                tag => format!(",\"tag\":\"{tag}\""),
            };
            format!(
                ",\"since\":{{\"epoch\":\"{}\",\"offset\":{}{tag}}}",
                at.epoch, at.offset
            )
        });
        let since = since.unwrap_or_default();
        let command = format!("{{\"action\":\"subscribe\",\"id\":1,\"topic\":\"{topic}\"{since}}}");
        Some(frame::masked(frame::TEXT, command.as_bytes()))
    }

    fn hear(&self, text: &[u8], heard: &mut dyn FnMut(Heard<'_>)) -> usize {
        heard(meaning(text));
        text.len()
    }

    fn publication(&self, topic: &str, data: &[u8], out: &mut Vec<u8>) {
        let head = format!("{{\"action\":\"publish\",\"topic\":\"{topic}\",\"data\":");
        out.extend(frame::masked(
            frame::TEXT,
            &[head.as_bytes(), data, b"}"].concat(),
        ));
    }
}

fn meaning(text: &[u8]) -> Heard<'_> {
    if contains(text, b"\"type\":\"submitted\"") || contains(text, b"\"topic\":\"job:") {
        return Heard::Job(text);
    }
    if contains(text, b"\"type\":\"message\"") {
        return Heard::Message {
            text,
            offset: offset(text),
        };
    }
    if contains(text, b"\"type\":\"subscribed\"") {
        let position = offset(text).map(|offset| Position {
            epoch: field(text, b"\"epoch\":\"").unwrap_or_default().into(),
            offset,
            tag: field(text, b"\"tag\":\"").unwrap_or_default().into(),
        });
        let recovered = number_after(text, b"\"recovered\":", b"true")
            .then_some(true)
            .or_else(|| number_after(text, b"\"recovered\":", b"false").then_some(false));
        return Heard::Subscribed { position, recovered };
    }
    if contains(text, b"\"type\":\"lagged\"") || contains(text, b"\"type\":\"reset\"") {
        return Heard::Told;
    }
    if contains(text, b"\"type\":\"goaway\"") {
        return Heard::Goaway(number(text, b"\"reconnect_after_ms\":").unwrap_or_default());
    }
    if contains(text, b"\"type\":\"error\"") {
        return Heard::Refused(text);
    }
    Heard::Other
}

/// Of a push: its offset stands behind its data.
fn offset(text: &[u8]) -> Option<u64> {
    last_number(text, b"\"offset\":")
}

fn number_after(text: &[u8], key: &[u8], value: &[u8]) -> bool {
    text.windows(key.len() + value.len())
        .any(|window| window.starts_with(key) && window.ends_with(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_says_where_it_is_and_can_be_resumed_from_there() {
        let text = br#"{"type":"subscribed","id":1,"topic":"t","epoch":"ab","offset":7,"tag":"xy","recovered":true}"#;
        let position = Position {
            epoch: "ab".into(),
            offset: 7,
            tag: "xy".into(),
        };
        let all = Heard::Subscribed {
            position: Some(position.clone()),
            recovered: Some(true),
        };
        assert_eq!(meaning(text), all);
        let command = Native.subscribe("t", Some(&position)).unwrap_or_default();
        assert!(command.ends_with(br#""topic":"t","since":{"epoch":"ab","offset":7,"tag":"xy"}}"#));
    }

    #[test]
    fn the_offset_of_a_push_is_not_looked_for_in_its_data() {
        let text = br#"{"type":"message","topic":"t","data":{"offset":1},"offset":12,"tag":"a"}"#;
        assert_eq!(
            meaning(text),
            Heard::Message {
                text,
                offset: Some(12)
            }
        );
        assert_eq!(
            meaning(br#"{"type":"goaway","reason":"shutdown","reconnect_after_ms":40}"#),
            Heard::Goaway(40)
        );
    }
}
