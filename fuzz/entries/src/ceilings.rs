//! The entry point for TOML files of ceilings.

use std::{fs, io};

use analyse::{Ceilings, Gate};
use record::{Case, End, Record};

/// Reads a file of ceilings, and checks a record against it.
pub fn ceilings(data: &[u8]) {
    // A file that cannot be created says nothing about its content.
    let _ = read(data);
}

fn read(data: &[u8]) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ceilings.toml");
    fs::write(&path, data)?;
    let records = [Record::new("fuzz", Case::new("h2"))];
    match Ceilings::read(&path, &records) {
        Ok(ceilings) => {
            let _ = ceilings.peak_rss(&records[0].case, End::Sender);
            let gate = Gate::of(&records, &ceilings, None);
            assert!(analyse::gate_text(&gate).ends_with('\n'));
        }
        Err(error) => assert!(error.to_string().contains("ceilings.toml"), "{error}"),
    }
    Ok(())
}
