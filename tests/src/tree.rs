//! Directory trees to back up, and whether what came out of an archive is the same.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

/// Makes `files` files of about `size` bytes each that do not compress, in nested directories, among them
/// what a world server has: empty files, empty directories, spaces, umlauts, an executable. The same seed
/// gives the same tree.
pub fn grow(root: &Path, files: usize, size: usize) -> Result<()> {
    let mut random = SmallRng::seed_from_u64(7);
    let mut bytes = vec![0; size + size / 2];
    for number in 0..files {
        let folder = root
            .join(format!("region {}", number % 13))
            .join(format!("r.{}", number % 101));
        if number < 13 * 101 {
            fs::create_dir_all(&folder)?;
        }
        let length = random.random_range(size / 2..=bytes.len());
        random.fill(&mut bytes[..length]);
        fs::write(folder.join(format!("chunk-{number}.mca")), &bytes[..length])?;
    }
    fs::create_dir_all(root.join("nothing in here"))?;
    fs::write(root.join("empty"), "")?;
    fs::write(root.join("Größe.txt"), "ä".repeat(1000))?;
    let script = root.join("start.sh");
    fs::write(&script, "#!/bin/sh\nexec true\n")?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Bytes in all files.
pub fn bytes(root: &Path) -> Result<u64> {
    Ok(describe(root)?.values().map(|entry| entry.size).sum())
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    folder: bool,
    executable: bool,
    size: u64,
    hash: [u8; 32],
}

/// Unpacks the archive and compares every entry with the directory it was made of.
pub fn ensure_same(archive: &Path, root: &Path) -> Result<()> {
    let unpacked = tempfile::tempdir()?;
    tar::Archive::new(GzDecoder::new(File::open(archive)?))
        .unpack(unpacked.path())
        .with_context(|| format!("{} is no valid archive", archive.display()))?;
    let wanted = describe(root)?;
    let found = describe(&content(unpacked.path(), root)?)?;
    for (path, entry) in &wanted {
        let other = found
            .get(path)
            .with_context(|| format!("{} is not in the archive", path.display()))?;
        ensure!(
            entry == other,
            "{} is {entry:?}, and in the archive {other:?}",
            path.display()
        );
    }
    for path in found.keys() {
        ensure!(
            wanted.contains_key(path),
            "{} is in the archive only",
            path.display()
        );
    }
    Ok(())
}

/// An archive may hold the directory itself or only what is in it.
fn content(unpacked: &Path, root: &Path) -> Result<PathBuf> {
    let inner = unpacked.join(root.file_name().context("a directory with a name")?);
    Ok(if inner.is_dir() {
        inner
    } else {
        unpacked.to_owned()
    })
}

fn describe(root: &Path) -> Result<BTreeMap<PathBuf, Entry>> {
    let mut entries = BTreeMap::new();
    for entry in WalkDir::new(root).min_depth(1) {
        let entry = entry?;
        let meta = entry.metadata()?;
        let content = if meta.is_file() {
            fs::read(entry.path())?
        } else {
            Vec::new()
        };
        let described = Entry {
            folder: meta.is_dir(),
            executable: meta.is_file() && meta.permissions().mode() & 0o100 != 0,
            size: content.len() as u64,
            hash: Sha256::digest(&content).into(),
        };
        entries.insert(entry.path().strip_prefix(root)?.to_owned(), described);
    }
    Ok(entries)
}
