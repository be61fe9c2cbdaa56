//! What is said of jobs, or published to topics, at the same time goes to Redis in one script, which costs it much less
//! than one for each. Nothing waits for others to come: what is said while a script is under way goes with the next.
//!
//! What is said in one place comes out in the order in which it was said. Never says anything twice, and neither claims
//! nor publishes for somebody who has gone.

use std::collections::HashMap;
use std::iter;
use std::sync::Arc;

use fred::types::Value;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::commands::{CallError, Commands};
use super::scripts::Script;

/// Most jobs or messages of one script, and bytes from which on no more are added.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 1024 * 1024;
/// Most that wait; one more is refused.
const WAITING: usize = 8_192;

/// Where it is said: a script, and who shares one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    script: Script,
    company: String,
}

/// What a script is given for all that is said: what came with the first, as those of a company differ in nothing but
/// the epoch that a topic would get, and the tag where one connection serves them all.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) tag: String,
    pub(super) keys: Vec<String>,
    pub(super) arguments: Vec<Value>,
}

/// What is said of one job, or one publication.
#[derive(Debug, Default)]
pub(super) struct Saying {
    /// Its own, behind those of the frame.
    pub(super) keys: Vec<String>,
    pub(super) arguments: Vec<Value>,
}

#[derive(Debug)]
struct Word {
    frame: Frame,
    saying: Saying,
    answer: oneshot::Sender<Result<Value, CallError>>,
}

impl Word {
    fn size(&self) -> usize {
        let sizes = self.saying.arguments.iter().map(|value| match value {
            Value::Bytes(bytes) => bytes.len(),
            _ => 0,
        });
        sizes.sum()
    }
}

#[derive(Debug)]
pub(super) struct Together {
    commands: Arc<Commands>,
    /// What waits for the script that is under way; a place is here while somebody looks after it.
    waiting: Mutex<HashMap<Place, Vec<Word>>>,
}

impl Together {
    pub(super) fn new(commands: Arc<Commands>) -> Arc<Self> {
        Arc::new(Self {
            commands,
            waiting: Mutex::default(),
        })
    }

    /// Runs a script that takes `arguments` for each of several jobs of a slot behind those of the frame, and answers
    /// with an array. Gives the answer for these.
    pub(super) async fn say(
        self: &Arc<Self>,
        script: Script,
        frame: Frame,
        arguments: Vec<Value>,
    ) -> Result<Value, CallError> {
        let place = Place {
            script,
            company: frame.tag.clone(),
        };
        let keys = Vec::new();
        self.begin(place, frame, Saying { keys, arguments })?
            .answer()
            .await
    }

    /// The same for a script that is given keys for each as well: it is shared by all of this `kind` whose commands go
    /// over one connection to a Redis that is not a Cluster, and there by those of a slot. It is said with the call.
    pub(super) fn say_beside_others(
        self: &Arc<Self>,
        script: Script,
        kind: &str,
        frame: Frame,
        saying: Saying,
    ) -> Result<Said, CallError> {
        let company = match self.commands.lane(&frame.tag)? {
            Some(lane) => format!("{lane} {kind}"),
            None => frame.tag.clone(),
        };
        self.begin(Place { script, company }, frame, saying)
    }

    fn begin(self: &Arc<Self>, place: Place, frame: Frame, saying: Saying) -> Result<Said, CallError> {
        let (answer, answered) = oneshot::channel();
        let word = Word {
            frame,
            saying,
            answer,
        };
        let mut waiting = self.waiting.lock();
        match waiting.get_mut(&place) {
            Some(words) if words.len() >= WAITING => {
                let why = format!("more than {WAITING} messages to one place wait for Redis");
                return Err(CallError::Unavailable(why));
            }
            Some(words) => words.push(word),
            None => {
                waiting.insert(place.clone(), vec![word]);
                drop(waiting);
                let looking = Looking {
                    together: self.clone(),
                    place,
                    is_over: false,
                };
                tokio::spawn(looking.send_all());
            }
        }
        Ok(Said(answered))
    }
}

/// Who drops it has nothing published or claimed that has not gone to Redis yet.
pub(super) struct Said(oneshot::Receiver<Result<Value, CallError>>);

impl Said {
    pub(super) async fn answer(self) -> Result<Value, CallError> {
        let lost = |_| CallError::Unavailable("the process is being shut down".to_owned());
        self.0.await.map_err(lost)?
    }
}

/// Looks after a place until nothing waits there.
struct Looking {
    together: Arc<Together>,
    place: Place,
    is_over: bool,
}

impl Looking {
    async fn send_all(mut self) {
        while let Some((first, others)) = self.next() {
            let Frame {
                tag,
                mut keys,
                mut arguments,
            } = first.frame;
            let mut senders = Vec::with_capacity(1 + others.len());
            for (saying, answer) in iter::once((first.saying, first.answer))
                .chain(others.into_iter().map(|word| (word.saying, word.answer)))
            {
                keys.extend(saying.keys);
                arguments.extend(saying.arguments);
                senders.push(answer);
            }
            let commands = &self.together.commands;
            let answer = Box::pin(commands.run(self.place.script, &tag, keys, arguments)).await;
            let answers = answer.map(Value::into_array).and_then(|answers| {
                let complete = answers.len() == senders.len();
                let what = "another number of answers than of what was said";
                complete
                    .then_some(answers)
                    .ok_or_else(|| CallError::unexpected(what))
            });
            // Who does not wait any more need not know.
            match answers {
                Ok(answers) => {
                    for (sender, answer) in senders.into_iter().zip(answers) {
                        let _ = sender.send(Ok(answer));
                    }
                }
                Err(error) => {
                    for sender in senders {
                        let _ = sender.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    /// What waits, at most a batch. Gives the place up if there is nothing.
    fn next(&mut self) -> Option<(Word, Vec<Word>)> {
        let mut waiting = self.together.waiting.lock();
        let words = waiting.get_mut(&self.place)?;
        if matches!(self.place.script, Script::Claim | Script::Publish) {
            // A job for somebody who is gone would lie idle until its lease ends. A publication of which its publisher
            // has been told that it failed must not come after all.
            words.retain(|word| !word.answer.is_closed());
        }
        let mut bytes = 0;
        let fits = |word: &&Word| {
            let has_room = bytes < BATCH_BYTES;
            bytes += word.size();
            has_room
        };
        let count = words.iter().take(BATCH).take_while(fits).count();
        let mut batch = words.drain(..count);
        if let Some(first) = batch.next() {
            return Some((first, batch.collect()));
        }
        drop(batch);
        waiting.remove(&self.place);
        self.is_over = true;
        None
    }
}

impl Drop for Looking {
    /// When its runtime ends in between, those who wait are told, and another may look after the place.
    fn drop(&mut self) {
        if !self.is_over {
            self.together.waiting.lock().remove(&self.place);
        }
    }
}
