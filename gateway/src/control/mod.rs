//! What one node asks all nodes to do with a session or a user, and what they answer.
//!
//! A question goes to every node, the asking one too. Each does what it can and says how many
//! connections it reached; the asking node adds up for as long as it has patience. Messages that get
//! lost cost a node's answer, nothing else.

mod desk;

pub(crate) use desk::Desk;
pub(crate) use tidegate_shared::control::{Place, What, Who};

use std::time::Duration;

use bytes::Bytes;
use tidegate_shared::broker::BrokerError;
use tidegate_shared::clock::now_ms;
use tidegate_shared::code::CloseCode;
use tidegate_shared::control::{Message, News, Say};
use tidegate_shared::publication::{Body, Publication};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::node::Node;
use crate::outbox::{Ending, Order};

/// For all nodes to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Messages of other nodes that wait; more are dropped.
pub(crate) const WAITING: usize = 1_024;

/// What came of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) connections: usize,
    /// Nodes that heard the question, and those that answered.
    pub(crate) nodes: usize,
    pub(crate) answered: usize,
}

impl Reached {
    /// Nobody else can have been reached.
    pub(crate) fn is_complete(&self) -> bool {
        self.answered >= self.nodes
    }
}

impl Node {
    /// Has it done on whichever node it is about.
    pub(crate) async fn ask(&self, who: Who, what: What) -> Result<Reached, BrokerError> {
        let mut question = self.desk.open();
        let message = Message {
            from: Some(self.id.clone()),
            number: question.number(),
            say: Say::Do { who, what },
        };
        let nodes = self.backend.nodes.tell(message.encode()).await?;
        let mut reached = Reached {
            connections: 0,
            nodes,
            answered: 0,
        };
        let answers = async {
            while !reached.is_complete() {
                let Some(connections) = question.answer().await else {
                    return;
                };
                reached.connections += connections;
                reached.answered += 1;
            }
        };
        // Who has not answered by then is not counted.
        let _ = tokio::time::timeout(PATIENCE, answers).await;
        Ok(reached)
    }

    /// Tells all nodes of users' jobs.
    pub(crate) async fn tell_of(&self, news: Vec<News>) -> Result<(), BrokerError> {
        let message = Message {
            from: None,
            number: 0,
            say: Say::Jobs { news },
        };
        self.backend.nodes.tell(message.encode()).await?;
        Ok(())
    }

    /// Does what this node has connections for. Gives how many.
    fn carry_out(&self, who: &Who, what: &What) -> usize {
        let found = self.find(who);
        let reached = found.iter().filter(|outbox| match what {
            What::Disconnect => outbox.end(Ending::Orderly {
                code: CloseCode::DisconnectedByApi,
                goodbye: None,
            }),
            What::Subscribe { .. } if !outbox.format().dialect().takes_orders() => false,
            What::Subscribe { topic, since } => outbox.order(Order::Subscribe {
                topic: topic.clone(),
                since: since.as_ref().map(Into::into),
            }),
            What::Unsubscribe { topic } => outbox.order(Order::Unsubscribe { topic: topic.clone() }),
            What::Send { topic, event, data } => {
                let publication = Publication {
                    topic: topic.clone(),
                    place: None,
                    time_ms: now_ms(),
                    body: Body::Message {
                        data: data.clone(),
                        event: event.clone(),
                    },
                    exclude: None,
                    trace: None,
                };
                self.hub.send(outbox, &publication);
                true
            }
        });
        reached.count()
    }

    async fn hear(&self, message: Message) {
        let Message { from, number, say } = message;
        match say {
            Say::Did { to, connections } => {
                if to == self.id {
                    self.desk.answered(number, connections);
                }
            }
            Say::Jobs { news } => news.iter().for_each(|one| self.hear_of(one)),
            Say::Do { who, what } => {
                let connections = self.carry_out(&who, &what);
                let Some(from) = from else { return };
                if from == self.id {
                    self.desk.answered(number, connections);
                    return;
                }
                let answer = Message {
                    from: Some(self.id.clone()),
                    number,
                    say: Say::Did {
                        to: from,
                        connections,
                    },
                };
                if let Err(error) = self.backend.nodes.tell(answer.encode()).await {
                    tracing::debug!(%error, "another node's question could not be answered");
                }
            }
        }
    }
}

/// Hears what nodes tell each other, until `stop`.
pub(crate) async fn run(
    node: std::sync::Weak<Node>,
    mut messages: mpsc::Receiver<Bytes>,
    stop: CancellationToken,
) {
    while let Some(Some(bytes)) = stop.run_until_cancelled(messages.recv()).await {
        let Some(node) = node.upgrade() else { return };
        match Message::decode(&bytes) {
            Ok(message) => node.hear(message).await,
            // Of a newer version, or somebody else's.
            Err(error) => tracing::debug!(%error, "a message to all nodes is not understood"),
        }
    }
}
