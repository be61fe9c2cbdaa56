//! The command line of what operators do.

use std::time::Duration;

use clap::{Args, Subcommand};
use tidegate_shared::job::JobId;
use tidegate_shared::name::QueueName;

use super::{duration, job, queue};
use crate::client::Target;

const STATES: [&str; 8] = [
    "running",
    "queued",
    "retrying",
    "scheduled",
    "succeeded",
    "failed",
    "cancelled",
    "dead",
];

#[derive(Debug, Args)]
pub(crate) struct Operator {
    /// URL of the gateway
    #[arg(
        long,
        global = true,
        env = "TIDEGATE_URL",
        default_value = "http://127.0.0.1:8080"
    )]
    pub(crate) url: Target,
    /// Key of the HTTP API; `tidegate dev` needs none
    #[arg(long, global = true, env = "TIDEGATE_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
    /// Print JSON, as where standard output is no terminal
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Jobs {
    #[command(subcommand)]
    pub(crate) command: JobsCommand,
    #[command(flatten)]
    pub(crate) operator: Operator,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// List jobs: what runs, what waits, what is over
    List {
        #[arg(long, value_parser = queue)]
        queue: Option<QueueName>,
        #[arg(long, value_parser = STATES)]
        state: Option<String>,
        /// Most jobs to list
        #[arg(long, default_value = "50", value_parser = limit)]
        limit: usize,
    },
    /// Show a job's record
    Show {
        #[arg(value_name = "ID", value_parser = job)]
        job: JobId,
    },
    /// Show who has tried a job, for how long, and what came of it
    Why {
        #[arg(value_name = "ID", value_parser = job)]
        job: JobId,
    },
    /// Cancel a job, or with --queue all that have not ended
    Cancel(Which),
    /// Queue a dead letter again, or with --queue all of them
    Retry {
        #[arg(value_name = "ID", value_parser = job, required_unless_present = "queue", conflicts_with = "queue")]
        job: Option<JobId>,
        /// Instead of one job: all dead letters of this queue
        #[arg(long, value_parser = queue)]
        queue: Option<QueueName>,
    },
    /// Forget jobs that have ended
    Purge {
        #[arg(long, value_parser = queue)]
        queue: QueueName,
        #[arg(long, value_parser = ["succeeded", "failed", "cancelled", "dead"])]
        state: String,
        /// Only those that ended so long ago, as 30m, 12h or 7d
        #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
        older_than: Duration,
    },
}

/// One job, or those of a queue.
#[derive(Debug, Args)]
pub(crate) struct Which {
    #[arg(value_name = "ID", value_parser = job, required_unless_present = "queue", conflicts_with = "queue")]
    pub(crate) job: Option<JobId>,
    /// Instead of one job: those of this queue
    #[arg(long, value_parser = queue)]
    pub(crate) queue: Option<QueueName>,
    /// Only those in this state
    #[arg(long, requires = "queue", value_parser = ["running", "queued", "retrying", "scheduled"])]
    pub(crate) state: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Queues {
    #[command(subcommand)]
    pub(crate) command: Option<QueuesCommand>,
    #[command(flatten)]
    pub(crate) operator: Operator,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QueuesCommand {
    /// Let no job of a queue be claimed; all else goes on
    Pause {
        #[arg(value_name = "QUEUE", value_parser = queue)]
        queue: QueueName,
    },
    /// Let them be claimed again
    Resume {
        #[arg(value_name = "QUEUE", value_parser = queue)]
        queue: QueueName,
    },
}

fn limit(text: &str) -> Result<usize, String> {
    let number: Result<usize, _> = text.parse();
    number
        .ok()
        .filter(|number| (1..=10_000).contains(number))
        .ok_or_else(|| "1 to 10000 are possible".to_owned())
}
