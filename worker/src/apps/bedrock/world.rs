//! Backups and worlds: archives of a server's world, and the way back.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::json;
use tar::{Archive, EntryType};

use super::Bedrock;
use super::event::{Outcome, around};
use super::places::{Places, is_file_name, newest};
use super::process::Home;
use super::server::failed;
use super::task::{Operation, Task};
use crate::{Backup, BackupHandler, BackupInput, Context, Handler, JobFailure, Stopped};

/// Most bytes that an archive may unpack to, and most files.
const UNPACKED: u64 = 16 << 30;
const FILES: u64 = 1_000_000;
/// What an archive's name ends in.
pub(super) const ARCHIVE: &str = ".tar.gz";
/// The settings that are backed up beside the world, and what they are called in requests.
pub(super) const SETTINGS: [(&str, &str); 3] = [
    ("properties", "server.properties"),
    ("allowlist", "allowlist.json"),
    ("permissions", "permissions.json"),
];

impl Bedrock {
    /// What is backed up: `world`, `config` with a file, or `all`.
    pub(super) async fn backup<O: Operation>(
        &self,
        context: &Context<Task<O>>,
        server: &str,
        kind: &str,
        file: Option<&str>,
    ) -> Result<Outcome, JobFailure> {
        let (name, folder) = self.places()?.existing(server)?;
        let (home, target) = (Home::new(folder), self.places()?.backups(&name));
        let topics = context.topics();
        let mut arguments = json!({ "server_name": server, "stop_start_server": true });
        if let Some(file) = file {
            arguments["file_to_backup"] = json!(file);
        }
        let work = async {
            std::fs::create_dir_all(&target).map_err(failed)?;
            let mut files = Vec::new();
            let chosen =
                |one: &str| kind == "all" || (kind == "config" && file.is_none_or(|file| file == one));
            for (_, settings) in SETTINGS.iter().filter(|(_, settings)| chosen(settings)) {
                files.extend(keep(home.path(), settings, &target, context.record().created_at)?);
            }
            if kind == "world" || kind == "all" {
                files.push(self.pack(context, &Places::world(home.path()), &target).await?);
            }
            if files.is_empty() {
                return Err(JobFailure::fatal("There is nothing of this kind to back up."));
            }
            let message = format!("Backup of server '{server}' completed successfully.");
            Ok(Outcome::success(message).with("files", files))
        };
        self.at_rest(&topics, (server, &home), ("backup", arguments), work)
            .await
    }

    /// Leaves the newest of each kind.
    pub(super) async fn prune<O: Operation>(
        &self,
        context: &Context<Task<O>>,
        server: &str,
    ) -> Result<Outcome, JobFailure> {
        let (name, _) = self.places()?.existing(server)?;
        let folder = self.places()?.backups(&name);
        let arguments = json!({ "server_name": server });
        around(&context.topics(), "prune_backups", arguments, async {
            let mut removed = 0_u64;
            let kinds = [ARCHIVE]
                .into_iter()
                .chain(SETTINGS.iter().map(|(_, file)| *file));
            for kind in kinds {
                for old in newest(&folder, |name| is_of(kind, name))
                    .map_err(failed)?
                    .iter()
                    .skip(self.keep)
                {
                    std::fs::remove_file(folder.join(old)).map_err(failed)?;
                    removed += 1;
                }
            }
            let message = format!("Backup pruning completed for server '{server}'.");
            Ok(Outcome::success(message).with("removed", removed))
        })
        .await
    }

    /// `world` or a kind of settings from a backup, or the newest of `all`.
    pub(super) async fn restore<O: Operation>(
        &self,
        context: &Context<Task<O>>,
        server: &str,
        kind: &str,
        file: Option<&str>,
    ) -> Result<Outcome, JobFailure> {
        let (name, folder) = self.places()?.existing(server)?;
        let (home, backups) = (Home::new(folder), self.places()?.backups(&name));
        let mut arguments = json!({ "server_name": server, "stop_start_server": true });
        let from = file.map(|file| backups.join(file));
        if let Some(path) = &from {
            arguments["backup_file_path"] = json!(path);
        }
        let topics = context.topics();
        let work = async {
            let mut restored = Vec::new();
            let wanted = |one: &str| kind == "all" || kind == one;
            for (of, settings) in SETTINGS.iter().filter(|(of, _)| wanted(of)) {
                if let Some(path) = chosen(from.as_deref(), &backups, settings, kind == "all")? {
                    std::fs::copy(path, home.path().join(settings)).map_err(failed)?;
                    restored.push((*of).to_owned());
                }
            }
            if wanted("world")
                && let Some(path) = chosen(from.as_deref(), &backups, ARCHIVE, kind == "all")?
            {
                self.unpack(context, &path, &Places::world(home.path())).await?;
                restored.push("world".to_owned());
            }
            if restored.is_empty() {
                return Err(JobFailure::fatal(format_args!(
                    "No backups found for '{server}'."
                )));
            }
            let message = format!("Restore for server '{server}' completed successfully.");
            Ok(Outcome::success(message).with("restored", restored))
        };
        self.at_rest(&topics, (server, &home), ("restore", arguments), work)
            .await
    }

    pub(super) async fn export<O: Operation>(
        &self,
        context: &Context<Task<O>>,
        server: &str,
    ) -> Result<Outcome, JobFailure> {
        let (home, target) = (self.home(server)?, self.places()?.worlds());
        let topics = context.topics();
        let work = async {
            std::fs::create_dir_all(&target).map_err(failed)?;
            let file = self.pack(context, &Places::world(home.path()), &target).await?;
            let message = format!("World exported successfully as {file}.");
            Ok(Outcome::success(message).with("export_file", file))
        };
        let arguments = json!({ "server_name": server, "export_dir": null, "stop_start_server": true });
        self.at_rest(&topics, (server, &home), ("world_export", arguments), work)
            .await
    }

    pub(super) async fn import<O: Operation>(
        &self,
        context: &Context<Task<O>>,
        server: &str,
        file: &str,
    ) -> Result<Outcome, JobFailure> {
        let home = self.home(server)?;
        let path = self.places()?.worlds().join(file);
        let topics = context.topics();
        let arguments = json!({
            "server_name": server, "selected_file_path": path, "stop_start_server": true,
        });
        let work = async {
            if !is_file_name(file) || !path.is_file() {
                return Err(JobFailure::fatal(format_args!(
                    "World file '{file}' not found for import."
                )));
            }
            self.unpack(context, &path, &Places::world(home.path())).await?;
            Ok(Outcome::success(format!(
                "World imported from '{file}' successfully."
            )))
        };
        self.at_rest(&topics, (server, &home), ("world_import", arguments), work)
            .await
    }

    pub(super) async fn reset<O: Operation>(
        &self,
        context: &Context<Task<O>>,
        server: &str,
    ) -> Result<Outcome, JobFailure> {
        let home = self.home(server)?;
        let topics = context.topics();
        let work = async {
            remove(&Places::world(home.path()))?;
            Ok(Outcome::success(format!(
                "World for server '{server}' reset successfully."
            )))
        };
        self.at_rest(
            &topics,
            (server, &home),
            ("world_reset", json!({ "server_name": server })),
            work,
        )
        .await
    }

    /// Archives a world into a folder, as the job `backup` does. Gives the archive's name.
    async fn pack<O: Operation>(
        &self,
        context: &Context<Task<O>>,
        world: &Path,
        target: &Path,
    ) -> Result<String, JobFailure> {
        let input = BackupInput {
            source: world.display().to_string(),
            destination: Some(target.display().to_string()),
        };
        let handler = BackupHandler::new(vec![self.places()?.base().to_owned()]);
        let made = handler.run(input, context.lend::<Backup>()).await?;
        let name = Path::new(&made.path).file_name().unwrap_or_default();
        Ok(name.to_string_lossy().into_owned())
    }

    /// Puts what is in an archive in the place of a world, which stays as it was if that fails.
    async fn unpack<O: Operation>(
        &self,
        context: &Context<Task<O>>,
        archive: &Path,
        world: &Path,
    ) -> Result<(), JobFailure> {
        let (archive, world) = (archive.to_owned(), world.to_owned());
        let work = move |context: Context<Task<O>>| {
            let beside = |what: &str| world.with_file_name(format!(".{what}-{}", context.job_id()));
            let (fresh, old) = (beside("new"), beside("old"));
            for left in [&fresh, &old] {
                remove(left)?;
            }
            let unpacked = open(&archive, &fresh, &context);
            let swapped = unpacked.and_then(|top| {
                if world.exists() {
                    std::fs::rename(&world, &old).map_err(failed)?;
                }
                std::fs::rename(fresh.join(top), &world).map_err(failed)
            });
            if swapped.is_err() && old.exists() && !world.exists() {
                std::fs::rename(&old, &world).map_err(failed)?;
            }
            for left in [&fresh, &old] {
                remove(left)?;
            }
            swapped
        };
        context.spawn_blocking(work).await
    }
}

fn remove(folder: &Path) -> Result<(), JobFailure> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    }
}

/// Unpacks folders and files, and nothing else. Gives the one folder at the top.
fn open<O: Operation>(
    archive: &Path,
    target: &Path,
    context: &Context<Task<O>>,
) -> Result<PathBuf, JobFailure> {
    std::fs::create_dir_all(target).map_err(failed)?;
    let file = File::open(archive).map_err(failed)?;
    let (mut bytes, mut files) = (0_u64, 0_u64);
    let mut unpacked = Archive::new(GzDecoder::new(file));
    for entry in unpacked.entries().map_err(failed)? {
        if context.check().is_err() {
            return Err(Stopped.into());
        }
        let mut entry = entry.map_err(failed)?;
        if !matches!(
            entry.header().entry_type(),
            EntryType::Regular | EntryType::Directory
        ) {
            continue;
        }
        bytes = bytes.saturating_add(entry.size());
        files += 1;
        if bytes > UNPACKED || files > FILES {
            return Err(JobFailure::fatal("The archive is too large to be a world."));
        }
        // Leaves out what would lead elsewhere.
        entry.unpack_in(target).map_err(failed)?;
    }
    let mut tops = std::fs::read_dir(target).map_err(failed)?.flatten();
    match (tops.next(), tops.next()) {
        (Some(top), None) if top.path().is_dir() => Ok(top.file_name().into()),
        _ => Err(JobFailure::fatal(
            "The archive is not one of a world: it has no single folder at its top.",
        )),
    }
}

/// Copies a file of settings, if it is there, under a name that says when.
fn keep(server: &Path, file: &str, target: &Path, at_ms: u64) -> Result<Option<String>, JobFailure> {
    let source = server.join(file);
    if !source.is_file() {
        return Ok(None);
    }
    let name = format!("{file}.{}", at_ms / 1_000);
    std::fs::copy(source, target.join(&name)).map_err(failed)?;
    Ok(Some(name))
}

/// Whether a backup of this name is of this kind: the end of archives, the beginning of settings.
pub(super) fn is_of(kind: &str, name: &str) -> bool {
    if kind == ARCHIVE {
        name.ends_with(ARCHIVE)
    } else {
        name.strip_prefix(kind).is_some_and(|rest| rest.starts_with('.'))
    }
}

/// The backup that is named, or the newest. Only where all is wanted may there be none.
fn chosen(
    named: Option<&Path>,
    backups: &Path,
    kind: &str,
    may_lack: bool,
) -> Result<Option<PathBuf>, JobFailure> {
    let name = match named.and_then(Path::file_name) {
        Some(name) => Some(name.to_string_lossy().into_owned()),
        None => newest(backups, |name| is_of(kind, name))
            .map_err(failed)?
            .into_iter()
            .next(),
    };
    let found = name
        .filter(|name| is_file_name(name) && is_of(kind, name))
        .map(|name| backups.join(name))
        .filter(|path| path.is_file());
    match found {
        None if !may_lack => Err(JobFailure::fatal("Backup file not found.")),
        found => Ok(found),
    }
}
