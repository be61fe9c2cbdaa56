//! The station as a page for people without a client: `/status`. Its script shows it anew when something is
//! told, and registers callsigns.

use std::fmt::Write;

use super::shack::{Shack, Waiting};
use crate::HttpAnswer;
use crate::apps::html::escape;

const STYLE: &str = "body{font-family:system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem;\
line-height:1.5}table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.4rem .6rem;\
border-bottom:1px solid #8884}.on{color:#18794e}.off{color:#c62a2f}output{margin-left:1rem}";
/// What the page needs, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; \
frame-ancestors 'none'";
const SCRIPT: &str = include_str!("page.js");

pub(super) fn script() -> HttpAnswer {
    HttpAnswer::text(200, "text/javascript; charset=utf-8", SCRIPT)
}

pub(super) fn status(shack: &Shack, most: usize) -> HttpAnswer {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Pileup Buster</title>\n\
         <style>{STYLE}</style>\n<h1>Pileup Buster</h1>\n<main>\n{}</main>\n\
         <form><input name=\"callsign\" placeholder=\"your callsign\" required maxlength=\"10\"> \
         <button>Register</button><output></output></form>\n\
         <script src=\"/api/public/status.js\"></script>\n</html>\n",
        station(shack, most)
    );
    HttpAnswer::text(200, "text/html; charset=utf-8", page).header("content-security-policy", POLICY)
}

fn station(shack: &Shack, most: usize) -> String {
    let (class, word) = if shack.active {
        ("on", "active")
    } else {
        ("off", "inactive")
    };
    let mut out = format!("<p>The station is <b class=\"{class}\">{word}</b>.</p>\n");
    // Writing into a string cannot fail.
    for (name, setting) in [("Frequency", &shack.frequency), ("Split", &shack.split)] {
        if let Some(value) = &setting.value {
            let _ = writeln!(out, "<p>{name}: <b>{}</b></p>", escape(value));
        }
    }
    if let Some(worked) = &shack.current {
        let _ = writeln!(out, "<p>Now working <b>{}</b></p>", holder(worked));
    }
    let _ = writeln!(out, "<h2>Queue ({} of {most})</h2>\n<table>", shack.queue.len());
    for (place, waiting) in shack.queue.iter().enumerate() {
        let (place, since) = (place + 1, escape(&waiting.timestamp));
        let _ = writeln!(out, "<tr><td>{place}<td>{}<td>{since}", holder(waiting));
    }
    out.push_str("</table>\n");
    out
}

/// The callsign, and the name if it is known.
fn holder(waiting: &Waiting) -> String {
    let callsign = escape(&waiting.callsign.to_string());
    match waiting.qrz["name"].as_str() {
        Some(name) => format!("{callsign}, {}", escape(name)),
        None => callsign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::pileup::shack::Setting;

    #[test]
    fn what_somebody_wrote_is_text_on_the_page() {
        let shack = Shack {
            active: true,
            frequency: Setting {
                value: Some("<script>\"'&".into()),
                last_updated: None,
            },
            ..Shack::default()
        };
        let page = status(&shack, 4);
        let page = page.body().and_then(|body| body.as_str()).expect("text");
        assert!(page.contains("Frequency: <b>&lt;script&gt;&quot;&#x27;&amp;</b>"));
        assert!(!page.contains("<script>"));
    }
}
