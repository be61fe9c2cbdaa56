//! The page of `tidegate dev` in a real browser, over nginx, on two nodes.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use system_tests::browser::Browser;
use system_tests::follower::Follower;
use system_tests::{Stack, stack, tree};

const CONNECTED: &str = "document.querySelector('#state').dataset.state === 'open'";
const BACKUP: Duration = Duration::from_secs(60);

async fn open(stack: &Stack) -> Result<Browser> {
    let mut browser = Browser::start().await?;
    browser
        .open(&format!("http://127.0.0.1:{}/", stack.nginx.port))
        .await?;
    browser.wait_for(CONNECTED).await?;
    Ok(browser)
}

fn logged(kind: &str, topic: &str, text: &str) -> String {
    format!(
        "[...document.querySelectorAll('#log li[data-kind={kind}]')]\
         .some(li => li.dataset.topic === '{topic}' && li.textContent.includes('{text}'))"
    )
}

/// Kept for people to look at.
async fn picture(browser: &mut Browser, name: &str) -> Result<()> {
    let target = system_tests::process::Process::binary("tidegate-gateway")?;
    let folder = target
        .ancestors()
        .nth(2)
        .unwrap_or(Path::new("."))
        .join("screenshots");
    std::fs::create_dir_all(&folder)?;
    browser.screenshot(&folder.join(name)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_subscribes_publishes_and_watches_a_backup_to_the_end() -> Result<()> {
    stack()
        .workers(1)
        .run(async |stack| {
            let world = stack.worlds().join("world");
            tree::grow(&world, 3_000, 6_000)?;
            let mut browser = open(stack).await?;

            browser.fill("#topic", "news").await?;
            browser.click("#subscribe").await?;
            browser
                .wait_for("document.querySelector('#topics li[data-topic=news][data-live=true]') !== null")
                .await?;
            let mut other = Follower::start(&stack.url(), "news").await?;
            browser.fill("#publish-topic", "news").await?;
            browser.fill("#data", "{\"from\": \"the page\"}").await?;
            browser.click("#publish").await?;
            browser.wait_for(&logged("message", "news", "the page")).await?;
            other.until(|entry| entry["data"]["from"] == "the page").await?;
            stack
                .client_on(0)
                .await?
                .publish("news", serde_json::json!("from elsewhere"))
                .await?;
            browser
                .wait_for(&logged("message", "news", "from elsewhere"))
                .await?;

            browser.fill("#backup-source", &world.to_string_lossy()).await?;
            browser
                .fill(
                    "#backup-destination",
                    &stack.worlds().join("page.tar.gz").to_string_lossy(),
                )
                .await?;
            browser.click("#backup-start").await?;
            let moving = "(v => v > 0 && v < 100)(document.querySelector('#job-bar').value)";
            browser.wait_for_within(BACKUP, moving).await?;
            picture(&mut browser, "page-running.png").await?;
            browser
                .wait_for_within(
                    BACKUP,
                    "document.querySelector('#job-state').dataset.state === 'succeeded'",
                )
                .await?;
            ensure!(browser.value("document.querySelector('#job-bar').value").await? == 100);
            ensure!(
                browser
                    .value("document.querySelector('#job-percent').textContent")
                    .await?
                    == "100.0 %"
            );
            picture(&mut browser, "page-done.png").await?;
            tree::ensure_same(&stack.worlds().join("page.tar.gz"), &world)?;
            ensure!(browser.complaints.is_empty(), "{:?}", browser.complaints);
            Ok(())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_goes_on_at_the_other_node_when_its_own_is_killed() -> Result<()> {
    stack()
        .run(async |stack| {
            let mut browser = open(stack).await?;
            browser.fill("#topic", "news").await?;
            browser.click("#subscribe").await?;
            browser
                .wait_for("document.querySelector('#topics li[data-topic=news][data-live=true]') !== null")
                .await?;
            let shown = browser
                .value("document.querySelector('#node').textContent")
                .await?;
            let shown = shown.as_str().context("a node")?.to_owned();
            let own = stack
                .gateways
                .iter()
                .position(|one| shown.contains(&one.node))
                .context(shown)?;
            let mut elsewhere = stack.client_on(1 - own).await?;
            elsewhere.publish("news", serde_json::json!("before")).await?;
            browser.wait_for(&logged("message", "news", "before")).await?;

            stack.gateways[own].process.kill();
            elsewhere.publish("news", serde_json::json!("meanwhile")).await?;
            browser.wait_for(&logged("message", "news", "meanwhile")).await?;
            elsewhere.publish("news", serde_json::json!("after")).await?;
            browser.wait_for(&logged("message", "news", "after")).await?;
            let other = &stack.gateways[1 - own].node;
            browser
                .wait_for(&format!(
                    "document.querySelector('#node').textContent.includes('{other}')"
                ))
                .await?;
            for text in ["before", "meanwhile", "after"] {
                let count = format!(
                    "[...document.querySelectorAll('#log li[data-kind=message]')]\
                     .filter(li => li.textContent.includes('{text}')).length"
                );
                ensure!(
                    browser.value(&count).await? == 1,
                    "{text} is not there exactly once"
                );
            }
            picture(&mut browser, "page-other-node.png").await?;
            Ok(())
        })
        .await
}
