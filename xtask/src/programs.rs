//! The programs that tests need and cargo cannot build. Installs them where apt-get and root are there;
//! says what to do everywhere else.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::Run;

struct Program {
    /// Any of these will do.
    names: &'static [&'static str],
    /// The package of Debian that has it.
    package: &'static str,
    purpose: &'static str,
}

const PROGRAMS: &[Program] = &[
    Program {
        names: &["redis-server"],
        package: "redis-server",
        purpose: "Redis, 7.0 or newer",
    },
    Program {
        names: &["nginx"],
        package: "nginx",
        purpose: "the load balancer before two gateways",
    },
    Program {
        names: &[
            "chromium",
            "chromium-browser",
            "google-chrome-stable",
            "google-chrome",
        ],
        package: "chromium",
        purpose: "the browser that opens the page",
    },
    Program {
        names: &["prometheus"],
        package: "prometheus",
        purpose: "Prometheus and promtool, which read metrics and alerts",
    },
];

const OLDEST_REDIS: u32 = 7;

/// Makes sure that every program is there, at the price of a few file look-ups if they are.
pub(crate) fn ensure() -> Result<()> {
    let missing = missing();
    if !missing.is_empty() {
        if !may_install() {
            bail!("{}", how_to_install(&missing));
        }
        install(&missing)?;
    }
    check_redis()
}

fn missing() -> Vec<&'static Program> {
    PROGRAMS
        .iter()
        .filter(|program| program.names.iter().all(|name| find(name).is_none()))
        .collect()
}

/// Looks in `PATH` and where daemons live, which is not in everybody's `PATH`.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn may_install() -> bool {
    let root = Run::new("id", "id", &["-u"])
        .quietly()
        .is_some_and(|id| id.trim() == "0");
    root && Path::new("/etc/debian_version").exists() && find("apt-get").is_some()
}

fn install(missing: &[&Program]) -> Result<()> {
    let apt = |args: &[&str]| {
        Run::new("apt-get", "apt-get", args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            // Keeps the packages from starting their services: the tests start their own.
            .env("RUNLEVEL", "1")
    };
    let mut args = vec!["install", "--yes", "--no-install-recommends"];
    args.extend(missing.iter().map(|program| program.package));
    // Package lists that are there may be good enough, and reading new ones takes a while.
    if apt(&args).run().is_err() {
        apt(&["update"]).run()?;
        apt(&args).run()?;
    }
    let still: Vec<_> = self::missing();
    if !still.is_empty() {
        bail!(
            "apt-get was content, and yet something is missing. {}",
            how_to_install(&still)
        );
    }
    Ok(())
}

fn how_to_install(missing: &[&Program]) -> String {
    let mut text = String::from("the tests need programs that are not here:");
    for program in missing {
        text.push_str("\n  ");
        text.push_str(program.names[0]);
        text.push_str(" — ");
        text.push_str(program.purpose);
    }
    let packages: Vec<_> = missing.iter().map(|program| program.package).collect();
    text.push_str("\nDebian:  sudo apt-get install --no-install-recommends ");
    text.push_str(&packages.join(" "));
    text.push_str(
        "\nUbuntu:  the same, but Google Chrome's .deb in place of chromium (a snap does not run here)\
         \nFedora:  sudo dnf install redis nginx chromium golang-github-prometheus\
         \nmacOS:   brew install redis nginx prometheus && brew install --cask chromium",
    );
    text
}

fn check_redis() -> Result<()> {
    let text = Run::new("redis-server", "redis-server", &["--version"])
        .quietly()
        .context("`redis-server --version` does not run")?;
    match major_version(&text) {
        Some(major) if major >= OLDEST_REDIS => Ok(()),
        _ => bail!(
            "Redis {OLDEST_REDIS}.0 or newer is needed; redis-server says: {}",
            text.trim()
        ),
    }
}

/// Of `Redis server v=7.0.15 sha=…`.
fn major_version(text: &str) -> Option<u32> {
    text.split_once("v=")?.1.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_redis_is_read() {
        let text = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64";
        assert_eq!(major_version(text), Some(7));
        assert_eq!(major_version("v=rubbish"), None);
    }

    #[test]
    fn the_hint_names_each_missing_program_and_its_package() {
        let all: Vec<_> = PROGRAMS.iter().collect();
        let text = how_to_install(&all);
        for program in PROGRAMS {
            assert!(
                text.contains(program.names[0]) && text.contains(program.package),
                "{text}"
            );
        }
    }
}
