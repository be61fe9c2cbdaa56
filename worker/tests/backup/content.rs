//! What is in the archive, and what is said on the way.

use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use tidegate_shared::job::JobState;

use crate::{Backups, names, run};

/// Everything a file system can hold that an archive must.
fn grow(tree: &Path) {
    let write = |name: &str, content: &[u8]| {
        let path = tree.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("created");
        fs::write(path, content).expect("written");
    };
    write("readme", b"hello\n");
    write("empty", b"");
    write("white space\nand line", b"odd");
    write("-rf", b"odd");
    write("a/b/c/deep", b"deep");
    // Over the 100 bytes of the header, as one name and as a path.
    write(&format!("long/{}", "n".repeat(250)), b"long");
    write(
        &format!("{}/{}", vec!["d".repeat(60); 6].join("/"), "leaf"),
        b"long",
    );
    write("blocks/511", &[1; 511]);
    write("blocks/512", &[2; 512]);
    write("blocks/513", &[3; 513]);
    let noise: Vec<u8> = (0..3_000_000).map(|_| rand::random()).collect();
    write("noise", &noise);
    fs::create_dir(tree.join("nothing")).expect("created");
    fs::write(tree.join(OsStr::from_bytes(b"no \xff\xfe text")), "bytes").expect("written");
    symlink("readme", tree.join("link")).expect("linked");
    symlink("/nowhere/./at//all/", tree.join("dangling")).expect("linked");
    symlink("..", tree.join("a/up")).expect("linked");
    symlink("x".repeat(300), tree.join("long link")).expect("linked");
    fs::hard_link(tree.join("readme"), tree.join("second name")).expect("linked");
    fs::set_permissions(tree.join("noise"), Permissions::from_mode(0o4750)).expect("set");
    fs::set_permissions(tree.join("nothing"), Permissions::from_mode(0o1711)).expect("set");
    let old = FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    File::open(tree.join("readme"))
        .and_then(|file| file.set_times(old))
        .expect("set");
}

/// One line for each entry: name, kind, rights, size of files, time, where it leads.
fn inventory(tree: &Path) -> Vec<String> {
    let files = run("find", &[".", "-type", "f", "-printf", "%P f %m %s %Ts\\0"], tree);
    let others = run(
        "find",
        &[".", "-not", "-type", "f", "-printf", "%P %y %m %l\\0"],
        tree,
    );
    let mut lines: Vec<_> = files
        .split('\0')
        .chain(others.split('\0'))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn an_archive_holds_the_tree_as_it_was() {
    let backups = Backups::new();
    grow(&backups.path("world"));
    let output = backups
        .back_up(json!({ "source": "world", "destination": "out.tar.gz" }))
        .await;

    let archive = backups.path("out.tar.gz");
    let canonical = fs::canonicalize(&archive).expect("it exists");
    assert_eq!(output["path"], canonical.to_string_lossy().as_ref());
    assert_eq!(output["bytes"], fs::metadata(&archive).expect("it exists").len());
    let sum = run("sha256sum", &["out.tar.gz"], backups.root.path());
    assert_eq!(output["sha256"].as_str(), sum.split(' ').next());
    let files = run(
        "find",
        &["world", "-type", "f", "-printf", "."],
        backups.root.path(),
    );
    assert_eq!(output["files"], files.len());
    assert_eq!(
        (&output["vanished"], &output["shortened"], &output["special"]),
        (&json!(0), &json!(0), &json!(0))
    );
    let mode = fs::metadata(&archive).expect("it exists").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it may hold what others must not read");

    run("tar", &["tzf", "out.tar.gz"], backups.root.path());
    let restored = tempfile::tempdir().expect("a directory");
    run("tar", &["xpzf", &archive.to_string_lossy()], restored.path());
    assert_eq!(names(restored.path()), ["world"]);
    let copy = restored.path().join("world");
    let (from, to) = (backups.path("world"), copy.as_path());
    run(
        "diff",
        &[
            "-r",
            "--no-dereference",
            &from.to_string_lossy(),
            &to.to_string_lossy(),
        ],
        Path::new("/"),
    );
    assert_eq!(inventory(&from), inventory(to));
    backups.stop().await;
}

#[tokio::test]
async fn progress_is_the_share_of_bytes_and_ends_at_all_of_them() {
    let backups = Backups::new();
    fs::create_dir(backups.path("world")).expect("created");
    for n in 0..40 {
        let noise: Vec<u8> = (0..500_000).map(|_| rand::random()).collect();
        fs::write(backups.path(&format!("world/{n}")), noise).expect("written");
    }
    let id = backups.submit(json!({ "source": "world" })).await;
    let end = backups.bench.ended(&id).await;
    let log = backups.bench.log(&id).await;
    let reports: Vec<_> = log
        .iter()
        .filter(|record| record.progress.is_some() && !record.state.is_terminal())
        .collect();
    assert!(reports.len() >= 2, "{} reports", reports.len());
    let mut before = 0.0;
    for record in &reports {
        let progress: Value =
            serde_json::from_str(record.progress.as_ref().expect("there").as_str()).expect("JSON");
        let done = progress["bytes_done"].as_f64().expect("a number");
        assert_eq!(
            (&progress["bytes_total"], &progress["files_total"]),
            (&json!(20_000_000), &json!(40))
        );
        let percent = record.percent.expect("known").get();
        assert!(
            (percent - done / 200_000.0).abs() < 0.01 && percent >= before,
            "{percent} {progress}"
        );
        before = percent;
    }
    assert_eq!(end.state, JobState::Succeeded);
    assert_eq!(end.percent.map(f64::from), Some(100.0));
    assert_eq!(end.message.as_deref(), Some("19.1 of 19.1 MiB, 40 of 40 files"));
    backups.stop().await;
}

#[tokio::test]
async fn an_empty_directory_is_a_valid_backup() {
    let backups = Backups::new();
    fs::create_dir(backups.path("world")).expect("created");
    let output = backups
        .back_up(json!({ "source": "world", "destination": "out.tar.gz" }))
        .await;
    assert_eq!(output["files"], 0);
    assert_eq!(
        run("tar", &["tzf", "out.tar.gz"], backups.root.path()),
        "world/\n"
    );
    backups.stop().await;
}

#[tokio::test]
async fn pipes_and_sockets_are_left_out_and_counted() {
    let backups = Backups::new();
    fs::create_dir(backups.path("world")).expect("created");
    fs::write(backups.path("world/file"), "x").expect("written");
    run("mkfifo", &["world/pipe"], backups.root.path());
    let _socket = UnixListener::bind(backups.path("world/socket")).expect("bound");
    let output = backups
        .back_up(json!({ "source": "world", "destination": "out.tar.gz" }))
        .await;
    assert_eq!((&output["files"], &output["special"]), (&json!(1), &json!(2)));
    assert_eq!(
        run("tar", &["tzf", "out.tar.gz"], backups.root.path()),
        "world/\nworld/file\n"
    );
    backups.stop().await;
}

#[tokio::test]
async fn without_a_destination_the_archive_is_put_beside_the_source() {
    let backups = Backups::new();
    fs::create_dir_all(backups.path("worlds/alpha")).expect("created");
    let output = backups.back_up(json!({ "source": "worlds/alpha" })).await;
    let names = names(&backups.path("worlds"));
    let [alpha, archive] = names.as_slice() else {
        panic!("{names:?}");
    };
    assert_eq!(alpha, "alpha");
    assert!(
        output["path"]
            .as_str()
            .is_some_and(|path| path.ends_with(&format!("/worlds/{archive}"))),
        "{output}"
    );
    // alpha-20251121T074100.123Z.tar.gz
    assert!(
        archive.starts_with("alpha-2") && archive.ends_with("Z.tar.gz") && archive.len() == 33,
        "{archive}"
    );
    backups.stop().await;
}

#[tokio::test]
async fn backups_of_a_root_into_itself_do_not_contain_each_other() {
    let backups = Backups::new();
    fs::write(backups.path("file"), "x").expect("written");
    fs::write(backups.path("foreign.tar.gz"), "not ours").expect("written");
    let source = backups.root.path().to_string_lossy().into_owned();
    let first = backups.back_up(json!({ "source": source })).await;
    let second = backups
        .back_up(json!({ "source": source, "destination": source }))
        .await;
    assert_ne!(first["path"], second["path"]);
    assert_eq!(backups.names().len(), 4);
    for output in [first, second] {
        let path = output["path"].as_str().expect("a path");
        let list = run("tar", &["tzf", path], Path::new("/"));
        assert_eq!(list.lines().count(), 3, "{list}");
        assert!(
            list.contains("/file\n") && list.contains("/foreign.tar.gz\n"),
            "{list}"
        );
    }
    backups.stop().await;
}

#[tokio::test]
async fn an_archive_of_that_name_is_replaced_and_never_a_link_followed() {
    let backups = Backups::new();
    let outside = tempfile::tempdir().expect("a directory");
    let precious = outside.path().join("precious");
    fs::write(&precious, "untouched").expect("written");
    fs::create_dir(backups.path("world")).expect("created");
    fs::write(backups.path("world/file"), "1").expect("written");
    symlink(&precious, backups.path("world/out.tar.gz")).expect("linked");
    // Into the source itself: the archive is not in the archive.
    let data = json!({ "source": "world", "destination": "world/out.tar.gz" });
    for round in 0..2 {
        let output = backups.back_up(data.clone()).await;
        assert_eq!(output["files"], 1, "round {round}");
        let list = run("tar", &["tzf", "world/out.tar.gz"], backups.root.path());
        assert_eq!(list, "world/\nworld/file\n", "round {round}");
    }
    assert_eq!(fs::read(&precious).expect("it is there"), b"untouched");
    let kind = fs::symlink_metadata(backups.path("world/out.tar.gz"))
        .expect("it is there")
        .file_type();
    assert!(kind.is_file());
    backups.stop().await;
}
