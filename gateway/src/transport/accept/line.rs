//! The connection under a request, for answers that last.

use std::convert::Infallible;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Lets whoever answers a request with a stream decide over the connection's end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Line {
    cut: CancellationToken,
    /// Held as long as the accept loop waits for what the connection serves.
    serving: Arc<Mutex<Option<mpsc::Sender<Infallible>>>>,
}

impl Line {
    pub(super) fn new(serving: mpsc::Sender<Infallible>) -> Self {
        Self {
            cut: CancellationToken::new(),
            serving: Arc::new(Mutex::new(Some(serving))),
        }
    }

    /// Takes the connection's end over from the accept loop, as an upgrade does: at a shutdown it is
    /// neither waited for nor cut.
    pub fn keep(&self) {
        *self.serving.lock() = None;
    }

    /// Ends the connection at once, whatever it has not written yet.
    pub fn cut(&self) {
        self.cut.cancel();
    }

    pub(super) fn is_kept(&self) -> bool {
        self.serving.lock().is_none()
    }

    /// Resolves when it is.
    pub(super) async fn is_cut(&self) {
        self.cut.cancelled().await;
    }
}
