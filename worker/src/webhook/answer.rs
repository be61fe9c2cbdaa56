//! What an answer means for the job.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::value::{RawValue, to_raw_value};
use tidegate_shared::job::{Progress, RESULT_LIMIT};
use tokio::time::timeout;

use super::error::WebhookError;
use crate::lines::{self, LINE_LIMIT, Line, Lines, Tail};

/// Of a refusal's body, in the job's error.
const TEXT_LIMIT: usize = 512;
/// How long a refusal's body is waited for.
const TEXT_PATIENCE: Duration = Duration::from_secs(5);
/// All of an answer in lines, in bytes: much more than anybody reports.
const LINES_LIMIT: usize = 16 * 1024 * 1024;
/// A pause of less or more counts as this.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_LIMIT: Duration = Duration::from_secs(24 * 3600);

pub(super) async fn read(
    answer: Response<Incoming>,
    patience: Duration,
    report: &(impl Fn(Progress) + Sync),
) -> Result<Box<RawValue>, WebhookError> {
    let status = answer.status();
    if status.is_success() {
        let in_lines = is_ndjson(answer.headers());
        let body = Body {
            incoming: answer.into_body(),
            patience,
        };
        return if in_lines {
            in_lines_of(body, report).await
        } else {
            whole(body).await
        };
    }
    let pause = retry_after(answer.headers());
    let text = text(answer.into_body()).await;
    Err(if is_temporary(status) {
        WebhookError::Later { status, text, pause }
    } else {
        WebhookError::Refused { status, text }
    })
}

fn is_temporary(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
    ) || status.is_server_error()
}

fn is_ndjson(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    ["application/x-ndjson", "application/ndjson", "application/jsonl"]
        .iter()
        .any(|one| kind.trim().eq_ignore_ascii_case(one))
}

/// Seconds only; the other form, a date, would need both clocks to agree.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).clamp(PAUSE_MIN, PAUSE_LIMIT))
}

struct Body {
    incoming: Incoming,
    patience: Duration,
}

impl Body {
    /// `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, WebhookError> {
        loop {
            let frame = timeout(self.patience, self.incoming.frame()).await;
            match frame.map_err(|_| WebhookError::Silent(self.patience))? {
                None => return Ok(None),
                Some(Err(error)) => return Err(WebhookError::Exchange(error)),
                // Trailers say nothing that is asked for.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

async fn whole(mut body: Body) -> Result<Box<RawValue>, WebhookError> {
    let mut bytes = Vec::new();
    while let Some(data) = body.next().await? {
        if bytes.len() + data.len() > RESULT_LIMIT {
            return Err(WebhookError::LargeAnswer(RESULT_LIMIT));
        }
        bytes.extend_from_slice(&data);
    }
    result(&bytes)
}

async fn in_lines_of(
    mut body: Body,
    report: &(impl Fn(Progress) + Sync),
) -> Result<Box<RawValue>, WebhookError> {
    let mut lines = Lines::default();
    let mut last: Option<(Vec<u8>, bool)> = None;
    let mut take = |line: Line<'_>| match line.text().and_then(lines::json) {
        Some(progress) => report(progress),
        None if line.bytes.trim_ascii().is_empty() => {}
        None => last = Some((line.bytes.to_vec(), line.cut)),
    };
    let mut size = 0_usize;
    while let Some(data) = body.next().await? {
        size = size.saturating_add(data.len());
        if size > LINES_LIMIT {
            return Err(WebhookError::LargeAnswer(LINES_LIMIT));
        }
        lines.push(&data, &mut take);
    }
    lines.end(&mut take);
    match last {
        None => result(b""),
        Some((_, true)) => Err(WebhookError::LargeAnswer(LINE_LIMIT)),
        Some((line, false)) => result(&line),
    }
}

/// JSON as it is, and anything else as a text.
fn result(bytes: &[u8]) -> Result<Box<RawValue>, WebhookError> {
    let bytes = bytes.trim_ascii();
    let json: Result<Box<RawValue>, _> = serde_json::from_slice(bytes);
    let raw = match json {
        Ok(raw) => Ok(raw),
        Err(_) if bytes.is_empty() => to_raw_value(&()),
        Err(_) => to_raw_value(&String::from_utf8_lossy(bytes)),
    };
    // A text grows when it is written as JSON.
    raw.ok()
        .filter(|raw| raw.get().len() <= RESULT_LIMIT)
        .ok_or(WebhookError::LargeAnswer(RESULT_LIMIT))
}

/// The beginning of what a server said to its refusal, to be put behind the status.
async fn text(mut incoming: Incoming) -> String {
    let mut bytes = Vec::new();
    let read = async {
        while bytes.len() < TEXT_LIMIT {
            match incoming.frame().await {
                Some(Ok(frame)) => bytes.extend(frame.data_ref().map_or(&[][..], AsRef::as_ref)),
                _ => return,
            }
        }
    };
    // Late or broken: what came is enough.
    let _ = timeout(TEXT_PATIENCE, read).await;
    bytes.truncate(TEXT_LIMIT);
    let mut shown = Tail::new(TEXT_LIMIT);
    shown.push(&bytes);
    match shown.finish().0.trim() {
        "" => String::new(),
        text => format!(": {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_json_or_else_a_text() {
        let read = |bytes: &[u8]| result(bytes).map(|raw| raw.get().to_owned()).ok();
        assert_eq!(read(b" {\"a\": 1}\n").as_deref(), Some("{\"a\": 1}"));
        assert_eq!(read(b"").as_deref(), Some("null"));
        assert_eq!(read(b"done \xff").as_deref(), Some("\"done \u{fffd}\""));
        assert_eq!(
            read(&vec![b'\x01'; RESULT_LIMIT / 2]),
            None,
            "six times as long as JSON"
        );
    }

    #[test]
    fn a_pause_is_a_number_of_seconds() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, hyper::header::HeaderValue::from_static(text));
            retry_after(&headers)
        };
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read(" 0"), Some(PAUSE_MIN));
        assert_eq!(read("18446744073709551615"), Some(PAUSE_LIMIT));
        for text in [
            "",
            "-1",
            "1.5",
            "soon",
            "Fri, 31 Dec 1999 23:59:59 GMT",
            "99999999999999999999",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
