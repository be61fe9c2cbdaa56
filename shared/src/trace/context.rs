//! Which trace something belongs to, and under which of its spans: the W3C's `traceparent`.

use std::fmt;

use opentelemetry::trace::{SpanId, TraceId};
use rand::Rng;

use crate::json::RawJson;

/// Of a `traceparent`.
const LENGTH: usize = 55;

/// Only of traces that are recorded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
}

impl TraceContext {
    /// Reads `00-<trace>-<span>-<flags>`. `None` if it is something else, or nobody records the trace.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // Later versions may have more parts; `ff` is none.
        if version.len() != 2 || version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let flags = u8::from_str_radix(hex(flags, 2)?, 16).ok()?;
        let context = Self {
            trace: TraceId::from_hex(hex(trace, 32)?).ok()?,
            span: SpanId::from_hex(hex(span, 16)?).ok()?,
        };
        let is_real = context.trace != TraceId::INVALID && context.span != SpanId::INVALID;
        (is_real && flags & 1 == 1).then_some(context)
    }

    /// What a job was submitted in, as its record says.
    pub fn of_record(record: &RawJson) -> Option<Self> {
        const NAME: &str = "\"traceparent\":\"";
        // Texts in a record have their quotes escaped, so this is no part of one.
        let (_, rest) = record.as_str().split_once(NAME)?;
        Self::parse(rest.get(..LENGTH)?)
    }

    /// What all spans of the trace have in common, for logs.
    pub fn id(self) -> impl fmt::Display + fmt::Debug + Copy {
        self.trace
    }

    /// The first span of a new trace.
    pub(super) fn root() -> Self {
        Self {
            trace: TraceId::from_bytes(rand::rng().random()),
            span: SpanId::from_bytes(rand::rng().random()),
        }
    }

    /// Another span of the same trace.
    pub(super) fn child(self) -> Self {
        Self {
            span: SpanId::from_bytes(rand::rng().random()),
            ..self
        }
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-01", self.trace, self.span)
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// So many lower-case digits, and nothing else, as the W3C has it.
fn hex(text: &str, digits: usize) -> Option<&str> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == digits && text.bytes().all(is_hex)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_reads_back_as_it_was_written() {
        let context = TraceContext::parse(GOOD).expect("valid");
        assert_eq!(context.to_string(), GOOD);
        let child = context.child();
        assert_eq!(child.trace, context.trace);
        assert_eq!(TraceContext::parse(&child.to_string()), Some(child));
        assert!(TraceContext::parse(&TraceContext::root().to_string()).is_some());
    }

    #[test]
    fn a_record_names_its_trace_and_a_text_in_it_does_not() {
        let of = |text: &str| {
            TraceContext::of_record(
                &RawJson::of(&serde_json::from_str::<serde_json::Value>(text).expect("JSON")).expect("JSON"),
            )
        };
        assert_eq!(
            of(&format!(r#"{{"id":1,"traceparent":"{GOOD}"}}"#)),
            TraceContext::parse(GOOD)
        );
        assert_eq!(of(&format!(r#"{{"message":"\"traceparent\":\"{GOOD}"}}"#)), None);
        assert_eq!(of(r#"{"traceparent":"short"}"#), None);
    }

    #[test]
    fn what_is_no_traceparent_or_is_not_recorded_is_none() {
        for text in [
            "",
            "rubbish",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319é-b7ad6b7169203331-01",
        ] {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
        assert!(TraceContext::parse(&GOOD.replacen("00", "01", 1).replace("-01", "-03-more")).is_some());
    }
}
