//! The queues on the page of `tidegate dev`, in a real browser.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use system_tests::browser::Browser;
use system_tests::process::Process;
use system_tests::wait::within;

const START: Duration = Duration::from_secs(20);
const DEADLINE: Duration = Duration::from_secs(90);
/// What would run if an error were taken for a part of the page.
const HOSTILE: &str = "<img src=x onerror=\"document.title='broken'\">";

/// `tidegate dev` on a free port, with a program that runs until a file is there and then fails.
async fn dev(folder: &Path) -> Result<(Process, String)> {
    let script = folder.join("work.sh");
    let text = format!(
        "#!/bin/sh\necho '40% at work'\nwhile [ ! -e go ]; do sleep 0.05; done\necho {} >&2\nexit 1\n",
        shell(HOSTILE)
    );
    fs::write(&script, text)?;
    let config = folder.join("tidegate.toml");
    fs::write(
        &config,
        format!(
            "[[worker.command]]\nname = \"work\"\npath = \"/bin/sh\"\narguments = [\"work\\\\.sh\"]\ndirectory = {:?}\n",
            folder.display().to_string()
        ),
    )?;
    let args = ["dev", "--listen", "127.0.0.1:0", "--config"].map(str::to_owned);
    let args = [&args[..], &[config.display().to_string()]].concat();
    let mut process = Process::start("dev", folder, &Process::binary("tidegate")?, &args)?;
    process.says("page", START).await?;
    let log = process.log();
    let url = log.split_whitespace().find(|word| word.starts_with("http://"));
    let url = url.context(log.clone())?.trim_end_matches('/').to_owned();
    Ok((process, url))
}

fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

async fn submit(url: &str) -> Result<String> {
    let body = json!({
        "type": "command", "max_attempts": 1,
        "data": {"program": "work", "args": ["work.sh"]},
    });
    let answer = reqwest::Client::new()
        .post(format!("{url}/api/jobs"))
        .json(&body)
        .send();
    let record: Value = answer.await?.error_for_status()?.json().await?;
    Ok(record["id"].as_str().context("an id")?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_runs_and_what_is_dead_and_retries_it() -> Result<()> {
    let folder = tempfile::Builder::new().prefix("tidegate-desk-").tempdir()?;
    let (process, url) = dev(folder.path()).await?;
    let result = within(DEADLINE, "the scenario to end", walk(&url, folder.path())).await;
    if result.is_err() {
        println!("{}", process.tail());
    }
    result
}

async fn walk(url: &str, folder: &Path) -> Result<()> {
    let mut browser = Browser::start().await?;
    browser.open(&format!("{url}/")).await?;
    let id = submit(url).await?;
    let running = format!("document.querySelector('#running li[data-job=\"{id}\"] progress')?.value === 40");
    browser.wait_for(&running).await?;
    browser
        .wait_for("document.querySelector('#queues tr[data-queue=default]')?.dataset.running === '1'")
        .await?;
    fs::write(folder.join("go"), "")?;
    let dead = format!("document.querySelector('#dead li[data-job=\"{id}\"]')");
    browser.wait_for(&format!("{dead} !== null")).await?;
    browser
        .wait_for("document.querySelector('#running').children.length === 0")
        .await?;
    let error = browser
        .value(&format!("{dead}.querySelector('.text').textContent"))
        .await?;
    let error = error.as_str().unwrap_or_default().to_owned();
    ensure!(error.contains(HOSTILE), "{error}");
    picture(&mut browser, "page-queues.png").await?;

    fs::remove_file(folder.join("go"))?;
    browser
        .click(&format!("#dead li[data-job=\"{id}\"] button"))
        .await?;
    browser.wait_for(&running).await?;
    browser.wait_for(&format!("{dead} === null")).await?;
    fs::write(folder.join("go"), "")?;
    browser.wait_for(&format!("{dead} !== null")).await?;
    ensure!(browser.value("document.title").await? == "Tidegate");
    ensure!(browser.complaints.is_empty(), "{:?}", browser.complaints);
    Ok(())
}

/// Kept for people to look at.
async fn picture(browser: &mut Browser, name: &str) -> Result<()> {
    let target = Process::binary("tidegate-gateway")?;
    let folder = target
        .ancestors()
        .nth(2)
        .unwrap_or(Path::new("."))
        .join("screenshots");
    fs::create_dir_all(&folder)?;
    browser.screenshot(&folder.join(name)).await
}
