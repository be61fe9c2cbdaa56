//! `helm/tidegate/README.md`: how to install the chart, and its values with their comments.

use anyhow::Result;

use crate::markdown::{cell, head, row};
use crate::{keep, read};

const INTRODUCTION: &str = include_str!("readme.part");

#[test]
fn the_charts_readme_tells_every_value() -> Result<()> {
    let mut text = INTRODUCTION.to_owned();
    text.push_str(&head(&["Value", "Default", "For"]));
    for value in values(&read("helm/tidegate/values.yaml")?) {
        let default = if value.default.is_empty() {
            String::new()
        } else {
            format!("`{}`", value.default)
        };
        let name = format!("`{}`", value.path);
        text.push_str(&row(&[&name, &cell(&default), &cell(&value.about)]));
    }
    keep("helm/tidegate/README.md", &text)
}

struct Value {
    path: String,
    default: String,
    about: String,
}

/// Keys that have a value or something said about them. Knows as much of YAML as the file uses; what is inside of
/// `config` is told by the configuration reference.
fn values(text: &str) -> Vec<Value> {
    let mut values = Vec::new();
    let mut parents: Vec<(usize, String)> = Vec::new();
    let mut about = String::new();
    for line in text.lines() {
        let plain = line.trim_start();
        let depth = line.len() - plain.len();
        if let Some(prose) = plain.strip_prefix("# ") {
            let joint = if about.is_empty() { "" } else { " " };
            about = format!("{about}{joint}{prose}");
            continue;
        }
        let said = std::mem::take(&mut about);
        let said = said
            .split_once("<<<")
            .map_or(&*said, |(_, rest)| rest.trim_start_matches(" generated"));
        let said = said
            .split_once("`cargo xtask generate` ")
            .map_or(said, |(_, rest)| rest);
        let Some((name, default)) = plain.split_once(':').filter(|_| !plain.starts_with('-')) else {
            continue;
        };
        parents.retain(|(outer, _)| *outer < depth);
        parents.push((depth, name.to_owned()));
        let path: Vec<&str> = parents.iter().map(|(_, name)| &**name).collect();
        let in_a_list = path.contains(&"metricsFrom") && path.last() != Some(&"metricsFrom");
        if (path[0] == "config" && path.len() > 1) || in_a_list {
            continue;
        }
        let default = default.trim();
        if !default.is_empty() || !said.is_empty() {
            values.push(Value {
                path: path.join("."),
                default: default.to_owned(),
                about: said.trim().to_owned(),
            });
        }
    }
    values
}
