//! A listening Unix socket, and its file.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _},
        net,
    },
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

/// A listening Unix socket. Its file is removed when this value is dropped, unless another file has its place.
#[derive(Debug)]
pub(crate) struct UnixAcceptor {
    listener: UnixListener,
    path: PathBuf,
    /// The device and the inode of the file.
    file: (u64, u64),
}

impl UnixAcceptor {
    /// Listens at a path. A file that an ended server has left behind is replaced. The umask decides who may connect,
    /// since a client needs the permission to write to the file (unix(7)).
    ///
    /// # Errors
    /// Fails if somebody listens at the path, another kind of file has it, or no file can be created there.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let listener = match net::UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                check_stale(path)?;
                fs::remove_file(path)?;
                net::UnixListener::bind(path)?
            }
            bound => bound?,
        };
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        Ok(Self { listener, path: path.to_owned(), file: identity(path)? })
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// Fails if the system refuses to accept.
    pub(crate) async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }

    /// Returns the path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for UnixAcceptor {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            // A file that cannot be removed is replaced by the next server.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Checks that a file is a socket at which nobody listens.
fn check_stale(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the file is not a socket"));
    }
    match net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another program listens there")),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_file_is_replaced_and_any_other_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        drop(net::UnixListener::bind(&path).unwrap());
        let listening = UnixAcceptor::bind(&path).unwrap();
        let error = UnixAcceptor::bind(&path).unwrap_err();
        assert!(error.to_string().contains("another program listens"), "{error}");
        drop(listening);
        assert!(!path.exists());
        fs::write(&path, "mine").unwrap();
        let error = UnixAcceptor::bind(&path).unwrap_err();
        assert!(error.to_string().contains("not a socket"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    }

    #[tokio::test]
    async fn the_file_of_a_successor_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let first = UnixAcceptor::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = UnixAcceptor::bind(&path).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }
}
