//! The command line of `tidegate-worker`.
//!
//! Values are taken as they are typed; `Config::load` checks them together with the environment and
//! the file, so that every mistake is told in one go and blamed on where it came from.

#![expect(clippy::doc_markdown, reason = "the text of --help has no back quotes")]

use std::path::PathBuf;

use clap::Parser;
use tidegate_shared::config::Overrides;

/// One worker of Tidegate: takes jobs from queues in Redis and runs its handlers on them. Any number of
/// workers share one Redis.
#[derive(Debug, Parser)]
#[command(name = "tidegate-worker", version, after_help = AFTER)]
pub(crate) struct Args {
    /// The configuration file (TOML); without one every setting has its default
    /// [env: TIDEGATE_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// The Redis that all nodes and workers share [env: TIDEGATE_REDIS_URL]
    /// [default: redis://127.0.0.1:6379]
    #[arg(long, value_name = "URL")]
    redis_url: Option<String>,

    /// Where probes and metrics are served; not for clients [env: TIDEGATE_ADMIN_LISTEN]
    /// [default: 0.0.0.0:9091]
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<String>,

    /// The queues to take jobs from, separated by commas [env: TIDEGATE_QUEUES] [default: default]
    #[arg(long, value_name = "NAMES")]
    queues: Option<String>,

    /// Most jobs that run at once [env: TIDEGATE_CONCURRENCY] [default: 16]
    #[arg(long, value_name = "NUMBER")]
    concurrency: Option<String>,

    /// What to log: error, warn, info, debug, trace, or a filter as info,tidegate_worker=debug
    /// [env: TIDEGATE_LOG] [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,

    /// Read the configuration, connect to Redis, say what was found, and exit
    #[arg(long)]
    pub(crate) check: bool,
}

const AFTER: &str = "\
A flag goes before its environment variable, and that before the file.
Only in the environment: TIDEGATE_WEBHOOK_SECRET, which signs what the job `webhook` sends.

The job `backup` reads and writes only under the directories that the file names, `command` runs only the
programs that it names:

  [worker]
  backup_roots = [\"/var/lib/worlds\"]
  [[worker.command]]
  name = \"convert\"
  path = \"/usr/bin/convert\"
  arguments = ['[a-z]+\\.png', '[a-z]+\\.jpg']

Signals: SIGTERM and SIGINT take no more jobs, wait ten seconds for those that run, give back the rest
and end; a second one ends at once.
Exit codes: 0 fine, 1 failed, 2 bad usage or configuration.";

impl Args {
    /// The flags that are settings.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            admin_listen: self.admin_listen.clone(),
            redis_url: self.redis_url.clone(),
            queues: self.queues.clone(),
            concurrency: self.concurrency.clone(),
            log: self.log.clone(),
            ..Overrides::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn help_names_every_flag_variable_and_exit_code() {
        Args::command().debug_assert();
        let help = Args::command().render_long_help().to_string();
        for text in [
            "--config",
            "--check",
            "TIDEGATE_CONFIG",
            "TIDEGATE_REDIS_URL",
            "TIDEGATE_ADMIN_LISTEN",
            "TIDEGATE_QUEUES",
            "TIDEGATE_CONCURRENCY",
            "TIDEGATE_LOG",
            "0 fine, 1 failed, 2 bad",
        ] {
            assert!(help.contains(text), "{text} is missing in:\n{help}");
        }
    }
}
