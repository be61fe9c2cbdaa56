//! `docs/handler.md`: what its reader types is `examples/handler`, which is built and tested.

use anyhow::{Result, ensure};

use crate::read;

#[test]
fn the_walk_shows_the_example_as_it_is() -> Result<()> {
    let text = read("docs/handler.md")?;
    let shown: Vec<&str> = text
        .split("```rust\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    let example = read("examples/handler/src/main.rs")?;
    let example = example
        .split_once("\n\n")
        .map_or(&*example, |(_, rest)| rest)
        .trim_start();
    ensure!(
        shown.join("\n") == example,
        "the Rust of docs/handler.md, put together, is not examples/handler/src/main.rs below its first line"
    );
    Ok(())
}
