//! Who may import whom. Imports go one way: cli → gateway, worker → shared.

use anyhow::{Context, Result};

use crate::source::{self, Source};
use crate::{Findings, ensure_none};

/// A package's folder, and which packages of ours it may depend on.
const CRATES: &[(&str, &[&str])] = &[
    ("shared", &["tidegate-shared"]), // itself, with `test-support`, in its tests
    ("gateway", &["tidegate-shared"]),
    ("worker", &["tidegate-shared"]),
    ("cli", &["tidegate-shared", "tidegate-gateway", "tidegate-worker"]),
    ("tests", &["tidegate-shared"]),
    ("loadtest", &[]),
    ("xtask", &[]),
    ("examples/handler", &["tidegate-worker"]),
    ("fuzz", &["tidegate-shared", "tidegate-gateway"]),
];

struct Wall {
    folders: &'static [&'static str],
    /// Words and paths that must not stand in the code there.
    without: &'static [&'static str],
    because: &'static str,
}

const WALLS: &[Wall] = &[
    Wall {
        folders: &["gateway/src/dialect"],
        without: &[
            "tokio",
            "axum",
            "hyper",
            "fred",
            "async",
            "Instant",
            "SystemTime",
            "crate::transport",
            "crate::session",
            "crate::hub",
            "crate::connection",
            "Broker",
            "JobQueue",
            "Backend",
        ],
        because: "a dialect is pure: bytes to commands, replies and pushes to bytes. What needs a socket, a clock or \
                  the backend belongs to connection or session",
    },
    Wall {
        folders: &["gateway/src/session"],
        without: &[
            "tokio::net",
            "axum",
            "hyper",
            "fred",
            "serde_json",
            "crate::transport",
            "crate::dialect::native",
        ],
        because: "a session is a state machine without sockets that knows no wire. Give it values, and carry out the \
                  effects it answers with in connection",
    },
    Wall {
        folders: &["gateway/src/hub"],
        without: &["tokio::net", "axum", "hyper", "fred", "crate::transport::http"],
        because: "the hub hands ready frames to outboxes; it knows no socket and no backend",
    },
    Wall {
        folders: &["gateway/src/transport/ws", "gateway/src/transport/accept.rs"],
        without: &[
            "fred",
            "tidegate_shared::broker",
            "tidegate_shared::backend",
            "tidegate_shared::job",
            "crate::hub",
            "crate::session",
            "crate::dialect",
        ],
        because: "a transport knows sockets and nothing else. Hand up what came in, and take bytes to write",
    },
    Wall {
        folders: &["gateway", "worker", "cli", "tests/src", "shared/src"],
        without: &["fred"],
        because: "the Redis client is known in shared/src/redis only, so that it can be replaced there",
    },
];

#[test]
fn packages_depend_one_way() -> Result<()> {
    let mut findings = Findings::new();
    for source in source::all()?
        .iter()
        .filter(|source| source.path.ends_with("/Cargo.toml"))
    {
        let folder = source.path.trim_end_matches("/Cargo.toml");
        let Some((_, allowed)) = CRATES.iter().find(|(name, _)| *name == folder) else {
            findings.push(format!(
                "{}: say in {} what this package may depend on",
                source.path,
                file!()
            ));
            continue;
        };
        for (number, line) in source.text.lines().enumerate() {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
            if name.starts_with("tidegate") && !allowed.contains(&name) {
                findings.push(format!(
                    "{}:{}: {folder} must not depend on {name}. What both need belongs into shared",
                    source.path,
                    number + 1
                ));
            }
        }
    }
    ensure_none(findings)
}

#[test]
fn modules_keep_to_their_side() -> Result<()> {
    let sources = source::rust()?;
    let mut findings = Findings::new();
    for wall in WALLS {
        let inside = |source: &&Source| {
            wall.folders.iter().any(|folder| source.path.starts_with(folder))
                && !source.path.starts_with("shared/src/redis/")
                && !source.is_test()
        };
        for source in sources.iter().filter(inside) {
            for (line, word) in source.uses(wall.without) {
                findings.push(format!("{}:{line}: `{word}`: {}", source.path, wall.because));
            }
        }
    }
    ensure_none(findings)
}

/// A wall around a folder that was renamed would hold nothing back.
#[test]
fn every_wall_stands_around_something() -> Result<()> {
    let sources = source::rust()?;
    let mut findings = Findings::new();
    for folder in WALLS.iter().flat_map(|wall| wall.folders) {
        if !sources.iter().any(|source| source.path.starts_with(folder)) {
            findings.push(format!("{folder} does not exist: correct {}", file!()));
        }
    }
    ensure_none(findings)
}

#[test]
fn every_package_takes_the_lints_of_the_workspace() -> Result<()> {
    let mut findings = Findings::new();
    // A workspace of its own cannot take them.
    for (folder, _) in CRATES.iter().filter(|(folder, _)| *folder != "fuzz") {
        let path = format!("{folder}/Cargo.toml");
        let text = std::fs::read_to_string(source::root()?.join(&path)).with_context(|| path.clone())?;
        if !text.contains("[lints]\nworkspace = true") {
            findings.push(format!("{path}: add `[lints]` with `workspace = true`"));
        }
    }
    ensure_none(findings)
}
