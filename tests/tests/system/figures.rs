//! How soon a client knows what a job has done. Not part of the suite: figures differ from machine to machine.
//!
//! ```text
//! cargo nextest run --workspace --run-ignored only --no-capture -E 'test(how_soon_a_client_knows_of_progress)'
//! ```

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use serde_json::json;
use system_tests::client::Client;
use system_tests::job::is_over;
use system_tests::{Stack, stack};

/// Under way at once.
const JOBS: usize = 4;
/// Of each job, one in 150 ms: what comes faster than ten a second is told together.
const REPORTS: usize = 100;

/// Follows a job that says at what time it says it, in nanoseconds since 1970. Gives how long each report took.
async fn follow(stack: &Stack, number: usize) -> Result<Vec<Duration>> {
    let mut client = Client::connect(&stack.url_of(0)).await?;
    let body = json!({
        "type": "command", "max_attempts": 1,
        "data": { "program": "work", "args": ["work.sh", number.to_string()] },
    });
    let (_, record) = stack.post("/api/jobs", &body).await?;
    let id = record["id"].as_str().context(record.to_string())?;
    client.subscribe(&format!("job:{id}")).await?;
    let (mut took, mut last) = (Vec::with_capacity(REPORTS), 0);
    loop {
        let push = client.push_of("job").await?;
        if is_over(&push) {
            return Ok(took);
        }
        let message = push["job"]["message"].as_str().unwrap_or_default();
        let said = message.parse::<u64>().unwrap_or(0);
        if said > last {
            last = said;
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
            took.push(now.saturating_sub(Duration::from_nanos(said)));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn how_soon_a_client_knows_of_progress() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let line = "date \"+$i%% %s%N\"";
    let script = format!("i=0\nwhile [ $i -lt {REPORTS} ]; do i=$((i + 1)); {line}; sleep 0.15; done\n");
    fs::write(folder.path().join("work.sh"), script)?;
    let settings = format!(
        "[[worker.command]]\nname = \"work\"\npath = \"/bin/sh\"\narguments = [\"work\\\\.sh\", \"[0-9]+\"]\ndirectory = {:?}\n",
        folder.path().display().to_string()
    );
    stack()
        .gateways(1)
        .workers(1)
        .settings(&settings)
        .run(async |stack| {
            let stack = &*stack;
            let all = try_join_all((0..JOBS).map(|number| follow(stack, number))).await?;
            let mut took = all.concat();
            took.sort();
            let at = |percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or_default();
            println!(
                "progress to client: p50 {:?}, p99 {:?}, longest {:?} of {}",
                at(50),
                at(99),
                took.last().copied().unwrap_or_default(),
                took.len(),
            );
            Ok(())
        })
        .await
}
