//! `--check`: what a start would find, said line by line.

use std::io::Write as _;
use std::time::Duration;

use anyhow::bail;
use tidegate_shared::backend::Backend;
use tidegate_shared::broker::Link;
use tidegate_shared::config::Config;
use tidegate_shared::name::QueueName;

use crate::args::Args;

/// How long Redis may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The configuration has been read already. Connects and reports on standard output.
pub(crate) async fn check(args: &Args, config: &Config, backend: &Backend) -> anyhow::Result<()> {
    let file = args
        .config
        .as_ref()
        .map_or(String::new(), |file| format!("{} is ", file.display()));
    say(&format!("configuration: {file}fine"))?;
    say(&described(config))?;
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

fn described(config: &Config) -> String {
    let worker = &config.worker;
    let queues: Vec<&str> = worker.queues.iter().map(QueueName::as_str).collect();
    let mut lines = vec![
        format!(
            "queues: {}, {} jobs at once",
            queues.join(", "),
            worker.concurrency
        ),
        format!("probes and metrics: {}", worker.admin_listen),
    ];
    if worker.backup_roots.is_empty() {
        lines.push("backup: nothing, as `backup_roots` names no directory".to_owned());
    }
    for root in &worker.backup_roots {
        let note = if root.is_dir() {
            ""
        } else {
            " (there is no such directory now)"
        };
        lines.push(format!("backup: under {}{note}", root.display()));
    }
    lines.join("\n")
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}
