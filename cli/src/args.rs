//! The command line. What can be checked without connecting is checked here, so that wrong usage ends
//! with exit code 2 before anything happens.

#![expect(
    clippy::doc_markdown,
    reason = "these comments are the text of --help, where back quotes would be noise"
)]

mod operator;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tidegate_shared::config::{self, Overrides};
use tidegate_shared::job::JobId;
use tidegate_shared::name::{IdempotencyKey, JobType, QueueName, UserId};
use tidegate_shared::topic::Topic;

use crate::client::Target;
use crate::failure::Failure;

pub(crate) use operator::{Jobs, JobsCommand, Operator, Queues, QueuesCommand, Which};

/// Follow anything live: topics and running jobs, through any gateway.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a gateway and a worker in one process, with a page to try them
    Dev(Dev),
    /// Print what is published to topics
    Sub(Sub),
    /// Publish JSON to a topic
    Pub(Pub),
    /// Submit a job, and follow it with --follow
    Submit(Submit),
    /// Cancel a job
    Cancel(Cancel),
    /// List, explain, cancel, retry and forget jobs, over the HTTP API
    Jobs(Jobs),
    /// Show queues, pause and resume them, over the HTTP API
    Queues(Queues),
    /// Make a token for a user, for development
    Token(Token),
    /// Test whether a gateway (and configuration, and Redis) works
    Check(Check),
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Address for clients [env: TIDEGATE_LISTEN] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Use this Redis instead of memory, as redis://127.0.0.1:6379 [env: TIDEGATE_REDIS_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) redis_url: Option<String>,
    /// Configuration file; anonymous clients are allowed whatever it says, and may do all that it does not set [env: TIDEGATE_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Log filter, as info,tidegate_gateway=debug [env: TIDEGATE_LOG] [default: info]
    #[arg(long, value_name = "FILTER")]
    pub(crate) log: Option<String>,
}

impl Dev {
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            listen: self.listen.clone(),
            redis_url: self.redis_url.clone(),
            log: self.log.clone(),
            default_listen: Some(([127, 0, 0, 1], 8080).into()),
            open: true,
            ..Overrides::default()
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Gateway {
    /// URL of the gateway
    #[arg(long, env = "TIDEGATE_URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) url: Target,
    /// What says who you are, where the gateway asks
    #[arg(long, env = "TIDEGATE_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
}

impl Gateway {
    pub(crate) fn target(&self) -> Result<Target, Failure> {
        let target = self.url.clone().with_token(self.token.as_deref());
        target.map_err(Failure::Usage)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Sub {
    /// Topics to follow, as news, chat:42 or job:ID
    #[arg(required = true, value_name = "TOPIC", value_parser = topic)]
    pub(crate) topics: Vec<Topic>,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}

#[derive(Debug, Args)]
pub(crate) struct Pub {
    #[arg(value_name = "TOPIC", value_parser = topic)]
    pub(crate) topic: Topic,
    /// What to publish; - reads standard input
    #[arg(value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) data: String,
    /// Idempotency key: the same key publishes once in five minutes
    #[arg(long, value_parser = key)]
    pub(crate) key: Option<IdempotencyKey>,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}

#[derive(Debug, Args)]
pub(crate) struct Submit {
    /// Type of the job, as backup
    #[arg(value_name = "TYPE", value_parser = job_type)]
    pub(crate) kind: JobType,
    /// The job's input; - reads standard input
    #[arg(value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) data: String,
    /// Show the job's progress until it ends; exit code 0 if it succeeded, 1 if it failed
    #[arg(long)]
    pub(crate) follow: bool,
    /// Queue that it waits in [default: default]
    #[arg(long, value_parser = queue)]
    pub(crate) queue: Option<QueueName>,
    /// 0 to 9, higher first [default: 5]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9))]
    pub(crate) priority: Option<u8>,
    /// Idempotency key: the same key is the same job
    #[arg(long, value_parser = key)]
    pub(crate) key: Option<IdempotencyKey>,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}

#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The job's id
    #[arg(value_name = "ID", value_parser = job)]
    pub(crate) job: JobId,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
}

#[derive(Debug, Args)]
pub(crate) struct Token {
    /// Who the token is for
    #[arg(value_parser = user)]
    pub(crate) user: UserId,
    /// How long it counts, as 30m, 12h or 7d
    #[arg(long = "for", value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub(crate) lasts: Duration,
    /// What presence lists show of the user, as {"name":"Ann"}
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) info: Option<String>,
    /// Take secret, algorithm, audience and issuer from this file [env: TIDEGATE_CONFIG]; the secret
    /// alone may come from the environment instead [env: TIDEGATE_TOKEN_SECRET]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) gateway: Gateway,
    /// Check this configuration file, too [env: TIDEGATE_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Check this Redis, too [env: TIDEGATE_REDIS_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) redis_url: Option<String>,
}

fn topic(text: &str) -> Result<Topic, String> {
    Topic::parse(text).map_err(|error| error.to_string())
}

fn user(text: &str) -> Result<UserId, String> {
    UserId::parse(text).map_err(|error| error.to_string())
}

fn duration(text: &str) -> Result<Duration, String> {
    config::duration(text)
}

fn job_type(text: &str) -> Result<JobType, String> {
    JobType::parse(text).map_err(|error| error.to_string())
}

fn queue(text: &str) -> Result<QueueName, String> {
    QueueName::parse(text).map_err(|error| error.to_string())
}

fn job(text: &str) -> Result<JobId, String> {
    JobId::parse(text)
        .map_err(|_| "this is no job's id: they look like default.0. and 32 hexadecimal digits".to_owned())
}

fn key(text: &str) -> Result<IdempotencyKey, String> {
    IdempotencyKey::parse(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn wrong_usage_is_exit_code_2() {
        for line in [
            "tidegate sub",
            "tidegate sub a{b",
            "tidegate pub demo",
            "tidegate submit a:b {}",
            "tidegate submit backup {} --priority 10",
            "tidegate pub demo 1 --url 127.0.0.1:8080",
            "tidegate cancel x",
            "tidegate jobs cancel",
            "tidegate jobs purge --queue default",
            "tidegate jobs list --state fine",
            "tidegate queues stop default",
        ] {
            let error = Arguments::try_parse_from(line.split(' ')).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn a_negative_number_is_data_and_no_flag() {
        let arguments = Arguments::try_parse_from(["tidegate", "pub", "demo", "-1"]).expect("data");
        assert!(matches!(arguments.command, Command::Pub(Pub { data, .. }) if data == "-1"));
    }
}
