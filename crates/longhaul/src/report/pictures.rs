//! Pictures of a set as SVG files, for a README.

use std::path::Path;

use super::Set;

/// Writes them into a folder.
pub(super) fn write(_set: &Set, _folder: &Path) -> anyhow::Result<()> {
    Ok(())
}
