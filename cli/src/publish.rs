//! `tidegate pub`.

use std::process::ExitCode;

use crate::args::Pub;
use crate::client::{Action, ask};
use crate::failure::Failure;
use crate::input;
use crate::output;

pub(crate) async fn run(arguments: Pub) -> Result<ExitCode, Failure> {
    let readable = output::is_readable();
    let data = input::json(&arguments.data)?;
    let key = arguments.key.map_or_else(input::new_key, String::from);
    let action = Action::Publish {
        topic: arguments.topic.as_str(),
        data: &data,
        key: &key,
    };
    let answer = ask(&arguments.gateway.target()?, action, rand::random)
        .await
        .map_err(|error| Failure::Failed(error.to_string()))?;
    if readable {
        output::line(&match answer.position() {
            Some(position) => format!("published as #{} in epoch {}", position.offset, position.epoch),
            None => "published; this topic keeps no log, so only who listens now got it".to_owned(),
        })?;
    } else {
        output::line(&answer.line)?;
    }
    Ok(ExitCode::SUCCESS)
}
