//! The programs that a worker may run, for handlers of any kind.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use tidegate_shared::config;
use tidegate_shared::job::LogLevel;
use tokio::time::{Instant, sleep, sleep_until};

use super::CommandOutput;
use super::output::Output;
use super::process::{Event, Process};
use crate::context::Context;
use crate::failure::{JobFailure, Stopped};
use crate::job::Job;

/// Longest argument, in bytes.
const ARGUMENT_LIMIT: usize = 4 * 1024;
/// Between asking a program to end and killing it.
const GRACE: Duration = Duration::from_secs(5);
/// How long a program may go on when the worker shuts down, before it is asked to end.
const LAST_CHANCE: Duration = Duration::from_secs(3);
/// How long what was written is waited for after the end of the program: somebody else may hold its
/// output open.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs programs that a configuration names, as [`Command`](crate::Command) does, for a handler of one's own.
#[derive(Debug, Clone, Default)]
pub struct Programs {
    allowed: Vec<config::Command>,
}

impl Programs {
    pub fn new(allowed: Vec<config::Command>) -> Self {
        Self { allowed }
    }

    /// Whether there is a program of this name.
    pub fn has(&self, name: &str) -> bool {
        self.allowed.iter().any(|command| command.name == name)
    }

    /// Runs a program until it has ended, or the handler should. Its lines are the job's progress and log; those
    /// that are no progress are given to `hear` as well.
    pub async fn run<J: Job>(
        &self,
        program: &str,
        args: &[String],
        context: &Context<J>,
        mut hear: impl FnMut(LogLevel, &str) + Send,
    ) -> Result<CommandOutput, JobFailure> {
        let command = self.allowed(program, args)?;
        // Where the program is missing or busy is this machine; another worker may have it.
        let mut process = Process::start(command, args, context.record()).map_err(|error| {
            JobFailure::new(format_args!("`{}` cannot be started: {error}", command.name))
        })?;
        let mut output = Output::new();
        let asked = follow(&mut process, &mut output, context, &mut hear).await?;
        output.end(context, &mut hear);
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

    fn allowed(&self, program: &str, args: &[String]) -> Result<&config::Command, JobFailure> {
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

/// Until the program has ended and all that it wrote is read. Gives whether it was asked to end.
async fn follow<J: Job>(
    process: &mut Process,
    output: &mut Output,
    context: &Context<J>,
    hear: &mut (impl FnMut(LogLevel, &str) + Send),
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
                output.take(&event, context, hear);
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
async fn unwanted<J: Job>(context: &Context<J>) {
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
