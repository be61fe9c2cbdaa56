//! One command and its answer. A connection that breaks in between leaves open whether the command took
//! effect, so only commands that may be repeated are sent this way: their key makes them so.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::backoff::Backoff;
use super::connection::{ConnectError, Connection};
use super::frame::{Action, Command, Frame, Refusal};
use super::target::Target;

const ATTEMPTS: u32 = 5;
const ANSWER: Duration = Duration::from_secs(15);

#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("{0}")]
    Refused(Refusal),
    #[error("{0}")]
    Failed(String),
}

/// Connects, asks, waits for the answer.
pub(crate) async fn ask(target: &Target, action: Action<'_>, random: fn() -> f64) -> Result<Frame, AskError> {
    let text = Command { id: 1, action }
        .text()
        .map_err(|error| AskError::Failed(format!("the command cannot be written: {error}")))?;
    let mut backoff = Backoff::default();
    let mut attempt = 1;
    loop {
        let reason = match Connection::open(target).await {
            Ok(connection) => match answer(connection, text.clone()).await {
                Ok(frame) if frame.kind == "error" => return Err(AskError::Refused(frame.refusal())),
                Ok(frame) => return Ok(frame),
                Err(reason) => reason?,
            },
            // Nothing was ever there: say so at once.
            Err(ConnectError::Retry(reason)) if attempt > 1 => reason,
            Err(ConnectError::Retry(reason) | ConnectError::Final(reason)) => {
                return Err(AskError::Failed(reason));
            }
        };
        if attempt == ATTEMPTS {
            return Err(AskError::Failed(format!("{reason}, {ATTEMPTS} times in a row")));
        }
        attempt += 1;
        sleep(backoff.next(random())).await;
    }
}

/// Gives what to tell the user if it may work with another connection, or the error that is final.
async fn answer(mut connection: Connection, text: String) -> Result<Frame, Result<String, AskError>> {
    let waiting = async {
        connection.send(text).await?;
        loop {
            let frame = connection.next().await?;
            if frame.id == Some(1) {
                return Ok(frame);
            }
        }
    };
    match timeout(ANSWER, waiting).await {
        Ok(Ok(frame)) => {
            connection.close().await;
            Ok(frame)
        }
        Ok(Err(super::connection::Lost { reason, forbidden })) => Err(if forbidden {
            Err(AskError::Failed(reason))
        } else {
            Ok(reason)
        }),
        Err(_) => Err(Ok(format!("no answer came within {} seconds", ANSWER.as_secs()))),
    }
}
