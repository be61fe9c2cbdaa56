//! Reading the log for topics in which the client has fallen behind, one page at a time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tidegate_shared::position::Position;
use tidegate_shared::topic::Topic;

use crate::node::Node;
use crate::outbox::Outbox;

/// Before the log is tried again that could not be read.
const PAUSE: Duration = Duration::from_secs(1);

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// At most one read. Takes no memory while there is none.
#[derive(Default)]
pub(super) struct CatchUp {
    running: Option<Box<(Topic, Running)>>,
}

impl CatchUp {
    pub(super) fn start(&mut self, node: &Arc<Node>, outbox: &Arc<Outbox>, topic: Topic, at: Position) {
        let page = page(node.clone(), outbox.clone(), topic.clone(), at);
        self.running = Some(Box::new((topic, Box::pin(page))));
    }

    /// Ready when a read has ended. Pending if there is none.
    pub(super) fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(running) = &mut self.running else {
            return Poll::Pending;
        };
        let done = running.1.as_mut().poll(cx);
        if done.is_ready() {
            self.running = None;
        }
        done
    }

    /// The client leaves this topic. Whether it was this one that was read.
    pub(super) fn stop(&mut self, topic: &Topic) -> bool {
        self.running.take_if(|running| running.0 == *topic).is_some()
    }
}

async fn page(node: Arc<Node>, outbox: Arc<Outbox>, topic: Topic, at: Position) {
    if let Err(error) = node.hub.catch_up(&outbox, &topic, at).await {
        tracing::debug!(%topic, %error, "the log could not be read for a client that is behind");
        tokio::time::sleep(PAUSE.mul_f64(0.5 + rand::random::<f64>())).await;
    }
}
