//! What a line says about progress, if it does.

use serde::Deserialize;
use serde_json::value::RawValue;
use tidegate_shared::job::{Percent, Progress};
use tidegate_shared::json::RawJson;

/// A progress line as JSON. Anything else in it, and it is something else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spelled {
    percent: Option<f64>,
    message: Option<String>,
    progress: Option<Box<RawValue>>,
}

/// `{"percent": 42, "message": "converting", "progress": {…}}` with at least one of the first two.
pub(crate) fn json(line: &str) -> Option<Progress> {
    // Cheaper than failing to parse, and what most lines are.
    if !line.trim_start().starts_with('{') {
        return None;
    }
    let spelled: Spelled = serde_json::from_str(line).ok()?;
    if spelled.percent.is_none() && spelled.message.is_none() {
        return None;
    }
    Some(Progress {
        percent: spelled.percent.map(Percent::new),
        message: spelled.message,
        detail: spelled.progress.map(RawJson::from),
    })
}

/// `42 converting`, `42.5% converting`, or `42%`.
pub(crate) fn plain(line: &str) -> Option<Progress> {
    let line = line.trim();
    let (number, message) = line
        .split_once(char::is_whitespace)
        .map_or((line, ""), |(number, message)| (number, message.trim_start()));
    let digits = number.strip_suffix('%').unwrap_or(number);
    // The syntax of numbers knows more than people write: `inf`, `1e2`, `+1`.
    let written = |c: char| c.is_ascii_digit() || c == '.';
    if !digits.starts_with(|c: char| c.is_ascii_digit()) || !digits.chars().all(written) {
        return None;
    }
    let percent: f64 = digits.parse().ok()?;
    if percent > 100.0 || (message.is_empty() && digits == number) {
        return None;
    }
    Some(Progress {
        percent: Some(Percent::new(percent)),
        message: (!message.is_empty()).then(|| message.to_owned()),
        detail: None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(progress: Option<Progress>) -> Option<(Option<f64>, Option<String>)> {
        progress.map(|progress| (progress.percent.map(Percent::get), progress.message))
    }

    #[test]
    fn json_with_percent_or_message_and_nothing_else_is_progress() {
        let some = |percent, message: Option<&str>| Some((percent, message.map(str::to_owned)));
        assert_eq!(
            read(json(r#"{"percent":42,"message":"x","progress":[1]}"#)),
            some(Some(42.0), Some("x"))
        );
        assert_eq!(read(json(r#" {"percent": 1e9} "#)), some(Some(100.0), None));
        assert_eq!(read(json(r#"{"message":"x"}"#)), some(None, Some("x")));
        for line in [
            "",
            "42",
            "{}",
            "[]",
            "null",
            r#"{"progress":1}"#,
            r#"{"percent":"42"}"#,
            r#"{"percent":42,"rows":7}"#,
            r#"{"percent":42"#,
            r#"{"percent":42} {}"#,
        ] {
            assert_eq!(json(line), None, "{line}");
        }
    }

    #[test]
    fn a_number_with_a_text_or_a_sign_is_progress() {
        let some = |percent, message: Option<&str>| Some((Some(percent), message.map(str::to_owned)));
        assert_eq!(
            read(plain("42 converting a b")),
            some(42.0, Some("converting a b"))
        );
        assert_eq!(read(plain("  7.256%\tdone \n")), some(7.26, Some("done")));
        assert_eq!(read(plain("100%")), some(100.0, None));
        for line in [
            "", "42", "%", "101 rows", "-1 x", "inf x", "1e1 x", ".5 x", "1.2.3 x", "a 42", "4a x",
        ] {
            assert_eq!(plain(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in ".{0,80}") {
            let _ = (json(&line), plain(&line));
        }
    }
}
