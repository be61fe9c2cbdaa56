//! As much of XML as QRZ.com writes: elements with text in them, one value each. Attributes, comments and
//! what is nested below are passed over.

/// The text of the first element of this name after the beginning of the first `parent`.
pub(super) fn value(document: &str, parent: &str, name: &str) -> Option<String> {
    let inside = element(document, parent)?;
    element(inside, name).map(plain).filter(|text| !text.is_empty())
}

/// What stands between the tags of the first element of this name.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text;
    loop {
        rest = rest.split_once('<')?.1;
        let Some(after) = rest.strip_prefix(name) else {
            continue;
        };
        let (attributes, inside) = after.split_once('>')?;
        if attributes.starts_with(|c: char| c.is_whitespace()) || attributes.is_empty() {
            return inside.split_once(&format!("</{name}>")).map(|(inside, _)| inside);
        }
    }
}

/// Text without references to characters.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let known = after
            .split_once(';')
            .and_then(|(name, after)| Some((character(name)?, after)));
        let (character, after) = known.unwrap_or(('&', after));
        out.push(character);
        rest = after;
    }
    out.push_str(rest);
    out.trim().to_owned()
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"<?xml version="1.0"?>
<QRZDatabase version="1.34" xmlns="http://xmldata.qrz.com">
<Callsign><call>W1AW</call><fname>Ann &amp; &#66;ob</fname><names>x</names><name a="b">O&apos;Hara</name><addr1></addr1></Callsign>
<Session><Key>k1</Key><Error>Not &unknown; &#x41;</Error></Session>
</QRZDatabase>"#;

    #[test]
    fn values_are_found_below_their_parent() {
        for (parent, name, text) in [
            ("Session", "Key", Some("k1")),
            ("Session", "Error", Some("Not &unknown; A")),
            ("Callsign", "fname", Some("Ann & Bob")),
            ("Callsign", "name", Some("O'Hara")),
            ("Callsign", "addr1", None),
            ("Callsign", "Key", None),
            ("Nothing", "call", None),
        ] {
            assert_eq!(value(DOCUMENT, parent, name).as_deref(), text, "{parent} {name}");
        }
    }

    #[test]
    fn what_is_broken_has_no_values() {
        for text in [
            "",
            "<",
            "<Session",
            "<Session>",
            "<Session><Key",
            "<Session><Key>k",
            "&",
            "<Session></Session>",
        ] {
            assert_eq!(value(text, "Session", "Key"), None, "{text}");
        }
    }
}
