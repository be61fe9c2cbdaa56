//! What is done with servers: each step with its events, one after the other for each server.

use std::future::Future;
use std::io;

use serde_json::{Value, json};

use super::Bedrock;
use super::event::{Outcome, around, publish};
use super::places::ServerName;
use super::process::{COMMAND_LIMIT, Home};
use crate::{JobFailure, Topics};

impl Bedrock {
    pub(super) async fn start(&self, topics: &Topics, server: &str) -> Result<Outcome, JobFailure> {
        let home = self.home(server)?;
        let _turn = home.turn().await?;
        self.start_within(topics, server, &home).await
    }

    async fn start_within(&self, topics: &Topics, server: &str, home: &Home) -> Result<Outcome, JobFailure> {
        let started = around(topics, "server_start", json!({ "server_name": server }), async {
            if home.running().is_some() {
                return Err(JobFailure::fatal(format_args!(
                    "Server '{server}' is already running."
                )));
            }
            let running = home.start(self.program.as_deref()).map_err(|error| {
                JobFailure::fatal(format_args!("Failed to start server '{server}': {error}"))
            })?;
            let outcome = Outcome::success(format!("Server '{server}' process started."));
            Ok(outcome.with("pid", running.pid))
        });
        let outcome = started.await?;
        self.statuses_changed(topics).await;
        Ok(outcome)
    }

    pub(super) async fn stop(&self, topics: &Topics, server: &str) -> Result<Outcome, JobFailure> {
        let home = self.home(server)?;
        let _turn = home.turn().await?;
        self.stop_within(topics, server, &home).await
    }

    async fn stop_within(&self, topics: &Topics, server: &str, home: &Home) -> Result<Outcome, JobFailure> {
        let stopped = around(topics, "server_stop", json!({ "server_name": server }), async {
            let Some(running) = home.running() else {
                return Err(JobFailure::fatal(format_args!(
                    "Server '{server}' was already stopped."
                )));
            };
            home.stop(running).await.map_err(|error| {
                JobFailure::fatal(format_args!("Failed to stop server '{server}': {error}"))
            })?;
            Ok(Outcome::success(format!(
                "Server '{server}' stopped successfully."
            )))
        });
        let outcome = stopped.await?;
        self.statuses_changed(topics).await;
        Ok(outcome)
    }

    pub(super) async fn restart(&self, topics: &Topics, server: &str) -> Result<Outcome, JobFailure> {
        let home = self.home(server)?;
        let _turn = home.turn().await?;
        if home.running().is_some() {
            self.stop_within(topics, server, &home).await?;
        }
        self.start_within(topics, server, &home).await?;
        Ok(Outcome::success(format!(
            "Server '{server}' restarted successfully."
        )))
    }

    pub(super) async fn send_command(
        &self,
        topics: &Topics,
        server: &str,
        command: &str,
    ) -> Result<Outcome, JobFailure> {
        let home = self.home(server)?;
        let command = command.trim();
        let arguments = json!({ "server_name": server, "command": command });
        around(topics, "command_send", arguments, async {
            if command.is_empty() || command.len() > COMMAND_LIMIT || command.chars().any(char::is_control) {
                return Err(JobFailure::fatal(format_args!(
                    "A command is one line of 1 to {COMMAND_LIMIT} bytes."
                )));
            }
            if home.running().is_none() {
                return Err(JobFailure::fatal(format_args!(
                    "Server '{server}' is not running."
                )));
            }
            home.say(command)
                .map_err(|error| JobFailure::fatal(format_args!("Failed to send command: {error}")))?;
            Ok(Outcome::success(format!(
                "Command '{command}' sent successfully."
            )))
        })
        .await
    }

    pub(super) async fn install(&self, topics: &Topics, server: &str) -> Result<Outcome, JobFailure> {
        let arguments = json!({ "server_name": server, "target_version": "LATEST" });
        around(topics, "server_install", arguments, async {
            let places = self.places()?;
            let Some(name) = ServerName::parse(server) else {
                return Err(JobFailure::fatal(
                    "A server's name is 1 to 64 letters, digits, `_` and `-`.",
                ));
            };
            if places.server(&name).exists() {
                return Err(JobFailure::fatal(format_args!(
                    "Server '{server}' is already installed."
                )));
            }
            places.found(&name).map_err(failed)?;
            Ok(Outcome::success(format!(
                "Server '{server}' installed successfully."
            )))
        })
        .await
    }

    /// Does something with a server's files between the two events of `name`: while it does not run, and it runs again
    /// before the second.
    pub(super) async fn at_rest<F>(
        &self,
        topics: &Topics,
        (server, home): (&str, &Home),
        (name, arguments): (&str, Value),
        work: F,
    ) -> Result<Outcome, JobFailure>
    where
        F: Future<Output = Result<Outcome, JobFailure>> + Send,
    {
        let rest = async {
            let _turn = home.turn().await?;
            let ran = home.running().is_some();
            if ran {
                self.stop_within(topics, server, home).await?;
            }
            let done = work.await;
            if ran {
                self.start_within(topics, server, home).await?;
            }
            done
        };
        around(topics, name, arguments, rest).await
    }

    pub(super) fn home(&self, server: &str) -> Result<Home, JobFailure> {
        let (_, folder) = self.places()?.existing(server)?;
        Ok(Home::new(folder))
    }

    async fn statuses_changed(&self, topics: &Topics) {
        let count = self.places().map_or(0, |places| places.servers().len());
        let result = json!({ "status": "success", "updated_servers_count": count });
        publish(
            topics,
            "after_server_statuses_updated",
            &json!({ "result": result }),
        )
        .await;
    }
}

/// What went wrong on the disk goes wrong again.
pub(super) fn failed(error: io::Error) -> JobFailure {
    JobFailure::fatal(error)
}
