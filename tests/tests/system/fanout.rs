//! Many subscribers on both nodes, many publications from both.

use anyhow::{Result, bail, ensure};
use futures_util::future::try_join_all;
use serde_json::json;
use system_tests::client::Client;
use system_tests::follower::{Event, Follower};
use system_tests::{Stack, stack};

const PUBLICATIONS: usize = 1_000;
const SUBSCRIBERS: usize = 200;

/// Half of all publications, by one client on one node, as fast as it can.
async fn publish(stack: &Stack, gateway: usize) -> Result<()> {
    let mut client = Client::connect(&stack.url_of(gateway)).await?;
    for number in 0..PUBLICATIONS / 2 {
        client
            .publish("news", json!({ "from": gateway, "number": number }))
            .await?;
    }
    Ok(())
}

/// Gets them all; the follower itself fails on a gap, a repetition or a wrong order.
async fn receive(mut follower: Follower) -> Result<()> {
    let mut seen = [0, 0];
    while seen[0] + seen[1] < PUBLICATIONS {
        let Event::Entry(entry) = follower.next().await? else {
            bail!(
                "something else than publications came after {}",
                follower.offset()
            )
        };
        let from = usize::try_from(entry["data"]["from"].as_u64().unwrap_or(9))?;
        ensure!(
            entry["data"]["number"] == seen[from],
            "of {from} came {entry} after {}",
            seen[from]
        );
        seen[from] += 1;
        // 400 followers that remember everything would be too many.
        follower.entries.clear();
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_publications_reach_200_subscribers_on_each_of_two_nodes_in_order() -> Result<()> {
    stack()
        .run(async |stack| {
            let urls = (0..2).flat_map(|gateway| vec![stack.url_of(gateway); SUBSCRIBERS]);
            let followers =
                try_join_all(urls.map(|url| async move { Follower::start(&url, "news").await })).await?;
            let receiving: Vec<_> = followers
                .into_iter()
                .map(|follower| tokio::spawn(receive(follower)))
                .collect();
            tokio::try_join!(publish(stack, 0), publish(stack, 1))?;
            for one in receiving {
                one.await??;
            }
            Ok(())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_takes_the_other_delivers_whichever_way_it_came_in() -> Result<()> {
    stack()
        .run(async |stack| {
            let mut followers = [
                Follower::start(&stack.url_of(0), "chat:a").await?,
                Follower::start(&stack.url_of(1), "chat:a").await?,
            ];
            let mut client = stack.client_on(0).await?;
            let reply = client.publish("chat:a", json!("by socket")).await?;
            ensure!(reply["offset"] == 1, "{reply}");
            let body = json!({ "topic": "chat:a", "data": "by http" });
            let (status, answer) = stack.post("/api/publish", &body).await?;
            ensure!(status == 200 && answer["offset"] == 2, "{status} {answer}");
            for follower in &mut followers {
                follower.until(|entry| entry["data"] == "by http").await?;
                ensure!(follower.entries.len() == 2, "{:?}", follower.entries);
            }
            Ok(())
        })
        .await
}
