//! Proof that a connection hears: a channel that its master serves, on which the node publishes to itself.

use std::time::{Duration, Instant};

use fred::interfaces::PubsubInterface;

use super::commands::Commands;
use super::keys::Keys;
use super::layout::Layout;
use super::subscriber::Heard;

/// Silence after which the node publishes something to itself.
const SILENCE: Duration = Duration::from_secs(10);
/// How long that may take to be heard.
const ECHO: Duration = Duration::from_secs(3);
/// A master that serves so few slots that none of so many channels is in one goes without.
const TRIES: u32 = 50_000;

#[derive(Debug)]
pub(super) struct Probe {
    pub(super) channel: String,
    tag: String,
    sent: Option<Instant>,
}

impl Probe {
    /// A channel that this master serves.
    pub(super) fn pick(keys: &Keys, node: &str, layout: &Layout, master: u64) -> Option<Self> {
        (0..TRIES).find_map(|number| {
            let (channel, tag) = keys.probe(node, number);
            let owner = layout.of_tag(&tag)?;
            (owner.id == master).then_some(Self {
                channel,
                tag,
                sent: None,
            })
        })
    }

    pub(super) fn is_of(&self, layout: &Layout, master: u64) -> bool {
        layout.of_tag(&self.tag).is_some_and(|owner| owner.id == master)
    }

    /// After some silence the node publishes to itself. False if that did not come back.
    pub(super) async fn proves_to_hear(&mut self, commands: &Commands, heard: &Heard) -> bool {
        if heard.silence() < SILENCE {
            self.sent = None;
            return true;
        }
        if let Some(sent) = self.sent {
            return sent.elapsed() < ECHO;
        }
        let sent = commands
            .call("spublish", &self.tag, |client| {
                let channel = self.channel.clone();
                async move { client.spublish::<(), _, _>(channel, "?").await }
            })
            .await;
        // If it can't be sent, the other connections are in trouble, and say so themselves.
        if sent.is_ok() {
            self.sent = Some(Instant::now());
        }
        true
    }
}
