//! Where servers, backups and worlds are on this machine's disk. Nothing leads out of there: what clients name
//! is checked before it becomes a path.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::JobFailure;

/// Longest name of a server, in bytes.
const LONGEST: usize = 64;
/// Longest name of a file.
const LONGEST_FILE: usize = 200;
/// Most names in a list.
const LIST: usize = 1_000;
/// What a world is called where the server's settings do not say.
const LEVEL: &str = "Bedrock level";

/// Letters, digits, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ServerName(String);

impl ServerName {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let fits = (1..=LONGEST).contains(&text.len()) && text.bytes().all(plain);
        fits.then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name of a file, and of nothing above it.
pub(super) fn is_file_name(text: &str) -> bool {
    let fits = (1..=LONGEST_FILE).contains(&text.len());
    fits && !text.starts_with('.') && !text.contains(['/', '\\', '\0'])
}

#[derive(Debug, Clone)]
pub(super) struct Places {
    base: PathBuf,
}

impl Places {
    pub(super) fn new(base: PathBuf) -> Self {
        Self { base }
    }

    pub(super) fn base(&self) -> &Path {
        &self.base
    }

    /// Servers that there are, in order.
    pub(super) fn servers(&self) -> Vec<ServerName> {
        let entries = std::fs::read_dir(self.base.join("servers"));
        let names = entries.into_iter().flatten().flatten().filter_map(|entry| {
            let is_server = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let name = entry.file_name();
            ServerName::parse(name.to_str()?).filter(|_| is_server)
        });
        let mut names: Vec<ServerName> = names.take(LIST).collect();
        names.sort();
        names
    }

    pub(super) fn server(&self, name: &ServerName) -> PathBuf {
        self.base.join("servers").join(name.as_str())
    }

    /// The folder of a server that there is.
    pub(super) fn existing(&self, name: &str) -> Result<(ServerName, PathBuf), JobFailure> {
        let found = ServerName::parse(name).map(|name| (self.server(&name), name));
        match found {
            Some((folder, name)) if folder.is_dir() => Ok((name, folder)),
            _ => Err(JobFailure::fatal(format_args!("Server '{name}' not found."))),
        }
    }

    pub(super) fn backups(&self, name: &ServerName) -> PathBuf {
        self.base.join("backups").join(name.as_str())
    }

    /// Worlds to import, and those that were exported.
    pub(super) fn worlds(&self) -> PathBuf {
        self.base.join("content").join("worlds")
    }

    /// The folder of a server's world, which need not be there.
    pub(super) fn world(server: &Path) -> PathBuf {
        let settings = std::fs::read_to_string(server.join("server.properties")).unwrap_or_default();
        let mut lines = settings.lines().filter_map(|line| line.split_once('='));
        let named = lines.find(|(key, _)| key.trim() == "level-name");
        let level = named.map_or(LEVEL, |(_, name)| name.trim());
        let level = if is_file_name(level) { level } else { LEVEL };
        server.join("worlds").join(level)
    }

    /// Makes the folders of a new server, with settings to begin with.
    pub(super) fn found(&self, name: &ServerName) -> std::io::Result<()> {
        let folder = self.server(name);
        std::fs::create_dir_all(folder.join("worlds").join(LEVEL))?;
        for (file, text) in [
            (
                "server.properties",
                format!("server-name={}\nlevel-name={LEVEL}\n", name.as_str()),
            ),
            ("allowlist.json", "[]\n".to_owned()),
            ("permissions.json", "[]\n".to_owned()),
        ] {
            std::fs::write(folder.join(file), text)?;
        }
        std::fs::write(
            folder.join("worlds").join(LEVEL).join("levelname.txt"),
            format!("{LEVEL}\n"),
        )
    }
}

/// Files of a folder whose name fits, the newest first.
pub(super) fn newest(folder: &Path, fits: impl Fn(&str) -> bool) -> std::io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let files = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().to_str().filter(|name| fits(name))?.to_owned();
        let about = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let age = about.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some((age, name))
    });
    let mut files: Vec<_> = files.collect();
    files.sort();
    Ok(files.into_iter().rev().map(|(_, name)| name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else() {
        for good in ["world1", "a-b_C"] {
            assert!(ServerName::parse(good).is_some(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "../x", "ä", &"a".repeat(65)] {
            assert!(ServerName::parse(bad).is_none(), "{bad}");
        }
        for bad in ["", "..", ".hidden", "a/b", "a\0b"] {
            assert!(!is_file_name(bad), "{bad}");
        }
        assert!(is_file_name("Bedrock level-20260101T000000Z.tar.gz"));
    }

    #[test]
    fn a_world_is_named_by_its_servers_settings() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(Places::world(folder.path()).ends_with("worlds/Bedrock level"));
        let settings = folder.path().join("server.properties");
        std::fs::write(&settings, "a=b\nlevel-name = My world\n").expect("written");
        assert!(Places::world(folder.path()).ends_with("worlds/My world"));
        std::fs::write(&settings, "level-name=../../etc\n").expect("written");
        assert!(Places::world(folder.path()).ends_with("worlds/Bedrock level"));
    }
}
