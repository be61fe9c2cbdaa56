//! A connection to a server that publications are heard on. One task owns it, reads what has come and passes it on at
//! once: no other task, queue or copy is between Redis and the routes.
//!
//! Not fred's: a server says `smessage` a hundred thousand times for each command here, and answers SSUBSCRIBE once for
//! each channel, and an error instead of the answer to SUNSUBSCRIBE, which fred cannot match. Here each answer is that
//! of the oldest command without one, and one that does not fit ends the connection, after which nothing is taken for
//! granted.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use fred::error::{Error, ErrorKind};
use fred::interfaces::FredResult;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::cause::Cause;
use super::endpoint::{Endpoint, Wire};
use super::resp::{self, Reply};

/// Commands that wait to be written.
const WAITING: usize = 2_048;
/// Room for what is read at once.
const CHUNK: usize = 64 * 1024;
/// Room that is made anew when less than this is left.
const LEAST: usize = 4 * 1024;
/// Messages that are passed on before others have their turn: whoever takes them may be waiting for this thread.
const TURN: usize = 64;
/// Silence after which Redis is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(2);
/// How long an answer, and a write, may take.
const ANSWER: Duration = Duration::from_secs(3);
/// Between two looks at the clock.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Subscribe,
    Unsubscribe,
    Ssubscribe,
    Sunsubscribe,
    Ping,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
            Self::Ssubscribe => "ssubscribe",
            Self::Sunsubscribe => "sunsubscribe",
            Self::Ping => "ping",
        }
    }
}

#[derive(Debug)]
struct Order {
    verb: Verb,
    channel: Box<str>,
    answer: oneshot::Sender<FredResult<()>>,
}

/// What commands are given to. The connection lives as long as the [`Line`].
#[derive(Debug, Clone)]
pub(super) struct Mouthpiece(mpsc::Sender<Order>);

impl Mouthpiece {
    /// Resolves when Redis has acknowledged: everything published from then on is heard. In the order of the calls, as
    /// soon as each is polled. `bare`: a channel that is not bound to a slot.
    pub(super) async fn subscribe(&self, channel: &str, bare: bool) -> FredResult<()> {
        let verb = if bare { Verb::Subscribe } else { Verb::Ssubscribe };
        self.give(verb, channel).await
    }

    /// Resolves when Redis has done it: nothing published later is heard, even if the channel is subscribed to again at
    /// once. So it is with a channel that another server serves.
    pub(super) async fn unsubscribe(&self, channel: &str, bare: bool) -> FredResult<()> {
        let verb = if bare {
            Verb::Unsubscribe
        } else {
            Verb::Sunsubscribe
        };
        match self.give(verb, channel).await {
            Err(error) if Cause::of(&error) == Cause::Moved => Ok(()),
            outcome => outcome,
        }
    }

    async fn give(&self, verb: Verb, channel: &str) -> FredResult<()> {
        let (answer, answered) = oneshot::channel();
        let order = Order {
            verb,
            channel: channel.into(),
            answer,
        };
        self.0
            .try_send(order)
            .map_err(|_| lost("no command is taken any more"))?;
        answered.await.map_err(|_| lost("the connection is lost"))?
    }
}

/// The connection, which ends with the value.
pub(super) struct Line {
    pub(super) mouthpiece: Mouthpiece,
    lost: CancellationToken,
    task: JoinHandle<()>,
    _ends: DropGuard,
}

impl Line {
    /// Connects. `hear` is given each message with its channel.
    pub(super) async fn connect(
        endpoint: &Endpoint,
        hear: impl FnMut(&str, Bytes) + Send + 'static,
    ) -> FredResult<Self> {
        let greeting = async {
            let mut conversation = Conversation::new(endpoint.wire().await?, hear);
            conversation.greet(endpoint).await?;
            Ok::<_, Error>(conversation)
        };
        let conversation = timeout(ANSWER, greeting).await.map_err(|_| late())??;
        let (sender, orders) = mpsc::channel(WAITING);
        let (lost, end) = (CancellationToken::new(), CancellationToken::new());
        let (is_lost, ends) = (lost.clone().drop_guard(), end.clone().drop_guard());
        let task = tokio::spawn(async move {
            let _is_lost = is_lost;
            tokio::select! {
                () = end.cancelled() => {}
                why = conversation.go_on(orders) => tracing::debug!(%why, "a connection to Redis has ended"),
            }
        });
        Ok(Self {
            mouthpiece: Mouthpiece(sender),
            lost,
            task,
            _ends: ends,
        })
    }

    /// Resolves when the connection is gone.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Ends it, and resolves when it has: nothing is heard on it any more.
    pub(super) async fn end(self) {
        let Self {
            task, _ends: ends, ..
        } = self;
        drop(ends);
        // It does not panic; if it did, it would be over as well.
        let _ = task.await;
    }
}

/// What is read and said on the connection.
struct Conversation<H> {
    wire: Box<dyn Wire>,
    hear: H,
    input: BytesMut,
    output: Vec<u8>,
    /// What Redis has not answered yet, and when it was asked.
    asked: VecDeque<(Order, Instant)>,
    /// When something was last read.
    heard: Instant,
    /// Messages passed on in this turn.
    passed_on: usize,
}

impl<H: FnMut(&str, Bytes)> Conversation<H> {
    fn new(wire: Box<dyn Wire>, hear: H) -> Self {
        Self {
            wire,
            hear,
            input: BytesMut::new(),
            output: Vec::new(),
            asked: VecDeque::new(),
            heard: Instant::now(),
            passed_on: 0,
        }
    }

    async fn greet(&mut self, endpoint: &Endpoint) -> FredResult<()> {
        let mut hello = vec!["HELLO", "3"];
        if let Some((user, password)) = endpoint.credentials() {
            hello.extend(["AUTH", user, password]);
        }
        resp::command(&mut self.output, &hello);
        self.write().await?;
        loop {
            match Reply::take(&mut self.input).map_err(|_| rubbish())? {
                Some(Reply::List(_)) => return Ok(()),
                Some(Reply::Error(text)) => return Err(refused(&text)),
                Some(_) => return Err(rubbish()),
                None => self.read().await?,
            }
        }
    }

    /// Until the connection is lost; gives the reason.
    async fn go_on(mut self, mut orders: mpsc::Receiver<Order>) -> Error {
        let mut look = tokio::time::interval(LOOK);
        loop {
            let done = tokio::select! {
                read = self.read() => match read {
                    Ok(()) => self.take_all().await,
                    Err(error) => Err(error),
                },
                Some(order) = orders.recv() => {
                    self.ask(order);
                    while let Ok(order) = orders.try_recv() {
                        self.ask(order);
                    }
                    self.write().await
                }
                _ = look.tick() => self.look_at_the_clock().await,
            };
            if let Err(error) = done {
                return error;
            }
        }
    }

    async fn read(&mut self) -> FredResult<()> {
        if self.input.capacity() - self.input.len() < LEAST {
            self.input.reserve(CHUNK);
        }
        let count = self.wire.read_buf(&mut self.input).await.map_err(broken)?;
        if count == 0 {
            return Err(lost("Redis has closed the connection"));
        }
        self.heard = Instant::now();
        Ok(())
    }

    async fn take_all(&mut self) -> FredResult<()> {
        while let Some(reply) = Reply::take(&mut self.input).map_err(|_| rubbish())? {
            self.take(reply)?;
            if self.passed_on >= TURN {
                self.passed_on = 0;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    fn take(&mut self, reply: Reply) -> FredResult<()> {
        match reply {
            Reply::Push(parts) => self.take_push(parts),
            Reply::Error(text) => self.answer(Err(refused(&text))),
            Reply::Text(_) if self.is_next(|order| order.verb == Verb::Ping) => self.answer(Ok(())),
            _ => Err(rubbish()),
        }
    }

    fn take_push(&mut self, parts: Vec<Reply>) -> FredResult<()> {
        let mut parts = parts.into_iter();
        let (Some(Reply::Text(kind)), Some(Reply::Text(channel)), last) =
            (parts.next(), parts.next(), parts.next())
        else {
            // Of another kind than what is asked for here.
            return Ok(());
        };
        if matches!(&*kind, b"smessage" | b"message") {
            // No other channel than one that was subscribed to, all of which are texts.
            if let (Ok(channel), Some(Reply::Text(message))) = (std::str::from_utf8(&channel), last) {
                self.passed_on += 1;
                (self.hear)(channel, message);
            }
            return Ok(());
        }
        let fits =
            |order: &Order| kind == order.verb.name().as_bytes() && channel == order.channel.as_bytes();
        if self.is_next(fits) {
            return self.answer(Ok(()));
        }
        // A slot has left this master, and the channel with it: the layout will tell where to.
        if &*kind == b"sunsubscribe" {
            Ok(())
        } else {
            Err(rubbish())
        }
    }

    /// Whether the oldest command is such a one.
    fn is_next(&self, such: impl FnOnce(&Order) -> bool) -> bool {
        self.asked.front().is_some_and(|(order, _)| such(order))
    }

    /// Answers the oldest command.
    fn answer(&mut self, outcome: FredResult<()>) -> FredResult<()> {
        let (order, _) = self.asked.pop_front().ok_or_else(rubbish)?;
        // Who does not wait any more need not know.
        let _ = order.answer.send(outcome);
        Ok(())
    }

    fn ask(&mut self, order: Order) {
        match order.verb {
            Verb::Ping => resp::command(&mut self.output, &["PING"]),
            verb => resp::command(&mut self.output, &[verb.name(), &order.channel]),
        }
        self.asked.push_back((order, Instant::now()));
    }

    async fn write(&mut self) -> FredResult<()> {
        let writing = async {
            self.wire.write_all(&self.output).await?;
            self.wire.flush().await
        };
        timeout(ANSWER, writing)
            .await
            .map_err(|_| late())?
            .map_err(broken)?;
        self.output.clear();
        self.output.shrink_to(CHUNK);
        Ok(())
    }

    async fn look_at_the_clock(&mut self) -> FredResult<()> {
        match self.asked.front() {
            Some((_, since)) if since.elapsed() > ANSWER => Err(late()),
            None if self.heard.elapsed() > SILENCE => {
                let (answer, _) = oneshot::channel();
                let channel = Box::default();
                self.ask(Order {
                    verb: Verb::Ping,
                    channel,
                    answer,
                });
                self.write().await
            }
            _ => Ok(()),
        }
    }
}

fn lost(what: &'static str) -> Error {
    Error::new(ErrorKind::IO, what)
}

fn late() -> Error {
    Error::new(ErrorKind::Timeout, "Redis did not answer in time")
}

fn rubbish() -> Error {
    Error::new(ErrorKind::Protocol, "answers of Redis and questions do not fit")
}

fn refused(text: &[u8]) -> Error {
    Error::new(ErrorKind::Unknown, String::from_utf8_lossy(text).into_owned())
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err gives")]
fn broken(error: std::io::Error) -> Error {
    Error::new(ErrorKind::IO, error.to_string())
}

#[cfg(test)]
mod tests;
