//! What a line of a player means. These are all the commands that there are.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    Look,
    Examine(String),
    Move(String),
    Take(String),
    Drop(String),
    Inventory,
    Say(String),
    Emote(String),
    Shout(String),
    Global(String),
    Whisper { to: String, text: String },
    Who,
    Help,
}

pub(super) const HELP: &str = "look, examine THING, north/south/east/west/up/down or move DIRECTION, take THING, \
     drop THING, inventory, say TEXT, emote TEXT, shout TEXT, global TEXT, whisper NAME TEXT, who, help";

impl Order {
    /// `Err` is what the player is told instead.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        if let Some(text) = line.strip_prefix('\'') {
            return words("say", text).map(Self::Say);
        }
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (verb, rest) = (verb.to_lowercase(), rest.trim());
        if let Some(direction) = direction(&verb) {
            return Ok(Self::Move(direction.to_owned()));
        }
        match verb.as_str() {
            "" => Err("Say something. Type help for the commands.".to_owned()),
            "look" | "l" => Ok(Self::Look),
            "examine" | "x" => thing("examine", rest).map(Self::Examine),
            "move" | "go" | "walk" => match direction(&rest.to_lowercase()) {
                Some(direction) => Ok(Self::Move(direction.to_owned())),
                None => thing("move", rest).map(Self::Move),
            },
            "take" | "get" => thing("take", rest).map(Self::Take),
            "drop" => thing("drop", rest).map(Self::Drop),
            "inventory" | "i" | "inv" => Ok(Self::Inventory),
            "say" => words("say", rest).map(Self::Say),
            "emote" | "me" => words("emote", rest).map(Self::Emote),
            "shout" => words("shout", rest).map(Self::Shout),
            "global" | "ooc" => words("global", rest).map(Self::Global),
            "whisper" | "tell" => {
                let (to, text) = rest.split_once(' ').unwrap_or((rest, ""));
                let to = thing("whisper", to)?;
                words("whisper", text).map(|text| Self::Whisper { to, text })
            }
            "who" => Ok(Self::Who),
            "help" | "?" => Ok(Self::Help),
            other => Err(format!("Unknown command: {other}. Type help for the commands.")),
        }
    }
}

fn direction(word: &str) -> Option<&'static str> {
    Some(match word {
        "north" | "n" => "north",
        "south" | "s" => "south",
        "east" | "e" => "east",
        "west" | "w" => "west",
        "up" | "u" => "up",
        "down" | "d" => "down",
        _ => return None,
    })
}

fn thing(verb: &str, word: &str) -> Result<String, String> {
    match word.trim() {
        "" => Err(format!("{} what?", capital(verb))),
        word => Ok(word.to_lowercase()),
    }
}

fn words(verb: &str, text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err(format!("{} what?", capital(verb))),
        text => Ok(text.to_owned()),
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_of_the_commands_or_told_what_it_lacks() {
        for (line, order) in [
            ("look", Ok(Order::Look)),
            ("L", Ok(Order::Look)),
            ("n", Ok(Order::Move("north".into()))),
            ("go U", Ok(Order::Move("up".into()))),
            ("move through", Ok(Order::Move("through".into()))),
            ("take  Torch", Ok(Order::Take("torch".into()))),
            ("say hi", Ok(Order::Say("hi".into()))),
            ("'hi", Ok(Order::Say("hi".into()))),
            (
                "whisper bob  psst",
                Ok(Order::Whisper {
                    to: "bob".into(),
                    text: "psst".into(),
                }),
            ),
            ("say", Err("Say what?")),
            ("whisper bob", Err("Whisper what?")),
            ("", Err("Say something. Type help for the commands.")),
            (
                "eval 1",
                Err("Unknown command: eval. Type help for the commands."),
            ),
        ] {
            assert_eq!(Order::parse(line), order.map_err(str::to_owned), "{line}");
        }
    }
}
