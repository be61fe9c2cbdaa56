//! The table of errors in `docs/protocol.md`, from `shared/src/code.rs`.

use anyhow::{Context, Result};
use tidegate_shared::code::ErrorCode;

use crate::markdown::{head, row};
use crate::{keep, read};

const FILE: &str = "docs/protocol.md";
const BEGIN: &str = "<!-- >>> generated from shared/src/code.rs by `cargo xtask generate` -->\n";
const END: &str = "<!-- <<< generated -->\n";

#[test]
fn the_protocol_reference_has_every_error() -> Result<()> {
    let text = read(FILE)?;
    let lacks = || format!("{FILE} lacks the lines that mark the table of errors");
    let (before, rest) = text.split_once(BEGIN).with_context(lacks)?;
    let (_, after) = rest.split_once(END).with_context(lacks)?;
    let mut table = head(&["Code", "Name", "Temporary", "Over HTTP"]);
    for code in ErrorCode::ALL {
        let temporary = if code.is_temporary() { "yes" } else { "no" };
        table.push_str(&row(&[
            &code.number().to_string(),
            &format!("`{}`", code.name()),
            temporary,
            &code.http_status().to_string(),
        ]));
    }
    keep(FILE, &format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}
