//! Why a backup was not made, in words for the person who asked for it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::failure::Stopped;

/// Which of the two paths of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Source,
    Destination,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
        }
    }
}

#[derive(Debug, Error)]
pub(crate) enum BackupError {
    #[error(
        "this worker may back up nothing: name directories in `backup_roots` under `[worker]` in its configuration"
    )]
    NoRoots,
    #[error("none of the directories in `backup_roots` can be opened by this worker: {}", list(.0))]
    NoRootExists(Vec<PathBuf>),
    #[error("the {} is empty: give a path", .0.name())]
    Empty(What),
    #[error("the {} {path} is relative, and there are several roots: give a path that begins with one of {}", .what.name(), list(.roots))]
    Relative {
        what: What,
        path: String,
        roots: Vec<PathBuf>,
    },
    #[error("the {} {path} is not inside of a directory that backups may use: choose one under {}, or add its directory to `backup_roots` in the worker's configuration", .what.name(), list(.roots))]
    Outside {
        what: What,
        path: String,
        roots: Vec<PathBuf>,
    },
    #[error("the source {} is not a directory: name the directory that it is in", .0.display())]
    NoDirectory(PathBuf),
    #[error("the destination {} is neither a directory nor does it end in .tar.gz: give one or the other", .0.display())]
    NoArchiveName(PathBuf),
    #[error("the {} {} cannot be opened: {}", .what.name(), .path.display(), advice(.error))]
    Open {
        what: What,
        path: PathBuf,
        error: io::Error,
    },
    #[error("{} cannot be read: {}; no archive was written, as it would not be complete", .path.display(), advice(.error))]
    Read { path: PathBuf, error: io::Error },
    #[error("the archive {} cannot be written: {}", .path.display(), advice(.error))]
    Write { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl BackupError {
    /// What was asked for stays wrong, however often it is tried.
    pub(crate) fn is_of_the_request(&self) -> bool {
        matches!(
            self,
            Self::Empty(_) | Self::Relative { .. } | Self::Outside { .. } | Self::NoArchiveName(_)
        )
    }
}

/// The error, and what to do about it if that is known.
fn advice(error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full: make room or choose another destination",
        io::ErrorKind::QuotaExceeded => "the quota is used up: make room or choose another destination",
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only: choose another destination",
        io::ErrorKind::FileTooLarge => {
            "the file system or a limit allows no file as large: choose another destination"
        }
        io::ErrorKind::PermissionDenied => "the worker's user is not allowed to: give it the permission",
        io::ErrorKind::NotFound => "it does not exist: check the spelling, or create it first",
        _ => return error.to_string(),
    };
    advice.into()
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths
        .iter()
        .map(|path: &PathBuf| Path::display(path).to_string())
        .collect();
    paths.join(", ")
}
