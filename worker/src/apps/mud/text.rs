//! What players write, before anybody else sees it.

use serde_json::{Map, Value};

/// Levels of objects and lists in one message.
const DEPTH: usize = 16;

/// Longest line of a player, in characters.
pub(super) const LINE_LIMIT: usize = 500;

/// Without control characters and surplus white space, at most [`LINE_LIMIT`] characters.
pub(super) fn clean(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(LINE_LIMIT));
    let mut space = true;
    for character in text
        .chars()
        .filter(|character| visible(*character))
        .take(LINE_LIMIT)
    {
        if character.is_whitespace() {
            if !space {
                line.push(' ');
            }
            space = true;
        } else {
            line.push(character);
            space = false;
        }
    }
    line.truncate(line.trim_end().len());
    line
}

/// Line breaks are white space; other control characters, and those that turn the direction of writing,
/// would let one player write into another's line.
fn visible(character: char) -> bool {
    let turns =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (!character.is_control() || character.is_whitespace()) && !turns
}

/// The texts within a message that others get as data: cleaned, and without what could begin markup. What is
/// nested deeper than [`DEPTH`] is left out.
pub(super) fn neutral(message: Map<String, Value>) -> Map<String, Value> {
    match neutral_value(Value::Object(message), DEPTH) {
        Value::Object(message) => message,
        _ => Map::new(),
    }
}

fn neutral_value(value: Value, depth: usize) -> Value {
    match value {
        Value::String(text) => Value::String(neutral_text(&text)),
        Value::Array(_) | Value::Object(_) if depth == 0 => Value::Null,
        Value::Array(items) => items
            .into_iter()
            .map(|item| neutral_value(item, depth - 1))
            .collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (neutral_text(&name), neutral_value(value, depth - 1)))
            .collect(),
        other => other,
    }
}

fn neutral_text(text: &str) -> String {
    clean(text).replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::apps::html::escape;

    #[test]
    fn what_is_not_seen_is_taken_away() {
        assert_eq!(clean("  hi\u{7}\n\tthere\u{202e} "), "hi there");
        assert_eq!(clean(&"a".repeat(10_000)).len(), LINE_LIMIT);
        assert_eq!(clean("\u{0}"), "");
    }

    #[test]
    fn a_message_keeps_its_shape_and_loses_its_markup() {
        let Value::Object(message) = json!({"action": "say", "data": ["<b>", 1, null], "n": {"<": true}})
        else {
            panic!("an object");
        };
        assert_eq!(
            Value::Object(neutral(message)),
            json!({"action": "say", "data": ["&lt;b&gt;", 1, null], "n": {"&lt;": true}})
        );
    }

    #[test]
    fn html_is_text() {
        assert_eq!(
            escape("<img onerror='x'> & \"y\""),
            "&lt;img onerror=&#x27;x&#x27;&gt; &amp; &quot;y&quot;"
        );
    }
}
