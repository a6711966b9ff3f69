//! Saved bodies: piece by piece into a hidden file, then onto the disk, then under the file's name.
//!
//! A [`Folder`] is opened once. For each body, a [`Saver`] writes a hidden file in it, which gets its [`SafeName`] only
//! when all bytes are on the disk. A reader of the folder therefore never sees a part of a body.
//!
//! ```
//! use http_body_util::Full;
//! use longhaul_metrics::Meter;
//! use longhaul_receiver::{
//!     Reception, Sink,
//!     save::{Folder, SafeName, Saver},
//! };
//! # use metrics as longhaul_metrics;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let directory = tempfile::tempdir()?;
//! let folder = Folder::open(directory.path())?;
//! let saver = Saver::begin(&folder, SafeName::parse("a")?)?;
//! let meter = Meter::new(1 << 20);
//! Reception::of(Full::from("abc"), &meter).into_sink(Sink::save(saver)).run().await?;
//! assert_eq!(std::fs::read(directory.path().join("a"))?, b"abc");
//!
//! assert!(SafeName::parse("../a").is_err());
//! # Ok(())
//! # }
//! ```

mod error;
mod folder;
mod name;
mod room;
mod saver;
mod writer;

pub use error::SaveError;
pub use folder::Folder;
pub use name::{NameError, SafeName};
pub(crate) use room::footprint;
pub use saver::Saver;
