//! Slots that move from one master to another, under everything that uses them.

use std::time::Duration;

use bytes::Bytes;
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::{BrokerEvent, BrokerEvents, From};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{QueueName, WorkerId};
use tidegate_shared::position::Position;
use tidegate_shared::testing::{RedisCluster, slot_of};
use tidegate_shared::topic::Topic;

use super::node;
use crate::contract::broker::{attach, draft, publish, read, top, topic};
use crate::contract::eventually;
use crate::on_redis::limits::job;
use crate::on_redis::{PATIENCE, data, next, publication, raw, skip_to};

/// How soon a slot that has moved must have been noticed.
const NOTICED: Duration = Duration::from_secs(10);

async fn move_on(cluster: &RedisCluster, tag: &str) {
    let slot = slot_of(tag);
    let to = (cluster.owner(slot).await.expect("an owner") + 1) % 3;
    cluster.move_slot(slot, to).await.expect("moved");
}

/// A subscriber that repairs what it missed from the log, as the hub does.
struct Follower {
    node: Backend,
    topic: Topic,
    last: Position,
}

impl Follower {
    async fn repair(&mut self) {
        // While the slot moves, reading may fail; the next event says so again.
        let Ok(page) = self
            .node
            .broker
            .read(&self.topic, From::After(self.last.into()), 1_000)
            .await
        else {
            return;
        };
        assert_eq!(page.lost, None);
        for publication in page.publications {
            let place = publication.place.expect("a log");
            assert!(place.follows(&self.last), "{place:?} after {:?}", self.last);
            self.last = place.position;
        }
    }

    async fn follow_until(&mut self, events: &mut BrokerEvents, offset: u64) {
        while self.last.offset < offset {
            match next(events).await {
                BrokerEvent::Publication(publication) => {
                    let place = publication.place.expect("a log");
                    if place.follows(&self.last) {
                        self.last = place.position;
                    } else if place.position.offset > self.last.offset {
                        self.repair().await;
                    }
                }
                BrokerEvent::Gap { .. } | BrokerEvent::Up => self.repair().await,
                BrokerEvent::Down | BrokerEvent::Control(_) => {}
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_of_a_slot_that_moves_under_publications_gets_all_of_them() {
    let cluster = RedisCluster::start().await.expect("a Cluster");
    let (here, there) = (node(&cluster).await, node(&cluster).await);
    let mut events = here.broker.events().expect("first");
    let topic = topic("long:a");
    let last = top(&here, &topic).await;
    attach(&here, &topic).await;
    let mut follower = Follower {
        node: here.clone(),
        topic: topic.clone(),
        last,
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let publishing = tokio::spawn({
        let topic = topic.clone();
        async move {
            let mut stopped = stopped;
            let mut number = 0;
            while stopped.try_recv().is_err() && number < 1_000 {
                number += 1;
                // May be refused while the slot is under way.
                let _ = there.broker.publish(&topic, draft(&number.to_string())).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            there
        }
    });
    follower.follow_until(&mut events, 10).await;
    move_on(&cluster, &format!("t:{topic}")).await;
    let offset = top(&here, &topic).await.offset + 1;
    let following = follower.follow_until(&mut events, offset);
    tokio::time::timeout(NOTICED, following).await.expect("noticed");
    let _ = stop.send(());
    let there = publishing.await.expect("no panic");
    // And what comes now is heard live.
    let mark = publish(&there, &topic, "\"mark\"").await;
    skip_to(&mut events, |event| {
        publication(event).filter(|heard| heard.place.map(|place| place.position) == mark.position)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_came_back_before_anybody_looked_is_heard_again() {
    let cluster = RedisCluster::start().await.expect("a Cluster");
    let node = node(&cluster).await;
    let mut events = node.broker.events().expect("first");
    let topic = topic("fire:a");
    attach(&node, &topic).await;
    let slot = slot_of(&format!("t:{topic}"));
    let home = cluster.owner(slot).await.expect("an owner");
    cluster.move_slot(slot, (home + 1) % 3).await.expect("moved");
    cluster.move_slot(slot, home).await.expect("moved back");
    let told = skip_to(&mut events, |event| {
        matches!(event, BrokerEvent::Gap { .. }).then_some(())
    });
    tokio::time::timeout(NOTICED, told).await.expect("noticed");
    heard_at_last(&node, &topic, &mut events).await;
}

/// Publishes until something of it is heard.
async fn heard_at_last(node: &Backend, topic: &Topic, events: &mut BrokerEvents) {
    let publishing = async {
        loop {
            publish(node, topic, "1").await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        heard = skip_to(events, publication) => assert_eq!(heard.topic, *topic),
        () = publishing => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_and_those_who_wait_for_work_go_with_their_queue() {
    let cluster = RedisCluster::start().await.expect("a Cluster");
    let node = node(&cluster).await;
    let queue = QueueName::parse("mud").expect("valid");
    let worker = WorkerId::parse("w").expect("valid");
    let lease = Duration::from_secs(60);
    let first = node.jobs.submit(job(&queue, Some("k"))).await.expect("submitted");
    let mut claims = node.jobs.claim(&queue, &worker, 1, lease).await.expect("claimed");
    let claim = claims.pop().expect("a job");
    let waiting = tokio::spawn({
        let (jobs, queues) = (node.jobs.clone(), [queue.clone()]);
        async move { jobs.wait(&queues, PATIENCE).await }
    });
    eventually("the worker waits in Redis", async || {
        let server = cluster.server_of("{q:mud:0}").await.expect("an owner");
        let clients = raw(server, &["CLIENT", "LIST"]).await.to_string();
        clients.contains("cmd=blpop").then_some(())
    })
    .await;
    move_on(&cluster, "q:mud:0").await;
    node.jobs
        .succeed(&claim.lease, RawJson::null())
        .await
        .expect("ended");
    let again = node.jobs.submit(job(&queue, Some("k"))).await.expect("submitted");
    assert_eq!((again.record.id, again.duplicate), (first.record.id, true));
    node.jobs.submit(job(&queue, None)).await.expect("submitted");
    waiting.await.expect("no panic").expect("woken");
    let claims = node.jobs.claim(&queue, &worker, 9, lease).await.expect("claimed");
    assert_eq!(claims.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nodes_tell_each_other_is_heard_after_its_slot_moved() {
    let cluster = RedisCluster::start().await.expect("a Cluster");
    let (here, there) = (node(&cluster).await, node(&cluster).await);
    let mut events = here.broker.events().expect("first");
    move_on(&cluster, "nodes").await;
    let heard = skip_to(&mut events, |event| match event {
        BrokerEvent::Control(message) => Some(message),
        _ => None,
    });
    let telling = async {
        loop {
            there
                .nodes
                .tell(Bytes::from_static(b"hello"))
                .await
                .expect("told");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let heard = async {
        tokio::select! {
            heard = heard => heard,
            () = telling => Bytes::new(),
        }
    };
    let heard = tokio::time::timeout(NOTICED, heard).await.expect("noticed");
    assert_eq!(heard, "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_server_a_program_publishes_at_a_bare_topic_is_heard_once() {
    let cluster = RedisCluster::start().await.expect("a Cluster");
    let node = node(&cluster).await;
    let mut events = node.broker.events().expect("first");
    let news = topic("bare:moving");
    attach(&node, &news).await;
    // Moving its slot does not touch it: it has none.
    move_on(&cluster, &format!("t:{news}")).await;
    for (number, server) in cluster.masters().iter().enumerate() {
        raw(server, &["PUBLISH", "tidegate:bare:moving", &number.to_string()]).await;
        let heard = skip_to(&mut events, publication).await;
        assert_eq!(data(&heard), number.to_string());
    }
    node.broker.detach(&news).await.expect("detached");
    for server in cluster.masters() {
        let subscribers = raw(server, &["PUBSUB", "NUMSUB", "tidegate:bare:moving"]).await;
        assert_eq!(subscribers.items()[1].integer(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_detached_after_its_slot_moved_is_not_heard_and_others_are() {
    let cluster = RedisCluster::start().await.expect("a Cluster");
    let node = node(&cluster).await;
    let mut events = node.broker.events().expect("first");
    let (gone, kept) = (topic("chat:gone"), topic("chat:kept"));
    attach(&node, &gone).await;
    attach(&node, &kept).await;
    for _ in 0..3 {
        move_on(&cluster, &format!("t:{gone}")).await;
        // The node may not have noticed yet: Redis refuses what it is asked then.
        node.broker.detach(&gone).await.expect("detached");
        eventually("it can be attached again", async || {
            node.broker.attach(&gone).await.ok()
        })
        .await;
    }
    eventually("it can be detached", async || {
        node.broker.detach(&gone).await.ok()
    })
    .await;
    publish(&node, &gone, "1").await;
    heard_at_last(&node, &kept, &mut events).await;
    assert_eq!(read(&node, &gone, From::Newest).await.publications.len(), 1);
}
