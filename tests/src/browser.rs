//! Chromium without a window, driven over the `DevTools` protocol.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::process::Process;
use crate::wait::{until, within};

const SOON: Duration = Duration::from_secs(20);
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
];

/// One browser with one tab.
#[derive(Debug)]
pub struct Browser {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_id: u64,
    /// Exceptions of the page, and errors it or the browser logged.
    pub complaints: Vec<String>,
    // The process must end before its directory is removed.
    _process: Process,
    _profile: TempDir,
}

impl Browser {
    pub async fn start() -> Result<Self> {
        let profile = tempfile::Builder::new().prefix("chromium-").tempdir()?;
        let mut command = Command::new(program()?);
        command
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            .args([
                "--no-first-run",
                "--disable-extensions",
                "--disable-background-networking",
            ])
            .args([
                "--hide-scrollbars",
                "--window-size=1200,1200",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank");
        let mut process = Process::spawn("chromium", profile.path(), command)?;
        let file = profile.path().join("DevToolsActivePort");
        let port = until(SOON, "chromium to open its debugging port", async || {
            process.ensure_running()?;
            let text = fs::read_to_string(&file)?;
            Ok(text.lines().next().and_then(|line| line.parse::<u16>().ok()))
        })
        .await?;
        let url = until(SOON, "a tab", async || tab(port).await).await?;
        let (socket, _) = connect_async(&url).await?;
        let mut browser = Self {
            socket,
            next_id: 0,
            complaints: Vec::new(),
            _process: process,
            _profile: profile,
        };
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({})).await?;
        }
        Ok(browser)
    }

    /// Opens a page and waits until it is loaded.
    pub async fn open(&mut self, url: &str) -> Result<()> {
        let answer = self.call("Page.navigate", json!({ "url": url })).await?;
        ensure!(answer["errorText"].is_null(), "{url}: {}", answer["errorText"]);
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")
            .await
    }

    /// The value of an expression in the page.
    pub async fn value(&mut self, expression: &str) -> Result<Value> {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", params).await?;
        ensure!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {}",
            answer["exceptionDetails"]
        );
        Ok(answer["result"]["value"].clone())
    }

    /// Waits until an expression is true in the page.
    pub async fn wait_for(&mut self, condition: &str) -> Result<()> {
        self.wait_for_within(SOON, condition).await
    }

    pub async fn wait_for_within(&mut self, limit: Duration, condition: &str) -> Result<()> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            // The page may go away under the question while it loads.
            if self.value(condition).await.is_ok_and(|value| value == true) {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                let text = self
                    .value("document.body ? document.body.innerText : ''")
                    .await
                    .unwrap_or_default();
                bail!(
                    "waited {limit:?} in vain for {condition}\npage: {text}\ncomplaints: {:?}",
                    self.complaints
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Types a text into the field that a selector finds, as a person would: focus, replace, type.
    pub async fn fill(&mut self, selector: &str, text: &str) -> Result<()> {
        let focus = format!(
            "(e => e && (e.focus(), e.select && e.select(), true))({})",
            find(selector)
        );
        let found = self.value(&focus).await?;
        ensure!(found == true, "no field {selector}");
        self.call("Input.insertText", json!({ "text": text })).await?;
        Ok(())
    }

    /// Clicks with the mouse in the middle of what a selector finds.
    pub async fn click(&mut self, selector: &str) -> Result<()> {
        let place = self
            .value(&format!(
                "(e => {{ if (!e) return null; e.scrollIntoView({{ block: 'center' }}); \
                 const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; }})({})",
                find(selector)
            ))
            .await?;
        ensure!(place.is_array(), "nothing to click at {selector}");
        for kind in ["mousePressed", "mouseReleased"] {
            let event =
                json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event).await?;
        }
        Ok(())
    }

    /// What the window shows, from the top of the page.
    pub async fn screenshot(&mut self, file: &Path) -> Result<()> {
        self.value("scrollTo(0, 0)").await?;
        let answer = self.call("Page.captureScreenshot", json!({})).await?;
        let data = answer["data"].as_str().context("a picture")?;
        Ok(fs::write(file, STANDARD.decode(data)?)?)
    }

    async fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        self.next_id += 1;
        let id = self.next_id;
        let command = json!({ "id": id, "method": method, "params": params });
        self.socket.send(Message::text(command.to_string())).await?;
        within(SOON, method, async {
            loop {
                let message = self.socket.next().await.context("chromium has gone")??;
                let Message::Text(text) = message else { continue };
                let frame: Value = serde_json::from_str(&text)?;
                if frame["id"] == id {
                    ensure!(frame["error"].is_null(), "{method}: {}", frame["error"]);
                    return Ok(frame["result"].clone());
                }
                self.complaints.extend(complaint(&frame));
            }
        })
        .await
    }
}

/// `document.querySelector` with the selector as a JavaScript string.
fn find(selector: &str) -> String {
    format!("document.querySelector({})", Value::from(selector))
}

fn complaint(event: &Value) -> Option<String> {
    let params = &event["params"];
    match event["method"].as_str()? {
        "Runtime.exceptionThrown" => Some(params["exceptionDetails"]["exception"]["description"].to_string()),
        "Log.entryAdded" if params["entry"]["level"] == "error" => {
            Some(format!("{} {}", params["entry"]["text"], params["entry"]["url"]))
        }
        "Runtime.consoleAPICalled" if params["type"] == "error" => Some(params["args"].to_string()),
        _ => None,
    }
}

async fn tab(port: u16) -> Result<Option<String>> {
    let tabs: Value = reqwest::get(format!("http://127.0.0.1:{port}/json/list"))
        .await?
        .json()
        .await?;
    let page = tabs
        .as_array()
        .and_then(|tabs| tabs.iter().find(|tab| tab["type"] == "page").cloned());
    Ok(page.and_then(|page| page["webSocketDebuggerUrl"].as_str().map(str::to_owned)))
}

fn program() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .flat_map(|folder| NAMES.map(|name| folder.join(name)))
        .find(|file| file.is_file())
        .context("chromium is not installed; `cargo xtask test` installs it or says how")
}
