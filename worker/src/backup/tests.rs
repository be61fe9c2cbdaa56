//! Trees that change while they are archived, and disks that fill up.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

use flate2::read::GzDecoder;
use tempfile::TempDir;
use tidegate_shared::job::{JobId, JobRecord, JobState};
use tidegate_shared::name::{JobType, QueueName};

use super::*;

const MIB: u64 = 1024 * 1024;

fn record() -> JobRecord {
    let queue = QueueName::parse("default").expect("a queue");
    JobRecord {
        id: JobId::new(&queue),
        kind: JobType::parse("backup").expect("a type"),
        queue,
        state: JobState::Running,
        attempt: 1,
        percent: None,
        message: None,
        progress: None,
        result: None,
        error: None,
        user: None,
        created_at: 1_763_710_860_123,
        started_at: Some(1_763_710_860_124),
        finished_at: None,
        timeout_ms: None,
        max_attempts: 3,
        concurrency: None,
        run_at: None,
        cancelling: false,
        dead_letter: false,
        traceparent: None,
    }
}

struct Scene {
    root: TempDir,
    roots: Roots,
}

impl Scene {
    /// A root with a directory `world` in it.
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir(root.path().join("world")).expect("created");
        let roots = Roots::new(vec![root.path().into()]);
        Self { root, roots }
    }

    fn world(&self, name: &str) -> PathBuf {
        self.root.path().join("world").join(name)
    }

    fn back_up(&self, report: Report<'_>, stop: &CancellationToken) -> Result<BackupOutput, BackupError> {
        let input = BackupInput {
            source: "world".into(),
            destination: None,
        };
        back_up(&self.roots, &input, &record(), report, stop)
    }

    /// Backs up, and does something at the first report that has a percentage: all is counted then, and
    /// nothing is read yet.
    fn back_up_and(&self, meanwhile: impl Fn()) -> BackupOutput {
        let done = Cell::new(false);
        let report = |percent: Option<f64>, _: String, _: BackupProgress| {
            if percent.is_some() && !done.replace(true) {
                meanwhile();
            }
        };
        let output = self
            .back_up(&report, &CancellationToken::new())
            .expect("a backup");
        assert!(done.get());
        output
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.root.path())
            .expect("the root")
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
}

/// Path, type and content of all entries, read to the end so that a wrong size would be noticed.
fn entries(archive: impl AsRef<Path>) -> Vec<(String, tar::EntryType, Vec<u8>)> {
    let file = File::open(archive).expect("the archive");
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    let mut entries: Vec<_> = archive
        .entries()
        .expect("a tar")
        .map(|entry| {
            let mut entry = entry.expect("an entry");
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("the whole content");
            let path = entry.path().expect("a path").to_string_lossy().into_owned();
            (path, entry.header().entry_type(), content)
        })
        .collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    entries
}

#[test]
fn what_is_gone_after_the_count_is_not_in_the_archive() {
    let scene = Scene::new();
    fs::write(scene.world("stays"), "s").expect("written");
    fs::write(scene.world("goes"), "g").expect("written");
    fs::create_dir(scene.world("directory")).expect("created");
    let output = scene.back_up_and(|| {
        fs::remove_file(scene.world("goes")).expect("removed");
        fs::remove_dir(scene.world("directory")).expect("removed");
    });
    assert_eq!(output.files, 1);
    let names: Vec<_> = entries(&output.path).into_iter().map(|entry| entry.0).collect();
    assert_eq!(names, ["world/", "world/stays"]);
}

#[test]
fn a_file_that_vanishes_before_its_turn_is_skipped_and_counted() {
    let scene = Scene::new();
    let names = ["a", "b", "c"];
    for name in names {
        File::create(scene.world(name))
            .and_then(|file| file.set_len(32 * MIB))
            .expect("written");
    }
    let done = Cell::new(false);
    let report = |_: Option<f64>, _: String, progress: BackupProgress| {
        if progress.bytes_done > 0 && !done.replace(true) {
            for name in names {
                fs::remove_file(scene.world(name)).expect("removed");
            }
        }
    };
    let output = scene
        .back_up(&report, &CancellationToken::new())
        .expect("a backup");
    assert_eq!(
        (output.files, output.vanished),
        (1, 2),
        "the one that was open is complete"
    );
    assert_eq!(entries(&output.path)[1].2.len() as u64, 32 * MIB);
}

/// Reports come every 50 ms, so the file must take longer.
fn while_reading(scene: &Scene, size: u64, meanwhile: impl Fn(&File)) -> BackupOutput {
    let file = File::options()
        .create(true)
        .read(true)
        .write(true)
        .truncate(true)
        .open(scene.world("file"));
    let file = file.expect("opened");
    file.set_len(size).expect("long");
    file.write_all_at(b"begin", 0).expect("written");
    let done = Cell::new(false);
    let report = |_: Option<f64>, _: String, progress: BackupProgress| {
        if progress.bytes_done > 0 && progress.bytes_done < size && !done.replace(true) {
            meanwhile(&file);
        }
    };
    let output = scene
        .back_up(&report, &CancellationToken::new())
        .expect("a backup");
    assert!(done.get(), "it went too fast");
    output
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_filled_up_with_zeros() {
    let scene = Scene::new();
    fs::write(scene.world("other"), "after or before").expect("written");
    let size = 32 * MIB;
    let output = while_reading(&scene, size, |file| file.set_len(10).expect("short"));
    assert_eq!((output.shortened, output.files), (1, 2));
    let entries = entries(&output.path);
    let (_, _, content) = &entries[1];
    assert_eq!(content.len() as u64, size);
    assert!(content.starts_with(b"begin"));
    assert_eq!(entries[2].2, b"after or before");
}

#[test]
fn a_file_that_grows_while_it_is_read_has_the_size_it_began_with() {
    let scene = Scene::new();
    let size = 32 * MIB;
    let output = while_reading(&scene, size, |file| {
        file.write_all_at(b"more", size).expect("longer");
    });
    assert_eq!((output.shortened, output.files), (0, 1));
    assert_eq!(entries(&output.path)[1].2.len() as u64, size);
}

#[test]
fn a_directory_that_becomes_a_link_is_not_followed() {
    let scene = Scene::new();
    let outside = tempfile::tempdir().expect("a directory");
    fs::write(outside.path().join("secret"), "s").expect("written");
    fs::create_dir(scene.world("inner")).expect("created");
    fs::write(scene.world("inner/secret"), "harmless").expect("written");
    let output = scene.back_up_and(|| {
        fs::rename(scene.world("inner"), scene.root.path().join("aside")).expect("renamed");
        symlink(outside.path(), scene.world("inner")).expect("linked");
    });
    let entries = entries(&output.path);
    let kinds: Vec<_> = entries
        .iter()
        .map(|(path, kind, _)| (path.as_str(), *kind))
        .collect();
    assert_eq!(
        kinds,
        [
            ("world/", tar::EntryType::Directory),
            ("world/inner", tar::EntryType::Symlink)
        ]
    );
}

#[test]
fn a_place_that_becomes_a_link_after_it_was_judged_is_refused() {
    let scene = Scene::new();
    let outside = tempfile::tempdir().expect("a directory");
    fs::create_dir(scene.world("a")).expect("created");
    let place = scene.roots.resolve(What::Source, "world/a").expect("inside");
    fs::remove_dir(scene.world("a")).expect("removed");
    symlink(outside.path(), scene.world("a")).expect("linked");
    assert!(place.open().is_err());
}

#[test]
fn a_backup_that_is_stopped_or_fails_leaves_nothing() {
    let scene = Scene::new();
    File::create(scene.world("file"))
        .and_then(|file| file.set_len(64 * MIB))
        .expect("written");
    let stop = CancellationToken::new();
    let report = |_: Option<f64>, _: String, progress: BackupProgress| {
        if progress.bytes_done > 0 {
            assert_eq!(scene.names().len(), 2, "a draft is there");
            stop.cancel();
        }
    };
    let stopped = scene.back_up(&report, &stop);
    assert!(matches!(stopped, Err(BackupError::Stopped(_))), "{stopped:?}");
    assert_eq!(scene.names(), ["world"]);

    let report = |_: Option<f64>, _: String, progress: BackupProgress| {
        assert!(progress.bytes_done == 0, "on purpose");
    };
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        scene.back_up(&report, &CancellationToken::new())
    }));
    assert!(panicked.is_err());
    assert_eq!(scene.names(), ["world"]);
}

#[test]
fn the_drafts_of_earlier_attempts_are_removed_and_no_others() {
    let scene = Scene::new();
    let record = record();
    let job = record.id.as_str().rsplit('.').next().expect("digits").to_owned();
    let own = scene
        .root
        .path()
        .join(format!(".tidegate-{job}-0123456789abcdef.partial"));
    let other = scene
        .root
        .path()
        .join(format!(".tidegate-{}-0123456789abcdef.partial", "0".repeat(32)));
    fs::write(&own, "half").expect("written");
    fs::write(&other, "half").expect("written");
    let input = BackupInput {
        source: "world".into(),
        destination: None,
    };
    let stop = CancellationToken::new();
    back_up(&scene.roots, &input, &record, &|_, _, _| {}, &stop).expect("a backup");
    assert!(!own.exists() && other.exists());
}

/// Takes so many bytes, and then is full.
struct Disk(usize);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = bytes.len().min(self.0);
        self.0 -= written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_told_wherever_it_fills_up() {
    let scene = Scene::new();
    let noise: Vec<u8> = (0..300_000).map(|_| rand::random()).collect();
    for n in 0..4 {
        fs::write(scene.world(&format!("{n}")), &noise).expect("written");
    }
    symlink("x".repeat(200), scene.world("link")).expect("linked");
    let source = scene.roots.resolve(What::Source, "world").expect("inside");
    let top = source.open().expect("open");
    let target = Target::choose(&scene.roots, None, &source, &record()).expect("a target");
    let tree = Tree {
        top: &top,
        path: &source.path,
        target: &target,
    };
    let stop = CancellationToken::new();
    let write = |room| {
        let mut meter = Meter::new(&|_, _, _| {}, &stop);
        archive::write(&tree, Path::new("world"), Disk(room), &mut meter)
    };
    let whole = write(usize::MAX).expect("room").bytes;
    let whole = usize::try_from(whole).expect("small");
    assert!(write(whole).is_ok(), "it just fits");
    for room in [0, 1, 9, 10, 100, 50_000, whole / 2, whole - 9, whole - 1] {
        let error = write(room).expect_err("full").to_string();
        assert!(
            error
                .contains("world-20251121T074100.123Z.tar.gz cannot be written: the disk is full: make room"),
            "{room}: {error}"
        );
    }
}

#[test]
fn a_source_that_is_gone_or_a_disk_that_cannot_be_written_is_named() {
    let scene = Scene::new();
    let missing = scene
        .roots
        .resolve(What::Source, "wrld")
        .expect_err("missing")
        .to_string();
    let path = scene.root.path().join("wrld").display().to_string();
    assert_eq!(
        missing,
        format!(
            "the source {path} cannot be opened: it does not exist: check the spelling, or create it first"
        )
    );
}
