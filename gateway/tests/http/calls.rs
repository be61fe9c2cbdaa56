//! Calls: from a client on one node to a worker and back.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_shared::backend::Backend;
use tidegate_shared::call::{After, Answer, CallFailure, Service, Taken};
use tidegate_shared::code::ErrorCode;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{MethodName, WorkerId};
use tidegate_shared::publication::Body;
use tidegate_shared::topic::Topic;

use crate::client::Client;
use crate::fleet::{Ground, on_every_ground};
use crate::node::config;
use crate::wire::DEADLINE;

on_every_ground!(
    a_call_is_answered_to_who_asked_alone,
    what_a_call_publishes_is_seen_before_its_answer,
    calls_go_wrong_with_their_codes,
    a_caller_that_leaves_is_told_to_the_worker,
    only_so_many_calls_of_a_session_are_under_way,
);

/// Long enough for every test.
const LONG: Duration = Duration::from_secs(600);

/// A worker that does one method by hand.
pub(crate) struct Hand {
    backend: Backend,
    worker: WorkerId,
    service: Service,
}

impl Hand {
    async fn new(backend: Backend) -> Self {
        Self::serving(backend, "g.a").await
    }

    pub(crate) async fn serving(backend: Backend, method: &str) -> Self {
        let method = MethodName::parse(method).expect("valid");
        let hand = Self {
            backend,
            worker: WorkerId::parse("w").expect("valid"),
            service: Service {
                group: method.group(),
                methods: vec![method],
                serial: false,
            },
        };
        let served = hand.backend.calls.serve(&hand.worker, &hand.service, LONG).await;
        served.expect("served");
        hand
    }

    pub(crate) async fn one(&self) -> Taken {
        let calls = &self.backend.calls;
        let waiting = async {
            loop {
                let taken = calls.take(&self.worker, &self.service, 1, LONG).await;
                if let Some(taken) = taken.expect("taken").pop() {
                    return taken;
                }
                calls.wait(&self.service, DEADLINE).await.expect("waited");
            }
        };
        tokio::time::timeout(DEADLINE, waiting).await.expect("a call")
    }

    pub(crate) async fn finish(&self, taken: &Taken, answer: Result<Answer, CallFailure>) {
        let finished = self.backend.calls.finish(&taken.ticket, answer).await;
        finished.expect("finished");
    }
}

pub(crate) fn said(value: &Value) -> Answer {
    Answer::new(RawJson::of(value).expect("JSON"))
}

async fn a_call_is_answered_to_who_asked_alone(ground: Ground) {
    let (here, there, fleet) = ground.two(config()).await;
    let hand = Hand::new(fleet.backend().await).await;
    let (mut near, mut far) = (Client::connect(&here).await, Client::connect(&there).await);
    near.send(json!({"id": "x", "action": "call", "method": "g.a", "data": {"n": 1}}))
        .await;
    let taken = hand.one().await;
    assert_eq!(taken.data.as_str(), r#"{"n":1}"#);
    assert_eq!(
        taken.caller.session.map(|session| session.to_string()),
        Some(near.session.clone())
    );
    hand.finish(&taken, Ok(said(&json!([2])))).await;
    assert_eq!(
        near.next().await,
        json!({"type": "result", "id": "x", "data": [2]})
    );
    assert_eq!(far.ask(json!({"id": 1, "action": "ping"})).await["type"], "pong");

    let asked = tokio::spawn(async move {
        let body = json!({"method": "g.a", "data": 3, "user": "ann"});
        there.post("/api/call", &body).await
    });
    let taken = hand.one().await;
    assert_eq!(
        taken.caller.user.as_ref().map(ToString::to_string),
        Some("ann".into())
    );
    hand.finish(&taken, Ok(said(&json!(4)))).await;
    let answer = asked.await.expect("no panic");
    assert_eq!((answer.status, answer.json()), (200, json!({"data": 4})));
}

async fn what_a_call_publishes_is_seen_before_its_answer(ground: Ground) {
    let (here, _there, fleet) = ground.two(config()).await;
    let backend = fleet.backend().await;
    let hand = Hand::new(backend.clone()).await;
    let mut client = Client::connect(&here).await;
    let topic = Topic::parse("news").expect("valid");
    // The call is sent before it is known that the subscription stands.
    client
        .send(json!({"id": 1, "action": "subscribe", "topic": "news"}))
        .await;
    for number in 0..20 {
        client
            .send(json!({"id": "c", "action": "call", "method": "g.a"}))
            .await;
        let taken = hand.one().await;
        let draft = tidegate_shared::broker::Draft::new(Body::Message {
            data: RawJson::of(&number).expect("JSON"),
            event: None,
        });
        let position = backend
            .broker
            .publish(&topic, draft)
            .await
            .expect("published")
            .position;
        let answer = Answer {
            after: vec![After::new(topic.clone(), &position.expect("a log"))],
            ..said(&json!(number))
        };
        hand.finish(&taken, Ok(answer)).await;
        if number == 0 {
            assert_eq!(client.next().await["type"], "subscribed");
        }
        let push = client.next().await;
        assert_eq!(
            (&push["type"], &push["data"]),
            (&json!("message"), &json!(number))
        );
        let result = client.next().await;
        assert_eq!(
            (&result["type"], &result["data"]),
            (&json!("result"), &json!(number))
        );
    }
}

async fn calls_go_wrong_with_their_codes(ground: Ground) {
    let mut config = config();
    config.limits.data = 1_000;
    let (here, _there, fleet) = ground.two(config).await;
    let mut client = Client::connect(&here).await;
    let asking = json!({"id": 1, "action": "call", "method": "g.a", "timeout_ms": 50});
    assert_eq!(client.ask(asking.clone()).await["code"], 112);
    here.post("/api/call", &json!({"method": "g.a"}))
        .await
        .problem(503, 112);
    let hand = Hand::new(fleet.backend().await).await;
    let late = client.ask(asking.clone()).await;
    assert_eq!((&late["code"], &late["temporary"]), (&json!(113), &json!(true)));
    here.post("/api/call", &json!({"method": "g.a", "timeout_ms": 50}))
        .await
        .problem(504, 113);
    client
        .send(json!({"id": 2, "action": "call", "method": "g.a"}))
        .await;
    let taken = hand.one().await;
    let failure = CallFailure::new(ErrorCode::Conflict, "there already");
    hand.finish(&taken, Err(failure)).await;
    let refused = client.next().await;
    assert_eq!(
        (&refused["id"], &refused["code"], &refused["message"]),
        (&json!(2), &json!(110), &json!("there already"))
    );
    for wrong in [
        json!({"id": 3, "action": "call"}),
        json!({"id": 3, "action": "call", "method": "a b"}),
        json!({"id": 3, "action": "call", "method": "g.a", "timeout_ms": 60_001}),
        json!({"id": 3, "action": "call", "method": "g.a", "timeout_ms": 0}),
    ] {
        assert_eq!(client.ask(wrong.clone()).await["code"], 103, "{wrong}");
    }
    let large = "x".repeat(1_000);
    let large = client
        .ask(json!({"id": 4, "action": "call", "method": "g.a", "data": large}))
        .await;
    assert_eq!(large["code"], 114);
}

async fn a_caller_that_leaves_is_told_to_the_worker(ground: Ground) {
    let (here, _there, fleet) = ground.two(config()).await;
    let hand = Hand::new(fleet.backend().await).await;
    let mut client = Client::connect(&here).await;
    client
        .send(json!({"id": 1, "action": "call", "method": "g.a"}))
        .await;
    let taken = hand.one().await;
    assert!(!taken.cancelled.is_cancelled());
    drop(client);
    let told = tokio::time::timeout(DEADLINE, taken.cancelled.cancelled()).await;
    told.expect("the worker is told");
}

async fn only_so_many_calls_of_a_session_are_under_way(ground: Ground) {
    let mut config = config();
    config.limits.calls_per_user = 2;
    let (here, there, fleet) = ground.two(config).await;
    let hand = Hand::new(fleet.backend().await).await;
    let (mut client, mut other) = (Client::connect(&here).await, Client::connect(&there).await);
    for id in 1..=2 {
        client
            .send(json!({"id": id, "action": "call", "method": "g.a"}))
            .await;
    }
    let (one, two) = (hand.one().await, hand.one().await);
    let refused = client
        .ask(json!({"id": 3, "action": "call", "method": "g.a"}))
        .await;
    assert_eq!(refused["code"], 107);
    other
        .send(json!({"id": 1, "action": "call", "method": "g.a"}))
        .await;
    let theirs = hand.one().await;
    for taken in [&one, &two, &theirs] {
        hand.finish(taken, Ok(said(&json!(1)))).await;
    }
    assert_eq!(client.next().await["type"], "result");
    assert_eq!(client.next().await["type"], "result");
    assert_eq!(other.next().await["type"], "result");
    client
        .send(json!({"id": 4, "action": "call", "method": "g.a"}))
        .await;
    let taken = hand.one().await;
    hand.finish(&taken, Ok(said(&json!(1)))).await;
    assert_eq!(client.next().await["id"], 4);
}
