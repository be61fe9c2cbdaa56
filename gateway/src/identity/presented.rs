//! Where a request carries a token.

use std::borrow::Cow;

use axum::http::{HeaderMap, Uri, header};
use percent_encoding::percent_decode_str;

/// The name of the query's parameter.
const PARAMETER: &str = "token";
const COOKIE: &str = "tidegate_token";

/// The token of a request, looked for in its query, its `Authorization` and its cookies, in this order.
/// An `Authorization` of another scheme is somebody else's, as that of a proxy that asks for a password.
pub(crate) fn presented<'r>(headers: &'r HeaderMap, uri: &'r Uri) -> Option<Cow<'r, str>> {
    of_query(uri)
        .or_else(|| bearer(headers).map(Cow::Borrowed))
        .or_else(|| cookie(headers).map(Cow::Borrowed))
        .filter(|token| !token.is_empty())
}

fn of_query(uri: &Uri) -> Option<Cow<'_, str>> {
    let mut pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, value)| *name == PARAMETER && !value.is_empty())?;
    Some(percent_decode_str(value).decode_utf8_lossy())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim();
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).into_iter();
    cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(query: &str, headers: &[(header::HeaderName, &'static str)]) -> Option<String> {
        let uri: Uri = format!("/ws{query}").parse().expect("a URI");
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().expect("a header")))
            .collect();
        presented(&headers, &uri).map(Cow::into_owned)
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
}
