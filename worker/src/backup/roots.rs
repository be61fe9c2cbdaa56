//! The directories that backups may read from and write to.
//!
//! A path is resolved with all its symbolic links first, and judged by where it really leads. What was
//! judged is then opened from the root downwards without following any link, so that a directory which
//! is swapped for a link in between is refused and not followed.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, openat};

use super::failure::{BackupError, What};

/// Opens a directory as part of another one, and nothing else.
pub(crate) const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// As configured. Looked up anew for each backup: they may be created, or mounted, later.
#[derive(Debug, Clone)]
pub(crate) struct Roots(Vec<PathBuf>);

/// A path inside of a root, without links, as of when it was resolved.
#[derive(Debug)]
pub(crate) struct Place {
    root: PathBuf,
    pub(crate) path: PathBuf,
}

impl Roots {
    pub(crate) fn new(roots: Vec<PathBuf>) -> Self {
        Self(roots)
    }

    pub(crate) fn resolve(&self, what: What, given: &str) -> Result<Place, BackupError> {
        if self.0.is_empty() {
            return Err(BackupError::NoRoots);
        }
        if given.is_empty() {
            return Err(BackupError::Empty(what));
        }
        let roots: Vec<PathBuf> = self
            .0
            .iter()
            .filter_map(|root| fs::canonicalize(root).ok())
            .collect();
        let mut path = PathBuf::from(given);
        if path.is_relative() {
            match roots.as_slice() {
                [] => return Err(BackupError::NoRootExists(self.0.clone())),
                [root] => path = root.join(path),
                _ => {
                    return Err(BackupError::Relative {
                        what,
                        path: given.into(),
                        roots: self.0.clone(),
                    });
                }
            }
        }
        let outside = || BackupError::Outside {
            what,
            path: given.into(),
            roots: self.0.clone(),
        };
        let resolved = match fs::canonicalize(&path) {
            Ok(resolved) => resolved,
            Err(error) => {
                // Nothing is told about what is, or is not, outside.
                let plain = without_dots(&path);
                let inside = self.0.iter().chain(&roots).any(|root| plain.starts_with(root));
                return Err(if !inside {
                    outside()
                } else if roots.is_empty() {
                    BackupError::NoRootExists(self.0.clone())
                } else {
                    BackupError::Open { what, path, error }
                });
            }
        };
        match roots.into_iter().find(|root| resolved.starts_with(root)) {
            Some(root) => Ok(Place { root, path: resolved }),
            None => Err(outside()),
        }
    }
}

impl Place {
    pub(crate) fn is_root(&self) -> bool {
        self.path == self.root
    }

    /// The directory around it, unless that is outside of the root.
    pub(crate) fn parent(&self) -> Option<Self> {
        let path = self.path.parent().filter(|_| !self.is_root())?;
        Some(Self {
            root: self.root.clone(),
            path: path.into(),
        })
    }

    /// Opens it as a directory.
    pub(crate) fn open(&self) -> io::Result<File> {
        let mut directory = File::open(&self.root)?;
        let below = self.path.strip_prefix(&self.root).unwrap_or(Path::new(""));
        for component in below.components() {
            directory = openat(&directory, component.as_os_str(), DIRECTORY, Mode::empty())?.into();
        }
        Ok(directory)
    }
}

/// The path with `.` and `..` taken literally: good enough to say what it was meant to be inside of.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}
