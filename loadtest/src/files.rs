//! How many files, and so connections, this program and the servers it starts may have.

use anyhow::Result;
use rustix::process::{Resource, getrlimit, setrlimit};

/// To as many as are allowed: usual limits are for programs with a few files.
pub(crate) fn raise_limit() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    Ok(())
}
