//! Tokens for users with a password, beside the endpoints whose clients ask for them there: for `/ws`,
//! `POST /auth/token` with a form, and `GET /auth/refresh-token` with a token that still counts.
//!
//! Relies on [`Users`](crate::identity::Users) for the time that a password takes and for whoever guesses.
//! Answers as those clients know it: `{"detail": …}` where it refuses. Never logs names or passwords.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use serde_json::json;
use tidegate_shared::clock::since_1970;
use tidegate_shared::config::Secret;
use tidegate_shared::name::UserId;

use super::body::BodyLimits;
use super::form::Form;
use super::{Gate, access, headers};
use crate::dialect::{Dialect, Format};
use crate::identity::{Credentials, LoginError, sign};

/// How long a token counts.
const LIFE: Duration = Duration::from_secs(4 * 7 * 86_400);
const COOKIE: &str = "access_token_cookie";

pub(crate) fn router(gate: &Arc<Gate>, listen: Option<SocketAddr>) -> Router {
    let endpoints = || gate.config().endpoints.iter().filter(|one| one.listen == listen);
    let asking = endpoints().filter(|one| {
        let dialect = Format::named(one.dialect).map(Format::dialect);
        dialect.is_some_and(Dialect::hands_out_tokens) && !one.path.contains('{')
    });
    let folders: BTreeSet<&str> = asking
        .filter_map(|one| one.path.rsplit_once('/'))
        .map(|(folder, _)| folder)
        .collect();
    let mut router = Router::new();
    for folder in folders {
        for (name, methods) in [
            ("token", post(token)),
            ("refresh-token", get(refresh)),
            ("reauth", post(refresh)),
            ("logout", get(logout)),
        ] {
            let path = format!("{folder}/auth/{name}");
            if !endpoints().any(|one| one.path == path) {
                router = router.route(&path, methods);
            }
        }
    }
    router
        .layer(middleware::map_response(headers::harden))
        .with_state(Arc::clone(gate))
}

async fn token(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    if let Err(problem) = gate.page(&request) {
        return problem.into_response();
    }
    let from = access::client(request.extensions());
    let secure = is_secure(request.headers());
    let limits = &gate.config().limits;
    let limits = BodyLimits::new(limits, 0, limits.handshake_timeout);
    let form = match Form::read(request, limits).await {
        Ok(form) => form,
        Err(problem) => return problem.into_response(),
    };
    let (Some(name), Some(password)) = (form.get("username"), form.get("password")) else {
        let text = "Username and password cannot be empty.";
        return refusal(StatusCode::UNPROCESSABLE_ENTITY, text);
    };
    let users = &gate.node().users;
    match users.check(name, &Secret::new(password), from).await {
        Ok(identity) => issue(&gate, &identity.user, "Successfully authenticated.", secure),
        Err(LoginError::Wrong) => {
            gate.rejected("token");
            unauthorized("Incorrect username or password")
        }
        Err(error @ LoginError::NoUsers) => unauthorized(&error.to_string()),
        Err(error @ (LoginError::TooMany | LoginError::Busy)) => {
            let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, &error.to_string());
            let wait = HeaderValue::from_static("3");
            response.headers_mut().insert(header::RETRY_AFTER, wait);
            response
        }
    }
}

async fn refresh(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    if let Err(problem) = gate.page(&request) {
        return problem.into_response();
    }
    match bearer(&gate, request.headers()) {
        Some(user) => {
            let secure = is_secure(request.headers());
            issue(&gate, &user, "Token refreshed successfully.", secure)
        }
        None => unauthorized("Not authenticated"),
    }
}

async fn logout(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    if let Err(problem) = gate.page(&request) {
        return problem.into_response();
    }
    if bearer(&gate, request.headers()).is_none() {
        return unauthorized("Not authenticated");
    }
    let body = json!({ "status": "success", "message": "Successfully logged out." });
    let mut response = axum::Json(body).into_response();
    set_cookie(&mut response, "", Duration::ZERO, is_secure(request.headers()));
    response
}

/// Whose token the request carries, if that is a user who could get one by a password: a token does not
/// outlive its user by being renewed.
fn bearer(gate: &Gate, headers: &HeaderMap) -> Option<UserId> {
    let shown = headers.get(header::AUTHORIZATION).map_or_else(
        || Credentials::of_cookie(headers, COOKIE),
        |value| {
            let (scheme, token) = value.to_str().ok()?.trim().split_once(' ')?;
            let is_bearer = scheme.eq_ignore_ascii_case("bearer");
            is_bearer.then(|| Secret::new(token.trim()))
        },
    )?;
    let node = gate.node();
    let identity = node.tokens.as_ref()?.verify(shown.as_str()).ok()?;
    node.users.knows(&identity.user).then_some(identity.user)
}

fn issue(gate: &Gate, user: &UserId, message: &str, secure: bool) -> Response {
    let Some(jwt) = &gate.config().auth.jwt else {
        return refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "this server signs no tokens: set `secret` under [auth.jwt]",
        );
    };
    let mut claims = json!({ "sub": user.as_str(), "exp": (since_1970() + LIFE).as_secs() });
    if let Some(audience) = &jwt.audience {
        claims["aud"] = json!(audience);
    }
    if let Some(issuer) = &jwt.issuer {
        claims["iss"] = json!(issuer);
    }
    match sign(jwt, &claims) {
        Ok(token) => {
            let body = json!({ "access_token": token, "token_type": "bearer", "message": message });
            let mut response = axum::Json(body).into_response();
            set_cookie(&mut response, &token, LIFE, secure);
            response
        }
        Err(error) => refusal(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

fn set_cookie(response: &mut Response, token: &str, life: Duration, secure: bool) {
    let secure = if secure { "; Secure" } else { "" };
    let life = life.as_secs();
    let cookie = format!("{COOKIE}={token}; HttpOnly; Max-Age={life}; Path=/; SameSite=lax{secure}");
    // A token is letters, digits and a few signs.
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}

/// Whether the page that asks came over TLS, which ends before the gateway.
fn is_secure(headers: &HeaderMap) -> bool {
    let origin = headers.get(header::ORIGIN);
    origin.is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

fn unauthorized(detail: &str) -> Response {
    let mut response = refusal(StatusCode::UNAUTHORIZED, detail);
    let challenge = HeaderValue::from_static("Bearer");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

fn refusal(status: StatusCode, detail: &str) -> Response {
    (status, axum::Json(json!({ "detail": detail }))).into_response()
}
