//! From file, environment and flags to a [`Config`], or to everything that is wrong with them.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;

use toml::de::DeTable;

use super::mistake::{ConfigErrors, Mistake, Place};
use super::overrides::{self, Overrides};
use super::reader::Reader;
use super::users::Unset;
use super::{Config, file};

/// Largest configuration file, in bytes.
const FILE_LIMIT: u64 = 1 << 20;
/// Most syntax errors reported: one missing quote makes many.
const SYNTAX_LIMIT: usize = 5;

impl Config {
    /// Flags over environment over file over defaults. Without a path the file is the one that
    /// `TIDEGATE_CONFIG` names; without that there is none.
    pub fn load(
        path: Option<&Path>,
        environment: &dyn Fn(&str) -> Option<String>,
        flags: Overrides,
    ) -> Result<Self, ConfigErrors> {
        let named = environment("TIDEGATE_CONFIG").filter(|name| !name.is_empty());
        let Some(path) = path.or(named.as_deref().map(Path::new)) else {
            return Self::build(None, environment, flags);
        };
        let name = path.display().to_string();
        match read(path) {
            Ok(text) => Self::build(Some((&name, &text)), environment, flags),
            Err(what) => {
                let mut config = Self::default();
                let mut mistakes = overrides::apply(&mut config, environment, flags);
                mistakes.push(Mistake {
                    place: Place::File {
                        file: name,
                        line: None,
                    },
                    key: String::new(),
                    what: format!("the configuration file cannot be read: {what}"),
                    help: "name another with --config or TIDEGATE_CONFIG".into(),
                });
                Err(ConfigErrors::of(mistakes))
            }
        }
    }

    /// A configuration file's text alone. `name` is what errors call the file.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigErrors> {
        Self::build(Some((name, text)), &|_| None, Overrides::default())
    }

    fn build(
        file: Option<(&str, &str)>,
        environment: &dyn Fn(&str) -> Option<String>,
        flags: Overrides,
    ) -> Result<Self, ConfigErrors> {
        let mut config = Self::default();
        config.gateway.listen = flags.default_listen.unwrap_or(config.gateway.listen);
        if flags.open {
            config.open_to_anyone();
        }
        let mut mistakes = file.map_or_else(Vec::new, |(name, text)| {
            from_text(name, text, environment, &mut config)
        });
        mistakes.extend(overrides::apply(&mut config, environment, flags));
        if mistakes.is_empty() {
            mistakes.extend(same_address(&config));
            mistakes.extend(key_missing(&config));
        }
        if mistakes.is_empty() {
            Ok(config)
        } else {
            Err(ConfigErrors::of(mistakes))
        }
    }

    /// What only a gateway needs.
    pub fn check_gateway(&self) -> Result<(), ConfigErrors> {
        let mistakes: Vec<Mistake> = self.auth.unset.iter().map(Unset::mistake).collect();
        if mistakes.is_empty() {
            Ok(())
        } else {
            Err(ConfigErrors::of(mistakes))
        }
    }

    /// Whether clients can show who they are.
    pub fn knows_users(&self) -> bool {
        self.auth.jwt.is_some() || !self.auth.users.is_empty()
    }
}

fn read(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    // What a device or a pipe holds has no length to ask for.
    file.take(FILE_LIMIT + 1)
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    if text.len() as u64 > FILE_LIMIT {
        return Err(format!("it has more than {FILE_LIMIT} bytes"));
    }
    Ok(text)
}

fn from_text(
    name: &str,
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    config: &mut Config,
) -> Vec<Mistake> {
    let mut reader = Reader::new(name, text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        file::read(&mut reader, document.get_ref(), environment, config);
    } else {
        // What can be guessed of a broken document would bring mistakes that nobody made.
        for error in errors.iter().take(SYNTAX_LIMIT) {
            reader.syntax(error);
        }
    }
    reader.finish()
}

/// The client port and the admin port of a gateway can't be the same; port 0 is a new one each time.
fn same_address(config: &Config) -> Option<Mistake> {
    let clash = |a: SocketAddr, b: SocketAddr| {
        let overlap = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
        a.port() != 0 && a.port() == b.port() && overlap
    };
    let (listen, admin) = (config.gateway.listen, config.gateway.admin_listen);
    if clash(listen, admin) {
        return Some(Mistake {
            place: Place::Whole,
            key: "gateway.admin_listen".into(),
            what: format!("clients ({listen}) and administration ({admin}) have the same port"),
            help: "give `gateway.admin_listen` (--admin-listen) another port".into(),
        });
    }
    let own = config.endpoints.iter().filter_map(|endpoint| {
        let address = endpoint.listen?;
        [listen, admin]
            .into_iter()
            .find(|other| clash(address, *other))
            .map(|other| (address, other))
    });
    own.map(|(address, other)| Mistake {
        place: Place::Whole,
        key: "endpoint.listen".into(),
        what: format!("an endpoint ({address}) has the same port as the gateway ({other})"),
        help: "give it another port, or remove `listen`: it is then served at the gateway's".into(),
    })
    .next()
}

fn key_missing(config: &Config) -> Option<Mistake> {
    let (algorithm, key) = config.auth.jwt.as_ref()?.missing()?;
    Some(Mistake {
        place: Place::Whole,
        key: format!("auth.jwt.{key}"),
        what: format!(
            "tokens signed with {} cannot be checked without it",
            algorithm.name()
        ),
        help: match key {
            "secret" => "set it, or TIDEGATE_TOKEN_SECRET in the environment".into(),
            _ => "name a PEM file with the public key, or `jwks_url`".into(),
        },
    })
}
