//! `--check`: what a start would find, said line by line.

use std::io::Write as _;
use std::time::Duration;

use anyhow::bail;
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::Link;
use tidegate_shared::config::{self, Config};
use tidegate_shared::tls::Certificates;

use super::args::Args;
use crate::backup::Backup;
use crate::command::Command;
use crate::job::Job;
use crate::webhook::Webhook;

/// How long Redis may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The configuration has been read already. Connects and reports on standard output.
pub(crate) async fn check(
    args: &Args,
    config: &Config,
    types: &[&str],
    backend: &Backend,
) -> anyhow::Result<()> {
    let file = args
        .config
        .as_ref()
        .map_or(String::new(), |file| format!("{} is ", file.display()));
    say(&format!("configuration: {file}fine"))?;
    say(&described(config, types))?;
    if let Some(files) = &config.worker.admin_tls {
        Certificates::load(files, None)?;
        say(&format!("tls: {} can be used", files.cert.display()))?;
    }
    let mut link = backend.broker.link();
    let answered = link.wait_for(|link| matches!(link, Link::Up | Link::Refused(_)));
    match tokio::time::timeout(PATIENCE, answered).await {
        Ok(Ok(link)) => match &*link {
            Link::Refused(why) => bail!("redis: it cannot be used: {why}"),
            _ => say("redis: it can be used"),
        },
        Ok(Err(_)) => bail!("redis: the connection was given up"),
        Err(_) => bail!(
            "redis: it did not answer within {} s; is it running, and is --redis-url its address?",
            PATIENCE.as_secs()
        ),
    }
}

fn described(config: &Config, types: &[&str]) -> String {
    let worker = &config.worker;
    let queues: Vec<&str> = worker.queues.iter().map(|queue| queue.name.as_str()).collect();
    let mut lines = vec![
        format!(
            "queues: {}, {} jobs at once",
            queues.join(", "),
            worker.concurrency
        ),
        format!("probes and metrics: {}", worker.admin_listen),
        format!("jobs: {}", types.join(", ")),
    ];
    for kind in types {
        match *kind {
            Backup::TYPE => lines.extend(backup(worker)),
            Webhook::TYPE => lines.push(webhook(worker)),
            Command::TYPE => lines.extend(commands(worker)),
            _ => {}
        }
    }
    lines.join("\n")
}

fn backup(worker: &config::Worker) -> Vec<String> {
    if worker.backup_roots.is_empty() {
        return vec!["backup: nothing, as `backup_roots` names no directory".to_owned()];
    }
    let roots = worker.backup_roots.iter().map(|root| {
        let note = if root.is_dir() {
            ""
        } else {
            " (there is no such directory now)"
        };
        format!("backup: under {}{note}", root.display())
    });
    roots.collect()
}

fn webhook(worker: &config::Worker) -> String {
    let signed = if worker.webhook.secret.is_some() {
        "signed"
    } else {
        "not signed, as `secret` is not set"
    };
    let whom = if worker.webhook.allow_private {
        "any address"
    } else {
        "public addresses only"
    };
    format!("webhook: {signed}; {whom}")
}

fn commands(worker: &config::Worker) -> Vec<String> {
    if worker.commands.is_empty() {
        return vec!["command: nothing, as there is no [[worker.command]]".to_owned()];
    }
    let commands = worker.commands.iter().map(|command| {
        let note = if command.path.is_file() {
            ""
        } else {
            " (there is no such file now)"
        };
        format!("command: {} runs {}{note}", command.name, command.path.display())
    });
    commands.collect()
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}
