//! What is refused, and how that is told. Nothing is said about what lies outside of the roots.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::Command;

use serde_json::json;
use tidegate_shared::job::{JobDraft, JobState};
use tidegate_shared::json::RawJson;
use tidegate_shared::name::{JobType, QueueName};

use crate::support::Bench;
use crate::{Backups, failure, start};

#[tokio::test]
async fn a_path_that_is_refused_is_not_tried_again() {
    let backups = Backups::new();
    let queue = QueueName::parse("default").expect("a queue");
    let kind = JobType::parse("backup").expect("a type");
    let data = RawJson::parse(&json!({ "source": "/etc" }).to_string().into()).expect("JSON");
    let draft = JobDraft {
        max_attempts: Some(3),
        ..JobDraft::new(&queue, kind, data)
    };
    let submitted = backups.bench.backend.jobs.submit(draft).await.expect("submitted");
    let record = backups.bench.ended(&submitted.record.id).await;
    assert_eq!((record.state, record.attempt), (JobState::Failed, 1));
    backups.stop().await;
}

#[tokio::test]
async fn paths_outside_of_the_roots_are_refused_whether_or_not_they_exist() {
    let backups = Backups::new();
    let outside = tempfile::tempdir().expect("a directory");
    let sibling = format!("{}-sibling", backups.root.path().display());
    fs::create_dir(&sibling).expect("created");
    fs::create_dir(backups.path("world")).expect("created");
    symlink(outside.path(), backups.path("leads out")).expect("linked");
    let outside = outside.path().display().to_string();
    for path in [
        "/etc",
        "/etc/passwd",
        "/etc/no such thing",
        "/",
        "..",
        "../..",
        "world/../..",
        "world/../../no such thing",
        "leads out",
        "leads out/no such thing/..",
        &outside,
        &sibling,
    ] {
        let source = backups.refused(json!({ "source": path })).await;
        let roots = backups.root.path().display();
        let told = format!(
            "the source {path} is not inside of a directory that backups may use: choose one under {roots}"
        );
        // A link that leads out may be told from one that leads nowhere: it is inside.
        if path != "leads out/no such thing/.." {
            assert!(source.starts_with(&told), "{path}: {source}");
        }
        for destination in [path.to_owned(), format!("{path}/out.tar.gz")] {
            let message = backups
                .refused(json!({ "source": "world", "destination": destination }))
                .await;
            if !path.starts_with("leads out/") {
                assert!(
                    message.contains("is not inside of a directory that backups may use"),
                    "{destination}: {message}"
                );
            }
        }
    }
    fs::remove_dir(&sibling).expect("it is still empty");
    assert_eq!(backups.names(), ["leads out", "world"]);
    backups.stop().await;
}

#[tokio::test]
async fn what_is_no_directory_or_no_archive_is_told() {
    let backups = Backups::new();
    fs::create_dir(backups.path("world")).expect("created");
    fs::write(backups.path("file"), "x").expect("written");
    let told = async |source: &str, destination: Option<&str>| {
        backups
            .refused(json!({ "source": source, "destination": destination }))
            .await
    };
    let message = told("missing", None).await;
    assert!(
        message.starts_with("the source ")
            && message.contains("/missing cannot be opened: it does not exist"),
        "{message}"
    );
    let message = told("file", None).await;
    assert!(message.contains("/file is not a directory"), "{message}");
    let message = told("", None).await;
    assert!(message.contains("the source is empty"), "{message}");
    let message = told("wor\0ld", None).await;
    assert!(message.contains("cannot be opened"), "{message}");
    let message = told("world", Some("file")).await;
    assert!(
        message.contains("neither a directory nor does it end in .tar.gz"),
        "{message}"
    );
    let message = told("world", Some("missing")).await;
    assert!(
        message.contains("/missing cannot be opened: it does not exist"),
        "{message}"
    );
    let message = told("world", Some("missing/out.tar.gz")).await;
    assert!(
        message.contains("/missing cannot be opened: it does not exist"),
        "{message}"
    );
    let message = told("world", Some(&format!("{}.tar.gz", "n".repeat(300)))).await;
    assert!(message.contains("cannot be written"), "{message}");
    let message = backups
        .refused(json!({ "source": "world", "destinaton": "x" }))
        .await;
    assert!(message.contains("unknown field `destinaton`"), "{message}");
    let message = backups.refused(json!({})).await;
    assert!(message.contains("missing field `source`"), "{message}");
    assert_eq!(backups.names(), ["file", "world"]);
    backups.stop().await;
}

#[tokio::test]
async fn without_roots_nothing_can_be_backed_up_and_with_two_a_path_must_be_absolute() {
    let bench = Bench::new();
    let worker = start(&bench, Vec::new());
    let message = failure(&bench, json!({ "source": "/tmp" })).await;
    assert!(message.contains("backup_roots"), "{message}");
    worker.stop().await;

    let (one, two) = (
        tempfile::tempdir().expect("one"),
        tempfile::tempdir().expect("two"),
    );
    let bench = Bench::new();
    let worker = start(&bench, vec![one.path().into(), two.path().into()]);
    let message = failure(&bench, json!({ "source": "world" })).await;
    assert!(message.contains("is relative"), "{message}");
    fs::create_dir(two.path().join("world")).expect("created");
    let data = json!({ "source": two.path().join("world"), "destination": one.path() });
    let record = bench.ended(&bench.submit("backup", data).await).await;
    assert_eq!(record.state, JobState::Succeeded, "{:?}", record.error);
    worker.stop().await;

    let bench = Bench::new();
    let worker = start(&bench, vec!["/no/such/root".into()]);
    let message = failure(&bench, json!({ "source": "/no/such/root/world" })).await;
    assert!(
        message.contains("none of the directories in `backup_roots` can be opened"),
        "{message}"
    );
    worker.stop().await;
}

/// Permissions bind everybody but root, so root runs this test once more as somebody else.
#[tokio::test]
async fn what_the_worker_may_not_read_or_write_fails_the_backup_by_name() {
    if rustix::process::geteuid().is_root() {
        let name = "refusal::what_the_worker_may_not_read_or_write_fails_the_backup_by_name";
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        let run = command
            .args([name, "--exact", "--nocapture"])
            .uid(65_534)
            .gid(65_534)
            .env_remove("TMPDIR")
            .output();
        match run {
            Err(error) => println!("skipped: this program cannot be run by another user: {error}"),
            Ok(output) => assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            ),
        }
        return;
    }
    let backups = Backups::new();
    for name in ["world/inner", "closed", "locked"] {
        fs::create_dir_all(backups.path(name)).expect("created");
    }
    fs::write(backups.path("world/secret"), "x").expect("written");
    let allow = |name: &str, mode| {
        fs::set_permissions(backups.path(name), Permissions::from_mode(mode)).expect("set");
    };

    allow("world/secret", 0o000);
    let message = backups.refused(json!({ "source": "world" })).await;
    assert!(
        message.contains("/world/secret cannot be read: the worker's user is not allowed to"),
        "{message}"
    );
    allow("world/secret", 0o600);
    allow("world/inner", 0o000);
    let message = backups.refused(json!({ "source": "world" })).await;
    assert!(
        message.contains("/world/inner cannot be read: the worker's user is not allowed to"),
        "{message}"
    );
    allow("world/inner", 0o700);
    allow("closed", 0o000);
    let message = backups.refused(json!({ "source": "closed" })).await;
    assert!(
        message.contains("/closed cannot be opened: the worker's user is not allowed to"),
        "{message}"
    );
    allow("locked", 0o500);
    let message = backups
        .refused(json!({ "source": "world", "destination": "locked" }))
        .await;
    assert!(
        message.contains("cannot be written: the worker's user is not allowed to"),
        "{message}"
    );
    for name in ["closed", "locked"] {
        allow(name, 0o700);
    }
    assert_eq!(backups.names(), ["closed", "locked", "world"]);
    backups.stop().await;
}
