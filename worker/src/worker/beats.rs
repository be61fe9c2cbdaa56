//! What a worker does by itself, again and again: each beat is one worker's, however many there are.
//!
//! Who is first to take the number of a beat has it: an idempotency key of a topic that nobody follows. The
//! number is the worker's clock in periods, so a worker whose clock is ahead has all beats for as long as it
//! lives, and one that takes over after it leaves out as many as their clocks differ by.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tidegate_shared::broker::{BrokerError, Draft};
use tidegate_shared::clock::since_1970;
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{IdempotencyKey, MethodName};
use tidegate_shared::publication::Body;
use tidegate_shared::topic::Topic;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::topics::Topics;

/// Shortest and longest period: between them, a beat's number is never forgotten before it is over.
pub(crate) const PERIODS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(50)..=Duration::from_secs(60);

/// One beat. It is a [`Topics`], too.
#[derive(Clone)]
pub struct Beat {
    number: u64,
    topics: Topics,
}

impl Beat {
    pub(crate) fn new(number: u64, topics: Topics) -> Self {
        Self { number, topics }
    }

    /// The beats since 1970: greater from beat to beat, mostly by one.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Deref for Beat {
    type Target = Topics;

    fn deref(&self) -> &Topics {
        &self.topics
    }
}

impl fmt::Debug for Beat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beat")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

pub(crate) type Work = Arc<dyn Fn(Beat) -> BoxFuture<'static, ()> + Send + Sync>;

/// Work that a type cannot name.
pub(crate) fn work<F, R>(work: F) -> Work
where
    F: Fn(Beat) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |beat| work(beat).boxed())
}

/// Something to do once every period.
#[derive(Clone)]
pub(crate) struct Duty {
    pub(crate) name: MethodName,
    pub(crate) period: Duration,
    pub(crate) work: Work,
}

impl Duty {
    /// Until `stopping` fires; a beat that has begun is finished.
    pub(crate) async fn run(self, topics: Topics, stopping: CancellationToken) {
        let Ok(topic) = Topic::parse(&format!("beat:{}", self.name)) else {
            return;
        };
        while stopping
            .run_until_cancelled(sleep(until_next(self.period)))
            .await
            .is_some()
        {
            let number = number(self.period);
            match self.take(&topics, &topic, number).await {
                Ok(true) => (self.work)(Beat::new(number, topics.clone())).await,
                Ok(false) => {}
                // While the backend is away nothing is due: claiming says that it is.
                Err(error) => tracing::debug!(duty = %self.name, "the beat cannot be taken: {error}"),
            }
        }
    }

    /// Whether this beat is this worker's.
    async fn take(&self, topics: &Topics, topic: &Topic, number: u64) -> Result<bool, BrokerError> {
        let Ok(key) = IdempotencyKey::parse(&number.to_string()) else {
            return Ok(false);
        };
        let data = RawJson::of(&number).map_err(|error| BrokerError::Forbidden(error.to_string()))?;
        let draft = Draft {
            key: Some(key),
            ..Draft::new(Body::Message { data, event: None })
        };
        Ok(!topics.write(topic, draft).await?.duplicate)
    }
}

fn number(period: Duration) -> u64 {
    let periods = since_1970().as_millis() / period.as_millis().max(1);
    u64::try_from(periods).unwrap_or(u64::MAX)
}

/// Till the next beat begins; a little more, so that it has begun for sure.
fn until_next(period: Duration) -> Duration {
    let period = period.as_nanos().max(1);
    let rest = period - since_1970().as_nanos() % period;
    Duration::from_nanos(u64::try_from(rest).unwrap_or(u64::MAX)) + Duration::from_millis(1)
}
