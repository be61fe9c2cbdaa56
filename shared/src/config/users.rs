//! `[[auth.users]]`: users that have a password here. Names and passwords may come from the environment,
//! which a worker that reads the same file need not have.

use super::auth::{Auth, Secret};
use super::mistake::{Mistake, Place, Wrong, echo};
use super::section::Section;
use crate::name::UserId;

/// Most users of a file. Where there are more, something else keeps them and makes tokens.
const USERS: usize = 1_000;
/// Longest name of a variable, in bytes.
const VARIABLE: usize = 128;
/// Longest password, in bytes.
const PASSWORD: usize = 1_024;
/// Longest hash, in bytes.
const HASH: usize = 512;
/// Most memory that checking one password may take, in KiB, and most passes over it: whoever knows a
/// name can have it done.
const MEMORY: u32 = 256 * 1024;
const PASSES: u32 = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: UserId,
    pub password: Password,
}

/// Never shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// argon2id, as a PHC string: `$argon2id$v=19$m=…,t=…,p=…$SALT$HASH`.
    Hash(Secret),
    /// Of the environment.
    Plain(Secret),
}

/// A variable of the environment that is not set, and the key that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unset {
    variable: String,
    key: &'static str,
}

impl Unset {
    pub(super) fn mistake(&self) -> Mistake {
        let Self { variable, key } = self;
        Mistake {
            place: Place::Whole,
            key: format!("auth.users.{key}"),
            what: format!(
                "the environment variable {} that a user's `{key}` names is not set",
                echo(variable)
            ),
            help: "set it where the gateway is started, or remove the user".into(),
        }
    }
}

/// One `[[auth.users]]`.
pub(super) fn user(
    section: &mut Section<'_, '_, '_>,
    environment: &dyn Fn(&str) -> Option<String>,
    auth: &mut Auth,
) {
    let read = |variable: String, key| {
        let found = environment(&variable).filter(|text| !text.is_empty());
        found.ok_or(Unset { variable, key })
    };
    let written = section.text("name", name);
    let named = section.text("name_env", variable);
    let hash = section.text("password_hash", hash);
    let kept = section.text("password_env", variable);
    if !one_of(section, "name", "name_env") || !one_of(section, "password_hash", "password_env") {
        return;
    }
    let place = section.place_of(if section.has("name") { "name" } else { "name_env" });
    let name = match (written, named) {
        (Some(name), _) => Ok(name),
        (None, Some(variable)) => match read(variable, "name_env") {
            Ok(text) => match name(&text) {
                Ok(name) => Ok(name),
                Err(wrong) => return section.wrong("name_env", place, wrong),
            },
            Err(unset) => Err(unset),
        },
        // What was wrong with it has been told.
        (None, None) => return,
    };
    let password = match (hash, kept) {
        (Some(hash), _) => Ok(Password::Hash(hash)),
        (None, Some(variable)) => match read(variable, "password_env") {
            Ok(text) if text.len() > PASSWORD => {
                let wrong = Wrong::new(
                    format!("the password has {} bytes", text.len()),
                    format!("at most {PASSWORD} are allowed"),
                );
                return section.wrong("password_env", section.place_of("password_env"), wrong);
            }
            Ok(text) => Ok(Password::Plain(Secret::new(&text))),
            Err(unset) => Err(unset),
        },
        (None, None) => return,
    };
    match (name, password) {
        (Ok(name), Ok(password)) => {
            let wrong = if auth.users.iter().any(|other| other.name == name) {
                Wrong::new(
                    "this user comes twice",
                    "give each user one section, and a name of its own",
                )
            } else if auth.users.len() == USERS {
                Wrong::new(
                    "there are too many users",
                    format!("at most {USERS} are allowed; where there are more, use tokens"),
                )
            } else {
                auth.users.push(User { name, password });
                return;
            };
            section.wrong("name", place, wrong);
        }
        (name, password) => auth.unset.extend(name.err().into_iter().chain(password.err())),
    }
}

/// Whether exactly one of two keys is there; if not, that is told.
fn one_of(section: &mut Section<'_, '_, '_>, first: &'static str, second: &'static str) -> bool {
    let (what, help) = match (section.has(first), section.has(second)) {
        (true, true) => ("are both there", "remove one of them"),
        (false, false) => ("are both missing", "write one of them"),
        _ => return true,
    };
    let wrong = Wrong::new(format!("`{first}` and `{second}` {what}"), help);
    section.wrong(first, section.place_of(first), wrong);
    false
}

/// Never repeats the text: who has many variables mixes them up.
fn name(text: &str) -> Result<UserId, Wrong> {
    UserId::parse(text).map_err(|error| Wrong::new(error.to_string(), "write a name as \"admin\""))
}

fn variable(text: &str) -> Result<String, Wrong> {
    let fine = !text.is_empty()
        && text.len() <= VARIABLE
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if fine {
        return Ok(text.to_owned());
    }
    // Not repeated: it may be the password itself.
    Err(Wrong::new(
        "this is not the name of an environment variable",
        "write letters, digits and `_`, as \"ADMIN_PASSWORD\"",
    ))
}

/// Looks at the form alone; never repeats the text, which may be the password itself.
fn hash(text: &str) -> Result<Secret, Wrong> {
    const HELP: &str = "write the password's argon2id hash in single quotes, as the program `argon2` prints it: \
                        `printf %s PASSWORD | argon2 \"$(openssl rand -hex 16)\" -id -e`";
    let wrong = |what: &str| Err(Wrong::new(what, HELP));
    let parts: Vec<&str> = text.split('$').collect();
    let ["", "argon2id", "v=19", costs, salt, digest] = parts[..] else {
        return wrong("this is not an argon2id hash");
    };
    let base64 = |text: &str, least: usize| {
        text.len() >= least
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b))
    };
    if text.len() > HASH || !base64(salt, 11) || !base64(digest, 22) {
        return wrong("salt or hash of this argon2id hash are not what they should be");
    }
    let cost = |key: &str| {
        let found = costs.split(',').find_map(|part| part.strip_prefix(key));
        found.and_then(|text| text.parse::<u32>().ok())
    };
    let (Some(memory), Some(passes), Some(_)) = (cost("m="), cost("t="), cost("p=")) else {
        return wrong("this argon2id hash lacks its costs (`m=`, `t=`, `p=`)");
    };
    if memory > MEMORY || passes > PASSES {
        return wrong("checking this argon2id hash takes more than 256 MiB or 16 passes");
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Overrides};
    use super::*;

    const HASHED: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY";

    fn load(text: &str) -> Result<Config, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("tidegate.toml");
        std::fs::write(&path, text).expect("written");
        let environment = |name: &str| match name {
            "USER_OF_TEST" => Some("bob".to_owned()),
            "PASSWORD_OF_TEST" => Some("hunter2".to_owned()),
            "BAD_NAME" => Some("hunter2 x".to_owned()),
            _ => None,
        };
        Config::load(Some(&path), &environment, Overrides::default()).map_err(|errors| errors.to_string())
    }

    #[test]
    fn users_come_from_the_file_and_from_the_environment_and_are_never_shown() {
        let config = load(&format!(
            "[[auth.users]]\nname = \"ann\"\npassword_hash = \"{HASHED}\"\n\
             [[auth.users]]\nname_env = \"USER_OF_TEST\"\npassword_env = \"PASSWORD_OF_TEST\"\n"
        ))
        .expect("fine");
        let names: Vec<&str> = config.auth.users.iter().map(|user| user.name.as_str()).collect();
        assert_eq!(names, ["ann", "bob"]);
        assert_eq!(
            config.auth.users[1].password,
            Password::Plain(Secret::new("hunter2"))
        );
        let shown = format!("{config:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("argon2id"),
            "{shown}"
        );
        assert!(config.check_gateway().is_ok());
    }

    #[test]
    fn only_a_gateway_needs_the_variables() {
        let config = load("[[auth.users]]\nname = \"ann\"\npassword_env = \"NOT_SET\"\n").expect("fine");
        assert!(config.auth.users.is_empty());
        let told = config.check_gateway().expect_err("it is not set").to_string();
        assert!(told.contains("`NOT_SET`") && told.lines().count() == 1, "{told}");
    }

    #[test]
    fn what_is_wrong_with_a_user_is_told_and_secrets_are_not_repeated() {
        let hash = |text: &str| format!("name = \"a\"\npassword_hash = \"{text}\"");
        for (user, said) in [
            (hash("hunter2"), "not an argon2id hash"),
            (hash(&HASHED.replace("19456", "9999999")), "256 MiB"),
            (hash(&HASHED.replace("t=2,", "")), "lacks its costs"),
            (hash(&HASHED.replace("$c2FsdHNhbHQ", "$x")), "salt"),
            (format!("password_hash = \"{HASHED}\""), "both missing"),
            ("name = \"a\"".into(), "both missing"),
            (
                "name = \"a\"\npassword_env = \"hunter2 !\"".into(),
                "not the name of an environment variable",
            ),
            (
                "name_env = \"BAD_NAME\"\npassword_env = \"PASSWORD_OF_TEST\"".into(),
                "white space",
            ),
            (
                format!("name = \"a\"\nname_env = \"b\"\npassword_hash = \"{HASHED}\""),
                "both there",
            ),
        ] {
            let told = load(&format!("[[auth.users]]\n{user}")).expect_err("wrong");
            assert!(told.contains(said), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
        let twice = format!("[[auth.users]]\nname = \"a\"\npassword_hash = \"{HASHED}\"\n").repeat(2);
        assert!(load(&twice).expect_err("twice").contains(":5: "));
    }
}
