//! Proofs, in tests, that memory stays constant whatever the size of the input.
//!
//! [`assert_constant_memory!`] runs a closure with inputs of several sizes, each in a fresh process of the test binary.
//! [`Proof::of_command`] runs another program, and [`Proof::watching`] watches one that runs already. While a run
//! lasts, the memory of its process and of all descendants is sampled. Memory is constant if it grows by no more than a
//! limit per GiB of input, both within the runs of the largest input and in its peaks over all sizes. This is the rule
//! of `longhaul prove`. A run ends with its program: processes that the program leaves behind are killed. To find them,
//! the current process becomes a subreaper (prctl(2)). If the current process is killed, Linux kills the program, but not
//! processes that the program has started. Figures come from Linux's `/proc`; on other systems, a proof
//! fails with an error.
//!
//! ```
//! use std::{fs::File, io};
//!
//! use longhaul_prove::assert_constant_memory;
//!
//! const MIB: u64 = 1 << 20;
//!
//! fn copy(bytes: u64) {
//!     let zeroes = io::Read::take(File::open("/dev/zero").unwrap(), bytes);
//!     io::copy(&mut io::BufReader::new(zeroes), &mut io::sink()).unwrap();
//! }
//!
//! assert_constant_memory!([256 * MIB, 1024 * MIB, 4096 * MIB], copy);
//! ```
//!
//! A program that keeps its whole input in memory is detected:
//!
//! ```
//! use std::process::Command;
//!
//! use longhaul_prove::Proof;
//!
//! # fn main() -> Result<(), longhaul_prove::ProveError> {
//! let whole = |bytes: u64| {
//!     let mut shell = Command::new("sh");
//!     shell.args(["-c", "x=$(head -c \"$0\" /dev/zero | tr '\\0' x)"]).arg(bytes.to_string());
//!     shell
//! };
//! let conclusion = Proof::of_command(whole).sizes([4 << 20, 16 << 20, 32 << 20]).run()?;
//! assert!(!conclusion.is_constant(), "{conclusion}");
//! # Ok(())
//! # }
//! ```
//!
//! With the feature `criterion`, benchmarks measure memory in place of time.

mod conclusion;
#[cfg(feature = "criterion")]
mod criterion;
mod isolated;
mod proof;
mod watched;

pub use analyse::Constancy;
pub use conclusion::Conclusion;
#[cfg(feature = "criterion")]
pub use criterion::{HeapBytes, PeakRss};
#[doc(hidden)]
pub use isolated::{Site, assert_constant};
pub use proof::{Proof, ProveError};
