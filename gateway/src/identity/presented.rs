//! Where a request carries what tells who sends it.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use tidegate_shared::config::Secret;

/// The name of the query's parameter.
const PARAMETER: &str = "token";
const COOKIE: &str = "tidegate_token";

/// What a request shows of who sends it.
#[derive(Debug)]
pub(crate) struct Presented {
    pub(crate) credentials: Option<Credentials>,
    /// The address it comes from.
    pub(crate) from: Option<IpAddr>,
}

/// What counts beside tokens that the client sends on purpose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accepted {
    /// There are users with passwords.
    pub(crate) passwords: bool,
    /// The page that asks may use its user's cookies.
    pub(crate) cookies: bool,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Credentials {
    Token(Secret),
    Password { user: Box<str>, password: Secret },
}

impl Presented {
    /// Looks into the query, `Authorization` and the cookies, in this order. An `Authorization` of another
    /// scheme is somebody else's, as that of a proxy that asks for a password.
    pub(crate) fn of(headers: &HeaderMap, uri: &Uri, from: Option<IpAddr>, accepted: Accepted) -> Self {
        let credentials = of_query(uri)
            .or_else(|| of_authorization(headers, accepted.passwords))
            .or_else(|| accepted.cookies.then(|| cookie(headers, COOKIE)).flatten());
        Self { credentials, from }
    }
}

impl Credentials {
    /// The token of another cookie than the usual one.
    pub(crate) fn of_cookie(headers: &HeaderMap, name: &str) -> Option<Secret> {
        match cookie(headers, name)? {
            Self::Token(token) => Some(token),
            Self::Password { .. } => None,
        }
    }
}

fn token(text: &str) -> Option<Credentials> {
    (!text.is_empty()).then(|| Credentials::Token(Secret::new(text)))
}

fn of_query(uri: &Uri) -> Option<Credentials> {
    let mut pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, value)| *name == PARAMETER && !value.is_empty())?;
    token(&percent_decode_str(value).decode_utf8_lossy())
}

fn of_authorization(headers: &HeaderMap, passwords: bool) -> Option<Credentials> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim();
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return token(rest.trim());
    }
    if passwords && scheme.eq_ignore_ascii_case("basic") {
        return Some(basic(rest.trim()));
    }
    None
}

/// RFC 7617. What cannot be read is a password that is wrong.
fn basic(text: &str) -> Credentials {
    let decoded = STANDARD.decode(text).ok().map(String::from_utf8);
    let (user, password) = match &decoded {
        Some(Ok(text)) => text.split_once(':').unwrap_or_default(),
        _ => Default::default(),
    };
    Credentials::Password {
        user: user.into(),
        password: Secret::new(password),
    }
}

fn cookie(headers: &HeaderMap, wanted: &str) -> Option<Credentials> {
    let cookies = headers.get_all(header::COOKIE).into_iter();
    let (_, value) = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == wanted)?;
    token(value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPTED: Accepted = Accepted {
        passwords: false,
        cookies: true,
    };

    fn found(query: &str, headers: &[(header::HeaderName, &'static str)]) -> Option<String> {
        let uri: Uri = format!("/ws{query}").parse().expect("a URI");
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().expect("a header")))
            .collect();
        match Presented::of(&headers, &uri, None, ACCEPTED).credentials? {
            Credentials::Token(token) => Some(token.as_str().to_owned()),
            password @ Credentials::Password { .. } => panic!("{password:?}"),
        }
    }

    #[test]
    fn a_token_is_found_in_the_query_the_header_or_a_cookie_in_this_order() {
        let authorization = (header::AUTHORIZATION, "bearer  of-header ");
        let cookies = (header::COOKIE, "a=b; tidegate_token=of-cookie; c=d");
        let all = [authorization.clone(), cookies.clone()];
        assert_eq!(found("?x=1&token=of%2Dquery", &all).as_deref(), Some("of-query"));
        assert_eq!(found("?token=", &all).as_deref(), Some("of-header"));
        assert_eq!(found("", &[cookies]).as_deref(), Some("of-cookie"));
        assert_eq!(
            found("", &[(header::COOKIE, "tidegate_token=\"q\"")]).as_deref(),
            Some("q")
        );
    }

    #[test]
    fn what_is_no_token_is_none() {
        assert_eq!(found("", &[]), None);
        assert_eq!(
            found("?tokens=a&token", &[(header::AUTHORIZATION, "Basic Zm9v")]),
            None
        );
        assert_eq!(found("", &[(header::COOKIE, "tidegate_token=; token=x")]), None);
    }

    #[test]
    fn a_name_and_a_password_count_where_there_are_users() {
        let of = |value: &'static str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().expect("a header"))]);
            let accepted = Accepted {
                passwords: true,
                cookies: false,
            };
            Presented::of(&headers, &Uri::from_static("/"), None, accepted).credentials
        };
        let password = |user: &str, password| {
            Some(Credentials::Password {
                user: user.into(),
                password: Secret::new(password),
            })
        };
        assert_eq!(of("Basic YW5uOmE6Yg=="), password("ann", "a:b"));
        assert_eq!(of("basic  YW5uOg== "), password("ann", ""));
        for rubbish in ["Basic YW5u", "Basic ?", "Basic /w=="] {
            assert_eq!(of(rubbish), password("", ""), "{rubbish}");
        }
        assert_eq!(of("Digest x"), None);
        assert!(!format!("{:?}", of("Basic YW5uOmE6Yg==")).contains("a:b"));
    }
}
