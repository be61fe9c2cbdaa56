//! What a token lets its bearer do: patterns of topics.
//!
//! A pattern matches part by part, between colons. `*` stands for anything within a part; `**` at the end
//! for all that follows. Pure; the cost of a match is bounded by the limits here.

use serde::Deserialize;

/// Most patterns of a kind in a token.
const PATTERNS: usize = 100;
/// Longest pattern, in bytes: as long as the longest topic.
const LONGEST: usize = 255;

/// The claim `tidegate`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Grants {
    /// Topics to follow: `subscribe`, `history` and presence.
    #[serde(default)]
    pub subscribe: Patterns,
    /// Topics to change: `publish`, `set` and `remove`.
    #[serde(default)]
    pub publish: Patterns,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Patterns(Box<[Box<str>]>);

impl TryFrom<Vec<String>> for Patterns {
    type Error = &'static str;

    fn try_from(patterns: Vec<String>) -> Result<Self, Self::Error> {
        if patterns.len() > PATTERNS || patterns.iter().any(|one| one.is_empty() || one.len() > LONGEST) {
            return Err("there are too many patterns, or one is empty or too long");
        }
        Ok(Self(patterns.into_iter().map(Into::into).collect()))
    }
}

impl Patterns {
    pub fn allow(&self, topic: &str) -> bool {
        self.0.iter().any(|pattern| matches(pattern, topic))
    }
}

fn matches(pattern: &str, topic: &str) -> bool {
    let (pattern, open) = match pattern.strip_suffix("**") {
        Some(before) => (before, true),
        None => (pattern, false),
    };
    let (mut patterns, mut parts) = (pattern.split(':').peekable(), topic.split(':'));
    while let Some(pattern) = patterns.next() {
        let Some(part) = parts.next() else { return false };
        let last = patterns.peek().is_none();
        if !glob(pattern.as_bytes(), part.as_bytes(), last && open) {
            return false;
        }
    }
    open || parts.next().is_none()
}

/// Whether a part matches; with `open`, whether it begins so. Goes back to the last `*` alone, which is
/// enough: what stands before it has matched as early as possible.
fn glob(pattern: &[u8], part: &[u8], open: bool) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(at), part.get(seen)) {
            (None, _) if open => return true,
            (None, None) => return true,
            (Some(b'*'), _) => {
                star = Some((at + 1, seen));
                at += 1;
            }
            (Some(wanted), Some(byte)) if wanted == byte => {
                at += 1;
                seen += 1;
            }
            (_, None) => return false,
            _ => {
                let Some((after, from)) = star else { return false };
                star = Some((after, from + 1));
                at = after;
                seen = from + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_its_part_and_two_at_the_end_go_on() {
        for (pattern, fitting, others) in [
            ("news", &["news"][..], &["new", "newsy", "news:a", "NEWS"][..]),
            ("chat:*", &["chat:", "chat:a"], &["chat", "chat:a:b", "chats:a"]),
            ("chat:*:log", &["chat:a:log"], &["chat:a:b:log", "chat:log"]),
            (
                "a*c:x",
                &["ac:x", "abc:x", "abcbc:x"],
                &["ab:x", "a:c:x", "abcd:x"],
            ),
            ("*a*b*", &["ab", "xaybz", "aab"], &["ba", "a:b"]),
            ("*", &["news", ""], &["a:b"]),
            ("chat:**", &["chat:", "chat:a", "chat:a:b"], &["chat", "chats:a"]),
            ("chat:a**", &["chat:a", "chat:ab:c"], &["chat:b", "chat"]),
            ("*:x:**", &["a:x:1", "b:x:1:2"], &["a:x", "a:y:1"]),
            ("**", &["a", "a:b"], &[]),
            ("a**b", &["ab", "axb"], &["a:b"]),
        ] {
            for topic in fitting {
                assert!(matches(pattern, topic), "{pattern} {topic}");
            }
            for topic in others {
                assert!(!matches(pattern, topic), "{pattern} {topic}");
            }
        }
    }

    #[test]
    fn patterns_are_limited_and_the_worst_of_them_is_no_burden() {
        let patterns = |list: Vec<String>| Patterns::try_from(list);
        assert!(patterns(vec!["a".into(); PATTERNS]).is_ok());
        assert!(patterns(vec!["a".into(); PATTERNS + 1]).is_err());
        assert!(patterns(vec![String::new()]).is_err());
        assert!(patterns(vec!["a".repeat(LONGEST + 1)]).is_err());
        let hard = patterns(vec!["*a".repeat(127); PATTERNS]).expect("valid");
        assert!(!hard.allow(&format!("{}b", "a".repeat(254))));
    }
}
