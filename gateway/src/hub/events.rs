//! The one task that hears the broker: what comes in together goes out together. It never waits for
//! anything else.

use std::sync::Arc;

use bytes::Bytes;
use tidegate_shared::broker::{BrokerEvent, BrokerEvents};
use tidegate_shared::publication::Publication;
use tidegate_shared::topic::Topic;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Hub;
use super::delivery::Delivery;

/// Most events of one batch. The connections' tasks get their turn between batches.
const BATCH: usize = 512;

pub(super) async fn run(
    hub: Hub,
    mut events: BrokerEvents,
    control: mpsc::Sender<Bytes>,
    stop: CancellationToken,
) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            count = events.next_batch(&mut batch, BATCH) => if count == 0 { return },
            () = stop.cancelled() => return,
        }
        for event in &batch {
            if let BrokerEvent::Control(message) = event
                && control.try_send(message.clone()).is_err()
            {
                tracing::debug!("more messages from other nodes than can be heard; one is dropped");
            }
        }
        hub.take(&mut batch);
        tokio::task::yield_now().await;
    }
}

impl Hub {
    /// Takes in what the broker has to say, in order for each topic.
    pub(super) fn take(&self, batch: &mut Vec<BrokerEvent>) {
        let mut publications = Vec::with_capacity(batch.len());
        for event in batch.drain(..) {
            match event {
                BrokerEvent::Publication(publication) => publications.push(publication),
                BrokerEvent::Gap { topic: Some(topic) } => {
                    self.fan_out(&mut publications);
                    self.suspect(&topic);
                }
                BrokerEvent::Gap { topic: None } | BrokerEvent::Up => {
                    self.fan_out(&mut publications);
                    self.suspect_all();
                }
                // Subscriptions stay; what is missed meanwhile is looked for at `Up`. What nodes tell
                // each other is no topic.
                BrokerEvent::Down | BrokerEvent::Control(_) => {}
            }
        }
        self.fan_out(&mut publications);
    }

    fn fan_out(&self, publications: &mut Vec<Arc<Publication>>) {
        if publications.is_empty() {
            return;
        }
        // Stable: the order within a topic stays.
        publications.sort_by(|a, b| a.topic.cmp(&b.topic));
        let mut repairs = Vec::new();
        let mut delivery = Delivery::new(&self.metrics().outbox);
        for run in publications.chunk_by(|a, b| a.topic == b.topic) {
            let topic = &run[0].topic;
            let mut shard = self.shard(topic).lock();
            if let Some(entry) = shard.topics.get_mut(topic) {
                let was_idle = entry.is_idle();
                if let Some(number) = entry.arrive(run, &mut delivery) {
                    repairs.push((topic.clone(), number));
                }
                if entry.is_idle() && !was_idle {
                    shard.settle_idle(topic);
                }
            }
        }
        drop(delivery);
        publications.clear();
        for (topic, number) in repairs {
            self.repair(topic, number);
        }
    }

    /// Publications of this topic may have been missed.
    pub(super) fn suspect(&self, topic: &Topic) {
        let mut shard = self.shard(topic).lock();
        let number = shard.topics.get_mut(topic).and_then(|entry| entry.feed.suspect());
        drop(shard);
        if let Some(number) = number {
            self.repair(topic.clone(), number);
        }
    }

    fn suspect_all(&self) {
        for shard in self.shards() {
            let suspects: Vec<(Topic, u32)> = shard
                .lock()
                .topics
                .iter_mut()
                .filter_map(|(topic, entry)| Some((topic.clone(), entry.feed.suspect()?)))
                .collect();
            for (topic, number) in suspects {
                self.repair(topic, number);
            }
        }
    }
}
