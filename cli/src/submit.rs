//! `tidegate submit`: submits a job and, with `--follow`, shows it until it ends. Following survives lost
//! connections; no entry is shown twice.

mod log;
mod progress;
mod record;

use std::process::ExitCode;

use serde_json::value::RawValue;

use crate::args::Submit;
use crate::client::{Action, Body, Event, Follower, Following, Job, Notice, Step, ask};
use crate::failure::Failure;
use crate::input;
use crate::output::{self, plain};
use crate::subscribe::event_text;
use progress::Progress;
use record::Record;

pub(crate) async fn run(arguments: Submit) -> Result<ExitCode, Failure> {
    let readable = output::is_readable();
    let target = arguments.gateway.target()?;
    let job = Job {
        kind: arguments.kind.into(),
        data: input::json(&arguments.data)?,
        queue: arguments.queue.map(String::from),
        // Always with a key: an answer that got lost can then be asked for again.
        key: arguments.key.map_or_else(input::new_key, String::from),
        priority: arguments.priority,
    };
    if arguments.follow {
        let following = Following::new(target, Follower::job(job), rand::random);
        return follow(following, readable).await;
    }
    let action = Action::Submit {
        job: &job,
        follow: false,
    };
    let answer = ask(&target, action, rand::random)
        .await
        .map_err(|error| Failure::Failed(error.to_string()))?;
    if readable {
        let record = read(answer.job.as_deref())?;
        let topic = plain(&record.topic());
        output::line(&format!(
            "{}: {}\nfollow it with: tidegate sub {topic}",
            plain(&record.id),
            record.state
        ))?;
    } else {
        output::line(&answer.line)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn follow(mut following: Following, readable: bool) -> Result<ExitCode, Failure> {
    let mut shown = Shown {
        progress: readable.then(Progress::new),
        job: None,
    };
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    loop {
        let step = tokio::select! {
            step = following.next() => step.map_err(|ended| Failure::Failed(ended.to_string()))?,
            _ = &mut interrupt => {
                shown.interrupted();
                following.close().await;
                // What a shell expects of a program that Ctrl-C ended.
                return Ok(ExitCode::from(130));
            }
        };
        if let Some(code) = shown.step(step)? {
            following.close().await;
            return Ok(code);
        }
    }
}

/// What the user has been shown of the job.
struct Shown {
    progress: Option<Progress>,
    /// Its topic, once it was accepted.
    job: Option<String>,
}

impl Shown {
    /// Gives the exit code when there is nothing more to show.
    fn step(&mut self, step: Step) -> Result<Option<ExitCode>, Failure> {
        match step {
            Step::Event(Event::Submitted { record, line }) => self.record(&record, &line),
            Step::Event(Event::Entry(entry)) => match entry.body {
                Body::Job(record) => self.record(&record, &entry.line),
                Body::Message { data, event } => {
                    self.log(event.as_deref(), &data, &entry.line)?;
                    Ok(None)
                }
                Body::Other => Ok(None),
            },
            Step::Event(Event::Refused { refusal, .. }) => Err(Failure::Failed(plain(&refusal.to_string()))),
            Step::Event(event) => {
                self.notice(event_text(&event));
                Ok(None)
            }
            Step::Notice(Notice::Connected) => Ok(None),
            Step::Notice(lost @ Notice::Lost { .. }) => {
                if self.job.is_none() {
                    let Notice::Lost { reason, .. } = lost else {
                        return Ok(None);
                    };
                    return Err(Failure::Failed(plain(&reason)));
                }
                self.notice(Some(lost.to_string()));
                Ok(None)
            }
        }
    }

    fn record(&mut self, record: &RawValue, line: &str) -> Result<Option<ExitCode>, Failure> {
        let view = read(Some(record))?;
        self.job = Some(view.topic());
        match &self.progress {
            Some(progress) => progress.show(&view),
            None => output::line(line)?,
        }
        if !view.is_terminal() {
            return Ok(None);
        }
        if let Some(progress) = &self.progress {
            progress.end(&view);
            if let Some(result) = &view.result {
                output::line(&plain(&result.get().replace(['\n', '\r'], "")))?;
            }
        }
        Ok(Some(if view.succeeded() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }))
    }

    /// What the handler wrote into the job's log.
    fn log(&self, event: Option<&str>, data: &RawValue, line: &str) -> Result<(), Failure> {
        match &self.progress {
            Some(progress) => progress.log(&log::shown(event, data)),
            None => output::line(line)?,
        }
        Ok(())
    }

    fn notice(&self, text: Option<String>) {
        let Some(text) = text else { return };
        match &self.progress {
            Some(progress) => progress.notice(&text),
            None => output::notice(&text),
        }
    }

    fn interrupted(&self) {
        if let Some(progress) = &self.progress {
            progress.leave();
        }
        if let Some(topic) = &self.job {
            let topic = plain(topic);
            output::notice(&format!(
                "the job goes on; see it again with: tidegate sub {topic}"
            ));
        }
    }
}

fn read(record: Option<&RawValue>) -> Result<Record, Failure> {
    let text = record.map_or("null", RawValue::get);
    serde_json::from_str(text)
        .map_err(|error| Failure::failed("the gateway sent a job record that cannot be read", &error))
}
