//! The built-in job [`Backup`]. Two passes over the tree: one counts, so that progress is true, and one writes.

mod archive;
mod failure;
mod meter;
mod roots;
mod stamp;
mod target;
mod tree;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FileType;
use serde::{Deserialize, Serialize};
use tidegate_shared::job::JobRecord;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::failure::JobFailure;
use crate::job::{Handler, Job};
use failure::{BackupError, What};
pub use meter::BackupProgress;
use meter::{Meter, Report};
use roots::Roots;
use target::Target;
use tree::{Step, Tree};

/// The job `backup`: archives a directory as `.tar.gz`.
///
/// Input: `source`, a directory, and `destination`, a directory or a file whose name ends in `.tar.gz`.
/// Both must lie inside of the directories that the worker's configuration names in `backup_roots`; a
/// relative path is meant from the root, if there is only one. Without a destination the archive is put
/// beside the source, or into it if it is a root itself. A name that is not given is
/// `<source's name>-<time of submission, UTC>.tar.gz`. An archive with that name is replaced.
///
/// What is in the archive: directories, files, and symbolic links as links, under the source's name.
/// A file that is gone before its turn is skipped and counted, one that shrinks while it is read is
/// filled up with zeros and counted, sockets, pipes and devices are skipped and counted; anything that
/// cannot be read fails the backup. A file with several names is archived once for each; holes in sparse
/// files are archived as zeros. Left out are the archive itself, and archives and drafts that earlier
/// backups of the same source have put into the same directory under names of their own choice.
///
/// The archive appears under its name when it is complete and on the disk, readable by the worker's user
/// only. Until then it is `.tidegate-<job>-<random>.partial` beside it, which is removed if the backup
/// fails, and by the next attempt if the worker died.
#[derive(Debug)]
pub struct Backup;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupInput {
    pub source: String,
    pub destination: Option<String>,
}

/// The result of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupOutput {
    /// Of the archive.
    pub path: String,
    /// Size of the archive.
    pub bytes: u64,
    /// Files in the archive, without links and directories.
    pub files: u64,
    /// Of the archive, in hexadecimal.
    pub sha256: String,
    /// What was listed, and gone before it could be read. What was gone before it was listed is in no
    /// number.
    pub vanished: u64,
    /// Files that shrank while they were read, and were filled up with zeros.
    pub shortened: u64,
    /// Sockets, pipes and devices, which are not archived.
    pub special: u64,
}

impl Job for Backup {
    const TYPE: &'static str = "backup";
    type Input = BackupInput;
    type Progress = BackupProgress;
    type Output = BackupOutput;
}

/// Makes backups, inside of some directories.
#[derive(Debug)]
pub struct BackupHandler {
    roots: Arc<Roots>,
}

impl BackupHandler {
    /// Sources and destinations must lie inside of `roots`.
    pub fn new(roots: Vec<PathBuf>) -> Self {
        Self {
            roots: Arc::new(Roots::new(roots)),
        }
    }
}

impl Handler<Backup> for BackupHandler {
    async fn run(&self, input: BackupInput, context: Context<Backup>) -> Result<BackupOutput, JobFailure> {
        let roots = Arc::clone(&self.roots);
        let work = move |context: Context<Backup>| {
            let report = |percent, message, progress| match percent {
                Some(percent) => context.report(percent, message, &progress),
                None => context.message(message),
            };
            let done = back_up(&roots, &input, context.record(), &report, context.stop());
            done.map_err(|error| {
                if error.is_of_the_request() {
                    JobFailure::fatal(error)
                } else {
                    error.into()
                }
            })
        };
        context.spawn_blocking(work).await
    }
}

fn back_up(
    roots: &Roots,
    input: &BackupInput,
    record: &JobRecord,
    report: Report<'_>,
    stop: &CancellationToken,
) -> Result<BackupOutput, BackupError> {
    let source = roots.resolve(What::Source, &input.source)?;
    let top = source.open().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotADirectory => BackupError::NoDirectory(source.path.clone()),
        _ => BackupError::Open {
            what: What::Source,
            path: source.path.clone(),
            error,
        },
    })?;
    let target = Target::choose(roots, input.destination.as_deref(), &source, record)?;
    let tree = Tree {
        top: &top,
        path: &source.path,
        target: &target,
    };
    // Before the count, which may take long: a destination that cannot be written is told at once.
    let draft = target.draft(record)?;
    let mut meter = Meter::new(report, stop);
    count(&tree, &mut meter)?;

    let prefix = source.path.file_name().map_or(Path::new("root"), Path::new);
    let written = archive::write(&tree, prefix, &draft.file, &mut meter)?;
    let files = meter.done();
    meter.check()?;
    draft.complete()?;
    Ok(BackupOutput {
        path: target.path.to_string_lossy().into_owned(),
        bytes: written.bytes,
        files,
        sha256: written.sha256,
        vanished: written.vanished,
        shortened: written.shortened,
        special: written.special,
    })
}

/// The first pass.
fn count(tree: &Tree<'_>, meter: &mut Meter<'_>) -> Result<(), BackupError> {
    tree.walk(&mut |step| {
        meter.check()?;
        if let Step::Entry(entry) = step
            && entry.kind() == FileType::RegularFile
        {
            meter.found(u64::try_from(entry.stat.st_size).unwrap_or_default());
        }
        Ok(())
    })?;
    meter.counted();
    Ok(())
}

#[cfg(test)]
mod tests;
