//! How a job gets into Redis: its user's list and the list of queues first, then the one step that counts.

use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::interfaces::{KeysInterface, SortedSetsInterface};
use fred::types::Value;

use super::broker::{log_arguments, milliseconds, text};
use super::commands::CallError;
use super::entry;
use super::keys::Keys;
use super::page;
use super::queue::RedisQueue;
use super::scripts::Script;
use super::spelling::{count, head, job_id, rare, record_of, tag, tail};
use super::together::Frame;
use crate::broker::From;
use crate::job::{DEAD_RETENTION, JobDraft, JobError, JobId, OWNED, Submitted};
use crate::name::{QueueName, UserId};
use crate::position::Epoch;
use crate::publication::{Body, Publication, Snapshot};
use crate::topic::Topic;

/// How often a queue in use is put on the list of queues.
const REGISTER_EVERY: Duration = Duration::from_secs(60);
/// How long a queue stays there that is not used.
pub(super) const QUEUE_TTL: Duration = Duration::from_secs(30 * 24 * 3600);

impl RedisQueue {
    /// Puts the job's queue on the list of queues, and the job on its user's list. Both are in slots of
    /// their own; what is put there in vain is dropped when it is read.
    pub(super) async fn register(&self, draft: &JobDraft) -> Result<(), JobError> {
        if let Ok(queue) = QueueName::parse(draft.id.queue()) {
            self.register_queue(queue).await?;
        }
        match &draft.user {
            Some(user) => Ok(self.own(user, &draft.id).await?),
            None => Ok(()),
        }
    }

    async fn register_queue(&self, queue: QueueName) -> Result<(), CallError> {
        let now = Instant::now();
        if self
            .registered
            .lock()
            .get(&queue)
            .is_some_and(|until| now < *until)
        {
            return Ok(());
        }
        let (key, name, time) = (self.keys.queues(), queue.to_string(), self.commands.now_ms());
        let ttl = i64::try_from(QUEUE_TTL.as_secs()).unwrap_or(i64::MAX);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 have 41 bits")]
        let call = |client: Client| {
            let key = key.clone();
            let name = name.clone();
            async move {
                client
                    .zadd::<(), _, _>(&key, None, None, false, false, (time as f64, name))
                    .await?;
                client.expire::<(), _>(&key, ttl, None).await
            }
        };
        self.commands.call("zadd", Keys::QUEUES, call).await?;
        let mut registered = self.registered.lock();
        registered.retain(|_, until| now < *until);
        registered.insert(queue, now + REGISTER_EVERY);
        Ok(())
    }

    /// Puts a job on its user's list.
    pub(super) async fn own(&self, user: &UserId, id: &JobId) -> Result<(), CallError> {
        let (tag, key) = self.keys.of_user(user);
        let arguments = vec![
            text(id.as_str()),
            text(&self.commands.now_ms().to_string()),
            count(OWNED),
            milliseconds(DEAD_RETENTION),
        ];
        self.commands.run(Script::Own, &tag, vec![key], arguments).await?;
        Ok(())
    }

    /// The job that a submit turned out to be about.
    async fn known(&self, id: &JobId) -> Result<Option<Submitted>, JobError> {
        let topic = Topic::of_job(id);
        let keys = self.keys.topic(&topic);
        let mut names = vec![keys.log(), keys.meta()];
        names.extend(keys.record);
        let arguments = vec![
            text("now"),
            Value::Integer(0),
            Value::Integer(1),
            Value::Integer(0),
            text(Epoch::random().as_str()),
        ];
        let answer = self
            .commands
            .run(Script::Read, &keys.tag, names, arguments)
            .await?;
        let Some(read) = page::parse(&topic, From::Now, answer)? else {
            return Ok(None);
        };
        match (read.page.top, read.page.snapshot) {
            (Some(position), Some(Snapshot::Job(json))) => Ok(Some(Submitted {
                record: record_of(&json)?,
                position,
                duplicate: true,
            })),
            _ => Err(CallError::unexpected("a job without a record").into()),
        }
    }

    pub(super) async fn submit_once(&self, draft: &JobDraft) -> Result<Option<Submitted>, JobError> {
        let slot = self.keys.of_job(&draft.id);
        let topic = Topic::of_job(&draft.id);
        let key = draft.key.as_ref().map(|key| slot.idempotency(key));
        let word = vec![
            tag(),
            text(draft.id.as_str()),
            text(&head(draft)?),
            text(&tail(draft, self.policy(&draft.id))?),
            Value::Bytes(draft.data.as_bytes().clone()),
            rare(draft, key.as_deref()),
        ];
        let frame = Frame {
            keys: slot.first(12),
            tag: slot.tag,
            arguments: log_arguments(self.namespaces.of(&topic)),
        };
        let answer = self.together.say(Script::Submit, frame, word).await?;
        if !answer.is_array() {
            let entry = answer.into_bytes();
            return match entry.and_then(|entry| entry::decode(&topic, &entry)) {
                Some(Publication {
                    body: Body::Job { record: json },
                    place: Some(place),
                    ..
                }) => Ok(Some(Submitted {
                    record: record_of(&json)?,
                    position: place.position,
                    duplicate: false,
                })),
                _ => Err(CallError::unexpected("a job without an entry").into()),
            };
        }
        let parts = answer.into_array();
        let part = |index: usize| parts.get(index).and_then(Value::as_str).unwrap_or_default();
        match (&*part(0), &draft.key) {
            ("known", _) => self.known(&job_id(&part(1))?).await,
            ("conflict", Some(key)) => Err(JobError::Conflict {
                key: key.clone(),
                job: job_id(&part(1))?,
            }),
            _ => Err(CallError::unexpected("a submission of another shape").into()),
        }
    }
}
