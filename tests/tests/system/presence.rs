//! Presence over real processes, one of which is killed.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use system_tests::client::Received;
use system_tests::stack;
use system_tests::wait::within;

/// What a killed node's clients may stay on a list, and what a busy machine may add.
const PROMISE: Duration = Duration::from_secs(60);
const LOAD: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_of_a_killed_gateway_have_left_within_a_minute() -> Result<()> {
    stack()
        .settings("[[namespace]]\nname = \"room\"\npresence = true\njoin_leave = true\n")
        .run(async |stack| {
            let mut watcher = stack.client_on(0).await?;
            let mut lost = stack.client_on(1).await?;
            let enter = json!({ "action": "subscribe", "topic": "room:1", "presence": true });
            watcher.call("subscribed", enter.clone()).await?;
            let subscribed = lost.call("subscribed", enter).await?;
            ensure!(subscribed["count"] == 2, "{subscribed}");
            let session = lost.welcome()["session"].clone();
            let join = watcher.push_of("join").await?;
            ensure!(join["member"]["session"] == session, "{join}");

            let gateway = stack.gateway_named(lost.node())?;
            stack.gateways[gateway].process.kill();
            let killed = Instant::now();
            let leave = loop {
                match within(PROMISE + LOAD, "somebody to leave", watcher.next()).await? {
                    Received::Frame(push) if push["type"] == "leave" => break push,
                    Received::Frame(_) => {}
                    Received::Closed(reason) => bail!("the watcher's connection ended: {reason:?}"),
                }
            };
            ensure!(leave["member"]["session"] == session, "{leave}");
            println!("told after {:?}", killed.elapsed());
            let (status, present) = stack.post("/api/presence", &json!({ "topic": "room:1" })).await?;
            ensure!(status == 200 && present["count"] == 1, "{status} {present}");
            ensure!(present["members"][0]["session"] == watcher.welcome()["session"]);
            ensure!(present["members"][0]["user"] == Value::Null);
            Ok(())
        })
        .await
}
