//! Writes a tree as `.tar.gz`, whatever happens to its files meanwhile: each entry has exactly the size
//! that its header says.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, openat, readlinkat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::failure::BackupError;
use super::meter::Meter;
use super::tree::{Entry, Step, Tree};

/// How much of a file is read at once.
const CHUNK: usize = 256 * 1024;

/// What came of it.
#[derive(Debug)]
pub(crate) struct Written {
    /// Size of the archive.
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    /// Listed, and gone before it could be read.
    pub(crate) vanished: u64,
    /// Sockets, pipes and devices.
    pub(crate) special: u64,
    /// Files that became shorter while they were read; what was missing is zeros.
    pub(crate) shortened: u64,
}

/// Writes the tree into `out`; every name begins with `prefix`.
pub(crate) fn write<W: Write>(
    tree: &Tree<'_>,
    prefix: &Path,
    out: W,
    meter: &mut Meter<'_>,
) -> Result<Written, BackupError> {
    let mut archive = Archive {
        tree,
        prefix,
        builder: Builder::new(GzEncoder::new(Counted::new(out), Compression::default())),
        vanished: 0,
        special: 0,
        shortened: 0,
    };
    let top = fstat(tree.top).map_err(|error| tree.failed(Path::new(""), error))?;
    archive.directory(Path::new(""), &top)?;
    tree.walk(&mut |step| {
        meter.check()?;
        match step {
            Step::Vanished => archive.vanished += 1,
            Step::Entry(entry) => archive.entry(&entry, meter)?,
        }
        Ok(())
    })?;
    let failed = |error| tree.target.failed(error);
    let counted = archive
        .builder
        .into_inner()
        .and_then(GzEncoder::finish)
        .map_err(failed)?;
    let (bytes, sha256) = counted.finish().map_err(failed)?;
    Ok(Written {
        bytes,
        sha256,
        vanished: archive.vanished,
        special: archive.special,
        shortened: archive.shortened,
    })
}

struct Archive<'a, W: Write> {
    tree: &'a Tree<'a>,
    prefix: &'a Path,
    builder: Builder<GzEncoder<Counted<W>>>,
    vanished: u64,
    special: u64,
    shortened: u64,
}

impl<W: Write> Archive<'_, W> {
    fn entry(&mut self, entry: &Entry<'_>, meter: &mut Meter<'_>) -> Result<(), BackupError> {
        match entry.kind() {
            FileType::Directory => self.directory(entry.path, &entry.stat),
            FileType::RegularFile => self.file(entry, meter),
            FileType::Symlink => self.link(entry),
            _ => {
                self.special += 1;
                Ok(())
            }
        }
    }

    fn directory(&mut self, path: &Path, stat: &Stat) -> Result<(), BackupError> {
        // By custom a directory's name ends with a slash.
        let mut name = self.name(path).into_os_string();
        name.push("/");
        let mut header = header(EntryType::Directory, stat, 0);
        let appended = self
            .builder
            .append_data(&mut header, PathBuf::from(name), io::empty());
        appended.map_err(|error| self.tree.target.failed(error))
    }

    fn link(&mut self, entry: &Entry<'_>) -> Result<(), BackupError> {
        let to = match readlinkat(entry.directory, entry.name, Vec::new()) {
            Ok(to) => to,
            // Gone, or no link any more.
            Err(Errno::NOENT | Errno::INVAL) => {
                self.vanished += 1;
                return Ok(());
            }
            Err(error) => return Err(self.tree.failed(entry.path, error)),
        };
        let name = self.name(entry.path);
        let mut header = header(EntryType::Symlink, &entry.stat, 0);
        // Letter for letter if it fits; what is longer has an entry of its own.
        let appended = if header.set_link_name_literal(to.to_bytes()).is_ok() {
            self.builder.append_data(&mut header, name, io::empty())
        } else {
            let to = Path::new(OsStr::from_bytes(to.to_bytes()));
            self.builder.append_link(&mut header, name, to)
        };
        appended.map_err(|error| self.tree.target.failed(error))
    }

    fn file(&mut self, entry: &Entry<'_>, meter: &mut Meter<'_>) -> Result<(), BackupError> {
        // Not blocking, as a pipe may have taken its place.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(entry.directory, entry.name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => {
                self.vanished += 1;
                return Ok(());
            }
            Err(error) => return Err(self.tree.failed(entry.path, error)),
        };
        let stat = fstat(&file).map_err(|error| self.tree.failed(entry.path, error))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            self.vanished += 1;
            return Ok(());
        }
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        let mut header = header(EntryType::Regular, &stat, size);
        let mut content = Content::new(File::from(file), size, meter);
        let name = self.prefix.join(entry.path);
        let appended = self.builder.append_data(&mut header, name, &mut content);
        let Content { short, failed, .. } = content;
        if let Some(error) = failed {
            return Err(self.tree.failed(entry.path, error));
        }
        meter.check()?;
        appended.map_err(|error| self.tree.target.failed(error))?;
        self.shortened += u64::from(short);
        meter.file();
        Ok(())
    }

    fn name(&self, path: &Path) -> PathBuf {
        if path.as_os_str().is_empty() {
            self.prefix.into()
        } else {
            self.prefix.join(path)
        }
    }
}

fn header(kind: EntryType, stat: &Stat, size: u64) -> Header {
    // GNU's format: sizes over 8 GiB, long names, and names that are no UTF-8.
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(stat.st_mode & 0o7777);
    header.set_uid(stat.st_uid.into());
    header.set_gid(stat.st_gid.into());
    // Before 1970 does not exist in the format.
    header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or_default());
    header.set_size(size);
    header
}

/// A file's content, as long as it was when it was opened: what is appended meanwhile is left out, what
/// is cut off is replaced by zeros.
struct Content<'a, 'b> {
    file: BufReader<File>,
    left: u64,
    short: bool,
    /// The error of reading, to be told from those of writing.
    failed: Option<io::Error>,
    meter: &'a mut Meter<'b>,
}

impl<'a, 'b> Content<'a, 'b> {
    fn new(file: File, size: u64, meter: &'a mut Meter<'b>) -> Self {
        Self {
            file: BufReader::with_capacity(usize::try_from(size).unwrap_or(CHUNK).clamp(1, CHUNK), file),
            left: size,
            short: false,
            failed: None,
            meter,
        }
    }
}

impl Read for Content<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.meter.check().map_err(io::Error::other)?;
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = &mut buffer[..wanted];
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut read = 0;
        if !self.short {
            read = match self.file.read(buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
                Err(error) => {
                    self.failed = Some(error);
                    return Err(io::Error::other("the file cannot be read"));
                }
            };
            self.short = read == 0;
        }
        if self.short {
            buffer.fill(0);
            read = buffer.len();
        }
        self.left -= read as u64;
        self.meter.bytes(read as u64);
        Ok(read)
    }
}

/// Passes on, and takes size and checksum.
struct Counted<W> {
    out: W,
    bytes: u64,
    sha256: Sha256,
}

impl<W: Write> Counted<W> {
    fn new(out: W) -> Self {
        Self {
            out,
            bytes: 0,
            sha256: Sha256::new(),
        }
    }

    fn finish(mut self) -> io::Result<(u64, String)> {
        self.out.flush()?;
        Ok((self.bytes, format!("{:x}", self.sha256.finalize())))
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        self.sha256.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_holds_sizes_over_8_gib() {
        let stat = rustix::fs::stat("/").expect("a root");
        let size = (9 << 30) + 1;
        let header = header(EntryType::Regular, &stat, size);
        assert_eq!(header.entry_size().expect("a size"), size);
    }
}
