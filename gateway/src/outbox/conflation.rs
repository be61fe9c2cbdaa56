//! What a slow client of topics with the policy `latest` is still to get: of each topic — of each key,
//! where publications have keys — only the newest.
//!
//! Pure: publications and notices go in, fewer come out. The newest of everything always comes out, and
//! what does not is counted and told with the topic's next publication. Within a topic the order of the
//! log stays, so that a client which comes back after its last offset misses nothing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hashbrown::HashMap;
use tidegate_shared::name::{SessionId, StateKey};
use tidegate_shared::publication::{Body, Publication};
use tidegate_shared::topic::Topic;

use super::Frames;

#[derive(Debug, Default)]
pub(super) struct Conflation {
    slots: HashMap<Topic, Slot>,
    /// The topics in the order they get their turn.
    turns: VecDeque<Topic>,
    weight: usize,
}

/// What waits of one topic.
#[derive(Debug, Default)]
struct Slot {
    /// By the order they came in.
    values: BTreeMap<u64, Arc<Publication>>,
    newest: HashMap<Key, u64>,
    arrivals: u64,
    notices: VecDeque<Frames>,
    /// The notices are about what came after the values.
    notices_last: bool,
    skipped: u64,
}

#[derive(Debug)]
pub(super) enum Item {
    /// A publication, and how many were left out before it.
    Value(Arc<Publication>, u64),
    Notice(Frames),
}

impl Conflation {
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Topics of which something waits.
    pub(super) fn topics(&self) -> usize {
        self.slots.len()
    }

    /// Roughly what it holds, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// Takes a publication in. Gives how many waited in vain because of it.
    pub(super) fn value(&mut self, publication: &Arc<Publication>) -> u64 {
        let slot = slot(&mut self.slots, &mut self.turns, &publication.topic);
        let mut left_out = Vec::new();
        if std::mem::take(&mut slot.notices_last) {
            // They would have to come before the notices, and this one after them.
            left_out.extend(std::mem::take(&mut slot.values).into_values());
            slot.newest.clear();
        }
        let arrival = slot.arrivals;
        slot.arrivals += 1;
        let before = slot.newest.insert(key(publication), arrival);
        left_out.extend(before.and_then(|before| slot.values.remove(&before)));
        slot.values.insert(arrival, publication.clone());
        let count = left_out.len() as u64;
        slot.skipped += count;
        self.weight += publication.size();
        self.weight -= left_out.iter().map(|one| one.size()).sum::<usize>();
        count
    }

    /// Takes in what the topic's subscribers are told beside its publications. `resets`: what came
    /// before means nothing any more. Gives how many waited in vain because of it.
    pub(super) fn notice(&mut self, topic: &Topic, frames: Frames, resets: bool) -> u64 {
        let slot = slot(&mut self.slots, &mut self.turns, topic);
        let mut left_out = 0;
        if resets {
            left_out = slot.values.len() as u64;
            self.weight -= slot.weight();
            *slot = Slot::default();
        }
        self.weight += frames.size();
        slot.notices_last = !slot.values.is_empty();
        slot.notices.push_back(frames);
        left_out
    }

    /// The next thing to send, one topic after the other.
    pub(super) fn pop(&mut self) -> Option<Item> {
        let topic = self.turns.pop_front()?;
        let slot = self.slots.get_mut(&topic)?;
        let item = slot.pop();
        match &item {
            Some(Item::Value(publication, _)) => self.weight -= publication.size(),
            Some(Item::Notice(frames)) => self.weight -= frames.size(),
            None => {}
        }
        if slot.values.is_empty() && slot.notices.is_empty() {
            self.slots.remove(&topic);
        } else {
            self.turns.push_back(topic);
        }
        item
    }

    /// Nobody wants this topic any more.
    pub(super) fn forget(&mut self, topic: &Topic) {
        if let Some(slot) = self.slots.remove(topic) {
            self.weight -= slot.weight();
            self.turns.retain(|one| one != topic);
        }
    }
}

fn slot<'a>(slots: &'a mut HashMap<Topic, Slot>, turns: &mut VecDeque<Topic>, topic: &Topic) -> &'a mut Slot {
    slots.entry(topic.clone()).or_insert_with(|| {
        turns.push_back(topic.clone());
        Slot::default()
    })
}

impl Slot {
    fn pop(&mut self) -> Option<Item> {
        if !self.notices_last
            && let Some(notice) = self.notices.pop_front()
        {
            return Some(Item::Notice(notice));
        }
        if let Some((_, publication)) = self.values.pop_first() {
            self.newest.remove(&key(&publication));
            return Some(Item::Value(publication, std::mem::take(&mut self.skipped)));
        }
        self.notices.pop_front().map(Item::Notice)
    }

    fn weight(&self) -> usize {
        let values: usize = self.values.values().map(|one| one.size()).sum();
        values + self.notices.iter().map(Frames::size).sum::<usize>()
    }
}

/// What publications of a topic replace each other by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Topic,
    State(StateKey),
    Member(SessionId),
}

fn key(publication: &Publication) -> Key {
    match &publication.body {
        Body::Set { key, .. } | Body::Remove { key, .. } => Key::State(key.clone()),
        Body::Message { .. } | Body::Job { .. } => Key::Topic,
        Body::Join { member } | Body::Leave { member } => Key::Member(member.session),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use bytes::Bytes;
    use proptest::prelude::*;
    use tidegate_shared::json::RawJson;
    use tidegate_shared::position::{Epoch, Position, Tag};
    use tidegate_shared::publication::Place;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Publish { topic: usize, key: Option<u8> },
        Lag(usize),
        Reset(usize),
        Pop,
        Forget(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let topic = 0..3_usize;
        prop_oneof![
            8 => (topic.clone(), proptest::option::of(0..3_u8))
                .prop_map(|(topic, key)| Step::Publish { topic, key }),
            1 => topic.clone().prop_map(Step::Lag),
            1 => topic.clone().prop_map(Step::Reset),
            5 => Just(Step::Pop),
            1 => topic.prop_map(Step::Forget),
        ]
    }

    fn publication(topic: usize, key: Option<u8>, offset: u64) -> Arc<Publication> {
        let body = match key {
            None => Body::Message {
                data: RawJson::null(),
                event: None,
            },
            Some(key) => Body::Set {
                key: StateKey::parse(&format!("k{key}")).expect("valid"),
                value: RawJson::null(),
            },
        };
        Arc::new(Publication {
            topic: Topic::parse(&format!("t{topic}")).expect("valid"),
            place: Some(Place {
                position: Position {
                    epoch: Epoch::NONE,
                    offset,
                    tag: Tag::NONE,
                },
                previous: Tag::NONE,
            }),
            time_ms: 1,
            body,
            exclude: None,
            trace: None,
        })
    }

    /// What one topic's reader should see.
    #[derive(Default)]
    struct Expected {
        /// Newest offset of each key that it has not seen.
        newest: HashMap<Key, u64>,
        unseen: u64,
        last: u64,
    }

    fn offset(publication: &Publication) -> u64 {
        publication.place.expect("it has one").position.offset
    }

    /// Plays the steps, then takes everything out.
    fn play(steps: Vec<Step>) {
        let mut conflation = Conflation::default();
        let mut expected: HashMap<Topic, Expected> = HashMap::new();
        let mut next = 0;
        let topic = |index: usize| Topic::parse(&format!("t{index}")).expect("valid");
        let notice = || Frames::control(Bytes::from_static(b"notice"));
        let pops = std::iter::repeat_n(Step::Pop, 200);
        for step in steps.into_iter().chain(pops) {
            match step {
                Step::Publish { topic, key } => {
                    next += 1;
                    // Topics with keys don't lag.
                    let publication = publication(topic, key.filter(|_| topic == 2), next);
                    conflation.value(&publication);
                    let expected = expected.entry(publication.topic.clone()).or_default();
                    expected.newest.insert(super::key(&publication), next);
                    expected.unseen += 1;
                }
                Step::Lag(index) => {
                    conflation.notice(&topic(index % 2), notice(), false);
                }
                Step::Reset(index) => {
                    conflation.notice(&topic(index), notice(), true);
                    expected.insert(topic(index), Expected::default());
                }
                Step::Forget(index) => {
                    conflation.forget(&topic(index));
                    expected.insert(topic(index), Expected::default());
                }
                Step::Pop => {
                    if let Some(Item::Value(publication, skipped)) = conflation.pop() {
                        let expected = expected.get_mut(&publication.topic).expect("published");
                        let offset = offset(&publication);
                        assert!(offset > expected.last, "out of order");
                        expected.last = offset;
                        let key = super::key(&publication);
                        if expected.newest.get(&key) == Some(&offset) {
                            expected.newest.remove(&key);
                        }
                        expected.unseen -= skipped + 1;
                    }
                }
            }
        }
        assert!(conflation.is_empty());
        assert!(conflation.turns.is_empty());
        assert_eq!(conflation.weight(), 0);
        for (topic, expected) in expected {
            assert!(expected.newest.is_empty(), "{topic}: the newest did not come");
            assert_eq!(expected.unseen, 0, "{topic}: left out and not told");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_newest_of_everything_comes_in_order_and_what_does_not_is_counted(
            steps in proptest::collection::vec(step(), 1..100),
        ) {
            play(steps);
        }
    }
}
