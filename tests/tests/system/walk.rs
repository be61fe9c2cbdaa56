//! The walk of `docs/handler.md`: a handler of one's own, run beside a gateway, submitted to, followed, cancelled.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use system_tests::ports;
use system_tests::process::Process;
use system_tests::stack::{Stack, stack};
use system_tests::wait;
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(30);

/// Runs `tidegate` against the stack. Gives its exit code and the lines of its output.
async fn tidegate(stack: &Stack, arguments: &[&str]) -> Result<(Option<i32>, Vec<Value>)> {
    let output = Command::new(Process::binary("tidegate")?)
        .args(arguments)
        .arg(format!("--url=http://127.0.0.1:{}", stack.nginx.port))
        .kill_on_drop(true)
        .output();
    let output = wait::within(SOON, &arguments.join(" "), async { Ok(output.await?) }).await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
    let lines = lines.with_context(|| format!("{text}{}", String::from_utf8_lossy(&output.stderr)))?;
    Ok((output.status.code(), lines))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_of_ones_own_is_submitted_to_followed_and_cancelled() -> Result<()> {
    stack().run(async |stack| walk(stack).await).await
}

async fn walk(stack: &mut Stack) -> Result<()> {
    let configuration = stack.configuration().display().to_string();
    let admin = format!("127.0.0.1:{}", ports::free()?);
    let arguments = [
        "--config",
        &configuration,
        "--admin-listen",
        &admin,
        "--queues",
        "numbers",
    ];
    let _worker = Process::start("primes", stack.folder(), &Process::binary("primes")?, &arguments)?;

    let submit = ["submit", "primes", "--queue", "numbers"];
    let followed = [&submit[..], &[r#"{"below":1000}"#, "--follow"]].concat();
    let (code, lines) = tidegate(stack, &followed).await?;
    let last = lines.last().context("a line")?;
    ensure!(code == Some(0), "{code:?} {last}");
    ensure!(last["job"]["result"]["primes"] == 168, "{last}");
    let told = lines.iter().any(|line| line["event"] == "log");
    ensure!(told, "no log line in {lines:?}");

    let refused = [&submit[..], &[r#"{"below":4000000000}"#, "--follow"]].concat();
    let (code, lines) = tidegate(stack, &refused).await?;
    let last = lines.last().context("a line")?;
    ensure!(code == Some(1) && last["job"]["attempt"] == 1, "{code:?} {last}");

    // More than it can try before it is cancelled.
    let long = [&submit[..], &[r#"{"below":1000000000}"#]].concat();
    let (_, lines) = tidegate(stack, &long).await?;
    let id = lines[0]["job"]["id"].as_str().context("an id")?.to_owned();
    let (code, lines) = tidegate(stack, &["cancel", &id]).await?;
    ensure!(code == Some(0), "{code:?} {lines:?}");
    let url = format!("http://127.0.0.1:{}/api/jobs/{id}", stack.nginx.port);
    wait::until(SOON, "the job to be cancelled", async || {
        let request = reqwest::Client::new().get(&url);
        let answer = request.bearer_auth(system_tests::stack::API_KEY).send().await?;
        let record: Value = serde_json::from_str(&answer.text().await?)?;
        Ok((record["state"] == "cancelled").then_some(()))
    })
    .await
}
