//! Topics and sessions as code on a worker sees them, whichever nodes they are on.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::{BrokerError, Draft, From, Published};
use tidegate_shared::call::After;
use tidegate_shared::control::{Message, What, Who};
use tidegate_shared::job::JobId;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{EventName, SessionId, StateKey};
use tidegate_shared::presence::Member;
use tidegate_shared::publication::{Body, Publication, Snapshot};
use tidegate_shared::topic::Topic;
use tokio_util::sync::CancellationToken;

/// Publishes, keeps state, and tells sessions what to follow. Cloning is cheap.
///
/// What it has sessions do ([`Topics::subscribe`], [`Topics::send`] and the like) reaches those that are
/// connected when it is said, in the order in which one worker says it, and is not confirmed.
#[derive(Clone)]
pub struct Topics {
    pub(crate) backend: Backend,
    /// Where it notes what was published.
    notes: Option<Arc<Mutex<Vec<After>>>>,
    fence: Option<Arc<Fence>>,
}

/// Behind it, nothing is written: somebody else may have the turn.
#[derive(Debug)]
pub(crate) enum Fence {
    /// Until when somebody has its turn in a serial group, as far as this process knows.
    Turn(Mutex<Instant>),
    /// Until a job is no longer its handler's.
    Job(JobId, CancellationToken),
}

impl Fence {
    pub(crate) fn until(end: Instant) -> Arc<Self> {
        Arc::new(Self::Turn(Mutex::new(end)))
    }

    pub(crate) fn extend(&self, end: Instant) {
        if let Self::Turn(until) = self {
            *until.lock() = end;
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::Turn(until) => Instant::now() >= *until.lock(),
            Self::Job(_, lost) => lost.is_cancelled(),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Turn(_) => "the worker has lost its turn in the group: nothing is written any more".into(),
            Self::Job(id, _) => format!("job {id} is no longer this worker's"),
        }
    }
}

/// Most places that are noted for one call: of each topic the last.
const NOTES: usize = 64;

impl Topics {
    pub fn new(backend: Backend) -> Self {
        Self {
            backend,
            notes: None,
            fence: None,
        }
    }

    /// The same, noting what is published.
    pub(crate) fn noting(&self, fence: Option<Arc<Fence>>) -> Self {
        Self {
            notes: Some(Arc::default()),
            fence,
            ..self.clone()
        }
    }

    /// The same, for as long as a job is its handler's.
    pub(crate) fn of_job(backend: Backend, id: JobId, lost: CancellationToken) -> Self {
        Self {
            fence: Some(Arc::new(Fence::Job(id, lost))),
            ..Self::new(backend)
        }
    }

    /// Why nothing is written any more, if so.
    pub(crate) fn fenced(&self) -> Option<String> {
        let over = self.fence.as_ref().filter(|fence| fence.is_over());
        over.map(|fence| fence.text())
    }

    pub(crate) fn noted(&self) -> Vec<After> {
        self.notes
            .as_ref()
            .map(|notes| notes.lock().clone())
            .unwrap_or_default()
    }

    /// Publishes to a topic, with the name of an event or without.
    pub async fn publish<T>(
        &self,
        topic: &Topic,
        event: Option<&EventName>,
        data: &T,
    ) -> Result<Published, BrokerError>
    where
        T: Serialize + Sync + ?Sized,
    {
        self.write(topic, message(event, data)?).await
    }

    /// As [`Topics::publish`], but one session does not get it.
    pub async fn publish_except<T>(
        &self,
        session: SessionId,
        topic: &Topic,
        event: Option<&EventName>,
        data: &T,
    ) -> Result<Published, BrokerError>
    where
        T: Serialize + Sync + ?Sized,
    {
        let draft = Draft {
            exclude: Some(session),
            ..message(event, data)?
        };
        self.write(topic, draft).await
    }

    /// Sets a key of a state topic. Without a time to live it has that of the topic's namespace.
    pub async fn set<T>(
        &self,
        topic: &Topic,
        key: &StateKey,
        value: &T,
        ttl: Option<Duration>,
    ) -> Result<Published, BrokerError>
    where
        T: Serialize + Sync + ?Sized,
    {
        let (key, value) = (key.clone(), json(value)?);
        let draft = Draft {
            ttl,
            ..Draft::new(Body::Set { key, value })
        };
        self.write(topic, draft).await
    }

    /// Removes a key of a state topic; [`Published::changed`] says whether it was there.
    pub async fn remove(&self, topic: &Topic, key: &StateKey) -> Result<Published, BrokerError> {
        let (key, expired) = (key.clone(), false);
        self.write(topic, Draft::new(Body::Remove { key, expired })).await
    }

    /// Publishes anything that can be published.
    pub async fn write(&self, topic: &Topic, draft: Draft) -> Result<Published, BrokerError> {
        if let Some(why) = self.fenced() {
            return Err(BrokerError::Forbidden(why));
        }
        let published = self.backend.broker.publish(topic, draft).await?;
        if let (Some(notes), Some(position), true) = (&self.notes, &published.position, published.changed) {
            let mut notes = notes.lock();
            notes.retain(|note| note.topic != *topic);
            if notes.len() < NOTES {
                notes.push(After::new(topic.clone(), position));
            }
        }
        Ok(published)
    }

    /// The map of a state topic as it is now.
    pub async fn state(&self, topic: &Topic) -> Result<BTreeMap<StateKey, RawJson>, BrokerError> {
        let page = self.backend.broker.read(topic, From::Now, 0).await?;
        Ok(match page.snapshot {
            Some(Snapshot::State(map)) => map.into_iter().collect(),
            Some(Snapshot::Job(_)) | None => BTreeMap::new(),
        })
    }

    /// The newest publications of a topic's log, oldest first.
    pub async fn newest(&self, topic: &Topic, limit: usize) -> Result<Vec<Arc<Publication>>, BrokerError> {
        Ok(self
            .backend
            .broker
            .read(topic, From::Newest, limit)
            .await?
            .publications)
    }

    /// Who follows a topic, first come first, where its namespace has presence.
    pub async fn members(&self, topic: &Topic) -> Result<Vec<Member>, BrokerError> {
        self.backend.presence.members(topic).await
    }

    /// How many follow a topic, where its namespace has presence.
    pub async fn count(&self, topic: &Topic) -> Result<usize, BrokerError> {
        self.backend.presence.count(topic).await
    }

    /// Has a session, or all of a user, follow a topic from now on.
    pub async fn subscribe(&self, who: Who, topic: &Topic) -> Result<(), BrokerError> {
        let (topic, since) = (topic.clone(), None);
        self.order(who, What::Subscribe { topic, since }).await
    }

    /// Has a session, or all of a user, follow a topic no longer.
    pub async fn unsubscribe(&self, who: Who, topic: &Topic) -> Result<(), BrokerError> {
        let topic = topic.clone();
        self.order(who, What::Unsubscribe { topic }).await
    }

    /// Closes the connection of a session, or all of a user.
    pub async fn disconnect(&self, who: Who) -> Result<(), BrokerError> {
        self.order(who, What::Disconnect).await
    }

    /// Pushes something to one session alone, on the topic `session:{id}` that nobody else can follow. It is
    /// in no log: a session that is not connected misses it.
    pub async fn send<T>(
        &self,
        session: SessionId,
        event: Option<&EventName>,
        data: &T,
    ) -> Result<(), BrokerError>
    where
        T: Serialize + Sync + ?Sized,
    {
        let push = What::Send {
            topic: Topic::of_session(session),
            event: event.cloned(),
            data: json(data)?,
        };
        self.order(Who::Session(session), push).await
    }

    async fn order(&self, who: Who, what: What) -> Result<(), BrokerError> {
        let message = Message::order(who, what).encode();
        self.backend.nodes.tell(message).await?;
        Ok(())
    }
}

impl fmt::Debug for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topics").finish_non_exhaustive()
    }
}

fn message<T>(event: Option<&EventName>, data: &T) -> Result<Draft, BrokerError>
where
    T: Serialize + ?Sized,
{
    let data = json(data)?;
    Ok(Draft::new(Body::Message {
        data,
        event: event.cloned(),
    }))
}

fn json<T: Serialize + ?Sized>(value: &T) -> Result<RawJson, BrokerError> {
    RawJson::of(value)
        .map_err(|error| BrokerError::Forbidden(format!("the data cannot be written as JSON: {error}")))
}
