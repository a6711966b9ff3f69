//! The output of a download.

use std::{
    fmt,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use receiver::{
    Sink,
    save::{HeldFile, SaveError, Saver},
};
use record::{Fault, FaultKind, SinkKind};
use tokio::{
    io::{AsyncWrite, BufWriter},
    task::spawn_blocking,
};

use crate::{in_place::InPlace, part::Part, route::Route};

/// The number of bytes that are gathered for one write to a pipe or a device. Datagrams bring small pieces, and each
/// write costs a switch between threads.
const WRITE_BUFFER: usize = 256 << 10;

/// The output of a download: the use of the received bytes. A body that the server generates is digested, and a slow
/// output slows the transfer down.
pub struct Output {
    kind: Kind,
    /// True if a pipe, a device or a writer has been handed out, and may have bytes that cannot be taken back.
    is_spent: bool,
}

enum Kind {
    Verify,
    File(PathBuf),
    Writer(Option<Box<dyn AsyncWrite + Send + Unpin>>),
}

impl From<Kind> for Output {
    fn from(kind: Kind) -> Self {
        Self { kind, is_spent: false }
    }
}

impl Output {
    /// Creates an output that drops the body, after comparing its digest if that is known.
    pub fn verify() -> Self {
        Kind::Verify.into()
    }

    /// Creates an output into a file. A symbolic link is followed.
    ///
    /// A regular file appears, or is replaced, only when the whole body is on the disk and verified. A pipe or a device
    /// is written while the body arrives. A file that cannot be replaced, such as a mount point, is overwritten while
    /// the body arrives. The written bytes are removed from it if the transfer fails.
    ///
    /// # Errors
    /// Fails if the path leads to a folder.
    pub fn file(path: impl Into<PathBuf>) -> Result<Self, OutputError> {
        let path = path.into();
        if path.is_dir() { Err(OutputError::Folder { path }) } else { Ok(Kind::File(path).into()) }
    }

    /// Creates an output into a writer, such as standard output. The writer gets the body through a buffer of 256 KiB,
    /// and is flushed at the end of the body.
    pub fn writer(writer: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        Kind::Writer(Some(Box::new(writer))).into()
    }

    /// Returns the use of the bytes in the form of a record. `save:-` means a writer, such as standard output.
    pub(crate) fn kind(&self) -> SinkKind {
        match &self.kind {
            Kind::Verify => SinkKind::Verify,
            Kind::Writer(_) => SinkKind::Save("-".into()),
            Kind::File(path) => {
                let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                SinkKind::Save(folder.unwrap_or(Path::new(".")).to_owned())
            }
        }
    }

    /// Returns whether the output keeps the body: a file or a writer.
    pub(crate) fn is_kept(&self) -> bool {
        !matches!(self.kind, Kind::Verify)
    }

    /// Returns the path of the file; `None` if the output is not a file.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.kind {
            Kind::File(path) => Some(path),
            Kind::Verify | Kind::Writer(_) => None,
        }
    }

    /// Returns whether the output can be opened, also after an earlier body that failed.
    pub(crate) fn can_be_opened(&self) -> bool {
        !self.is_spent
    }

    /// Opens the output for a body with the length `announced`, if it is known. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Fails if the file cannot be opened or created, or if a writer was handed out before.
    pub(crate) async fn open(&mut self, announced: Option<u64>) -> Result<(Sink, Completion), Fault> {
        let opened = match &mut self.kind {
            Kind::Verify => return Ok((Sink::verify(), Completion::Nothing)),
            Kind::Writer(writer) => {
                let writer = writer.take();
                let writer = writer.ok_or_else(|| Fault::new(FaultKind::Save, "the output is in use"))?;
                (Sink::stream(buffered(writer)), Completion::Nothing)
            }
            Kind::File(path) => open(path, announced)
                .await
                .map_err(|error| Fault::new(FaultKind::Save, format!("{}: {error}", path.display())))?,
        };
        // An output without a remaining step may hold bytes of this body, and cannot be opened again.
        self.is_spent = matches!(opened.1, Completion::Nothing);
        Ok(opened)
    }
}

/// The step that remains once the content of the body is verified. If this value is dropped instead, nothing of the
/// body stays under the name of the output.
#[derive(Debug, Default)]
pub(crate) enum Completion {
    /// No step: the bytes were only digested, or a pipe or a device has them.
    #[default]
    Nothing,
    /// The complete file gets its name.
    Name(HeldFile),
    /// The file was overwritten in place, and has to reach the disk.
    Keep(InPlace),
    /// The file was completed as a part that a later download can resume, and gets its name.
    Part(Box<Part>),
}

impl Completion {
    /// Completes the output: a file gets its name, and its bytes reach the disk.
    ///
    /// # Errors
    /// Fails if the file cannot get its name, or its bytes do not reach the disk.
    pub(crate) async fn keep(self) -> Result<(), Fault> {
        let kept = match self {
            Self::Nothing => Ok(()),
            Self::Name(held) => held.keep().await,
            Self::Keep(in_place) => in_place.keep().await.map_err(SaveError::from),
            Self::Part(part) => {
                let finished =
                    spawn_blocking(move || part.finish()).await.map_err(io::Error::other).flatten();
                finished.map_err(SaveError::from)
            }
        };
        kept.map_err(|error| Fault::new(FaultKind::Save, error))
    }

    /// Drops the output, because its content is wrong. A part is removed, although it would otherwise stay for a later
    /// download.
    pub(crate) fn discard(self) {
        if let Self::Part(part) = self {
            part.discard();
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
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
        /// The path of the output.
        path: PathBuf,
    },
}

/// Opens the sink of a path. A regular file is replaced as a whole, if that is possible. Anything else but the null device is
/// written to while the body arrives.
async fn open(path: &Path, announced: Option<u64>) -> Result<(Sink, Completion), SaveError> {
    let route = path.to_owned();
    match spawn_blocking(move || Route::of(&route)).await.map_err(io::Error::other)?? {
        Route::Stream(file) => {
            Ok((Sink::stream(buffered(tokio::fs::File::from_std(file))), Completion::Nothing))
        }
        Route::Null => Ok((Sink::verify(), Completion::Nothing)),
        Route::Append(file) => in_place(file),
        Route::Replace(path) => match Saver::begin_at(&path, announced).await {
            Ok(saver) => {
                let (sink, held) = Sink::hold(saver);
                Ok((sink, Completion::Name(held)))
            }
            Err(SaveError::Io(refused)) if is_refused(&refused) => {
                let file = spawn_blocking(move || Route::overwrite(&path)).await.map_err(io::Error::other)?;
                in_place(file.map_err(|error| SaveError::Io(decisive(refused, error)))?)
            }
            Err(error) => Err(error),
        },
    }
}

/// Returns the error to report if a file can neither be created in its folder nor be overwritten. The first error
/// decides if nothing can be overwritten, or if overwriting is refused as well.
fn decisive(creating: io::Error, overwriting: io::Error) -> io::Error {
    let adds_nothing = overwriting.kind() == io::ErrorKind::NotFound || is_refused(&overwriting);
    if adds_nothing { creating } else { overwriting }
}

/// Returns whether an error means that no file can be created in a folder. An existing file in the folder may still be
/// writable.
fn is_refused(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

fn in_place(file: File) -> Result<(Sink, Completion), SaveError> {
    let (writer, in_place) = InPlace::new(file)?;
    Ok((Sink::stream(buffered(writer)), Completion::Keep(in_place)))
}

fn buffered<W: AsyncWrite>(output: W) -> BufWriter<W> {
    BufWriter::with_capacity(WRITE_BUFFER, output)
}

#[cfg(test)]
mod tests {
    use receiver::Reception;

    use super::*;

    #[test]
    fn a_folder_is_no_output() {
        assert_eq!(Output::file("/").unwrap_err().to_string(), "/: it is a folder; name a file");
    }

    #[test]
    fn a_file_that_cannot_be_overwritten_for_a_reason_of_its_own_states_that_reason() {
        let reported = |overwriting: io::ErrorKind| {
            decisive(io::ErrorKind::ReadOnlyFilesystem.into(), overwriting.into()).kind()
        };
        assert_eq!(reported(io::ErrorKind::NotFound), io::ErrorKind::ReadOnlyFilesystem);
        assert_eq!(reported(io::ErrorKind::PermissionDenied), io::ErrorKind::ReadOnlyFilesystem);
        assert_eq!(reported(io::ErrorKind::ExecutableFileBusy), io::ErrorKind::ExecutableFileBusy);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_made_is_a_fault_of_saving_that_names_it() {
        let fault = Output::file("/no/such/file").unwrap().open(None).await.err().unwrap();
        assert!(fault.kind == FaultKind::Save && fault.message.contains("/no/such/file"), "{fault:?}");
    }

    async fn fetch(path: &Path, text: &'static str) -> Completion {
        let (sink, completion) = Output::file(path).unwrap().open(None).await.unwrap();
        let (body, meter) = (http_body_util::Full::from(text), metrics::Meter::new(1));
        Reception::of(body, &meter).into_sink(sink).run().await.unwrap();
        completion
    }

    #[tokio::test]
    async fn a_file_gets_its_content_only_when_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        drop(fetch(&path, "wrong").await);
        assert!(!path.exists());
        fetch(&path, "right").await.keep().await.unwrap();
        drop(fetch(&path, "wrong").await);
        assert_eq!(std::fs::read(&path).unwrap(), b"right");
    }

    #[tokio::test]
    async fn a_link_stays_a_link_and_its_target_gets_the_content() {
        let folder = tempfile::tempdir().unwrap();
        let (link, target) = (folder.path().join("link"), folder.path().join("target"));
        std::os::unix::fs::symlink("target", &link).unwrap();
        for text in ["one", "two"] {
            fetch(&link, text).await.keep().await.unwrap();
            assert!(link.is_symlink());
            assert_eq!(std::fs::read(&target).unwrap(), text.as_bytes());
        }
    }
}
