//! Conversations with the systems that are served, as their clients have them: each file in `golden/` is
//! one, and is replayed on one node in memory, on one that compresses, and on two nodes over Redis with the
//! parties on different ones.
//!
//! A line of a transcript is one of
//!
//! ```text
//! # a remark
//! a connects /path                  whoever connects next comes out at the next node
//! /path is refused with 403
//! a > {"what":"it sends"}
//! a < {"what":"comes next"}         to the letter; <time>, <id>, <any> stand for anything within quotes,
//!                                   <number> for digits
//! post /api/path {"a":"body"}       and, with `as x` before the body, <x> is the answer's id from then on
//! put /path {"a":"body"}
//! delete /api/path
//! http as ann:secret POST /path {"a":"body"}    without `as …` as nobody; the body may be absent
//! = 200 {"what":"is answered"}
//! a closes
//! ```
//!
//! `<token:NAME>` is a token of a user. At the end nobody may have been told anything more.
#![allow(clippy::print_stdout, reason = "output of a test is shown when it fails")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use system_tests::process::Process;
use system_tests::served::served;
use system_tests::stack::API_KEY;
use system_tests::token::{SECRET, token};
use system_tests::wire::{Said, Wire};
use system_tests::{ports, stack, wait};

const START: Duration = Duration::from_secs(40);

/// What the endpoints need where a file says all of it. Without one all of it is built in.
const SETTINGS: &str = include_str!("golden/settings.toml");

/// One of each group that transcripts need an answer from.
const METHODS: [&str; 3] = ["mud.chat", "pileup.system.ping", "ark.create_job"];

/// What applications are told by their environment.
const ENVIRONMENT: [(&str, &str); 2] = [("ADMIN_USERNAME", "admin"), ("ADMIN_PASSWORD", "Letmein!")];

#[tokio::test(flavor = "multi_thread")]
async fn conversations_go_as_written_on_one_node_in_memory() -> Result<()> {
    in_memory(false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_go_as_written_with_compression() -> Result<()> {
    in_memory(true).await
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_go_as_written_between_two_nodes() -> Result<()> {
    let [name, password] = ENVIRONMENT;
    stack()
        .workers(2)
        .settings(SETTINGS)
        .environment(name.0, name.1)
        .environment(password.0, password.1)
        .run(async |stack| {
            let ports: Vec<u16> = stack.gateways.iter().map(|one| one.port).collect();
            replay_all(&ports, false).await
        })
        .await
}

async fn in_memory(compress: bool) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = ports::free()?;
    let mut command = Command::new(Process::binary("tidegate")?);
    command
        .args(["dev", "--listen", &format!("127.0.0.1:{port}")])
        .env("TIDEGATE_TOKEN_SECRET", SECRET)
        .envs(ENVIRONMENT)
        .current_dir(folder.path());
    let mut process = Process::spawn("tidegate-dev", folder.path(), command)?;
    wait::until(START, "tidegate dev to listen", async || {
        process.ensure_running()?;
        Ok(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok())
    })
    .await?;
    let result = replay_all(&[port], compress).await;
    if result.is_err() {
        println!("{}", process.tail());
    }
    result
}

async fn replay_all(ports: &[u16], compress: bool) -> Result<()> {
    served(ports[0], &METHODS).await?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<_> = walkdir::WalkDir::new(&root)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.extension().is_some_and(|end| end == "txt"))
        .collect();
    files.sort();
    ensure!(!files.is_empty(), "no transcripts in {}", root.display());
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        let name = file.strip_prefix(&root)?.display().to_string();
        let mut play = Play::new(ports, compress);
        for (number, line) in text.lines().enumerate() {
            let at = || format!("{name}:{}: {line}", number + 1);
            play.line(line.trim()).await.with_context(at)?;
        }
        play.end().await.with_context(|| format!("{name}: the end"))?;
    }
    Ok(())
}

struct Play<'a> {
    ports: &'a [u16],
    compress: bool,
    connected: usize,
    parties: BTreeMap<String, Wire>,
    names: BTreeMap<String, String>,
    /// To the last request.
    answer: Option<(String, String)>,
}

impl<'a> Play<'a> {
    fn new(ports: &'a [u16], compress: bool) -> Self {
        Self {
            ports,
            compress,
            connected: 0,
            parties: BTreeMap::new(),
            names: BTreeMap::new(),
            answer: None,
        }
    }

    async fn line(&mut self, line: &str) -> Result<()> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let line = self.fill_in(line);
        let (who, rest) = line.split_once(' ').context("two words")?;
        if let Some(status) = rest.strip_prefix("is refused with ") {
            let refused = Wire::connect(self.ports[0], who, self.compress).await?.err();
            ensure!(refused == status.parse().ok(), "the answer was {refused:?}");
            return Ok(());
        }
        match who {
            "post" | "put" | "delete" => return self.api(who, rest).await,
            "http" => return self.http(rest).await,
            "=" => {
                let (status, body) = self.answer.take().context("no request before it")?;
                let (expected, what) = rest.split_once(' ').unwrap_or((rest, ""));
                ensure!(
                    status == expected && matches(what, &body),
                    "this came: {status} {body}"
                );
                return Ok(());
            }
            _ => {}
        }
        let (verb, what) = rest.split_once(' ').unwrap_or((rest, ""));
        if verb == "connects" {
            let port = self.ports[self.connected % self.ports.len()];
            self.connected += 1;
            let wire = Wire::connect(port, what, self.compress).await?;
            let wire = wire.map_err(|status| anyhow::anyhow!("refused with {status}"))?;
            self.parties.insert(who.to_owned(), wire);
            return Ok(());
        }
        if verb == "closes" {
            let wire = self.parties.remove(who).context("nobody of this name")?;
            return wire.close().await;
        }
        let party = self.parties.get_mut(who).context("nobody of this name")?;
        match verb {
            ">" => party.send(what).await,
            "<" => match party.next().await? {
                Said::Text(text) if matches(what, &text) => Ok(()),
                other => bail!("this came: {other:?}"),
            },
            other => bail!("what is {other:?}?"),
        }
    }

    /// A request to the next node.
    async fn http(&mut self, rest: &str) -> Result<()> {
        let (who, rest) = match rest.strip_prefix("as ").and_then(|rest| rest.split_once(' ')) {
            Some((who, rest)) => (who.split_once(':'), rest),
            None => (None, rest),
        };
        let (method, rest) = rest.split_once(' ').context("a method and a path")?;
        let (path, body) = rest.split_once(' ').unwrap_or((rest, ""));
        let port = self.ports[self.connected % self.ports.len()];
        let url = format!("http://127.0.0.1:{port}{path}");
        let mut request = reqwest::Client::new().request(method.parse()?, url);
        if let Some((user, password)) = who {
            request = request.basic_auth(user, Some(password));
        }
        if !body.is_empty() {
            request = request
                .header("content-type", "application/json")
                .body(body.to_owned());
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16().to_string();
        self.answer = Some((status, answer.text().await?));
        Ok(())
    }

    async fn api(&mut self, method: &str, rest: &str) -> Result<()> {
        let (path, body) = rest.split_once(' ').unwrap_or((rest, ""));
        let (name, body) = match body.strip_prefix("as ").and_then(|rest| rest.split_once(' ')) {
            Some((name, body)) => (Some(name), body),
            None => (None, body),
        };
        let url = format!("http://127.0.0.1:{}{path}", self.ports[0]);
        let client = reqwest::Client::new();
        let ask = async || {
            let request = match method {
                "post" => client.post(&url).body(body.to_owned()),
                "put" => client.put(&url).body(body.to_owned()),
                _ => client.delete(&url),
            };
            let request = request
                .header("content-type", "application/json")
                .bearer_auth(API_KEY);
            let answer = request.send().await?;
            // The worker has not said yet what it serves.
            let early = answer.status().as_u16() == 503;
            anyhow::Ok((!early).then_some(answer))
        };
        let answer = wait::until(START, "an answer", ask).await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{status}: {text}");
        if let Some(name) = name {
            let answer: serde_json::Value = serde_json::from_str(&text)?;
            let ids = ["id", "instanceId", "jobId"];
            let id = ids
                .iter()
                .find_map(|name| answer[*name].as_str())
                .context("an id")?;
            self.names.insert(format!("<{name}>"), id.to_owned());
        }
        Ok(())
    }

    fn fill_in(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for (name, value) in &self.names {
            line = line.replace(name, value);
        }
        while let Some((before, rest)) = line.split_once("<token:") {
            let (user, after) = rest.split_once('>').unwrap_or((rest, ""));
            line = format!("{before}{}{after}", token(user));
        }
        line
    }

    async fn end(self) -> Result<()> {
        for (name, wire) in self.parties {
            wire.close().await.context(name)?;
        }
        Ok(())
    }
}

/// Whether `said` is `expected`, with something within one string, or a number, for each `<…>`.
fn matches(expected: &str, said: &str) -> bool {
    const NUMBER: &str = "<number>";
    const MASKS: [&str; 4] = ["<time>", "<id>", "<any>", NUMBER];
    let mask = MASKS
        .iter()
        .filter_map(|mask| Some((expected.find(mask)?, mask.len())))
        .min();
    let Some((at, length)) = mask else {
        return expected == said;
    };
    let Some(rest) = said.strip_prefix(&expected[..at]) else {
        return false;
    };
    let end = if expected[at..].starts_with(NUMBER) {
        rest.find(|c: char| !c.is_ascii_digit())
    } else {
        rest.find('"')
    };
    let end = end.unwrap_or(rest.len());
    end > 0 && matches(&expected[at + length..], &rest[end..])
}

#[test]
fn a_mask_stands_for_something_within_one_string() {
    assert!(matches(r#"{"a":"<time>","b":1}"#, r#"{"a":"2026","b":1}"#));
    assert!(matches(r#"{"a":<number>,"b":1}"#, r#"{"a":17,"b":1}"#));
    assert!(!matches(r#"{"a":<number>}"#, r#"{"a":null}"#));
    for said in [
        r#"{"a":"2026","b":2}"#,
        r#"{"a":"","b":1}"#,
        r#"{"a":"x","y":"z","b":1}"#,
    ] {
        assert!(!matches(r#"{"a":"<time>","b":1}"#, said), "{said}");
    }
}
