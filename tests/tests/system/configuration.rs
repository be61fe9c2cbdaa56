//! What the programs say about wrong arguments and files, and with which exit code.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Result, ensure};
use system_tests::process::Process;
use system_tests::wait::within;
use tidegate_shared::testing::RedisServer;

const PROGRAMS: [&str; 2] = ["tidegate-gateway", "tidegate-worker"];

struct Ended {
    code: Option<i32>,
    text: String,
}

async fn run(program: &str, args: &[&str], folder: &Path) -> Result<Ended> {
    let output = tokio::process::Command::new(Process::binary(program)?)
        .args(args)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let what = format!("{program} {args:?} to end");
    let output = within(Duration::from_secs(20), &what, async { Ok(output.await?) }).await?;
    let text = [output.stdout, output.stderr].concat();
    Ok(Ended {
        code: output.status.code(),
        text: String::from_utf8_lossy(&text).into_owned(),
    })
}

#[tokio::test]
async fn a_wrong_key_ends_with_2_and_names_file_line_and_the_key_that_was_meant() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let cases = [
        ("[gateway]\nlistne = \"127.0.0.1:1\"\n", 2, "listen"),
        (
            "\n[limits]\nmessage = \"64KiB\"\noutbix = \"1MiB\"\n",
            4,
            "outbox",
        ),
        ("[worker]\nconcurency = 3\n", 2, "concurrency"),
        ("[[namespace]]\nname = \"a\"\nlog_sise = 5\n", 3, "log_size"),
        ("[gatway]\n", 1, "[gateway]"),
    ];
    for program in PROGRAMS {
        for (toml, line, meant) in cases {
            std::fs::write(folder.path().join("wrong.toml"), toml)?;
            let ended = run(program, &["--config", "wrong.toml"], folder.path()).await?;
            ensure!(
                ended.code == Some(2),
                "{program} ended with {:?}: {}",
                ended.code,
                ended.text
            );
            let place = format!("wrong.toml:{line}");
            ensure!(
                ended.text.contains(&place),
                "{program} does not say {place}: {}",
                ended.text
            );
            ensure!(
                ended.text.contains(&format!("`{meant}`")),
                "{program} does not say `{meant}`: {}",
                ended.text
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn all_mistakes_of_a_file_are_told_at_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let toml = "[gateway]\nlisten = \"nowhere\"\n[limits]\nping = \"fast\"\nmessage = \"64 parsec\"\n";
    std::fs::write(folder.path().join("wrong.toml"), toml)?;
    for program in PROGRAMS {
        let ended = run(program, &["--config", "wrong.toml"], folder.path()).await?;
        ensure!(
            ended.code == Some(2),
            "{program} ended with {:?}: {}",
            ended.code,
            ended.text
        );
        for line in [2, 4, 5] {
            let place = format!("wrong.toml:{line}");
            ensure!(
                ended.text.contains(&place),
                "{program} does not say {place}: {}",
                ended.text
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_key_whose_feature_does_not_exist_stops_the_start_and_says_so() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(
        folder.path().join("early.toml"),
        "[auth.jwt]\nsecret = \"hush-hush\"\njwks_url = \"https://id.example/keys\"\n",
    )?;
    for program in PROGRAMS {
        let ended = run(program, &["--config", "early.toml"], folder.path()).await?;
        ensure!(
            ended.code == Some(2),
            "{program} ended with {:?}: {}",
            ended.code,
            ended.text
        );
        ensure!(
            ended.text.contains("jwks_url") && ended.text.contains("early.toml:3"),
            "{program}: {}",
            ended.text
        );
        ensure!(
            !ended.text.contains("hush-hush"),
            "a secret is shown: {}",
            ended.text
        );
    }
    Ok(())
}

#[tokio::test]
async fn wrong_arguments_end_with_2_and_a_missing_file_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for program in PROGRAMS {
        for args in [
            &["--flisten", "x"][..],
            &["--config", "missing.toml"],
            &["--admin-listen", "here"],
        ] {
            let ended = run(program, args, folder.path()).await?;
            ensure!(
                ended.code == Some(2),
                "{program} {args:?} ended with {:?}: {}",
                ended.code,
                ended.text
            );
            ensure!(
                ended.text.contains(args[0]) || ended.text.contains(args[1]),
                "{program}: {}",
                ended.text
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn check_reads_connects_and_exits() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let redis = RedisServer::start().await?;
    let toml = "[[endpoint]]\npath = \"/ws\"\ndialect = \"native\"\nanonymous = true\n";
    std::fs::write(folder.path().join("good.toml"), toml)?;
    for program in PROGRAMS {
        let args = ["--check", "--config", "good.toml", "--redis-url", &redis.url()];
        let ended = run(program, &args, folder.path()).await?;
        ensure!(
            ended.code == Some(0),
            "{program} ended with {:?}: {}",
            ended.code,
            ended.text
        );
        let nobody = format!("redis://127.0.0.1:{}", system_tests::ports::free()?);
        let args = ["--check", "--config", "good.toml", "--redis-url", &nobody];
        let ended = run(program, &args, folder.path()).await?;
        ensure!(
            ended.code == Some(1),
            "{program} without Redis ended with {:?}: {}",
            ended.code,
            ended.text
        );
    }
    Ok(())
}

#[tokio::test]
async fn help_names_every_flag_and_its_environment_variable() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let both = ["CONFIG", "ADMIN_LISTEN", "REDIS_URL", "LOG"];
    let cases = [
        ("tidegate-gateway", &["LISTEN"][..]),
        ("tidegate-worker", &["QUEUES", "CONCURRENCY"]),
    ];
    for (program, own) in cases {
        let ended = run(program, &["--help"], folder.path()).await?;
        ensure!(ended.code == Some(0), "{}", ended.text);
        for name in both.iter().chain(own) {
            let variable = format!("TIDEGATE_{name}");
            ensure!(
                ended.text.contains(&variable),
                "{program} --help lacks {variable}: {}",
                ended.text
            );
        }
        ensure!(ended.text.contains("--check"), "{}", ended.text);
    }
    Ok(())
}
