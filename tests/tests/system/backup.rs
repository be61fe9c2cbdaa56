//! A real backup of a real tree, followed through nginx.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use system_tests::follower::Follower;
use system_tests::{Stack, job, stack, tree};
use tidegate_shared::job::Percent;

/// Submits by a socket on this node, or by HTTP. Gives the job's id.
async fn submit(stack: &Stack, gateway: usize, by_http: bool, data: Value) -> Result<String> {
    let id = if by_http {
        let port = stack.gateways[gateway].port;
        let body = json!({ "type": "backup", "data": data });
        let (status, record) = system_tests::stack::post(port, "/api/jobs", &body).await?;
        ensure!(status == 202, "{status} {record}");
        record["id"].clone()
    } else {
        let mut client = stack.client_on(gateway).await?;
        let command =
            json!({ "action": "submit", "job": { "type": "backup", "data": data }, "follow": false });
        client.call("submitted", command).await?["job"]["id"].clone()
    };
    Ok(id.as_str().context("a job's id")?.to_owned())
}

/// The percentage is what the bytes say, and the bytes are those of the tree.
fn ensure_true(job: &Value, bytes: u64) -> Result<()> {
    let progress = &job["progress"];
    if let (Some(percent), Some(done)) = (job["percent"].as_f64(), progress["bytes_done"].as_u64()) {
        ensure!(progress["bytes_total"] == bytes, "{bytes} bytes are there");
        let share = Percent::of(done, bytes).get();
        ensure!(
            (share - percent).abs() < 0.011,
            "{done} of {bytes} bytes are {share} percent"
        );
    }
    ensure!(
        job["state"] != "succeeded" || progress["bytes_done"] == bytes,
        "not all bytes are done"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_followed_on_either_node_wherever_and_however_it_was_submitted() -> Result<()> {
    stack()
        .workers(1)
        .run(async |stack| {
            let world = stack.worlds().join("world");
            tree::grow(&world, 3_000, 6_000)?;
            let bytes = tree::bytes(&world)?;
            for case in 0..8 {
                let (submitter, follower, by_http) = (case & 1, case >> 1 & 1, case & 4 != 0);
                let archive = stack.worlds().join(format!("world-{case}.tar.gz"));
                let client = stack.client_on(follower).await?;
                let data = json!({ "source": world, "destination": archive });
                let id = submit(stack, submitter, by_http, data).await?;
                let mut follower = Follower::with(client, &stack.url(), &format!("job:{id}")).await?;
                follower.until(job::is_over).await?;

                let record = job::audit(&follower.entries)?;
                ensure!(record["state"] == "succeeded", "case {case}: {record}");
                ensure!(
                    record["attempt"] == 1 && record["percent"] == 100.0,
                    "case {case}: {record}"
                );
                ensure!(
                    record["result"]["path"] == json!(archive),
                    "case {case}: {record}"
                );
                let between = follower
                    .entries
                    .iter()
                    .map(job::percent)
                    .filter(|done| *done > 0.0 && *done < 100.0);
                ensure!(
                    between.count() >= 3,
                    "case {case}: hardly any progress in {:?}",
                    follower.entries
                );
                ensure!(
                    follower.reconnects == 0,
                    "case {case}: {} reconnects",
                    follower.reconnects
                );
                for entry in &follower.entries {
                    ensure_true(&entry["job"], bytes).with_context(|| format!("case {case}: {entry}"))?;
                }
                tree::ensure_same(&archive, &world)?;
            }
            Ok(())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_submits_over_a_socket_follows_without_asking() -> Result<()> {
    stack()
        .workers(1)
        .run(async |stack| {
            let world = stack.worlds().join("world");
            tree::grow(&world, 200, 2_000)?;
            let mut client = stack.client_on(0).await?;
            let command = json!({ "action": "submit", "job": { "type": "backup", "data": {
                "source": world, "destination": stack.worlds().join("out.tar.gz") } } });
            let submitted = client.call("submitted", command).await?;
            ensure!(submitted["job"]["state"] == "queued", "{submitted}");
            let mut entries = Vec::new();
            while !entries.last().is_some_and(job::is_over) {
                entries.push(client.push_of("job").await?);
            }
            for (index, entry) in entries.iter().enumerate() {
                let offset = submitted["offset"].as_u64().context("offset")? + 1 + index as u64;
                ensure!(entry["offset"] == offset, "expected offset {offset}: {entry}");
                ensure!(entry["topic"] == submitted["topic"], "{entry}");
            }
            ensure!(job::audit(&entries)?["state"] == "succeeded");
            Ok(())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_outside_the_roots_and_missing_directories_fail_with_a_clear_message() -> Result<()> {
    stack()
        .workers(1)
        .run(async |stack| {
            let worlds = stack.worlds();
            let cases = [
                (
                    json!({ "source": "/etc", "destination": worlds.join("a.tar.gz") }),
                    "/etc",
                ),
                (
                    json!({ "source": worlds.join("../.."), "destination": worlds.join("b.tar.gz") }),
                    "..",
                ),
                (
                    json!({ "source": worlds.join("nowhere"), "destination": worlds.join("c.tar.gz") }),
                    "nowhere",
                ),
                (json!({ "source": 5 }), "expected a string"),
            ];
            for (data, named) in cases {
                let id = submit(stack, 0, true, data.clone()).await?;
                let mut follower = Follower::start(&stack.url(), &format!("job:{id}")).await?;
                let over = follower
                    .snapshot
                    .as_ref()
                    .is_some_and(|record| record["state"] == "failed");
                let record = match follower.snapshot.take() {
                    Some(record) if over => record,
                    _ => follower.until(job::is_over).await?["job"].clone(),
                };
                let error = record["error"].as_str().unwrap_or_default();
                ensure!(record["state"] == "failed", "{data} did not fail: {record}");
                ensure!(
                    error.contains(named),
                    "{data}: the error does not name {named:?}: {error}"
                );
            }
            Ok(())
        })
        .await
}
