//! Users who follow their jobs without asking.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_shared::backend::Backend;
use tidegate_shared::job::{Failure, JobDraft, JobId, Lease, Percent, Progress};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{JobType, QueueName, UserId, WorkerId};

use crate::fleet::{Ground, on_every_ground};
use crate::node::Node;
use crate::tokens::{Client, config, request, token};

on_every_ground!(
    all_sessions_of_a_user_follow_its_jobs_on_every_node_and_nobody_else_does,
    who_comes_later_follows_what_has_not_ended,
    a_job_that_no_node_was_told_of_is_found_in_its_users_list,
    what_a_client_looks_after_by_itself_is_left_to_it,
    a_dead_letter_that_is_retried_is_followed_again,
);

/// A client of a user that has its inbox.
async fn client(node: &Node, user: &str) -> Client {
    let query = format!("?token={}", token(user, 600.0));
    let mut client = Client::connect(request(node, &query)).await.expect("let in");
    assert_eq!(client.next().await["user"], user);
    assert_eq!(client.next().await["topic"], format!("user:{user}"));
    client
}

async fn submit(node: &Node, body: Value) -> String {
    let answer = node.post("/api/jobs", &body).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["id"].as_str().expect("an id").to_owned()
}

fn queue() -> QueueName {
    QueueName::parse("default").expect("valid")
}

async fn claim(backend: &Backend) -> Lease {
    let worker = WorkerId::parse("w").expect("valid");
    let lease = Duration::from_secs(60);
    let claims = backend.jobs.claim(&queue(), &worker, 1, lease).await;
    claims.expect("claimed").remove(0).lease
}

async fn report(backend: &Backend, lease: &Lease, percent: f64) {
    let progress = Progress {
        percent: Some(Percent::new(percent)),
        ..Progress::default()
    };
    backend.jobs.progress(lease, progress).await.expect("held");
}

async fn succeed(backend: &Backend, lease: &Lease) {
    let done = backend.jobs.succeed(lease, RawJson::null()).await;
    done.expect("held");
}

/// A job that the server has begun to tell a client of, and the last offset that it has been told.
struct Followed {
    id: String,
    offset: u64,
}

impl Followed {
    /// As the next message announces it: from its first entry on, or from its record on, if the list of the
    /// user's jobs was faster.
    async fn begin(client: &mut Client, id: &str) -> Self {
        let subscribed = client.next().await;
        assert_eq!(
            (&subscribed["type"], &subscribed["topic"], subscribed.get("id")),
            (&json!("subscribed"), &json!(format!("job:{id}")), None),
            "{subscribed}"
        );
        let offset = if subscribed["recovered"] == true {
            0
        } else {
            assert_eq!(subscribed["snapshot"]["id"], id, "{subscribed}");
            subscribed["offset"].as_u64().expect("an offset")
        };
        let mut followed = Self {
            id: id.to_owned(),
            offset,
        };
        if offset == 0 {
            followed.next(client).await;
        }
        followed
    }

    async fn next(&mut self, client: &mut Client) -> Value {
        let mut push = client.next().await;
        self.offset += 1;
        assert_eq!(
            (&push["type"], &push["job"]["id"], &push["offset"]),
            (&json!("job"), &json!(self.id), &json!(self.offset)),
            "{push}"
        );
        push["job"].take()
    }

    /// Reads up to its end, and the end of the subscription. Gives the last offset.
    async fn read_to_the_end(mut self, client: &mut Client) -> u64 {
        while !self.next(client).await["finished_at"].is_u64() {}
        let over = client.next().await;
        let topic = format!("job:{}", self.id);
        assert_eq!(over, json!({"type": "unsubscribed", "topic": topic}));
        self.offset
    }
}

async fn hears_nothing(client: &mut Client) {
    let pong = client.ask(json!({"id": 99, "action": "ping"})).await;
    assert_eq!(pong["type"], "pong", "{pong}");
}

async fn all_sessions_of_a_user_follow_its_jobs_on_every_node_and_nobody_else_does(ground: Ground) {
    let (here, there, fleet) = ground.two(config(true)).await;
    let backend = fleet.backend().await;
    let mut anns = [
        client(&here, "ann").await,
        client(&there, "ann").await,
        client(&there, "ann").await,
    ];
    let mut bob = client(&there, "bob").await;
    let id = submit(&here, json!({"type": "t", "data": 1, "user": "ann"})).await;
    submit(&here, json!({"type": "t", "data": 1, "delay_ms": 60_000})).await;
    let mut followed = Vec::new();
    for ann in &mut anns {
        followed.push(Followed::begin(ann, &id).await);
    }
    let lease = claim(&backend).await;
    report(&backend, &lease, 50.0).await;
    succeed(&backend, &lease).await;
    for (ann, followed) in anns.iter_mut().zip(followed) {
        assert_eq!(followed.read_to_the_end(ann).await, 4);
        hears_nothing(ann).await;
    }
    hears_nothing(&mut bob).await;

    // What one of its sessions submits is followed by the others, and by that one as it said.
    let job = json!({"type": "t", "data": 2});
    let submitted = anns[1]
        .ask(json!({"id": 1, "action": "submit", "job": job}))
        .await;
    let id = submitted["job"]["id"].as_str().expect("an id");
    let lease = claim(&backend).await;
    assert_eq!(lease.job.as_str(), id);
    succeed(&backend, &lease).await;
    for index in [0, 2] {
        let followed = Followed::begin(&mut anns[index], id).await;
        assert_eq!(followed.read_to_the_end(&mut anns[index]).await, 3);
    }
    assert_eq!(anns[1].next().await["offset"], 2);
    assert_eq!(anns[1].next().await["job"]["state"], "succeeded");
    hears_nothing(&mut anns[1]).await;
    hears_nothing(&mut bob).await;
}

async fn who_comes_later_follows_what_has_not_ended(ground: Ground) {
    let (here, there, fleet) = ground.two(config(true)).await;
    let backend = fleet.backend().await;
    let over = submit(&here, json!({"type": "t", "data": 1, "user": "ann"})).await;
    let lease = claim(&backend).await;
    assert_eq!(lease.job.as_str(), over);
    succeed(&backend, &lease).await;
    let id = submit(&here, json!({"type": "t", "data": 2, "user": "ann"})).await;
    let lease = claim(&backend).await;
    report(&backend, &lease, 25.0).await;

    let mut ann = client(&there, "ann").await;
    let by_token = Followed::begin(&mut ann, &id).await;
    let mut later = Client::connect(request(&there, "")).await.expect("let in");
    later.next().await;
    let auth = json!({"id": 1, "action": "auth", "token": token("ann", 60.0)});
    assert_eq!(later.ask(auth).await["type"], "authenticated");
    assert_eq!(later.next().await["topic"], "user:ann");
    let by_auth = Followed::begin(&mut later, &id).await;
    succeed(&backend, &lease).await;
    for (client, followed) in [(&mut ann, by_token), (&mut later, by_auth)] {
        assert_eq!(followed.read_to_the_end(client).await, 4);
        hears_nothing(client).await;
    }
}

async fn a_job_that_no_node_was_told_of_is_found_in_its_users_list(ground: Ground) {
    let (here, there, fleet) = ground.two(config(true)).await;
    let backend = fleet.backend().await;
    let mut ann = client(&here, "ann").await;
    let kind = JobType::parse("t").expect("valid");
    let draft = JobDraft {
        user: Some(UserId::parse("ann").expect("valid")),
        ..JobDraft::new(&queue(), kind, RawJson::null())
    };
    let id = draft.id.to_string();
    backend.jobs.submit(draft).await.expect("submitted");
    // The list is looked at for whoever comes, and all of the user's sessions on that node get it.
    let mut another = client(&here, "ann").await;
    let mut far = client(&there, "ann").await;
    let mut followed = Vec::new();
    for client in [&mut ann, &mut another, &mut far] {
        followed.push(Followed::begin(client, &id).await);
    }
    let lease = claim(&backend).await;
    succeed(&backend, &lease).await;
    for (client, followed) in [&mut ann, &mut another, &mut far].into_iter().zip(followed) {
        assert_eq!(followed.read_to_the_end(client).await, 3);
        hears_nothing(client).await;
    }
}

async fn what_a_client_looks_after_by_itself_is_left_to_it(ground: Ground) {
    let mut config = config(true);
    config.limits.subscriptions_per_connection = 3;
    let (here, there, fleet) = ground.two(config).await;
    let backend = fleet.backend().await;
    let mut ann = client(&here, "ann").await;
    let mut watching = client(&there, "ann").await;
    // Not followed, as it said.
    let job = json!({"type": "t", "data": 0});
    let submitted = ann
        .ask(json!({"id": 1, "action": "submit", "follow": false, "job": job}))
        .await;
    let silent = submitted["job"]["id"].as_str().expect("an id").to_owned();
    Followed::begin(&mut watching, &silent).await;
    // Its own subscription, from where it was, takes the place of the server's.
    let since = json!({"epoch": submitted["epoch"], "offset": 0});
    let topic = format!("job:{silent}");
    let subscribe = json!({"id": 2, "action": "subscribe", "topic": topic, "since": since});
    assert_eq!(watching.ask(subscribe.clone()).await["recovered"], true);
    assert_eq!(watching.next().await["offset"], 1);
    assert_eq!(watching.ask(subscribe).await["code"], 105);
    // One that it does not want any more stays away, although the list still has it.
    let loud = submit(&here, json!({"type": "t", "data": 1, "user": "ann"})).await;
    for client in [&mut ann, &mut watching] {
        Followed::begin(client, &loud).await;
    }
    let unsubscribe = json!({"id": 3, "action": "unsubscribe", "topic": format!("job:{loud}")});
    assert_eq!(ann.ask(unsubscribe).await["type"], "unsubscribed");
    // Jobs that the server follows take nothing of the client's room.
    for name in ["a", "b"] {
        let subscribed = ann
            .ask(json!({"id": 4, "action": "subscribe", "topic": name}))
            .await;
        assert_eq!(subscribed["type"], "subscribed");
    }
    let mut last = client(&here, "ann").await;
    let mut listed = Vec::new();
    for _ in 0..2 {
        listed.push(last.next().await["topic"].take());
    }
    listed.sort_by_key(Value::to_string);
    assert_eq!(
        listed,
        [json!(format!("job:{silent}")), json!(format!("job:{loud}"))]
    );
    let more = submit(&here, json!({"type": "t", "data": 1, "user": "ann"})).await;
    let followed = Followed::begin(&mut ann, &more).await;
    hears_nothing(&mut ann).await;
    for _ in 0..3 {
        let lease = claim(&backend).await;
        succeed(&backend, &lease).await;
    }
    assert_eq!(followed.read_to_the_end(&mut ann).await, 3);
    hears_nothing(&mut ann).await;
}

async fn a_dead_letter_that_is_retried_is_followed_again(ground: Ground) {
    let (here, there, fleet) = ground.two(config(true)).await;
    let backend = fleet.backend().await;
    let mut ann = client(&there, "ann").await;
    let id = submit(&here, json!({"type": "t", "data": 1, "user": "ann"})).await;
    let followed = Followed::begin(&mut ann, &id).await;
    let lease = claim(&backend).await;
    let failed = backend.jobs.fail(&lease, Failure::fatal("broken")).await;
    failed.expect("held");
    assert_eq!(followed.read_to_the_end(&mut ann).await, 3);
    let retry = here.post(&format!("/api/jobs/{id}/retry"), &json!({})).await;
    assert_eq!(retry.status, 200);
    let again = Followed::begin(&mut ann, &id).await;
    assert_eq!(again.offset, 4);
    let lease = claim(&backend).await;
    assert_eq!(lease.job, JobId::parse(&id).expect("valid"));
    succeed(&backend, &lease).await;
    assert_eq!(again.read_to_the_end(&mut ann).await, 6);
    hears_nothing(&mut ann).await;
}
