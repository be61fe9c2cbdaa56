//! Attaching and detaching: each is asked of the ear at the master that serves the channel.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::commands::{CallError, Commands};
use super::master::Master;
use super::routes::{Route, Routes};
use super::slots::slot_of;
use crate::broker::BrokerError;

/// Requests that wait for one ear.
pub(super) const REQUESTS: usize = 4_096;
/// How long attaching follows a slot that moves.
const DETOURS: Duration = Duration::from_secs(4);
/// Between two tries, unless a new layout comes.
const DETOUR: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Request {
    pub(super) channel: Box<str>,
    pub(super) wish: Wish,
    pub(super) answer: Answer,
}

#[derive(Debug)]
pub(super) enum Wish {
    Attach(Route, u16),
    Detach { bare: bool, slot: u16 },
}

pub(super) type Answer = oneshot::Sender<Result<(), Refusal>>;

/// Why a channel is not attached.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Another master serves it.
    Moved,
    Error(BrokerError),
}

impl Refusal {
    pub(super) fn unavailable(commands: &Commands) -> Self {
        Self::Error(CallError::Unavailable(commands.link.why_not()).into())
    }
}

#[derive(Debug, Clone)]
pub(super) struct Hearing {
    pub(super) commands: Arc<Commands>,
    pub(super) routes: Arc<Routes>,
    pub(super) shutdown: CancellationToken,
}

impl Hearing {
    pub(super) async fn attach(&self, channel: &str, tag: &str, route: Route) -> Result<(), BrokerError> {
        let slot = slot_of(tag);
        let bare = route.bare.is_some();
        let started = Instant::now();
        loop {
            let master = self.master(channel, tag, bare)?;
            let asked = ask(&master, channel, Wish::Attach(route.clone(), slot)).await;
            match asked {
                Some(Ok(())) => return Ok(()),
                Some(Err(Refusal::Error(error))) => return Err(error),
                _ if self.shutdown.is_cancelled() => {
                    return Err(BrokerError::Unavailable("this node is shutting down".to_owned()));
                }
                _ if started.elapsed() > DETOURS => {
                    return Err(CallError::Unavailable(self.commands.link.why_not()).into());
                }
                Some(Err(Refusal::Moved)) => {
                    self.commands.doubt_layout();
                    self.commands.new_layout(DETOUR).await;
                }
                // It is no master any more: the layout has changed already.
                None => self.commands.new_layout(DETOUR).await,
            }
        }
    }

    pub(super) async fn detach(&self, channel: &str, tag: &str, bare: bool) {
        let slot = slot_of(tag);
        let asked = match self.master(channel, tag, bare) {
            Ok(master) => ask(&master, channel, Wish::Detach { bare, slot }).await,
            Err(_) => None,
        };
        // Without an answer the connection is gone, and so is what was attached on it.
        if asked.is_none() {
            self.routes.remove(channel);
        }
    }

    /// Who serves a channel. A bare one is heard from whoever began to hear it.
    fn master(&self, channel: &str, tag: &str, bare: bool) -> Result<Arc<Master>, CallError> {
        if bare
            && let Some(id) = self.routes.master(channel)
            && let Some(master) = self.commands.layout().with_id(id)
        {
            return Ok(master.clone());
        }
        self.commands.master(tag)
    }
}

/// Nothing if its ear is gone.
async fn ask(master: &Master, channel: &str, wish: Wish) -> Option<Result<(), Refusal>> {
    let (answer, answered) = oneshot::channel();
    let request = Request {
        channel: channel.into(),
        wish,
        answer,
    };
    master.requests.send(request).await.ok()?;
    answered.await.ok()
}
