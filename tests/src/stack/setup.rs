//! What a stack consists of, said before it is started.

use std::time::Duration;

use anyhow::Result;

use super::Stack;
use crate::wait;

/// How long a whole test may take.
const DEADLINE: Duration = Duration::from_secs(90);

/// What to start. `stack().gateways(2).run(async |stack| …)`.
#[derive(Debug, Clone)]
pub struct Setup {
    pub(super) gateways: usize,
    pub(super) workers: usize,
    pub(super) redis: bool,
    pub(super) settings: String,
    pub(super) lease: &'static str,
    pub(super) concurrency: usize,
    pub(super) durable: bool,
    pub(super) deadline: Duration,
    pub(super) environment: Vec<(&'static str, &'static str)>,
}

/// Two gateways, no worker, Redis running.
pub fn stack() -> Setup {
    Setup {
        gateways: 2,
        workers: 0,
        redis: true,
        settings: String::new(),
        lease: "30s",
        concurrency: 4,
        durable: false,
        deadline: DEADLINE,
        environment: Vec::new(),
    }
}

impl Setup {
    #[must_use]
    pub fn gateways(self, gateways: usize) -> Self {
        Self { gateways, ..self }
    }

    #[must_use]
    pub fn workers(self, workers: usize) -> Self {
        Self { workers, ..self }
    }

    #[must_use]
    pub fn lease(self, lease: &'static str) -> Self {
        Self { lease, ..self }
    }

    #[must_use]
    pub fn concurrency(self, concurrency: usize) -> Self {
        Self { concurrency, ..self }
    }

    /// Redis keeps what it has acknowledged when it is killed.
    #[must_use]
    pub fn durable(self) -> Self {
        Self {
            durable: true,
            ..self
        }
    }

    /// How long the scenario may take.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// A variable of every gateway's and worker's environment.
    #[must_use]
    pub fn environment(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.push((name, value));
        self
    }

    /// Redis is not there yet, and nothing is waited for.
    #[must_use]
    pub fn without_redis(self) -> Self {
        Self { redis: false, ..self }
    }

    /// Further tables for the configuration file.
    #[must_use]
    pub fn settings(self, toml: &str) -> Self {
        Self {
            settings: toml.to_owned(),
            ..self
        }
    }

    /// Starts it, runs the scenario under a deadline, and prints the logs if it fails.
    pub async fn run(self, scenario: impl AsyncFnOnce(&mut Stack) -> Result<()>) -> Result<()> {
        let deadline = self.deadline;
        let mut stack = Box::pin(Stack::start(self)).await?;
        let result = wait::within(deadline, "the scenario to end", scenario(&mut stack)).await;
        if result.is_err() {
            stack.print_logs();
        }
        result
    }
}
