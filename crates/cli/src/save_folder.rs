//! The folder of `--sink save:DIR`.

use std::{fs, path::Path};

use anyhow::Context as _;
use record::{Case, SinkKind};

use crate::log;

/// Creates the folder of a sink that saves bodies, with its parents, if it is missing.
///
/// # Errors
/// Fails if the folder cannot be created.
pub(crate) fn create(sink: &SinkKind) -> anyhow::Result<()> {
    let SinkKind::Save(folder) = sink else { return Ok(()) };
    if !folder.exists() {
        fs::create_dir_all(folder).with_context(|| unusable(folder))?;
        log::remark(&format!("note: created the folder {}", folder.display()));
    }
    Ok(())
}

/// Creates the folders of the cases' sinks as [`create`] does, and checks that files can be created in them.
///
/// # Errors
/// Fails if bodies cannot be saved.
pub(crate) fn prepare(cases: &[Case]) -> anyhow::Result<()> {
    for case in cases {
        create(&case.sink)?;
        if let SinkKind::Save(folder) = &case.sink {
            tempfile::tempfile_in(folder).with_context(|| unusable(folder))?;
        }
    }
    Ok(())
}

fn unusable(folder: &Path) -> String {
    format!("cannot save into {}", folder.display())
}
