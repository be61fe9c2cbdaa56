//! Whatever happens: contiguous, or told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::Registry;
use proptest::prelude::*;
use tidegate_shared::broker::BrokerEvent;
use tidegate_shared::config::Config;
use tidegate_shared::namespace::{Namespace, Namespaces, SlowPolicy};
use tidegate_shared::topic::Topic;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::audit::Auditor;
use super::flaky::FlakyBroker;
use crate::dialect::{Failure, Reply, RequestId};
use crate::hub::Hub;
use crate::hub::attach::LINGER;
use crate::outbox;

const CLIENTS: usize = 4;

#[derive(Debug, Clone)]
pub(super) enum Step {
    Publish {
        lost: bool,
    },
    Burst(u8),
    Fork(u64),
    Epoch,
    Gap,
    Up,
    Fail(bool),
    Join {
        client: usize,
        resume: bool,
    },
    /// Drops a join that is under way.
    Abort(usize),
    Leave(usize),
    Sweep,
    Turns(u8),
    /// The slow clients read what waits for them.
    Read,
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENTS;
    prop_oneof![
        6 => any::<bool>().prop_map(|lost| Step::Publish { lost }),
        2 => (1..12_u8).prop_map(Step::Burst),
        1 => (1..4_u64).prop_map(Step::Fork),
        1 => Just(Step::Epoch),
        1 => Just(Step::Gap),
        1 => Just(Step::Up),
        1 => any::<bool>().prop_map(Step::Fail),
        5 => (client.clone(), any::<bool>()).prop_map(|(client, resume)| Step::Join { client, resume }),
        1 => client.clone().prop_map(Step::Abort),
        2 => client.prop_map(Step::Leave),
        1 => Just(Step::Sweep),
        8 => (1..12_u8).prop_map(Step::Turns),
        1 => Just(Step::Read),
    ]
}

/// Nothing is lost below: then nothing but what arrives may be needed to bring everybody to the top.
fn harmless_step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENTS;
    prop_oneof![
        6 => Just(Step::Publish { lost: false }),
        1 => (1..12_u8).prop_map(Step::Burst),
        1 => Just(Step::Gap),
        5 => (client.clone(), any::<bool>()).prop_map(|(client, resume)| Step::Join { client, resume }),
        1 => client.clone().prop_map(Step::Abort),
        4 => client.prop_map(Step::Leave),
        1 => Just(Step::Sweep),
        8 => (1..6_u8).prop_map(Step::Turns),
    ]
}

pub(super) enum Client {
    Away(Option<Auditor>),
    Joining(Auditor, JoinHandle<Result<(), Failure>>),
    Live(Auditor),
}

pub(super) struct World {
    hub: Hub,
    broker: Arc<FlakyBroker>,
    topic: Topic,
    registry: Registry,
    pub(super) clients: Vec<Client>,
    /// So many of them don't keep up.
    slow: usize,
    /// The broker says when it is back.
    is_told: bool,
}

impl World {
    pub(super) fn new(delays: Vec<u8>, slow: SlowPolicy) -> Self {
        let topic = Topic::parse("t").expect("valid");
        let broker = FlakyBroker::new(topic.clone(), 6, delays);
        let registry = Registry::new();
        let metrics = Arc::new(outbox::Metrics::register(&registry).expect("fresh"));
        let namespace = Namespace {
            slow,
            ..Namespace::new(Topic::DEFAULT_NAMESPACE)
        };
        let config = Config {
            namespaces: Namespaces::new(namespace, []),
            ..Config::default()
        };
        let hub = Hub::new(Arc::new(config), broker.clone(), metrics, &registry).expect("fresh");
        let events = tidegate_shared::broker::Broker::events(&*broker).expect("first");
        tokio::spawn(crate::hub::events::run(
            hub.clone(),
            events,
            tokio::sync::mpsc::channel(1).0,
            CancellationToken::new(),
        ));
        Self {
            hub,
            broker,
            topic,
            registry,
            clients: (0..CLIENTS).map(|_| Client::Away(None)).collect(),
            is_told: true,
            slow: if slow == SlowPolicy::CatchUp { 2 } else { 0 },
        }
    }

    pub(super) async fn take(&mut self, step: Step) {
        match step {
            Step::Publish { lost } => self.broker.publish_one(lost),
            Step::Burst(count) => (0..count).for_each(|_| self.broker.publish_one(false)),
            Step::Fork(count) => self.broker.fork(count),
            Step::Epoch => self.broker.begin_epoch(),
            Step::Gap => self.broker.say(BrokerEvent::Gap {
                topic: Some(self.topic.clone()),
            }),
            Step::Up => self.broker.say(BrokerEvent::Up),
            Step::Fail(fails) => self.broker.state.lock().fails = fails,
            Step::Join { client, resume } => self.join(client, resume),
            Step::Abort(client) => self.abort(client).await,
            Step::Leave(client) => self.leave(client),
            Step::Sweep => {
                self.hub.retry_repairs();
                self.hub.sweep(Instant::now() + LINGER).await;
            }
            Step::Turns(count) => turns(count.into()).await,
            Step::Read => return self.look(true).await,
        }
        self.look(false).await;
    }

    fn join(&mut self, client: usize, resume: bool) {
        let Client::Away(before) = &mut self.clients[client] else {
            return;
        };
        let since = before
            .take()
            .filter(|_| resume)
            .and_then(|before| before.position());
        let auditor = Auditor::new(since, client < self.slow);
        let (hub, outbox, topic) = (self.hub.clone(), auditor.outbox.clone(), self.topic.clone());
        let joining = tokio::spawn(async move {
            let reply = |standing: crate::hub::Standing| Reply::Subscribed {
                topic: topic.clone(),
                position: standing.position,
                recovered: standing.recovered,
                snapshot: standing.snapshot,
                roll: standing.roll,
            };
            hub.join(&outbox, &topic, since, Some(&RequestId::new("1")), None, reply)
                .await
        });
        self.clients[client] = Client::Joining(auditor, joining);
    }

    async fn abort(&mut self, client: usize) {
        self.look(false).await;
        let taken = std::mem::replace(&mut self.clients[client], Client::Away(None));
        match taken {
            Client::Joining(auditor, joining) => {
                joining.abort();
                if let Ok(Ok(())) = joining.await {
                    self.hub.leave(&auditor.outbox, &self.topic);
                }
            }
            other => self.clients[client] = other,
        }
    }

    fn leave(&mut self, client: usize) {
        if let Client::Live(_) = &self.clients[client]
            && let Client::Live(mut auditor) =
                std::mem::replace(&mut self.clients[client], Client::Away(None))
        {
            auditor.stop();
            self.hub.leave(&auditor.outbox, &self.topic);
            auditor.read(&self.broker.state.lock().all, &self.hub, &self.topic);
            self.clients[client] = Client::Away(Some(auditor));
        }
    }

    /// Reads what the clients got, and finds out which joins have ended.
    async fn look(&mut self, slow_too: bool) {
        for client in &mut self.clients {
            let taken = std::mem::replace(client, Client::Away(None));
            *client = match taken {
                Client::Joining(auditor, joining) if joining.is_finished() => {
                    match joining.await.expect("no panic") {
                        Ok(()) => Client::Live(auditor),
                        Err(_) => Client::Away(None),
                    }
                }
                other => other,
            };
            if let Client::Live(auditor) = client
                && (slow_too || !auditor.is_slow)
            {
                auditor.read(&self.broker.state.lock().all, &self.hub, &self.topic);
            }
        }
    }

    /// Service is back: everybody must come to the top.
    async fn recover(&mut self) {
        self.broker.state.lock().fails = false;
        if self.is_told {
            self.broker.say(BrokerEvent::Up);
        } else {
            self.check_tops().await;
        }
        self.calm_down().await;
    }

    /// Nothing says that something was missed; only the regular look can find it.
    async fn check_tops(&mut self) {
        // What is under way comes to its end first, the looks of repairs and joins included.
        for _ in 0..20 {
            turns(100).await;
            self.hub.retry_repairs();
            self.look(true).await;
        }
        let behind = self.hub.compare_tops().await;
        turns(100).await;
        self.hub.suspect_behind(behind);
    }

    /// Everything under way has come to its end: everybody must be at the top.
    async fn calm_down(&mut self) {
        for _ in 0..50 {
            turns(100).await;
            self.hub.retry_repairs();
            self.look(true).await;
        }
        let top = self.broker.state.lock().top();
        for client in &self.clients {
            match client {
                Client::Away(_) => {}
                Client::Joining(..) => panic!("a join hangs"),
                Client::Live(auditor) => {
                    let (epoch, offset, tag) = auditor.at.expect("subscribed");
                    assert_eq!((epoch, offset), (top.epoch, top.offset), "not at the top");
                    assert!(tag.is_none_or(|tag| tag == top.tag), "in another history");
                }
            }
        }
    }

    async fn end(&mut self) {
        let live = self
            .clients
            .iter()
            .filter(|one| matches!(one, Client::Live(_)))
            .count();
        assert_eq!(self.gauge("tidegate_subscriptions"), live);
        (0..CLIENTS).for_each(|client| self.leave(client));
        for _ in 0..3 {
            self.hub
                .sweep(Instant::now() + LINGER + Duration::from_secs(1))
                .await;
            turns(50).await;
        }
        assert_eq!(self.gauge("tidegate_subscriptions"), 0);
        assert_eq!(self.gauge("tidegate_topics"), 0);
        assert!(
            !self.broker.state.lock().attached,
            "a topic nobody wants is detached"
        );
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    fn gauge(&self, name: &str) -> usize {
        let families = self.registry.gather();
        let family = families
            .iter()
            .find(|family| family.name() == name)
            .expect("registered");
        family.get_metric()[0].get_gauge().get_value() as usize
    }
}

async fn turns(count: u32) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

fn run(steps: Vec<Step>, delays: Vec<u8>, is_harmless: bool, slow: SlowPolicy) {
    run_told(steps, delays, is_harmless, slow, true);
}

pub(super) fn block_on(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(future);
}

fn run_told(steps: Vec<Step>, delays: Vec<u8>, is_harmless: bool, slow: SlowPolicy, is_told: bool) {
    block_on(async {
        let mut world = World::new(delays, slow);
        world.is_told = is_told;
        for step in steps {
            world.take(step).await;
        }
        if is_harmless {
            world.calm_down().await;
        } else {
            world.recover().await;
        }
        world.end().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn offsets_are_contiguous_or_the_client_is_told(
        steps in proptest::collection::vec(step(), 1..120),
        delays in proptest::collection::vec(0..6_u8, 0..12),
    ) {
        run(steps, delays, false, SlowPolicy::Close);
    }

    #[test]
    fn who_comes_while_others_leave_misses_nothing(
        steps in proptest::collection::vec(harmless_step(), 1..80),
        delays in proptest::collection::vec(0..6_u8, 0..12),
    ) {
        run(steps, delays, true, SlowPolicy::Close);
    }

    #[test]
    fn the_regular_look_finds_what_nothing_told_of(
        steps in proptest::collection::vec(step(), 1..120),
        delays in proptest::collection::vec(0..6_u8, 0..12),
    ) {
        run_told(steps, delays, false, SlowPolicy::Close, false);
    }

    #[test]
    fn clients_that_catch_up_get_the_same_promise(
        steps in proptest::collection::vec(step(), 1..120),
        delays in proptest::collection::vec(0..6_u8, 0..12),
    ) {
        run(steps, delays, false, SlowPolicy::CatchUp);
    }
}
