//! Redis that is not there, goes away, or forgets.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use system_tests::client::Client;
use system_tests::follower::{Event, Follower};
use system_tests::wait::{until, within};
use system_tests::{admin, stack};
use tidegate_shared::testing::RedisServer;

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_all_wait_say_so_and_serve_by_themselves_once_it_is_there() -> Result<()> {
    stack()
        .workers(1)
        .without_redis()
        .run(async |stack| {
            let port = stack.redis.port().to_string();
            let ports = [
                stack.gateways[0].admin,
                stack.gateways[1].admin,
                stack.workers[0].admin,
            ];
            for admin in ports {
                until(Duration::from_secs(10), "the admin port", async || {
                    Ok((admin::probe(admin, "livez").await? == 200).then_some(()))
                })
                .await?;
                ensure!(
                    admin::probe(admin, "startupz").await? == 503,
                    "startupz without Redis"
                );
                ensure!(
                    admin::probe(admin, "readyz").await? == 503,
                    "readyz without Redis"
                );
                ensure!(
                    admin::metric(admin, "tidegate_redis_up").await? == 0.0,
                    "redis_up without Redis"
                );
            }
            // Said again and again, and naming the address.
            let processes = stack.gateways.iter().map(|one| &one.process);
            for process in processes.chain(stack.workers.iter().map(|one| &one.process)) {
                let what = format!("{} to say twice that Redis is not there", process.name);
                until(Duration::from_secs(20), &what, async || {
                    let log = process.log().to_lowercase();
                    let lines = log
                        .lines()
                        .filter(|line| line.contains("redis") && line.contains(&port));
                    Ok((lines.count() >= 2).then_some(()))
                })
                .await?;
            }

            stack.redis.restart().await?;
            stack.ready().await?;
            for admin in ports {
                ensure!(
                    admin::probe(admin, "startupz").await? == 200,
                    "startupz with Redis"
                );
            }
            let mut follower = Follower::start(&stack.url_of(0), "news").await?;
            stack
                .client_on(1)
                .await?
                .publish("news", json!("at last"))
                .await?;
            follower.until(|entry| entry["data"] == "at last").await?;
            Ok(())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_are_told_when_redis_came_back_empty_and_get_what_follows() -> Result<()> {
    stack()
        .run(async |stack| {
            let mut followers = [
                Follower::start(&stack.url_of(0), "news").await?,
                Follower::start(&stack.url_of(1), "news").await?,
            ];
            let mut client = Client::connect(&stack.url_of(0)).await?;
            for number in 1..=5 {
                client.publish("news", json!(number)).await?;
            }
            for follower in &mut followers {
                follower.until(|entry| entry["data"] == 5).await?;
            }

            stack.redis.kill();
            let publish = json!({ "action": "publish", "topic": "news", "data": "lost" });
            let refused = within(Duration::from_secs(10), "error 108", async {
                loop {
                    let reply = client.ask(publish.clone()).await?;
                    if reply["type"] == "error" {
                        return Ok(reply);
                    }
                }
            })
            .await?;
            ensure!(
                refused["code"] == 108 && refused["temporary"] == true,
                "{refused}"
            );
            let (status, problem) = stack
                .post("/api/publish", &json!({ "topic": "news", "data": 1 }))
                .await?;
            ensure!(status == 503 && problem["code"] == 108, "{status} {problem}");

            stack.redis.restart().await?;
            until(Duration::from_secs(30), "publishing to work again", async || {
                let reply = client
                    .ask(json!({ "action": "publish", "topic": "news", "data": "new" }))
                    .await?;
                Ok((reply["type"] == "published").then_some(()))
            })
            .await?;
            for follower in &mut followers {
                let told = within(
                    Duration::from_secs(45),
                    "a word about the new beginning",
                    follower.next(),
                )
                .await?;
                ensure!(
                    matches!(told, Event::Reset { .. } | Event::Lagged { .. }),
                    "{told:?}"
                );
                client.publish("news", json!("after")).await?;
                follower
                    .until(|entry| entry["data"] == "after")
                    .await
                    .context("after the reset")?;
                ensure!(follower.reconnects == 0, "the connections must stay");
            }
            Ok(())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_may_evict_is_refused_with_words_that_help() -> Result<()> {
    stack()
        .gateways(1)
        .workers(1)
        .without_redis()
        .run(async |stack| {
            let evicting = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"]).await?;
            for binary in ["tidegate-gateway", "tidegate-worker"] {
                let output = tokio::process::Command::new(system_tests::process::Process::binary(binary)?)
                    .args(["--check", "--redis-url", &evicting.url(), "--config"])
                    .arg(stack.configuration())
                    .output();
                let output = within(Duration::from_secs(20), "the check to end", async {
                    Ok(output.await?)
                })
                .await?;
                let text = String::from_utf8_lossy(&output.stderr);
                ensure!(
                    !output.status.success(),
                    "{binary} is content with an evicting Redis"
                );
                ensure!(
                    text.contains("noeviction") && text.contains("maxmemory-policy"),
                    "{binary}: {text}"
                );
            }
            Ok(())
        })
        .await
}
