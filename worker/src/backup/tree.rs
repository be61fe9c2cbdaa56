//! Walks a directory tree without ever following a symbolic link, not even one that takes a directory's
//! place meanwhile: everything is opened as part of the directory that it was found in.
//!
//! Holds one open directory for each level, and nothing else that grows.

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, Stat, fstat, openat, statat};
use rustix::io::Errno;

use super::failure::BackupError;
use super::roots::DIRECTORY;
use super::target::Target;

/// Something in the tree.
pub(crate) struct Entry<'a> {
    pub(crate) directory: BorrowedFd<'a>,
    pub(crate) name: &'a CStr,
    /// Relative to the top of the tree.
    pub(crate) path: &'a Path,
    pub(crate) stat: Stat,
}

impl Entry<'_> {
    pub(crate) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }
}

/// What a walk meets.
pub(crate) enum Step<'a> {
    /// Directories come before what they contain.
    Entry(Entry<'a>),
    /// It was listed, and then it was gone or something else.
    Vanished,
}

pub(crate) struct Tree<'a> {
    /// The top, as open.
    pub(crate) top: &'a File,
    /// Where the top is, for messages.
    pub(crate) path: &'a Path,
    /// What belongs to the archive is passed over.
    pub(crate) target: &'a Target,
}

struct Level {
    dir: Dir,
    is_target: bool,
}

impl Tree<'_> {
    pub(crate) fn walk(
        &self,
        visit: &mut dyn FnMut(Step<'_>) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        let mut path = PathBuf::new();
        let top = openat(self.top, c".", DIRECTORY, Mode::empty());
        let top = top
            .and_then(|top| self.level(top))
            .map_err(|error| self.failed(&path, error))?;
        let mut levels = vec![top];
        while let Some(level) = levels.last_mut() {
            let Some(entry) = level.dir.read() else {
                levels.pop();
                path.pop();
                continue;
            };
            let entry = entry.map_err(|error| self.failed(&path, error))?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..")
                || (level.is_target && self.target.is_own(name.to_bytes()))
            {
                continue;
            }
            path.push(OsStr::from_bytes(name.to_bytes()));
            if let Some(inner) = self.step(level, name, &path, visit)? {
                levels.push(inner);
            } else {
                path.pop();
            }
        }
        Ok(())
    }

    /// Visits one entry. Gives the level below if it is a directory.
    fn step(
        &self,
        level: &Level,
        name: &CStr,
        path: &Path,
        visit: &mut dyn FnMut(Step<'_>) -> Result<(), BackupError>,
    ) -> Result<Option<Level>, BackupError> {
        let directory = level.dir.fd().map_err(|error| self.failed(path, error))?;
        let mut inner = None;
        let mut stat = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return visit(Step::Vanished).map(|()| None),
            other => other.map_err(|error| self.failed(path, error))?,
        };
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let opened = match openat(directory, name, DIRECTORY, Mode::empty()) {
                Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => {
                    return visit(Step::Vanished).map(|()| None);
                }
                other => other.map_err(|error| self.failed(path, error))?,
            };
            stat = fstat(&opened).map_err(|error| self.failed(path, error))?;
            inner = Some(self.level(opened).map_err(|error| self.failed(path, error))?);
        }
        let entry = Entry {
            directory,
            name,
            path,
            stat,
        };
        visit(Step::Entry(entry))?;
        Ok(inner)
    }

    fn level(&self, directory: OwnedFd) -> rustix::io::Result<Level> {
        let (here, target) = (fstat(&directory)?, fstat(self.target.directory())?);
        Ok(Level {
            is_target: (here.st_dev, here.st_ino) == (target.st_dev, target.st_ino),
            dir: Dir::new(directory)?,
        })
    }

    /// `path` is relative to the top.
    pub(crate) fn failed(&self, path: &Path, error: impl Into<std::io::Error>) -> BackupError {
        BackupError::Read {
            path: self.path.join(path),
            error: error.into(),
        }
    }
}
