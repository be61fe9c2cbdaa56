//! Backups that are cut short leave no half archive, and are done in the end.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tidegate_shared::job::JobState;

use crate::support::{self, Bench};
use crate::{Backups, failure, names, run, start};

#[tokio::test]
async fn a_worker_that_shuts_down_gives_the_backup_back_and_the_next_one_does_it() {
    let backups = Backups::new();
    fs::create_dir(backups.path("world")).expect("created");
    let file = File::create(backups.path("world/large")).expect("created");
    file.set_len(1 << 30).expect("long");
    let id = backups
        .submit(json!({ "source": "world", "destination": "out.tar.gz" }))
        .await;
    let going =
        |record: &tidegate_shared::job::JobRecord| record.percent.is_some_and(|percent| percent.get() > 0.0);
    backups.bench.until(&id, going).await;
    assert_eq!(backups.names().len(), 2, "a draft and the source");
    file.set_len(1 << 20)
        .expect("shorter, as the rest need not take long");
    let backups = backups.change_worker().await;
    let record = backups.bench.ended(&id).await;
    let output = support::result(&record);
    assert_eq!((record.attempt, &output["files"]), (1, &json!(1)));
    assert_eq!(backups.names(), ["out.tar.gz", "world"]);
    run("tar", &["tzf", "out.tar.gz"], backups.root.path());
    backups.stop().await;
}

/// A mounted file system of one MiB; only root can have it, and not everywhere.
struct Tiny(tempfile::TempDir);

impl Tiny {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(directory.path())
            .output();
        mount
            .is_ok_and(|output| output.status.success())
            .then_some(Self(directory))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.path()).status();
        assert!(
            unmounted.is_ok_and(|status| status.success()),
            "{} stays mounted",
            self.path().display()
        );
    }
}

#[tokio::test]
async fn a_full_disk_fails_the_backup_and_is_left_as_it_was() {
    let Some(tiny) = Tiny::mount() else {
        println!("skipped: a file system cannot be mounted here; the unit tests fill a pretended disk");
        return;
    };
    let root = tempfile::tempdir().expect("a directory");
    fs::create_dir(root.path().join("world")).expect("created");
    let noise: Vec<u8> = (0..3_000_000).map(|_| rand::random()).collect();
    fs::write(root.path().join("world/noise"), noise).expect("written");
    let bench = Bench::new();
    let worker = start(&bench, vec![root.path().into(), tiny.path().into()]);
    let message = failure(
        &bench,
        json!({ "source": root.path().join("world"), "destination": tiny.path() }),
    )
    .await;
    assert!(
        message.contains("cannot be written: the disk is full: make room or choose another destination"),
        "{message}"
    );
    assert!(names(tiny.path()).is_empty());
    let small = root.path().join("small");
    fs::create_dir(&small).expect("created");
    let record = bench
        .ended(
            &bench
                .submit("backup", json!({ "source": small, "destination": tiny.path() }))
                .await,
        )
        .await;
    assert_eq!(record.state, JobState::Succeeded, "the worker goes on");
    worker.stop().await;
}
