//! Processes that die or stall in the middle of a job.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use system_tests::client::Client;
use system_tests::follower::Follower;
use system_tests::wait::until;
use system_tests::{Stack, admin, job, stack, tree};

/// Large enough to die in the middle of, and what the archive is called.
struct Backup {
    world: PathBuf,
    archive: PathBuf,
    id: String,
}

impl Backup {
    async fn submit(stack: &Stack) -> Result<Self> {
        let (world, archive) = (stack.worlds().join("world"), stack.worlds().join("world.tar.gz"));
        tree::grow(&world, 4_000, 10_000)?;
        let body = json!({ "type": "backup", "data": { "source": world, "destination": archive } });
        let (status, record) = stack.post("/api/jobs", &body).await?;
        ensure!(status == 202, "{status} {record}");
        let id = record["id"].as_str().unwrap_or_default().to_owned();
        Ok(Self { world, archive, id })
    }

    fn topic(&self) -> String {
        format!("job:{}", self.id)
    }

    /// Nothing but the world and its whole archive is left.
    fn ensure_whole(&self, stack: &Stack) -> Result<()> {
        tree::ensure_same(&self.archive, &self.world)?;
        let mut left: Vec<_> = std::fs::read_dir(stack.worlds())?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<_>>()?;
        left.sort();
        ensure!(left == ["world", "world.tar.gz"], "left behind: {left:?}");
        Ok(())
    }
}

/// In the middle: begun, and far from the end.
fn in_the_middle(entry: &Value) -> bool {
    job::percent(entry) >= 5.0
}

async fn log_of(stack: &Stack, topic: &str) -> Result<Value> {
    let mut client = Client::connect(&stack.url()).await?;
    let command = json!({ "action": "history", "topic": topic, "limit": 1000 });
    let mut reply = client.call("history", command).await?;
    reply["id"] = Value::Null;
    Ok(reply)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_whose_gateway_is_killed_goes_on_at_another_and_misses_nothing() -> Result<()> {
    stack()
        .workers(1)
        .run(async |stack| {
            let client = stack.client_on(0).await?;
            let backup = Backup::submit(stack).await?;
            let mut follower = Follower::with(client, &stack.url(), &backup.topic()).await?;
            let entry = follower.until(in_the_middle).await?;
            ensure!(
                job::percent(&entry) < 60.0,
                "the job is too short for this test: {entry}"
            );

            stack.gateways[0].process.kill();
            follower.until(job::is_over).await?;

            ensure!(
                follower.reconnects >= 1 && follower.recoveries >= 1,
                "{follower:?}"
            );
            ensure!(follower.node == stack.gateways[1].node, "on {}", follower.node);
            ensure!(job::audit(&follower.entries)?["state"] == "succeeded");
            let log = log_of(stack, &backup.topic()).await?;
            ensure!(
                log["offset"] == follower.offset(),
                "entries after the terminal one: {log}"
            );
            backup.ensure_whole(stack)
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_worker_is_killed_is_finished_by_another_after_the_lease() -> Result<()> {
    stack()
        .workers(1)
        .lease("2s")
        .run(async |stack| {
            let backup = Backup::submit(stack).await?;
            let mut follower = Follower::start(&stack.url(), &backup.topic()).await?;
            let entry = follower.until(in_the_middle).await?;
            ensure!(
                job::percent(&entry) < 60.0,
                "the job is too short for this test: {entry}"
            );

            stack.workers[0].process.kill();
            stack.start_worker()?;
            follower.until(job::is_over).await?;

            let record = job::audit(&follower.entries)?;
            ensure!(
                record["state"] == "succeeded" && record["attempt"] == 2,
                "{record}"
            );
            backup.ensure_whole(stack)
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_stopped_beyond_its_lease_cannot_write_when_it_wakes() -> Result<()> {
    stack()
        .workers(1)
        .lease("2s")
        .run(async |stack| {
            let backup = Backup::submit(stack).await?;
            let mut follower = Follower::start(&stack.url(), &backup.topic()).await?;
            let entry = follower.until(in_the_middle).await?;
            ensure!(
                job::percent(&entry) < 60.0,
                "the job is too short for this test: {entry}"
            );

            stack.workers[0].process.pause()?;
            stack.start_worker()?;
            follower.until(job::is_over).await?;
            let record = job::audit(&follower.entries)?;
            ensure!(
                record["state"] == "succeeded" && record["attempt"] == 2,
                "{record}"
            );
            let log = log_of(stack, &backup.topic()).await?;

            stack.workers[0].process.resume()?;
            let port = stack.workers[0].admin;
            // Whichever comes first when it wakes, a report or the renewal of the lease.
            until(
                Duration::from_secs(20),
                "the first worker to be refused",
                async || {
                    let writes = admin::metric(port, "tidegate_stale_writes_rejected_total").await?;
                    let leases = admin::metric(port, "tidegate_leases_lost_total").await?;
                    Ok((writes + leases >= 1.0).then_some(()))
                },
            )
            .await?;
            until(
                Duration::from_secs(20),
                "the first worker to let go of the job",
                async || Ok((admin::metric(port, "tidegate_worker_busy").await? == 0.0).then_some(())),
            )
            .await?;
            let after = log_of(stack, &backup.topic()).await?;
            ensure!(after == log, "the log has changed:\n{log}\n{after}");
            stack.workers[0].process.ensure_running()?;
            backup.ensure_whole(stack)
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_stop_hands_its_job_back_and_exits_with_0() -> Result<()> {
    stack()
        .workers(1)
        .run(async |stack| {
            let backup = Backup::submit(stack).await?;
            let mut follower = Follower::start(&stack.url(), &backup.topic()).await?;
            follower.until(in_the_middle).await?;

            // The lease is 30 s: only a job that was handed back goes on soon.
            stack.start_worker()?;
            stack.workers[0].process.signal("TERM")?;
            let status = stack.workers[0].process.wait(Duration::from_secs(20)).await?;
            ensure!(status.success(), "{status}");
            follower.until(job::is_over).await?;
            ensure!(job::audit(&follower.entries)?["state"] == "succeeded");
            backup.ensure_whole(stack)
        })
        .await
}
