//! Event streams in a real browser, through nginx with its own defaults.

use anyhow::{Result, ensure};
use serde_json::json;
use system_tests::browser::Browser;
use system_tests::{Stack, stack};

const TOPICS: [&str; 3] = ["a", "b", "c"];
/// Collects what comes; `seen` has the offsets of each topic in the order they came.
const LISTEN: &str = "
    window.seen = { a: [], b: [], c: [] };
    window.others = [];
    window.stream = new EventSource('/events?topic=a&topic=b&topic=c');
    stream.onmessage = event => {
        const push = JSON.parse(event.data);
        if (push.type === 'message') seen[push.topic].push(push.offset); else others.push(push);
    };
    true";

async fn listen(stack: &Stack) -> Result<Browser> {
    let mut browser = Browser::start().await?;
    browser
        .open(&format!("http://127.0.0.1:{}/", stack.nginx.port))
        .await?;
    browser.value(LISTEN).await?;
    browser
        .wait_for("others.filter(push => push.type === 'subscribed').length === 3")
        .await?;
    Ok(browser)
}

/// Over a gateway that lives.
async fn publish(port: u16, rounds: usize) -> Result<()> {
    for _ in 0..rounds {
        let body = json!({ "topics": TOPICS, "data": "x".repeat(200) });
        let (status, answer) = system_tests::stack::post(port, "/api/broadcast", &body).await?;
        ensure!(status == 200, "{status} {answer}");
    }
    Ok(())
}

/// The gateway that the browser's newest stream comes from.
async fn serving(stack: &Stack, browser: &mut Browser) -> Result<usize> {
    let node = browser
        .value("others.filter(push => push.type === 'welcome').at(-1).node")
        .await?;
    stack.gateway_named(node.as_str().unwrap_or_default())
}

/// Every offset from 1 to `count` exactly once and in order, on every topic.
fn all(count: usize) -> String {
    format!(
        "Object.values(seen).every(offsets => offsets.length === {count} \
         && offsets.every((offset, index) => offset === index + 1))"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browsers_stream_whose_gateway_is_killed_goes_on_at_another_with_every_offset() -> Result<()> {
    stack()
        .run(async |stack| {
            let mut browser = listen(stack).await?;
            let own = serving(stack, &mut browser).await?;
            let alive = stack.gateways[1 - own].port;
            publish(alive, 10).await?;
            browser.wait_for(&all(10)).await?;

            let publishing = tokio::spawn(publish(alive, 60));
            stack.gateways[own].process.kill();
            publishing.await??;
            browser.wait_for(&all(70)).await?;

            publish(alive, 5).await?;
            browser.wait_for(&all(75)).await?;
            let recovered = "others.filter(push => push.recovered === true).length === 3 \
                             && others.every(push => push.recovered !== false)";
            ensure!(browser.value(recovered).await? == true, "it began anew");
            ensure!(serving(stack, &mut browser).await? == 1 - own);
            Ok(())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browsers_stream_moves_when_its_gateway_is_told_to_stop() -> Result<()> {
    stack()
        .settings("[drain]\ngrace = \"0s\"\n")
        .run(async |stack| {
            let mut browser = listen(stack).await?;
            let own = serving(stack, &mut browser).await?;
            let alive = stack.gateways[1 - own].port;
            publish(alive, 3).await?;
            browser.wait_for(&all(3)).await?;
            stack.gateways[own].process.signal("TERM")?;
            let told = "others.some(push => push.type === 'goaway' && push.reason === 'shutdown')";
            browser.wait_for(told).await?;
            publish(alive, 10).await?;
            browser.wait_for(&all(13)).await?;
            Ok(())
        })
        .await
}
