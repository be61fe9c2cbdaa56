//! Nothing grows without a limit, in Redis or on the way to it.

use std::time::Duration;

use tidegate_shared::broker::From;
use tidegate_shared::job::{Failure, JobDraft};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{IdempotencyKey, JobType, NodeId, QueueName, WorkerId};
use tidegate_shared::nodes::NodeInfo;
use tidegate_shared::testing::RedisServer;

use super::{data, node, publication, raw, skip_to, start};
use crate::contract::broker::{attach, keyed, publish_numbers, read, send, topic};
use crate::contract::presence::somebody;
use crate::contract::state::{remove, set, set_for};

pub(crate) fn job(queue: &QueueName, key: Option<&str>) -> JobDraft {
    JobDraft {
        key: key.map(|key| IdempotencyKey::parse(key).expect("valid")),
        ..JobDraft::new(queue, JobType::parse("test").expect("valid"), RawJson::null())
    }
}

async fn time_to_live(server: &RedisServer, key: &str) -> i64 {
    raw(server, &["PTTL", key]).await.integer().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wake_list_is_bounded_when_no_worker_listens() {
    let server = start().await;
    let node = node(&server).await;
    let queue = QueueName::parse("q").expect("valid");
    for _ in 0..100 {
        node.jobs.submit(job(&queue, None)).await.expect("submitted");
    }
    let length = raw(&server, &["LLEN", "tg:{q:q:0}:wake"]).await.integer();
    assert_eq!(length, Some(32));
    let worker = WorkerId::parse("w").expect("valid");
    let claims = node.jobs.claim(&queue, &worker, 256, super::PATIENCE).await;
    assert_eq!(claims.expect("claimed").len(), 100);
    assert_eq!(
        raw(&server, &["EXISTS", "tg:{q:q:0}:wake"]).await.integer(),
        Some(0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_keeps_at_most_a_quarter_more_than_its_size_and_ends() {
    let server = start().await;
    let node = node(&server).await;
    let chat = topic("chat:a");
    publish_numbers(&node, &chat, 300).await;
    let length = raw(&server, &["LLEN", "tg:{t:chat:a}:log"])
        .await
        .integer()
        .expect("a list");
    assert!((100..=125).contains(&length), "{length}");
    let page = read(&node, &chat, From::Newest).await;
    assert_eq!(page.publications.len(), 100, "no reader sees more");
    let log = time_to_live(&server, "tg:{t:chat:a}:log").await;
    assert!((300_000 - 5_000..=300_000 + 10_000).contains(&log), "{log}");
    let meta = time_to_live(&server, "tg:{t:chat:a}:meta").await;
    assert!(meta > 24 * 3_600_000 - 5_000, "{meta}");
    send(&node, &chat, keyed("1", "k")).await;
    let key = time_to_live(&server, "tg:{t:chat:a}:key:k").await;
    assert!((295_000..=300_000).contains(&key), "{key}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_job_leaves_nothing_that_does_not_end() {
    let server = start().await;
    let node = node(&server).await;
    let queue = QueueName::parse("q").expect("valid");
    let worker = WorkerId::parse("w").expect("valid");
    for end in 0..3 {
        let key = format!("key{end}");
        node.jobs
            .submit(job(&queue, Some(&key)))
            .await
            .expect("submitted");
        let lease = Duration::from_millis(1);
        let claims = node.jobs.claim(&queue, &worker, 1, lease).await.expect("claimed");
        let lease = &claims[0].lease;
        assert_eq!(
            time_to_live(&server, &format!("tg:{{q:q:0}}:job:{}", lease.job)).await,
            -1,
            "one that has not ended is kept"
        );
        match end {
            0 => node.jobs.succeed(lease, RawJson::null()).await.expect("ended"),
            1 => node
                .jobs
                .fail(lease, Failure::fatal("no"))
                .await
                .map(|_| ())
                .expect("ended"),
            _ => {
                crate::contract::eventually("taken back", async || {
                    (node.jobs.reclaim(&queue, 1).await == Ok(1)).then_some(())
                })
                .await;
            }
        }
        let keep = if end == 0 { 3_600_000 } else { 7 * 24 * 3_600_000 };
        for part in ["", ":log"] {
            let left = time_to_live(&server, &format!("tg:{{q:q:0}}:job:{}{part}", lease.job)).await;
            assert!((keep - 10_000..=keep).contains(&left), "{part}: {left}");
        }
        let left = time_to_live(&server, &format!("tg:{{q:q:0}}:key:{key}")).await;
        assert!((3_590_000..=3_600_000).contains(&left), "{left}");
    }
    // Finds out that nothing is left, and takes the tokens that woke nobody.
    node.jobs
        .claim(&queue, &worker, 1, Duration::from_secs(1))
        .await
        .expect("claimed");
    for key in raw(&server, &["KEYS", "*"]).await.items() {
        assert!(
            time_to_live(&server, &key.to_string()).await > 0,
            "{key} stays for ever"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_topics_attached_at_once_are_all_heard() {
    let server = start().await;
    let node = node(&server).await;
    let mut events = node.broker.events().expect("first");
    let attaching: Vec<_> = (0..2_000)
        .map(|number| {
            let node = node.clone();
            tokio::spawn(async move { attach(&node, &topic(&format!("fire:{number}"))).await })
        })
        .collect();
    for one in attaching {
        one.await.expect("attached");
    }
    for number in 0..2_000 {
        let channel = format!("tg:{{t:fire:{number}}}:ch");
        let entry = format!("1 m     1  \n{number}");
        let heard_by = raw(&server, &["SPUBLISH", &channel, &entry]).await;
        assert_eq!(heard_by.integer(), Some(1), "{number}");
        assert_eq!(
            data(&*skip_to(&mut events, publication).await),
            number.to_string()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_keeps_its_numbering_for_as_long_as_it_has_keys() {
    let server = start().await;
    let node = node(&server).await;
    let [chat, ending] = ["state:a", "state:b"].map(topic);
    let meta = "tg:{t:state:a}:meta";
    for round in 0..2 {
        set(&node, &chat, "a", "1").await;
        set(&node, &chat, "b", "1").await;
        read(&node, &chat, From::Now).await;
        publish_numbers(&node, &chat, 2).await;
        remove(&node, &chat, "a").await;
        remove(&node, &chat, "a").await;
        for key in [meta, "tg:{t:state:a}:state"] {
            assert_eq!(time_to_live(&server, key).await, -1, "{key}, round {round}");
        }
        // As when a period of the log's expiry ends.
        raw(&server, &["HSET", meta, "period", "0"]).await;
        publish_numbers(&node, &chat, 1).await;
        assert_eq!(time_to_live(&server, meta).await, -1);
        raw(&server, &["HSET", meta, "period", "0"]).await;
        set(&node, &chat, "b", "2").await;
        assert_eq!(time_to_live(&server, meta).await, -1);
        remove(&node, &chat, "b").await;
        assert!(time_to_live(&server, meta).await > 23 * 3_600_000);
        assert_eq!(raw(&server, &["HEXISTS", meta, "bytes"]).await.integer(), Some(0));
    }
    set_for(&node, &ending, "a", Duration::from_millis(20)).await;
    attach(&node, &ending).await;
    crate::contract::eventually("it ends", || async {
        (node.broker.tops(std::slice::from_ref(&ending)).await.ok()?[0]?.offset == 2).then_some(())
    })
    .await;
    for key in raw(&server, &["KEYS", "*"]).await.items() {
        let left = time_to_live(&server, &key.to_string()).await;
        assert!(left > 0, "{key} stays for ever");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_and_nodes_leave_nothing_that_stays() {
    let server = start().await;
    let node = node(&server).await;
    let chat = topic("seen:a");
    for ttl in [Duration::from_millis(1), Duration::from_secs(45)] {
        let entered = node.presence.enter(&chat, somebody("ada"), ttl).await;
        entered.expect("entered");
    }
    for key in raw(&server, &["KEYS", "*"]).await.items() {
        let left = time_to_live(&server, &key.to_string()).await;
        assert!((600_000..=645_000).contains(&left), "{key}: {left}");
    }
    let info = NodeInfo {
        node: NodeId::parse("n").expect("valid"),
        version: "1".into(),
        connections: 0,
        subscriptions: 0,
        topics: 0,
        started_at: 0,
        draining: false,
        advertise: None,
    };
    let announced = node.nodes.announce(&info, Duration::from_secs(30)).await;
    announced.expect("announced");
    for key in ["tg:{nodes}:info", "tg:{nodes}:ends"] {
        assert!(time_to_live(&server, key).await > 23 * 3_600_000, "{key}");
    }
}
