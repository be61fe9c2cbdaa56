//! Questions that this node has asked and that are not fully answered.

use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// Answers that wait for who asked; more nodes than this are never listed.
const ANSWERS: usize = 4_096;

#[derive(Debug, Default)]
pub(crate) struct Desk {
    next: AtomicU64,
    open: Mutex<HashMap<u64, mpsc::Sender<usize>>>,
}

/// One of them; closed when dropped.
#[derive(Debug)]
pub(super) struct Question<'a> {
    desk: &'a Desk,
    number: u64,
    answers: mpsc::Receiver<usize>,
}

impl Desk {
    pub(super) fn open(&self) -> Question<'_> {
        let (sender, answers) = mpsc::channel(ANSWERS);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.open.lock().insert(number, sender);
        Question {
            desk: self,
            number,
            answers,
        }
    }

    pub(super) fn answered(&self, number: u64, connections: usize) {
        if let Some(sender) = self.open.lock().get(&number) {
            // Who has gone does not care.
            let _ = sender.try_send(connections);
        }
    }
}

impl Question<'_> {
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) async fn answer(&mut self) -> Option<usize> {
        self.answers.recv().await
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.desk.open.lock().remove(&self.number);
    }
}
