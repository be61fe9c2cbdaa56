//! How a command ends when it did not do what it was asked to, and what the user is told.

use std::fmt;
use std::process::ExitCode;

use tidegate_shared::config::ConfigErrors;

#[derive(Debug)]
pub(crate) enum Failure {
    /// It was called wrongly: exit code 2.
    Usage(String),
    /// Exit code 2.
    Config(ConfigErrors),
    /// Exit code 1.
    Failed(String),
    /// Whoever reads our output has gone, as `head` does when it has enough: no failure of ours.
    OutputClosed,
}

impl Failure {
    pub(crate) fn failed(what: &str, why: &dyn fmt::Display) -> Self {
        Self::Failed(format!("{what}: {why}"))
    }

    /// Tells the user, and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Usage(text) => {
                eprintln!("error: {text}");
                ExitCode::from(ConfigErrors::EXIT_CODE)
            }
            Self::Config(errors) => {
                eprintln!("{errors}");
                ExitCode::from(ConfigErrors::EXIT_CODE)
            }
            Self::Failed(text) => {
                eprintln!("error: {text}");
                ExitCode::FAILURE
            }
            Self::OutputClosed => ExitCode::SUCCESS,
        }
    }
}
