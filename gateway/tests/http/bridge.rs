//! Endpoints of the dialect `http`: requests become calls, and their answers responses.

use serde_json::{Value, json};
use tidegate_gateway::Options;
use tidegate_shared::call::{Answer as Said, CallFailure};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::config::{Config, DialectName, Endpoint, Password, Secret, User};
use tidegate_shared::name::UserId;

use crate::calls::{Hand, said};
use crate::fleet::{Ground, on_every_ground};
use crate::node::{self, Node};
use crate::wire::{Answer, ask};

on_every_ground!(
    a_request_is_a_call_and_its_answer_the_response,
    what_goes_wrong_is_a_problem,
);

/// Of `ann:of ann`.
const ANN: &str = "authorization: Basic YW5uOm9mIGFubg==\r\n";

fn config() -> Config {
    let mut config = node::config();
    for (path, anonymous) in [
        ("/api/shop/{*rest}", true),
        ("/shop", true),
        ("/inside/{*rest}", false),
    ] {
        config.endpoints.push(Endpoint {
            app: "shop".into(),
            anonymous,
            ..Endpoint::new(path, DialectName::HTTP)
        });
    }
    config.auth.users = vec![User {
        name: UserId::parse("ann").expect("valid"),
        password: Password::Plain(Secret::new("of ann")),
    }];
    config
}

async fn request(node: &Node, line: &str, headers: &str, body: &str) -> Answer {
    let (address, length) = (node.client, body.len());
    let head = format!("{line} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\n{headers}\r\n");
    ask(address, head + body).await
}

/// What the application is told of a request, and what comes of its answer.
async fn both(
    node: &Node,
    hand: &Hand,
    line: &str,
    headers: &str,
    body: &str,
    answer: Value,
) -> (Value, Answer) {
    let answering = async {
        let taken = hand.one().await;
        hand.finish(&taken, Ok(said(&answer))).await;
        assert_eq!(taken.caller.session, None);
        let told: Value = serde_json::from_str(taken.data.as_str()).expect("JSON");
        assert_eq!(
            told.get("user"),
            taken.caller.user.map(|user| json!(user)).as_ref()
        );
        told
    };
    tokio::join!(answering, request(node, line, headers, body))
}

async fn a_request_is_a_call_and_its_answer_the_response(ground: Ground) {
    let (here, there, fleet) = ground.two(config()).await;
    let hand = Hand::serving(fleet.backend().await, "shop.http").await;
    let (told, answer) = both(
        &here,
        &hand,
        "POST /api/shop/a/b?x=1",
        "content-type: application/json\r\nx-other: y\r\n",
        "{\"callsign\":\"W1AW\"}",
        json!({"status": 201, "headers": {"x-made": "yes"}, "body": {"ok": true}}),
    )
    .await;
    assert_eq!(
        told,
        json!({
            "method": "POST", "path": "/api/shop/a/b", "query": {"x": "1"},
            "headers": {"content-type": "application/json"}, "body": "{\"callsign\":\"W1AW\"}",
        })
    );
    assert_eq!((answer.status, answer.json()), (201, json!({"ok": true})));
    assert_eq!(answer.headers["x-made"], "yes");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");

    let page = json!({"status": 200, "headers": {"content-type": "text/html"}, "body": "<p>"});
    let (told, answer) = both(&there, &hand, "GET /shop", ANN, "", page).await;
    assert_eq!((&told["user"], &told["body"]), (&json!("ann"), &json!("")));
    assert_eq!(
        (answer.text(), &*answer.headers["content-type"]),
        ("<p>".into(), "text/html")
    );

    let nothing = json!({"status": 204});
    let wrong = "authorization: Basic YW5uOngK\r\n";
    let (told, _) = both(&here, &hand, "DELETE /shop", wrong, "", nothing.clone()).await;
    assert_eq!(told.get("user"), None, "the application says what that means");
    assert_eq!(told["headers"]["authorization"], "Basic YW5uOngK");
    request(&here, "GET /inside/x", "", "").await.problem(401, 101);
    request(&here, "GET /inside/x", wrong, "").await.problem(401, 101);
    let (told, answer) = both(&here, &hand, "PUT /inside/x", ANN, "", nothing).await;
    assert_eq!((&told["user"], answer.status), (&json!("ann"), 204));
}

async fn what_goes_wrong_is_a_problem(ground: Ground) {
    let mut config = config();
    config.limits.data = 1_000;
    let (here, _there, fleet) = ground.two(config).await;
    request(&here, "GET /shop", "", "").await.problem(503, 112);
    let hand = Hand::serving(fleet.backend().await, "shop.http").await;
    let (_, answer) = both(&here, &hand, "GET /shop", "", "", json!({"status": 99})).await;
    let detail = answer.problem(502, 100);
    assert!(detail.contains("status"), "{detail}");
    let refusing = async {
        let taken = hand.one().await;
        let failure: Result<Said, _> = Err(CallFailure::new(ErrorCode::Conflict, "there already"));
        hand.finish(&taken, failure).await;
    };
    let ((), answer) = tokio::join!(refusing, request(&here, "GET /shop", "", ""));
    assert_eq!(answer.problem(409, 110), "there already");
    let large = "x".repeat(20_000);
    request(&here, "POST /shop", "", &large).await.problem(413, 114);
    request(&here, "GET /shop/%2F", "", "").await.problem(404, 111);
    request(&here, "GET /api/shop/%2F", "", "")
        .await
        .problem(400, 103);
    let foreign = "origin: http://elsewhere.example\r\n";
    request(&here, "GET /shop", foreign, "").await.problem(403, 102);
}

#[tokio::test]
async fn a_page_of_a_named_origin_may_ask_and_read() {
    let mut config = config();
    config.gateway.allowed_origins = vec!["https://app.example".into()];
    let node = Node::start_with(config, Options::default());
    let page = "origin: https://app.example\r\n";
    let asking = format!("{page}access-control-request-method: DELETE\r\n");
    let allowed = request(&node, "OPTIONS /shop", &asking, "").await;
    assert_eq!(allowed.status, 204);
    assert_eq!(
        allowed.headers["access-control-allow-origin"],
        "https://app.example"
    );
    assert!(allowed.headers["access-control-allow-methods"].contains("DELETE"));
    let refused = request(&node, "GET /shop", page, "").await;
    refused.problem(503, 112);
    assert_eq!(
        refused.headers["access-control-allow-origin"],
        "https://app.example"
    );
}
