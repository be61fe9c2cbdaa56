use http_body_util::BodyExt;

use super::*;
use crate::transport::accept::ClientStream;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn request(change: impl FnOnce(&mut Request<()>)) -> Request<()> {
    let mut request = Request::builder()
        .uri("/ws")
        .header("host", "example.com")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", KEY)
        .body(())
        .expect("a request");
    change(&mut request);
    request
}

fn set(request: &mut Request<()>, name: &'static str, values: &[&'static str]) {
    let headers = request.headers_mut();
    headers.remove(name);
    for value in values {
        headers.append(name, HeaderValue::from_static(value));
    }
}

fn attempt(mut request: Request<()>) -> Result<Handshake, Refusal> {
    let origins = Origins::parse(["https://app.example.com"]).expect("valid");
    accept(&mut request, &origins, &["tidegate.msgpack", "tidegate.json"])
}

fn refusal(change: impl FnOnce(&mut Request<()>)) -> Refusal {
    attempt(request(change)).expect_err("it must be refused")
}

#[test]
fn the_accept_key_is_the_rfcs_example() {
    assert_eq!(accept_of(KEY.as_bytes()), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn a_proper_request_is_agreed_to() {
    let handshake = attempt(request(|_| {})).expect("agreed");
    assert_eq!(handshake.response.status(), 101);
    let headers = handshake.response.headers();
    assert_eq!(headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(
        (&headers["connection"], &headers["upgrade"]),
        (
            &HeaderValue::from_static("upgrade"),
            &HeaderValue::from_static("websocket"),
        )
    );
    assert!(!headers.contains_key("sec-websocket-protocol"));
    assert_eq!(handshake.opening.protocol(), None);
}

#[test]
fn tokens_are_found_in_lists_in_any_case_and_on_any_line() {
    for connection in [
        &["keep-alive, uPgRaDe"][..],
        &["close", "x ,upgrade,"],
        &["Upgrade"],
    ] {
        attempt(request(|r| set(r, "connection", connection))).expect("agreed");
    }
    attempt(request(|r| set(r, "upgrade", &["h2c, WebSocket"]))).expect("agreed");
}

#[test]
fn a_request_that_asks_for_no_upgrade_is_told_how_to() {
    for (name, values) in [
        ("connection", &[][..]),
        ("connection", &["keep-alive"]),
        ("connection", &["upgrades"]),
        ("upgrade", &[]),
        ("upgrade", &["websocket2"]),
    ] {
        assert_eq!(
            refusal(|r| set(r, name, values)),
            Refusal::NoUpgrade,
            "{name} {values:?}"
        );
    }
}

#[test]
fn method_and_http_version_are_checked() {
    assert_eq!(
        refusal(|r| *r.method_mut() = Method::POST),
        Refusal::NotGetOverHttp11
    );
    assert_eq!(
        refusal(|r| *r.version_mut() = Version::HTTP_10),
        Refusal::NotGetOverHttp11
    );
}

#[test]
fn only_version_13_is_spoken() {
    for versions in [&[][..], &["8"], &["13, 8"], &["13", "13"], &["013"]] {
        assert_eq!(
            refusal(|r| set(r, "sec-websocket-version", versions)),
            Refusal::Version,
            "{versions:?}"
        );
    }
}

#[test]
fn the_key_is_sixteen_bytes_exactly_once() {
    for keys in [
        &[][..],
        &[""],
        &["dGhlIHNhbXBsZSBub25jZQ"],
        &["c2hvcnQ="],
        &["dGhlIHNhbXBsZSBub25jZSE="],
        &["not base64 at all!!!!!!!"],
        &[KEY, KEY],
    ] {
        assert_eq!(
            refusal(|r| set(r, "sec-websocket-key", keys)),
            Refusal::Key,
            "{keys:?}"
        );
    }
    attempt(request(|r| {
        set(r, "sec-websocket-key", &[" dGhlIHNhbXBsZSBub25jZQ== "]);
    }))
    .expect("agreed");
}

#[test]
fn the_first_subprotocol_of_the_client_that_is_offered_is_chosen() {
    let chosen = |values: &[&'static str]| {
        let handshake = attempt(request(|r| set(r, "sec-websocket-protocol", values))).expect("agreed");
        let answer = handshake
            .response
            .headers()
            .get("sec-websocket-protocol")
            .cloned();
        let protocol = handshake.opening.protocol();
        assert_eq!(
            answer.as_ref().map(HeaderValue::as_bytes),
            protocol.map(str::as_bytes)
        );
        protocol
    };
    assert_eq!(
        chosen(&["other, tidegate.json, tidegate.msgpack"]),
        Some("tidegate.json")
    );
    assert_eq!(chosen(&["other", "tidegate.msgpack"]), Some("tidegate.msgpack"));
    assert_eq!(chosen(&["TIDEGATE.JSON"]), None);
    assert_eq!(chosen(&["other"]), None);
}

#[test]
fn a_page_of_another_origin_is_refused() {
    attempt(request(|r| set(r, "origin", &["https://app.example.com"]))).expect("agreed");
    for origins in [
        &["https://evil.test"][..],
        &["null"],
        &["https://app.example.com", "https://evil.test"],
        &["https://app.example.com", "https://app.example.com"],
    ] {
        assert_eq!(
            refusal(|r| set(r, "origin", origins)),
            Refusal::Origin,
            "{origins:?}"
        );
    }
    let not_text = |r: &mut Request<()>| {
        let bytes = HeaderValue::from_bytes(b"https://app.example.com\xff").expect("a header");
        r.headers_mut().insert("origin", bytes);
    };
    assert_eq!(refusal(not_text), Refusal::Origin);
}

#[tokio::test]
async fn a_refusal_is_a_problem_document_with_the_headers_it_needs() {
    for (refusal, status, code) in [
        (Refusal::NotGetOverHttp11, 405, 103),
        (Refusal::NoUpgrade, 426, 103),
        (Refusal::Version, 426, 103),
        (Refusal::Key, 400, 103),
        (Refusal::Origin, 403, 102),
    ] {
        let response = refusal.into_response();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let version = response.headers().get("sec-websocket-version");
        assert_eq!(version.is_some_and(|version| version == "13"), status == 426);
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        let document: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(document["code"], code);
        assert_eq!(document["detail"], refusal.to_string());
    }
}

#[tokio::test]
async fn a_request_that_no_server_can_hand_over_is_an_error() {
    let handshake = attempt(request(|_| {})).expect("agreed");
    let opened = handshake.opening.websocket::<ClientStream>(100).await;
    assert!(matches!(opened, Err(UpgradeError::Ended(_))));
}

#[test]
fn compression_is_agreed_on_where_it_is_offered() {
    let plain = attempt(request(|_| {})).expect("agreed");
    assert!(!plain.response.headers().contains_key("sec-websocket-extensions"));
    assert_eq!(plain.opening.compression(), None);
    let offered = attempt(request(|request| {
        set(
            request,
            "sec-websocket-extensions",
            &[
                "x-unknown, permessage-deflate; server_max_window_bits=8",
                "permessage-deflate; server_max_window_bits=10, permessage-deflate",
            ],
        );
    }))
    .expect("agreed");
    assert_eq!(
        offered.response.headers()["sec-websocket-extensions"],
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         server_max_window_bits=9"
    );
    assert_eq!(offered.opening.compression(), Some(Window::Small));
    let unknown = attempt(request(|request| {
        set(request, "sec-websocket-extensions", &["x-unknown"]);
    }))
    .expect("agreed");
    assert!(
        !unknown
            .response
            .headers()
            .contains_key("sec-websocket-extensions")
    );
}
