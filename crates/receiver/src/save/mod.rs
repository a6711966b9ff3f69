//! The saving of bodies: piece by piece into a file without a name, which gets its name when all bytes are on the disk.
//!
//! A [`Folder`] is opened once. For each body, a [`Saver`] writes an unnamed file in it, which gets its [`SafeName`]
//! only when all bytes are on the disk. A reader of the folder therefore never sees a part of a body, and nothing is
//! left behind when a process is killed. On file systems without unnamed files, hidden files replace them.
//!
//! All work that may wait for the disk runs on blocking threads of tokio, unless the documentation of a function says
//! that it waits.
//!
//! ```
//! use http_body_util::Full;
//! use longhaul_metrics::Meter;
//! use longhaul_receiver::{
//!     Reception, Sink,
//!     save::{Existing, Folder, SafeName, Saver},
//! };
//! # use metrics as longhaul_metrics;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let directory = tempfile::tempdir()?;
//! let folder = Folder::open(directory.path())?;
//! let saver = Saver::begin(&folder, &SafeName::parse("a")?, Existing::Replace, None).await?;
//! let meter = Meter::new(1 << 20);
//! Reception::of(Full::from("abc"), &meter).into_sink(Sink::save(saver)).run().await?;
//! assert_eq!(std::fs::read(directory.path().join("a"))?, b"abc");
//!
//! assert!(SafeName::parse("../a").is_err());
//! # Ok(())
//! # }
//! ```

mod abandoned;
mod claim;
mod decision;
mod draft;
mod error;
mod folder;
mod held;
mod name;
mod partial;
mod permissions;
mod quota;
mod room;
mod saver;
#[cfg(test)]
mod tests;
mod unfinished;
mod version;
mod writer;

pub use error::SaveError;
pub use folder::Folder;
pub use held::HeldFile;
pub(crate) use held::Slot;
pub use name::{NameError, SafeName};
pub use partial::Partial;
pub use permissions::inherit_permissions;
pub use quota::Quota;
pub(crate) use room::footprint;
pub use saver::Saver;
pub use version::FileVersion;

/// The treatment of an earlier file with the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Replaces the file. Readers see either the whole old file or the whole new file.
    #[default]
    Replace,
    /// Keeps the file. Saving the body fails, even if the file appears at the last moment.
    Keep,
    /// Replaces the file. Where that is impossible, as at a mount point, overwrites its content with the whole body.
    Overwrite,
    /// Replaces the file if it is the given version when the body is complete. Otherwise keeps the file, and saving
    /// fails. Of several bodies that replace one version, the first wins. A replacement by another program at the same
    /// moment is not noticed.
    Unchanged(FileVersion),
}
