//! A client of one of the systems, with a log of what it said and heard.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

/// Before it connects again.
const AGAIN: Duration = Duration::from_millis(200);
const HANDSHAKE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) when: Instant,
    pub(super) said: Said,
}

#[derive(Debug, Clone)]
pub(super) enum Said {
    /// It has connected.
    Up,
    /// What it was told.
    Heard(Value),
    /// What it said; whether it arrived is not known.
    Spoke(Value),
    Down,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) name: String,
    log: Arc<Mutex<Vec<Event>>>,
    say: mpsc::Sender<Value>,
    task: JoinHandle<()>,
}

impl Link {
    /// `hello` is what it says first on each connection.
    pub(super) fn start(name: &str, url: String, hello: Vec<Value>) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let (say, to_say) = mpsc::channel(64);
        let task = tokio::spawn(live(url, hello, log.clone(), to_say));
        Self {
            name: name.to_owned(),
            log,
            say,
            task,
        }
    }

    /// Says something, if it is connected; what is said to nobody is forgotten.
    pub(super) fn say(&self, value: Value) {
        let _ = self.say.try_send(value);
    }

    pub(super) fn sayer(&self) -> mpsc::Sender<Value> {
        self.say.clone()
    }

    pub(super) fn log(&self) -> Vec<Event> {
        self.log.lock().clone()
    }

    pub(super) fn shared_log(&self) -> Arc<Mutex<Vec<Event>>> {
        Arc::clone(&self.log)
    }

    /// The log by connections, each without its `Up` and `Down`.
    pub(super) fn connections(&self) -> Vec<Vec<Event>> {
        let mut connections = Vec::new();
        for event in self.log() {
            match event.said {
                Said::Up => connections.push(Vec::new()),
                Said::Down => {}
                _ => connections
                    .last_mut()
                    .into_iter()
                    .for_each(|one: &mut Vec<Event>| one.push(event.clone())),
            }
        }
        connections
    }

    /// Whether one connection lasted from then until now.
    pub(super) fn was_up_since(&self, when: Instant) -> bool {
        let log = self.log.lock();
        let mut changes = log
            .iter()
            .filter(|event| matches!(event.said, Said::Up | Said::Down));
        changes
            .next_back()
            .is_some_and(|last| matches!(last.said, Said::Up) && last.when < when)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn live(
    url: String,
    hello: Vec<Value>,
    log: Arc<Mutex<Vec<Event>>>,
    mut to_say: mpsc::Receiver<Value>,
) {
    let note = |said| {
        let when = Instant::now();
        log.lock().push(Event { when, said });
    };
    loop {
        if let Ok(Ok((mut socket, _))) = timeout(HANDSHAKE, connect_async(&url)).await {
            // What was to be said on the connection before.
            while to_say.try_recv().is_ok() {}
            note(Said::Up);
            let mut first = hello.clone().into_iter();
            loop {
                let next = if let Some(value) = first.next() {
                    Some(value)
                } else {
                    tokio::select! {
                        value = to_say.recv() => match value {
                            Some(value) => Some(value),
                            None => return,
                        },
                        message = socket.next() => match message {
                            Some(Ok(Message::Text(text))) => {
                                let value = serde_json::from_str(&text).unwrap_or(Value::Null);
                                note(Said::Heard(value));
                                None
                            }
                            Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                            Some(Ok(_)) => None,
                        },
                    }
                };
                if let Some(value) = next {
                    note(Said::Spoke(value.clone()));
                    if socket.send(Message::text(value.to_string())).await.is_err() {
                        break;
                    }
                }
            }
            note(Said::Down);
        }
        sleep(AGAIN).await;
    }
}
