//! The file of a server's certificate, for clients to trust.

use std::{
    env::temp_dir,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::NamedTempFile;

use crate::log;

/// The prefix and the suffix of the name of a file that a server has made.
const START: &str = "longhaul-certificate-";
const END: &str = ".pem";

/// The age at which a file without a lock counts as abandoned. A server locks its file right after creating it.
const ABANDONED: Duration = Duration::from_secs(60);

/// The file of a certificate.
pub(super) struct Certificate {
    path: PathBuf,
    /// The file of a self-signed certificate, which is locked and exists as long as the server runs.
    _own: Option<NamedTempFile>,
}

impl Certificate {
    /// Returns the given file, or a new one in the folder for temporary files. `None` if no file can be written there.
    /// Files of killed servers are removed.
    pub(super) fn of(pem: &str, given: Option<&Path>) -> Option<Self> {
        if let Some(path) = given {
            return Some(Self { path: path.to_owned(), _own: None });
        }
        remove_abandoned(&temp_dir());
        match write(pem) {
            Ok(file) => Some(Self { path: file.path().to_owned(), _own: Some(file) }),
            Err(error) => {
                log::remark(&format!("note: the certificate is in no file, use its fingerprint: {error}"));
                None
            }
        }
    }

    /// Returns the path of the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn write(pem: &str) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(START).suffix(END).tempfile()?;
    // On a file system without locks, files of killed servers stay, or that of a running server is removed after a
    // minute. Both are harmless, because a client reads the file when it starts.
    let _ = file.as_file().try_lock();
    file.write_all(pem.as_bytes())?;
    Ok(file)
}

/// Removes the files of a folder whose servers have ended without removing them. A file that cannot be removed stays.
fn remove_abandoned(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_own = name.to_str().is_some_and(|name| name.starts_with(START) && name.ends_with(END));
        if is_own && entry.file_type().is_ok_and(|kind| kind.is_file()) && is_abandoned(&entry.path()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_abandoned(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let age = file.metadata().and_then(|metadata| metadata.modified()).map(|modified| modified.elapsed());
    age.is_ok_and(|age| age.is_ok_and(|age| age > ABANDONED)) && file.try_lock().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_killed_servers_are_removed_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            let file = File::create(&path).unwrap();
            let now = file.metadata().unwrap().modified().unwrap();
            file.set_modified(now - 2 * ABANDONED).unwrap();
            (path, file)
        };
        let (killed, _) = file("longhaul-certificate-a.pem");
        let (alive, lock) = file("longhaul-certificate-b.pem");
        lock.lock().unwrap();
        let (others, _) = file("certificate.pem");
        let young = folder.path().join("longhaul-certificate-c.pem");
        File::create(&young).unwrap();
        remove_abandoned(folder.path());
        assert_eq!([killed, alive, others, young].map(|path| path.exists()), [false, true, true, true]);
    }
}
