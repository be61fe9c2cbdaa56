//! The built-in job [`Command`]: programs that the configuration names, with arguments that match its
//! patterns. Knows no shell.

mod output;
mod process;

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_shared::config;
use tokio::time::{Instant, sleep, sleep_until};

use crate::context::Context;
use crate::failure::{JobFailure, Stopped};
use crate::job::{Handler, Job};
use output::Output;
use process::{Event, Process};

/// Longest argument, in bytes.
const ARGUMENT_LIMIT: usize = 4 * 1024;
/// Between asking a program to end and killing it.
const GRACE: Duration = Duration::from_secs(5);
/// How long a program may go on when the worker shuts down, before it is asked to end.
const LAST_CHANCE: Duration = Duration::from_secs(3);
/// How long what was written is waited for after the end of the program: somebody else may hold its
/// output open.
const LAST_WORDS: Duration = Duration::from_secs(2);

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
    allowed: Vec<config::Command>,
}

impl CommandHandler {
    pub fn new(allowed: Vec<config::Command>) -> Self {
        Self { allowed }
    }

    fn allowed(&self, input: &CommandInput) -> Result<&config::Command, JobFailure> {
        let CommandInput { program, args } = input;
        let Some(command) = self.allowed.iter().find(|command| command.name == *program) else {
            return Err(JobFailure::fatal(
                "the program is none of those that this worker may run; they are named in its configuration, as \
                 [[worker.command]]",
            ));
        };
        if args.len() != command.arguments.len() {
            return Err(JobFailure::fatal(format_args!(
                "`{program}` takes {} arguments, {} were given",
                command.arguments.len(),
                args.len()
            )));
        }
        for (n, (argument, pattern)) in args.iter().zip(&command.arguments).enumerate() {
            let fits = argument.len() <= ARGUMENT_LIMIT && !argument.contains('\0');
            if !fits || !pattern.matches(argument) {
                return Err(JobFailure::fatal(format_args!(
                    "argument {} of `{program}` does not match its pattern `{}`",
                    n + 1,
                    pattern.as_str()
                )));
            }
        }
        Ok(command)
    }
}

impl Handler<Command> for CommandHandler {
    async fn run(&self, input: CommandInput, context: Context<Command>) -> Result<CommandOutput, JobFailure> {
        let command = self.allowed(&input)?;
        // Where the program is missing or busy is this machine; another worker may have it.
        let mut process = Process::start(command, &input.args, context.record()).map_err(|error| {
            JobFailure::new(format_args!("`{}` cannot be started: {error}", command.name))
        })?;
        let mut output = Output::new();
        let asked = follow(&mut process, &mut output, &context).await?;
        output.end(&context);
        let status = process.status();
        match status.and_then(|status| status.code()) {
            Some(0) => {
                let (output, truncated) = output.text();
                Ok(CommandOutput {
                    exit_code: 0,
                    output,
                    truncated,
                })
            }
            _ if asked => Err(Stopped.into()),
            code => {
                let signal = status.and_then(|status| status.signal());
                let how = match (code, signal) {
                    (Some(code), _) => format!("ended with exit code {code}"),
                    (None, Some(signal)) => format!("was ended by signal {signal}"),
                    (None, None) => "ended in an unknown way".into(),
                };
                let text = format!("`{}` {how}{}", command.name, output.complaint());
                Err(JobFailure::new(text))
            }
        }
    }
}

/// Until the program has ended and all that it wrote is read. Gives whether it was asked to end.
async fn follow(
    process: &mut Process,
    output: &mut Output,
    context: &Context<Command>,
) -> Result<bool, JobFailure> {
    let mut unwanted = std::pin::pin!(unwanted(context));
    let mut asked = false;
    // When to kill it, and then when to read no more.
    let mut limit = None;
    while process.status().is_none() || process.is_heard() {
        tokio::select! {
            event = process.next() => {
                let event = event?;
                if matches!(event, Event::Ended) {
                    limit = Some(Instant::now() + LAST_WORDS);
                }
                output.take(&event, context);
            }
            () = &mut unwanted, if !asked => {
                asked = true;
                if process.status().is_none() {
                    process.ask_to_end();
                    limit = Some(Instant::now() + GRACE);
                }
            }
            () = at(limit) => {
                if process.status().is_some() {
                    break;
                }
                process.kill();
                limit = None;
            }
        }
    }
    Ok(asked)
}

/// Resolves when the program should end.
async fn unwanted(context: &Context<Command>) {
    let shutdown = async {
        context.stopped().await;
        sleep(LAST_CHANCE).await;
    };
    tokio::select! {
        _ = context.cancelled() => {}
        () = shutdown => {}
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
