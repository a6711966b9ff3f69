//! Manual pages: clap's sections, and the further sections of help.

use std::io;

use clap::Command;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use crate::flags::{self, Section};

/// Returns the manual page of a command, whose parents must be built.
///
/// # Errors
/// Writing to memory does not fail.
pub(super) fn page(command: &Command) -> io::Result<Vec<u8>> {
    // clap_mangen would leave out the texts of flags that are hidden in short help.
    let whole = command.clone().mut_args(|arg| arg.hide_short_help(false));
    let man = Man::new(whole).source(concat!("longhaul ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    for section in flags::sections(command.get_name()) {
        further(&section).to_writer(&mut page)?;
    }
    Ok(page)
}

fn further(section: &Section) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [section.title.to_uppercase().as_str()]);
    for (name, meaning) in &section.entries {
        roff.control("TP", []);
        roff.text([bold(name.as_str())]);
        roff.text([roman(*meaning)]);
    }
    roff
}
