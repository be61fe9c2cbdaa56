//! The applications that a worker can have: `worker.apps`. What each is, the worker says.

use super::mistake::{Wrong, echo};

/// One of the systems that Tidegate serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum App {
    Arma,
    Pileup,
    Mud,
    Ark,
    Bedrock,
}

impl App {
    pub const ALL: [Self; 5] = [Self::Arma, Self::Pileup, Self::Mud, Self::Ark, Self::Bedrock];

    /// As the configuration spells it, here and in `endpoint.app`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Arma => "arma",
            Self::Pileup => "pileup",
            Self::Mud => "mud",
            Self::Ark => "ark",
            Self::Bedrock => "bedrock",
        }
    }
}

pub(super) fn one(text: &str) -> Result<App, Wrong> {
    App::ALL
        .into_iter()
        .find(|app| app.name() == text)
        .ok_or_else(|| {
            let names = App::ALL.map(|app| format!("\"{}\"", app.name()));
            Wrong::new(
                format!("{} is no application of this version", echo(text)),
                format!("there are {}", names.join(", ")),
            )
        })
}
