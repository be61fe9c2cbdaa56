//! The command line of `tidegate-gateway`.
//!
//! Values are taken as they are typed; `Config::load` checks them together with the environment and
//! the file, so that every mistake is told in one go and blamed on where it came from.

#![expect(clippy::doc_markdown, reason = "the text of --help has no back quotes")]

use std::path::PathBuf;

use clap::Parser;
use tidegate_shared::config::Overrides;

/// One node of Tidegate, a pub/sub gateway: clients connect to it over WebSocket and HTTP, and any
/// number of nodes share one Redis.
#[derive(Debug, Parser)]
#[command(name = "tidegate-gateway", version, after_help = AFTER)]
pub(crate) struct Args {
    /// The configuration file (TOML); without one every setting has its default
    /// [env: TIDEGATE_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Where clients connect [env: TIDEGATE_LISTEN] [default: 0.0.0.0:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,

    /// Where probes and metrics are served; not for clients [env: TIDEGATE_ADMIN_LISTEN]
    /// [default: 0.0.0.0:9090]
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<String>,

    /// The Redis that all nodes and workers share [env: TIDEGATE_REDIS_URL]
    /// [default: redis://127.0.0.1:6379]
    #[arg(long, value_name = "URL")]
    redis_url: Option<String>,

    /// Keep everything in this process instead of in Redis: one node only, no workers, and all is
    /// forgotten at its end
    #[arg(long, conflicts_with = "redis_url")]
    pub(crate) embedded: bool,

    /// What to log: error, warn, info, debug, trace, or a filter as info,tidegate_gateway=debug
    /// [env: TIDEGATE_LOG] [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,

    /// Read the configuration, connect to Redis, say what was found, and exit
    #[arg(long)]
    pub(crate) check: bool,
}

const AFTER: &str = "\
A flag goes before its environment variable, and that before the file.
Only in the environment: TIDEGATE_API_KEY, one more key that /api accepts.

Without a configuration clients need a token (TIDEGATE_TOKEN_SECRET), and may follow topics and jobs of
their own, no more. The shortest file that lets anyone follow and publish:

  [auth]
  anonymous = true
  [[namespace]]
  name = \"default\"
  subscribe = \"anyone\"
  publish = \"anyone\"

Signals: SIGTERM and SIGINT let go of the clients and end; a second one ends at once.
Exit codes: 0 fine, 1 failed, 2 bad usage or configuration.";

impl Args {
    /// The flags that are settings.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            listen: self.listen.clone(),
            admin_listen: self.admin_listen.clone(),
            redis_url: self.redis_url.clone(),
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
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn help_names_every_variable_and_exit_code() {
        let help = Args::command().render_long_help().to_string();
        for text in [
            "TIDEGATE_CONFIG",
            "TIDEGATE_LISTEN",
            "TIDEGATE_ADMIN_LISTEN",
            "TIDEGATE_REDIS_URL",
            "TIDEGATE_LOG",
            "TIDEGATE_API_KEY",
            "0 fine, 1 failed, 2 bad",
        ] {
            assert!(help.contains(text), "{text} is missing in:\n{help}");
        }
    }
}
