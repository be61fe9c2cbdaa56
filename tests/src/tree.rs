//! Directory trees to back up, and whether what came out of an archive is the same.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use rand::{Rng, SeedableRng, rngs::SmallRng};
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
    let mut sum = 0;
    for entry in WalkDir::new(root) {
        let meta = entry?.metadata()?;
        sum += if meta.is_file() { meta.len() } else { 0 };
    }
    Ok(sum)
}

/// Compares every entry of the archive with the directory it was made of, and the other way round.
pub fn ensure_same(archive: &Path, root: &Path) -> Result<()> {
    let broken = || format!("{} is no valid archive", archive.display());
    let name = root.file_name().context("a directory with a name")?;
    let mut tar = tar::Archive::new(GzDecoder::new(File::open(archive)?));
    let mut seen = HashSet::new();
    for entry in tar.entries().with_context(broken)? {
        let mut entry = entry.with_context(broken)?;
        let path = entry.path()?.into_owned();
        let inner = path
            .strip_prefix(name)
            .with_context(|| format!("{} in the archive", path.display()))?
            .to_owned();
        let file = root.join(&inner);
        let meta = fs::symlink_metadata(&file)
            .with_context(|| format!("{} is in the archive only", path.display()))?;
        let kind = entry.header().entry_type();
        ensure!(
            kind.is_dir() == meta.is_dir() && kind.is_file() == meta.is_file(),
            "{}: {kind:?}",
            path.display()
        );
        if kind.is_file() {
            let (mode, wanted) = (entry.header().mode()?, meta.permissions().mode());
            ensure!(
                mode & 0o777 == wanted & 0o777,
                "{}: mode {mode:o}, not {wanted:o}",
                path.display()
            );
            let mut content = Vec::new();
            entry.read_to_end(&mut content).with_context(broken)?;
            ensure!(
                content == fs::read(&file)?,
                "{} has another content in the archive",
                path.display()
            );
        }
        ensure!(seen.insert(inner), "{} is in the archive twice", path.display());
    }
    for entry in WalkDir::new(root).min_depth(1) {
        let entry = entry?;
        let inner = entry.path().strip_prefix(root)?;
        ensure!(
            seen.contains(inner),
            "{} is not in the archive",
            entry.path().display()
        );
    }
    Ok(())
}
