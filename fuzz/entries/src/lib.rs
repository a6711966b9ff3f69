//! Entry points of the fuzz targets: each parses one format of untrusted input, and asserts properties of the result.
//!
//! A panic is a finding. The targets of cargo-fuzz in `fuzz/fuzz_targets` call these functions with generated input;
//! the tests of this crate call them with the files of `fuzz/corpus/NAME`, on any toolchain. Parsers that are private
//! to a crate have their entry points in its module `fuzzing`.

mod ceilings;
mod flags;
mod keys;
mod names;
mod receipts;
mod record_files;
mod records;
mod upload_fields;
mod urls;

pub use ceilings::ceilings;
pub use flags::flags;
pub use keys::keys;
pub use names::names;
pub use receipts::receipts;
pub use record_files::record_files;
pub use records::records;
pub use upload_fields::upload_fields;
pub use urls::urls;

/// An entry point, which accepts any bytes.
pub type Entry = fn(&[u8]);

/// All entry points, by the names of their targets and corpora.
pub const ENTRIES: &[(&str, Entry)] = &[
    ("ceilings", ceilings),
    ("flags", flags),
    ("keys", keys),
    ("names", names),
    ("receipts", receipts),
    ("record_files", record_files),
    ("records", records),
    ("upload_fields", upload_fields),
    ("urls", urls),
];
