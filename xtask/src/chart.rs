//! The Helm chart and what is made from it: lint, rendering of every values file, schemas of Kubernetes and of
//! custom resources, invariants, alerts, `k8s/`. Uses `helm` where it is in PATH, else its engine from `PyPI`, in an
//! environment of its own under target/. Never talks to a cluster.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::command::{Run, cargo, root};
use crate::programs;
use crate::report::Report;

const PYTHON: &str = "target/chart/python";
const NODE: &str = "target/chart/node";
const RENDERED: &str = "target/chart/rendered";
const PLAIN: &str = "k8s/tidegate.yaml";
/// Knows the custom resources of Prometheus' operator, KEDA and the Gateway API.
const MODELS: [&str; 3] = [
    "@kubernetes-models/gateway-api@2.0.0",
    "@kubernetes-models/keda@2.0.0",
    "@kubernetes-models/prometheus-operator@6.0.0",
];

pub(crate) fn run(report: &mut Report) {
    if !rendered(report) {
        return;
    }
    report.step("kubernetes", "", || {
        let files = renderings("yaml")?;
        let mut args = vec!["xtask/chart/validate.py"];
        args.extend(files.iter().map(String::as_str));
        python(&args).run()
    });
    custom_resources(report);
    report.step("k8s", "`cargo xtask generate` writes it anew", || {
        let made = fs::read_to_string(root().join(RENDERED).join("plain.yaml"))?;
        let there = fs::read_to_string(root().join(PLAIN)).context(PLAIN)?;
        ensure!(
            made == there,
            "{PLAIN} is not what the chart renders with its defaults"
        );
        Ok(())
    });
    report.step("alerts", "", || {
        programs::ensure()?;
        Run::new(
            "promtool",
            "promtool",
            &["check", "rules", "helm/tidegate/files/rules.yaml"],
        )
        .run()?;
        Run::new(
            "promtool",
            "promtool",
            &["test", "rules", "helm/tidegate/tests/rules.test.yaml"],
        )
        .run()
    });
    report.step("configurations", "", configurations);
}

/// Writes what is made from other files: the references, the chart's values, `k8s/`.
pub(crate) fn generate(report: &mut Report) {
    report.step("references", "", || {
        cargo(&["test", "--workspace", "--locked", "--test", "generated"])
            .env("WRITE_GENERATED", "1")
            .run()
    });
    if rendered(report) {
        report.step("k8s", "", || {
            fs::copy(root().join(RENDERED).join("plain.yaml"), root().join(PLAIN))?;
            Ok(())
        });
    }
}

/// Renders everything, if that is possible here.
fn rendered(report: &mut Report) -> bool {
    if let Err(error) = python_is_there() {
        report.skip("chart", &format!("NOT CHECKED: {error:#}"));
        return false;
    }
    report.step("chart", "", || {
        let output = root().join(RENDERED);
        if output.exists() {
            fs::remove_dir_all(&output)?;
        }
        fs::create_dir_all(&output)?;
        python(&["xtask/chart/render.py", "helm/tidegate", RENDERED]).run()
    })
}

fn custom_resources(report: &mut Report) {
    if let Err(error) = models_are_there() {
        report.skip("custom", &format!("NOT CHECKED: {error:#}"));
        return;
    }
    report.step("custom", "", || {
        fs::copy(
            root().join("xtask/chart/custom.mjs"),
            root().join(NODE).join("custom.mjs"),
        )?;
        Run::new("node", "node", &["target/chart/node/custom.mjs"])
            .input(&root().join(RENDERED).join("custom.json"))?
            .run()
    });
}

/// Every configuration file that the chart makes is one that a gateway starts with.
fn configurations() -> Result<()> {
    // As the tests are built, so that nothing is built twice.
    cargo(&["build", "--workspace", "--lib", "--bins", "--tests", "--locked"]).run()?;
    for file in renderings("toml")? {
        Run::new(
            "tidegate-gateway",
            root().join("target/debug/tidegate-gateway"),
            &["--embedded", "--check", "--config", &file],
        )
        .env("TIDEGATE_TOKEN_SECRET", "as from the chart's existingSecret")
        .run()?;
    }
    Ok(())
}

/// Files of a kind that were rendered, from the workspace's root.
fn renderings(extension: &str) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root().join(RENDERED))? {
        let path = entry?.path();
        let plain = path.file_stem().is_some_and(|name| name == "plain");
        if path.extension().is_some_and(|found| found == extension) && !plain {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            files.push(format!("{RENDERED}/{name}"));
        }
    }
    files.sort();
    ensure!(!files.is_empty(), "nothing was rendered as {extension}");
    Ok(files)
}

fn python(args: &[&str]) -> Run {
    Run::new("python", root().join(PYTHON).join("bin/python"), args)
}

/// Makes the environment once for each list of requirements.
fn python_is_there() -> Result<()> {
    let wanted = fs::read_to_string(root().join("xtask/chart/requirements.txt"))?;
    installed_once(PYTHON, &wanted, || {
        Run::new("python3", "python3", &["-m", "venv", "--clear", PYTHON])
            .quietly()
            .context("`python3 -m venv` does not work here (Debian: apt-get install python3-venv)")?;
        python(&[
            "-m",
            "pip",
            "install",
            "--quiet",
            "--requirement",
            "xtask/chart/requirements.txt",
        ])
        .quietly()
        .context("PyPI cannot be reached from here, or lacks a package")?;
        Ok(())
    })
}

fn models_are_there() -> Result<()> {
    installed_once(NODE, &MODELS.join("\n"), || {
        fs::create_dir_all(root().join(NODE))?;
        fs::write(root().join(NODE).join("package.json"), "{\"private\": true}\n")?;
        let mut args = vec!["install", "--no-audit", "--no-fund", "--silent", "--prefix", NODE];
        args.extend(MODELS);
        Run::new("npm", "npm", &args)
            .quietly()
            .context("npm is not here, or cannot reach its registry")?;
        Ok(())
    })
}

/// A file in the folder says what is installed there.
fn installed_once(folder: &str, wanted: &str, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let note: PathBuf = root().join(folder).join("installed.txt");
    if is(&note, wanted) {
        return Ok(());
    }
    install()?;
    fs::write(&note, wanted)?;
    Ok(())
}

fn is(file: &Path, text: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|there| there == text)
}
