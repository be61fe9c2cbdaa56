use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::name::{NameError, QueueName, ScheduleName};

/// A job's id, `{queue}.{shard}.{32 hexadecimal digits}`: it names the slot that everything about the
/// job lives in. The digits are a UUID of version 7, so ids sort by time of submission.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId {
    text: Arc<str>,
    /// Length of the queue's name at the start of the text.
    queue: u8,
    shard: u16,
}

impl JobId {
    /// A new id in the queue's only shard.
    pub fn new(queue: &QueueName) -> Self {
        Self::with_digits(queue, Uuid::now_v7())
    }

    fn with_digits(queue: &QueueName, digits: Uuid) -> Self {
        let text = format!("{queue}.0.{}", digits.simple());
        // A queue name has at most 64 bytes.
        Self {
            queue: u8::try_from(queue.as_str().len()).unwrap_or(u8::MAX),
            shard: 0,
            text: text.into(),
        }
    }

    /// The id of the job that a schedule submits at a tick, the same each time it is asked for.
    pub(crate) fn of_tick(queue: &QueueName, name: &ScheduleName, tick: u64) -> Self {
        let mut digest = Sha256::new();
        digest.update(queue.as_str());
        digest.update([0]);
        digest.update(name.as_str());
        digest.update(tick.to_be_bytes());
        let digest = digest.finalize();
        let mut rest = [0; 10];
        rest.copy_from_slice(&digest[..10]);
        Self::with_digits(
            queue,
            Builder::from_unix_timestamp_millis(tick, &rest).into_uuid(),
        )
    }

    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::split(text).ok_or(NameError::NotPlain {
            what: "job id",
            character: '?',
            at: 0,
        })
    }

    fn split(text: &str) -> Option<Self> {
        let (rest, digits) = text.rsplit_once('.')?;
        let (queue, shard) = rest.rsplit_once('.')?;
        let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if digits.len() != 32 || !digits.bytes().all(hexadecimal) {
            return None;
        }
        let number: u16 = shard.parse().ok()?;
        if number.to_string() != shard || QueueName::parse(queue).is_err() {
            return None;
        }
        Some(Self {
            queue: u8::try_from(queue.len()).ok()?,
            shard: number,
            text: text.into(),
        })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn queue(&self) -> &str {
        &self.text[..usize::from(self.queue)]
    }

    pub fn shard(&self) -> u16 {
        self.shard
    }
}

impl TryFrom<String> for JobId {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.text.as_ref().to_owned()
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_queue_and_shard() {
        let id = JobId::new(&QueueName::parse("mud.ticks").expect("valid"));
        let read = JobId::parse(id.as_str()).expect("its own text");
        assert_eq!((read.queue(), read.shard(), &read), ("mud.ticks", 0, &id));
    }

    #[test]
    fn rubbish_is_no_id() {
        let digits = "0".repeat(32);
        for text in [
            "",
            "x",
            "q.0.123",
            &format!("q.01.{digits}"),
            &format!(".0.{digits}"),
            &format!("a:b.0.{digits}"),
        ] {
            assert!(JobId::parse(text).is_err(), "{text}");
        }
    }
}
