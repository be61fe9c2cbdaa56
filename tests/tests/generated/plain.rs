//! The configuration that the chart makes with its defaults, as `k8s/` has it.

use anyhow::{Context, Result, ensure};
use tidegate_shared::config::Config;

use crate::read;

#[test]
fn the_chart_without_values_configures_what_no_file_configures() -> Result<()> {
    let manifests = read("k8s/tidegate.yaml")?;
    let (_, rest) = manifests
        .split_once("  tidegate.toml: |")
        .context("k8s/tidegate.yaml has no tidegate.toml")?;
    let lines = rest
        .lines()
        .skip(1)
        .take_while(|line| line.is_empty() || line.starts_with("    "));
    let text = lines.map(str::trim_start).collect::<Vec<_>>().join("\n");
    ensure!(text.contains("[drain]"), "this is no configuration: {text}");
    let made = format!("{:?}", Config::parse("tidegate.toml", &text)?);
    let without = format!("{:?}", Config::parse("", "")?);
    ensure!(
        made == without,
        "with the chart:\n{made}\nwithout a file:\n{without}\nCorrect the default in \
         shared/src/config/reference.toml, and run `cargo xtask generate`."
    );
    Ok(())
}
