//! Agreeing on compression: `Sec-WebSocket-Extensions` with `permessage-deflate` (RFC 7692 §5 and §7.1).
//!
//! Neither side keeps a window from one message to the next, which is always answered: a window for
//! every connection would cost more memory than all the rest of it, and a message could not be
//! compressed once for everybody. Never offers `client_max_window_bits`: whatever a client's window,
//! it can be read.

use axum::http::HeaderValue;

const NAME: &str = "permessage-deflate";

/// How far back the server's compressor may look. Few sizes, as each is a format of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// 32 KiB.
    Full,
    /// 512 bytes: for clients that ask for less than the full window, however much less.
    Small,
}

/// What the answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) window: Window,
    /// The client named a size, so the answer must.
    named: bool,
}

/// The parameters of one offer that can be accepted.
#[derive(Debug, Default)]
struct Offer {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// With or without a value.
    client_max_window_bits: bool,
}

/// The first of the offers, in the client's order, that can be accepted. One with an unknown, repeated
/// or invalid parameter cannot (§5.1), nor one for a window of 256 bytes, which zlib does not do.
pub(super) fn agree<'a>(offers: impl Iterator<Item = &'a str>) -> Option<Agreed> {
    offers.filter_map(parse).find_map(|offer| {
        let (window, named) = match offer.server_max_window_bits {
            None => (Window::Full, false),
            Some(15) => (Window::Full, true),
            Some(9..) => (Window::Small, true),
            Some(_) => return None,
        };
        Some(Agreed { window, named })
    })
}

impl Agreed {
    pub(super) fn answer(self) -> HeaderValue {
        HeaderValue::from_static(match (self.window, self.named) {
            (Window::Full, false) => {
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
            }
            (Window::Full, true) => {
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                 server_max_window_bits=15"
            }
            (Window::Small, _) => {
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                 server_max_window_bits=9"
            }
        })
    }
}

fn parse(offer: &str) -> Option<Offer> {
    let mut parts = offer.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(NAME) {
        return None;
    }
    let mut read = Offer::default();
    for parameter in parts {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(unquote(value.trim_start()))),
            None => (parameter, None),
        };
        let is_first = match (name, value) {
            ("server_no_context_takeover", None) => {
                !std::mem::replace(&mut read.server_no_context_takeover, true)
            }
            ("client_no_context_takeover", None) => {
                !std::mem::replace(&mut read.client_no_context_takeover, true)
            }
            ("server_max_window_bits", Some(value)) => {
                let bits = window_bits(value)?;
                read.server_max_window_bits.replace(bits).is_none()
            }
            ("client_max_window_bits", value) => {
                if let Some(value) = value {
                    window_bits(value)?;
                }
                !std::mem::replace(&mut read.client_max_window_bits, true)
            }
            _ => false,
        };
        if !is_first {
            return None;
        }
    }
    Some(read)
}

/// A value may be written as a quoted string (RFC 6455 §9.1).
fn unquote(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or(value)
}

/// Without leading zeros (RFC 7692 §7.1.2).
fn window_bits(value: &str) -> Option<u8> {
    const BITS: [&str; 8] = ["8", "9", "10", "11", "12", "13", "14", "15"];
    let index = BITS.iter().position(|bits| *bits == value)?;
    u8::try_from(8 + index).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(offers: &str) -> Option<String> {
        let agreed = agree(offers.split(',').map(str::trim))?;
        Some(agreed.answer().to_str().expect("text").to_owned())
    }

    const PLAIN: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

    #[test]
    fn an_offer_is_answered_without_context_takeover_on_either_side() {
        for offer in [
            "permessage-deflate",
            "Permessage-Deflate",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=8",
            "permessage-deflate;client_max_window_bits = \"10\" ;client_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            "x-webkit-deflate-frame, permessage-deflate",
        ] {
            assert_eq!(answer(offer).as_deref(), Some(PLAIN), "{offer}");
        }
    }

    #[test]
    fn a_window_that_the_client_names_is_answered_by_one_no_larger() {
        for (bits, answered) in [(9, 9), (10, 9), (14, 9), (15, 15)] {
            let offer = format!("permessage-deflate; server_max_window_bits={bits}");
            let expected = format!("{PLAIN}; server_max_window_bits={answered}");
            assert_eq!(answer(&offer), Some(expected), "{offer}");
        }
    }

    #[test]
    fn an_offer_that_cannot_be_met_is_passed_over_for_the_next() {
        for offer in [
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=09",
            "permessage-deflate; server_max_window_bits=+9",
            "permessage-deflate; server_max_window_bits=",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
            "permessage-deflate; unknown",
            "permessage-deflate;",
            "permessage-bzip2",
            "",
        ] {
            assert_eq!(answer(offer), None, "{offer}");
            let second = format!("{offer}, permessage-deflate");
            assert_eq!(answer(&second).as_deref(), Some(PLAIN), "{second}");
        }
    }
}
