//! The output of a download.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use receiver::{
    Sink,
    save::{Folder, NameError, SafeName, SaveError, Saver},
};
use record::{Fault, FaultKind};
use tokio::{
    fs::OpenOptions,
    io::{AsyncWrite, BufWriter},
};

/// The bytes gathered for one write to a pipe or a device. The pieces of a body are small if they come in datagrams,
/// and each write costs a switch between threads.
const WRITE_BUFFER: usize = 256 << 10;

/// The output of a download. Every output digests the body, and a slow output slows the transfer.
pub struct Output(Kind);

enum Kind {
    Verify,
    File(PathBuf),
    Writer(Box<dyn AsyncWrite + Send + Unpin>),
}

impl Output {
    /// An output that only digests the body.
    pub fn verify() -> Self {
        Self(Kind::Verify)
    }

    /// A file. A regular one appears, or is replaced, only when the whole body is on the disk; a pipe or a device is
    /// written to as the body arrives.
    ///
    /// # Errors
    /// The path leads to a folder.
    pub fn file(path: impl Into<PathBuf>) -> Result<Self, OutputError> {
        let path = path.into();
        if path.is_dir() { Err(OutputError::Folder { path }) } else { Ok(Self(Kind::File(path))) }
    }

    /// A writer, such as standard output, which gets the body through a buffer of 256 KiB and is flushed at its end.
    pub fn writer(writer: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        Self(Kind::Writer(Box::new(writer)))
    }

    /// Opens the output. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The file cannot be opened or created.
    pub(crate) async fn sink(self) -> Result<Sink, Fault> {
        match self.0 {
            Kind::Verify => Ok(Sink::verify()),
            Kind::Writer(writer) => Ok(Sink::stream(buffered(writer))),
            Kind::File(path) => open(&path)
                .await
                .map_err(|error| Fault::new(FaultKind::Save, format!("{}: {error}", path.display()))),
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Verify => f.write_str("Verify"),
            Kind::File(path) => f.debug_tuple("File").field(path).finish(),
            Kind::Writer(_) => f.write_str("Writer"),
        }
    }
}

/// The reason why a path cannot be an output.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// The path leads to a folder.
    #[error("{}: it is a folder; name a file", path.display())]
    Folder {
        /// The path.
        path: PathBuf,
    },
}

/// A pipe or a device cannot be replaced by a whole file, only written to.
async fn open(path: &Path) -> Result<Sink, SaveError> {
    if tokio::fs::metadata(path).await.is_ok_and(|metadata| !metadata.is_file()) {
        let file = OpenOptions::new().write(true).open(path).await?;
        return Ok(Sink::stream(buffered(file)));
    }
    let name = path.file_name().unwrap_or_default().to_str().ok_or(NameError::NotText)?;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = Folder::open(folder.unwrap_or(Path::new(".")))?;
    Ok(Sink::save(Saver::begin(&folder, SafeName::of_user(name)?)?))
}

fn buffered<W: AsyncWrite>(output: W) -> BufWriter<W> {
    BufWriter::with_capacity(WRITE_BUFFER, output)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn a_folder_is_no_output() {
        assert_eq!(Output::file("/").unwrap_err().to_string(), "/: it is a folder; name a file");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_made_is_a_fault_of_saving_that_names_it() {
        let text = Path::new(std::ffi::OsStr::from_bytes(b"/tmp/\xff"));
        for (path, part) in [(Path::new("/no/such/file"), "/no/such/file"), (text, "not UTF-8")] {
            let fault = Output::file(path).unwrap().sink().await.err().unwrap();
            assert!(fault.kind == FaultKind::Save && fault.message.contains(part), "{fault:?}");
        }
    }
}
