//! The built-in job `backup`, on a worker over the embedded backend: what is in the archive, where it
//! goes, and what is refused.

#![allow(clippy::expect_used, reason = "a failed expectation is what tests are for")]

mod content;
mod interruption;
mod refusal;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tidegate_shared::job::{JobId, JobRecord, JobState};
use tidegate_worker::{BackupHandler, Worker};

use support::{Bench, Running};

/// A worker that may back up what is under `root`.
pub(crate) struct Backups {
    pub(crate) bench: Bench,
    pub(crate) root: TempDir,
    worker: Running,
}

impl Backups {
    pub(crate) fn new() -> Self {
        let (bench, root) = (Bench::new(), tempfile::tempdir().expect("a directory"));
        let worker = start(&bench, vec![root.path().into()]);
        Self { bench, root, worker }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) async fn submit(&self, data: Value) -> JobId {
        self.bench.submit("backup", data).await
    }

    /// Gives the result.
    pub(crate) async fn back_up(&self, data: Value) -> Value {
        let id = self.submit(data).await;
        support::result(&self.bench.ended(&id).await)
    }

    /// Gives the message of the failure.
    pub(crate) async fn refused(&self, data: Value) -> String {
        failure(&self.bench, data).await
    }

    /// Stops the worker and starts another.
    pub(crate) async fn change_worker(self) -> Self {
        let Self { bench, root, worker } = self;
        worker.stop().await;
        let worker = start(&bench, vec![root.path().into()]);
        Self { bench, root, worker }
    }

    pub(crate) async fn stop(self) {
        self.worker.stop().await;
    }

    /// What lies directly in the root.
    pub(crate) fn names(&self) -> Vec<String> {
        names(self.root.path())
    }
}

pub(crate) fn start(bench: &Bench, roots: Vec<PathBuf>) -> Running {
    let worker = Worker::builder(bench.open())
        .register(BackupHandler::new(roots))
        .build();
    Running::start(worker.expect("a worker"))
}

pub(crate) async fn failure(bench: &Bench, data: Value) -> String {
    let id = bench.submit("backup", data).await;
    let record: JobRecord = bench.ended(&id).await;
    assert_eq!(record.state, JobState::Failed, "{:?}", record.result);
    record.error.expect("a message")
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(directory)
        .expect("the directory")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// Runs a program and gives what it prints.
pub(crate) fn run(program: &str, arguments: &[&str], directory: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("LC_ALL", "C")
        .output();
    let output = output.expect(program);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
