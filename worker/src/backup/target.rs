//! Where the archive goes, and how it gets there: written under a name of its own, and renamed when it is
//! complete, so that nobody ever sees half an archive under its real name.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use rand::Rng;
use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, renameat, unlinkat};
use tidegate_shared::job::JobRecord;

use super::failure::{BackupError, What};
use super::roots::{DIRECTORY, Place, Roots};
use super::stamp::{is_stamp, stamp};

const ENDING: &str = ".tar.gz";
const DRAFT_START: &str = ".tidegate-";
const DRAFT_END: &str = ".partial";
/// Of the source's name in the archive's; a file's name has 255 at most.
const NAME_LIMIT: usize = 200;

/// A directory that is open, and the archive's name in it.
#[derive(Debug)]
pub(crate) struct Target {
    directory: File,
    name: OsString,
    pub(crate) path: PathBuf,
    /// Archives that got their names from backups of the same source begin with this.
    series: Vec<u8>,
}

impl Target {
    /// `given` is a directory or a path that ends in `.tar.gz`. Without it: beside the source, or in it
    /// if it is a root itself. A name that is not given is made of the source's and the time at which
    /// the job was submitted, so that a second attempt has the same.
    pub(crate) fn choose(
        roots: &Roots,
        given: Option<&str>,
        source: &Place,
        record: &JobRecord,
    ) -> Result<Self, BackupError> {
        let source_name = source.path.file_name().unwrap_or(OsStr::new("root"));
        let mut series = source_name.as_bytes().to_vec();
        series.truncate(NAME_LIMIT);
        series.push(b'-');
        let mut usual = series.clone();
        usual.extend_from_slice(stamp(record.created_at).as_bytes());
        usual.extend_from_slice(ENDING.as_bytes());
        let usual = OsString::from_vec(usual);

        let (path, directory, name) = match given.map(|given| (given, split(given))) {
            None => {
                let parent = source.parent();
                let place = parent.as_ref().unwrap_or(source);
                (place.path.clone(), open(place)?, usual)
            }
            Some((given, None)) => {
                let place = roots.resolve(What::Destination, given)?;
                (place.path.clone(), open(&place)?, usual)
            }
            Some((_, Some((parent, name)))) => {
                let place = roots.resolve(What::Destination, parent)?;
                let directory = open(&place)?;
                match openat(&directory, name, DIRECTORY, Mode::empty()) {
                    // A directory with such a name.
                    Ok(inner) => (place.path.join(name), inner.into(), usual),
                    Err(_) => (place.path, directory, name.into()),
                }
            }
        };
        Ok(Self {
            path: path.join(&name),
            directory,
            name,
            series,
        })
    }

    /// Whether a file beside the archive is left out of it: the archive itself, unfinished ones, and
    /// earlier ones of the same source that were named by [`Target::choose`]. Otherwise backups of a
    /// directory into itself would each contain all before.
    pub(crate) fn is_own(&self, name: &[u8]) -> bool {
        let draft = name.starts_with(DRAFT_START.as_bytes()) && name.ends_with(DRAFT_END.as_bytes());
        let earlier = name
            .strip_prefix(self.series.as_slice())
            .and_then(|rest| rest.strip_suffix(ENDING.as_bytes()))
            .is_some_and(is_stamp);
        name == self.name.as_bytes() || draft || earlier
    }

    pub(crate) fn directory(&self) -> &File {
        &self.directory
    }

    /// Begins the archive, and removes what earlier attempts at the same job have left behind. An
    /// earlier attempt that still lives somewhere cannot finish after this: its draft is gone.
    pub(crate) fn draft(&self, record: &JobRecord) -> Result<Draft<'_>, BackupError> {
        // The last part of a job's id are 32 hexadecimal digits.
        let job = record.id.as_str().rsplit('.').next().unwrap_or_default();
        let start = format!("{DRAFT_START}{job}-");
        self.remove_drafts(&start).map_err(|error| self.failed(error))?;
        let name = format!("{start}{:016x}{DRAFT_END}", rand::rng().random::<u64>());
        let create = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // The archive may hold what others must not read, so it is for the worker's user only.
        let file = openat(&self.directory, &name, create, Mode::RUSR | Mode::WUSR)
            .map_err(|error| self.failed(error))?;
        Ok(Draft {
            target: self,
            name: Some(name),
            file: file.into(),
        })
    }

    fn remove_drafts(&self, start: &str) -> rustix::io::Result<()> {
        for entry in Dir::read_from(&self.directory)? {
            let entry = entry?;
            if entry.file_name().to_bytes().starts_with(start.as_bytes()) {
                // Somebody else may be removing it as well.
                let _ = unlinkat(&self.directory, entry.file_name(), AtFlags::empty());
            }
        }
        Ok(())
    }

    pub(crate) fn failed(&self, error: impl Into<io::Error>) -> BackupError {
        BackupError::Write {
            path: self.path.clone(),
            error: error.into(),
        }
    }
}

/// An archive that is not complete yet. Removed when dropped.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    target: &'a Target,
    name: Option<String>,
    pub(crate) file: File,
}

impl Draft<'_> {
    /// Makes it durable and gives it its name, in place of what had it before.
    pub(crate) fn complete(mut self) -> Result<(), BackupError> {
        let target = self.target;
        self.file.sync_all().map_err(|error| target.failed(error))?;
        if let Some(name) = &self.name {
            renameat(&target.directory, name, &target.directory, &target.name)
                .map_err(|error| target.failed(error))?;
        }
        self.name = None;
        // Without this the name may be gone after a power failure.
        target.directory.sync_all().map_err(|error| target.failed(error))
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if let Some(name) = self.name.take()
            && let Err(error) = unlinkat(&self.target.directory, &name, AtFlags::empty())
            // A later attempt may have removed it.
            && error != rustix::io::Errno::NOENT
        {
            tracing::warn!("{name} is left beside {}: {error}", self.target.path.display());
        }
    }
}

/// Directory and name of a path that ends in `.tar.gz`.
fn split(given: &str) -> Option<(&str, &str)> {
    let (parent, name) = match given.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some((parent, name)) => (parent, name),
        None => (".", given),
    };
    name.ends_with(ENDING).then_some((parent, name))
}

fn open(place: &Place) -> Result<File, BackupError> {
    place.open().map_err(|error| match error.kind() {
        io::ErrorKind::NotADirectory => BackupError::NoArchiveName(place.path.clone()),
        _ => BackupError::Open {
            what: What::Destination,
            path: place.path.clone(),
            error,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_that_ends_in_tar_gz_is_a_file() {
        assert_eq!(split("/a/b.tar.gz"), Some(("/a", "b.tar.gz")));
        assert_eq!(split("/b.tar.gz"), Some(("/", "b.tar.gz")));
        assert_eq!(split("b.tar.gz"), Some((".", "b.tar.gz")));
        assert_eq!(split("/a/b.tar.gz/"), None);
        assert_eq!(split("/a/b.zip"), None);
    }
}
