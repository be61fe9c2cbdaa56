//! Where log lines go and how they look. Decided once, at the start of a process.

use std::io::IsTerminal;

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::SubscriberBuilder;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{LogFormat, Telemetry};

#[derive(Debug, Error)]
pub enum LogError {
    #[error("`{filter}` is not a log filter: {why}")]
    Filter { filter: String, why: String },
    #[error("the log was set up before: {0}")]
    Twice(#[from] TryInitError),
}

/// Sends the log to standard error for the rest of the process. Colours are for terminals only.
pub fn init(telemetry: &Telemetry) -> Result<(), LogError> {
    let filter = EnvFilter::builder()
        .parse(&telemetry.log)
        .map_err(|error| LogError::Filter {
            filter: telemetry.log.clone(),
            why: error.to_string(),
        })?;
    let builder = SubscriberBuilder::default()
        .with_writer(std::io::stderr)
        .with_env_filter(filter);
    match telemetry.log_format {
        LogFormat::Text => builder
            .with_ansi(std::io::stderr().is_terminal())
            .finish()
            .try_init()?,
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_does_not_parse_is_named() {
        let telemetry = Telemetry {
            log: "tidegate=loud".into(),
            log_format: LogFormat::Text,
            otlp_endpoint: None,
        };
        let error = init(&telemetry).expect_err("loud is no level");
        assert!(
            error
                .to_string()
                .starts_with("`tidegate=loud` is not a log filter"),
            "{error}"
        );
    }
}
