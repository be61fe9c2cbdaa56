//! A job's log lines, as they are shown above its bar. Lenient: what is no log line of ours is shown as it is.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::output::plain;

#[derive(Deserialize)]
struct Line {
    level: String,
    message: String,
}

/// One line for each line of the message, with its level unless that is the usual one.
pub(super) fn shown(event: Option<&str>, data: &RawValue) -> Vec<String> {
    let Ok(Line { level, message }) = serde_json::from_str(data.get()) else {
        let event = event.map_or_else(String::new, |event| format!("[{event}] "));
        return vec![plain(&format!("{event}{}", data.get().replace(['\n', '\r'], "")))];
    };
    let level = if level == "info" {
        String::new()
    } else {
        format!("{level}: ")
    };
    message
        .lines()
        .map(|line| plain(&format!("{level}{}", line.replace('\t', "    "))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(event: Option<&str>, data: &str) -> Vec<String> {
        shown(event, &RawValue::from_string(data.to_owned()).expect("JSON"))
    }

    #[test]
    fn a_log_line_is_its_message_and_tells_its_level_where_it_matters() {
        let line = |level| format!(r#"{{"level":"{level}","message":"3 files"}}"#);
        assert_eq!(of(Some("log"), &line("info")), ["3 files"]);
        assert_eq!(of(Some("log"), &line("warn")), ["warn: 3 files"]);
    }

    #[test]
    fn a_message_of_several_lines_stays_several_and_commands_no_terminal() {
        let data = r#"{"level":"error","message":"a\n\tb\u001b[2J"}"#;
        assert_eq!(of(Some("log"), data), ["error: a", "error:     b\u{fffd}[2J"]);
    }

    #[test]
    fn what_is_no_log_line_is_shown_as_it_is() {
        assert_eq!(of(Some("note"), r#"{"a": 1}"#), [r#"[note] {"a": 1}"#]);
        assert_eq!(of(None, "7"), ["7"]);
    }
}
