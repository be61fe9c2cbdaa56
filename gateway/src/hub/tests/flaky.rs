//! A broker of one topic that loses live publications, forgets its log, forks it, fails, and takes its
//! time; and that notices when it is attached and detached at once.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tidegate_shared::broker::{
    Broker, BrokerError, BrokerEvent, BrokerEvents, Draft, From, Link, Lost, Page, Published,
};
use tidegate_shared::json::RawJson;
use tidegate_shared::position::{Epoch, Offset, Position, Since, Tag};
use tidegate_shared::publication::{Body, Place, Publication};
use tidegate_shared::topic::Topic;
use tokio::sync::{mpsc, watch};

pub(super) struct FlakyBroker {
    pub(super) state: Mutex<State>,
    sender: mpsc::Sender<BrokerEvent>,
    events: Mutex<Option<BrokerEvents>>,
    link: watch::Sender<Link>,
    topic: Topic,
}

pub(super) struct State {
    epoch: Epoch,
    top: Position,
    log: Vec<Arc<Publication>>,
    log_size: usize,
    /// Every publication there ever was, by its tag: where it stands and what came before it.
    pub(super) all: HashMap<Tag, Place>,
    pub(super) attached: bool,
    /// A call of attach or detach is under way.
    busy: bool,
    pub(super) fails: bool,
    /// Turns that calls take, used up one after the other.
    pub(super) delays: Vec<u8>,
    turn: usize,
}

impl State {
    pub(super) fn top(&self) -> Position {
        self.top
    }

    fn delay(&mut self) -> u8 {
        self.turn += 1;
        match self.delays.len() {
            0 => 1,
            count => self.delays[self.turn % count],
        }
    }

    fn page(&self, publications: Vec<Arc<Publication>>, lost: Option<Lost>) -> Page {
        Page {
            top: Some(self.top),
            publications,
            lost,
            snapshot: None,
        }
    }

    fn after(&self, since: Since, limit: usize) -> Page {
        let lost = |lost| self.page(Vec::new(), Some(lost));
        if since.epoch != self.epoch {
            return lost(Lost::Epoch);
        }
        if since.offset > self.top.offset {
            return lost(Lost::Fork);
        }
        if since.offset == self.top.offset {
            return match since.tag {
                Some(tag) if tag != self.top.tag => lost(Lost::Fork),
                _ => self.page(Vec::new(), None),
            };
        }
        let next = |one: &Arc<Publication>| place(one).position.offset == since.offset + 1;
        let Some(first) = self.log.iter().position(next) else {
            return lost(Lost::Trimmed);
        };
        if since
            .tag
            .is_some_and(|tag| tag != place(&self.log[first]).previous)
        {
            return lost(Lost::Fork);
        }
        let end = self.log.len().min(first + limit);
        self.page(self.log[first..end].to_vec(), None)
    }
}

impl FlakyBroker {
    pub(super) fn new(topic: Topic, log_size: usize, delays: Vec<u8>) -> Arc<Self> {
        let (sender, events) = BrokerEvents::channel();
        let epoch = Epoch::random();
        Arc::new(Self {
            state: Mutex::new(State {
                epoch,
                top: Position::start(epoch),
                log: Vec::new(),
                log_size,
                all: HashMap::new(),
                attached: false,
                busy: false,
                fails: false,
                delays,
                turn: 0,
            }),
            sender,
            events: Mutex::new(Some(events)),
            link: watch::Sender::new(Link::Up),
            topic,
        })
    }

    pub(super) fn say(&self, event: BrokerEvent) {
        self.sender.try_send(event).expect("room for events");
    }

    /// Logs a publication, and says it if it is not lost on the way.
    pub(super) fn publish_one(&self, is_lost: bool) {
        let mut state = self.state.lock();
        let at = Place {
            position: Position {
                epoch: state.epoch,
                offset: state.top.offset + 1,
                tag: Tag::random(),
            },
            previous: state.top.tag,
        };
        let publication = Arc::new(Publication {
            topic: self.topic.clone(),
            place: Some(at),
            time_ms: 1,
            body: Body::Message {
                data: RawJson::null(),
                event: None,
            },
            exclude: None,
            trace: None,
        });
        state.top = at.position;
        state.all.insert(at.position.tag, at);
        state.log.push(publication.clone());
        if state.log.len() > state.log_size {
            state.log.remove(0);
        }
        if state.attached && !is_lost {
            self.say(BrokerEvent::Publication(publication));
        }
    }

    /// Loses the newest publications, as a failover does.
    pub(super) fn fork(&self, count: Offset) {
        let mut state = self.state.lock();
        for _ in 0..count {
            if state.log.len() > 1
                && let Some(lost) = state.log.pop()
            {
                let lost = place(&lost);
                state.top.offset = lost.position.offset - 1;
                state.top.tag = lost.previous;
            }
        }
    }

    /// Loses everything.
    pub(super) fn begin_epoch(&self) {
        let mut state = self.state.lock();
        state.epoch = Epoch::random();
        state.top = Position::start(state.epoch);
        state.log.clear();
    }

    async fn take_time(&self) {
        let turns = self.state.lock().delay();
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }

    fn check(&self) -> Result<(), BrokerError> {
        if self.state.lock().fails {
            Err(BrokerError::Unavailable("as asked for".into()))
        } else {
            Ok(())
        }
    }

    async fn alone(&self, attached: bool) -> Result<(), BrokerError> {
        assert!(
            !std::mem::replace(&mut self.state.lock().busy, true),
            "attach and detach overlap"
        );
        self.take_time().await;
        let result = self.check();
        // A detach takes effect even if it says it failed, as when the connection breaks under it.
        if result.is_ok() || !attached {
            self.state.lock().attached = attached;
        }
        self.take_time().await;
        self.state.lock().busy = false;
        result
    }
}

fn place(publication: &Publication) -> Place {
    publication.place.expect("this topic has a log")
}

#[async_trait]
impl Broker for FlakyBroker {
    async fn publish(&self, _: &Topic, _: Draft) -> Result<Published, BrokerError> {
        Err(BrokerError::Forbidden("not here".into()))
    }

    async fn read(&self, _: &Topic, from: From, limit: usize) -> Result<Page, BrokerError> {
        self.take_time().await;
        self.check()?;
        let page = {
            let state = self.state.lock();
            match from {
                From::Now => state.page(Vec::new(), None),
                From::Newest => {
                    let first = state.log.len().saturating_sub(limit);
                    state.page(state.log[first..].to_vec(), None)
                }
                // Small pages, so that reading on is needed.
                From::After(since) => state.after(since, limit.min(3)),
            }
        };
        self.take_time().await;
        Ok(page)
    }

    async fn tops(&self, topics: &[Topic]) -> Result<Vec<Option<Position>>, BrokerError> {
        self.take_time().await;
        self.check()?;
        let top = self.state.lock().top;
        Ok(topics
            .iter()
            .map(|topic| (*topic == self.topic).then_some(top))
            .collect())
    }

    async fn attach(&self, _: &Topic) -> Result<(), BrokerError> {
        self.alone(true).await
    }

    async fn detach(&self, _: &Topic) -> Result<(), BrokerError> {
        self.alone(false).await
    }

    fn events(&self) -> Option<BrokerEvents> {
        self.events.lock().take()
    }

    fn link(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }
}
