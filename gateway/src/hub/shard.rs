//! A part of the topics, under one lock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use hashbrown::HashMap;
use prometheus::IntGauge;
use tidegate_shared::config::Config;
use tidegate_shared::topic::Topic;

use super::attach::{Attachment, Lingering};
use super::entry::Entry;

#[derive(Debug)]
pub(super) struct Shard {
    pub(super) topics: HashMap<Topic, Entry>,
    /// Idle topics that are still attached, the longest idle first.
    pub(super) lingering: VecDeque<Lingering>,
    config: Arc<Config>,
    count: IntGauge,
}

impl Shard {
    pub(super) fn new(config: Arc<Config>, count: IntGauge) -> Self {
        Self {
            topics: HashMap::new(),
            lingering: VecDeque::new(),
            config,
            count,
        }
    }

    pub(super) fn entry(&mut self, topic: &Topic) -> &mut Entry {
        self.topics.entry(topic.clone()).or_insert_with(|| {
            self.count.inc();
            Entry::new(self.config.namespaces.of(topic))
        })
    }

    /// To be called when a topic may have become idle.
    pub(super) fn settle_idle(&mut self, topic: &Topic) {
        let Some(entry) = self.topics.get_mut(topic) else {
            return;
        };
        if !entry.is_idle() {
            return;
        }
        match entry.attachment {
            Attachment::Detached => {
                self.topics.remove(topic);
                self.count.dec();
                if self.topics.capacity() > 64 && self.topics.len() < self.topics.capacity() / 4 {
                    self.topics.shrink_to(self.topics.len() * 2);
                }
            }
            Attachment::Attached => {
                let mark = entry.begin_idle();
                self.lingering.push_back(Lingering {
                    since: Instant::now(),
                    topic: topic.clone(),
                    mark,
                });
            }
            // The task that is at it looks again when it is done.
            Attachment::Attaching(_) | Attachment::Detaching(_) => {}
        }
    }
}
