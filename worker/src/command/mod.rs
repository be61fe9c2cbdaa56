//! The built-in job [`Command`]: programs that the configuration names, with arguments that match its
//! patterns. Knows no shell.

mod output;
mod process;
mod programs;

use serde::{Deserialize, Serialize};
use tidegate_shared::config;

use crate::context::Context;
use crate::failure::JobFailure;
use crate::job::{Handler, Job};

pub use programs::Programs;

/// The job `command`: runs a program that the worker's configuration allows.
///
/// ```toml
/// [[worker.command]]
/// name = "convert"
/// path = "/usr/bin/convert"
/// arguments = ["[a-z]+\\.png", "[a-z]+\\.jpg"]   # one regular expression for the whole of each argument
/// directory = "/srv/pictures"                    # where it is run; else where the worker was started
/// ```
///
/// Input: `{"program": "convert", "args": ["cat.png", "cat.jpg"]}`. Anything that is not allowed fails the
/// job for good. There is no shell in between; the program's environment has `PATH`, `LANG`,
/// `TIDEGATE_JOB` (the job's id) and `TIDEGATE_ATTEMPT` only, and its standard input is empty.
///
/// A line on its standard output that is `{"percent": 42, "message": "…", "progress": …}` (all but one of
/// percent and message may be left out), `42 message`, `42% message` or `42%` is progress; the end of what
/// else it writes there, 16 KiB of it, is in the job's result. Such lines, and those on its standard error,
/// are also lines of the job's log, of the levels `info` and `warn`. An exit code other than 0 fails the attempt,
/// with the end of its standard error in the job's error.
///
/// When the job is cancelled, out of time or lost, the program and all that it has started are sent
/// SIGTERM, and five seconds later SIGKILL. What it leaves behind when it ends is killed as well. A worker
/// that is itself killed cannot do that.
#[derive(Debug)]
pub struct Command;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandInput {
    /// A name of the configuration.
    pub program: String,
    #[serde(default)]
    pub args: Vec<String>,
}

/// The result of a program that ended well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommandOutput {
    pub exit_code: i32,
    /// What it wrote to standard output beside progress.
    pub output: String,
    /// Only the end of the output is there.
    pub truncated: bool,
}

impl Job for Command {
    const TYPE: &'static str = "command";
    type Input = CommandInput;
    type Progress = ();
    type Output = CommandOutput;
}

/// Runs some programs.
#[derive(Debug)]
pub struct CommandHandler {
    programs: Programs,
}

impl CommandHandler {
    pub fn new(allowed: Vec<config::Command>) -> Self {
        Self {
            programs: Programs::new(allowed),
        }
    }
}

impl Handler<Command> for CommandHandler {
    async fn run(&self, input: CommandInput, context: Context<Command>) -> Result<CommandOutput, JobFailure> {
        let CommandInput { program, args } = input;
        self.programs.run(&program, &args, &context, |_, _| ()).await
    }
}
