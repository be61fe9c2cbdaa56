//! `docs/configuration.md`: what each key is for, from the annotated file, and what may be written, from the code.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use tidegate_shared::config::keys;

use crate::markdown::{cell, head, row};
use crate::{keep, reference};

const INTRODUCTION: &str = "\
# Configuration

One TOML file for gateways and workers: each reads what concerns it, both check all of it, and all mistakes are told
at once, with line and remedy. `--config FILE` or `TIDEGATE_CONFIG` names it; without one every key has its default. A
flag goes before its environment variable, and that before the file. `tidegate-gateway --check` and `tidegate-worker
--check` read it, connect to Redis, and say what they found.

Times are texts with a unit (`\"500ms\"`, `\"25s\"`, `\"5m\"`, `\"1h\"`, `\"7d\"`), sizes are bytes or texts (`4096`,
`\"64KiB\"`, `\"1MiB\"`). Secrets are better kept out of the file: `TIDEGATE_REDIS_URL`, `TIDEGATE_TOKEN_SECRET`,
`TIDEGATE_API_KEY`, `TIDEGATE_WEBHOOK_SECRET`.

This page is made from the code by `cargo xtask generate`; `shared/src/config/reference.toml` is the same as a file.
";

#[test]
fn the_configuration_reference_is_what_the_code_reads() -> Result<()> {
    let keys = keys();
    let mut text = INTRODUCTION.to_owned();
    for section in reference::sections()? {
        let header = if section.repeated {
            format!("[[{}]]", section.path)
        } else {
            format!("[{}]", section.path)
        };
        write!(text, "\n## `{header}`\n\n")?;
        if !section.about.is_empty() {
            write!(text, "{}\n\n", section.about)?;
        }
        text.push_str(&head(&["Key", "Value", "Default", "For"]));
        for setting in &section.settings {
            let key = keys
                .iter()
                .find(|key| key.section == section.path && key.name == setting.name)
                .with_context(|| format!("the code does not know {}.{}", section.path, setting.name))?;
            let default = match (key.required, section.absent || setting.absent) {
                (true, _) => "must be there".to_owned(),
                (false, true) => format!("not set; as `{}`", setting.value),
                (false, false) => format!("`{}`", setting.value),
            };
            let name = format!("`{}`", setting.name);
            text.push_str(&row(&[
                &name,
                &cell(&key.kind.shown()),
                &cell(&default),
                &cell(&setting.about),
            ]));
        }
    }
    keep("docs/configuration.md", &text)
}
