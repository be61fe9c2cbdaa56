//! `tidegate cancel`: as a client would, over its WebSocket.

use std::process::ExitCode;

use crate::args::Cancel;
use crate::client::{Action, ask};
use crate::failure::Failure;
use crate::output;

pub(crate) async fn run(arguments: Cancel) -> Result<ExitCode, Failure> {
    let action = Action::Cancel {
        job: arguments.job.as_str(),
    };
    // Asking twice changes nothing.
    let answer = ask(&arguments.gateway.target()?, action, rand::random)
        .await
        .map_err(|error| Failure::Failed(output::plain(&error.to_string())))?;
    if output::is_readable() {
        output::line(match answer.kind.as_str() {
            "cancelled" => "cancelled",
            _ => "its worker is told to end it; where that takes too long it is ended by force",
        })?;
    } else {
        output::line(&answer.line)?;
    }
    Ok(ExitCode::SUCCESS)
}
