//! The functions of a program, from its symbol table.

use std::{ops::RangeInclusive, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

/// A function of a program.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Symbol {
    pub(super) name: String,
    pub(super) address: u64,
    /// The size, in bytes.
    pub(super) size: u64,
}

impl Symbol {
    /// Returns the functions of a program that was not stripped.
    pub(super) fn all(program: &Path) -> Result<Vec<Self>> {
        let output = Command::new("nm")
            .args(["--defined-only", "--print-size"])
            .arg(program)
            .output()
            .context("cannot start nm; install binutils")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let symbols: Vec<Self> = text.lines().filter_map(Self::parsed).collect();
        ensure!(!symbols.is_empty(), "{} has no names of functions", program.display());
        Ok(symbols)
    }

    /// Returns the numbers of the blocks of `length` bytes in which the function lies.
    pub(super) fn blocks(&self, length: u64) -> RangeInclusive<u64> {
        self.address / length..=self.address.saturating_add(self.size.saturating_sub(1)) / length
    }

    /// Reads a line of nm(1): address and size in hexadecimal digits, the letter of its section, and the name.
    fn parsed(line: &str) -> Option<Self> {
        let mut fields = line.split_whitespace();
        let mut number = || u64::from_str_radix(fields.next()?, 16).ok();
        let (address, size) = (number()?, number()?);
        let is_function = matches!(fields.next()?, "t" | "T");
        let name = fields.next()?.to_owned();
        is_function.then_some(Self { name, address, size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_alone_are_read() {
        let line = "00000000004c3d40 0000000000000022 T _start";
        let start = Symbol { name: "_start".into(), address: 0x4c3d40, size: 0x22 };
        assert_eq!(Symbol::parsed(line), Some(start.clone()));
        assert_eq!(Symbol::parsed("00000000004c3d40 0000000000000022 r table"), None);
        assert_eq!(Symbol::parsed("00000000004c3d40 T without_size"), None);
        let across = Symbol { address: 90, size: 20, ..start };
        assert_eq!((across.blocks(100), across.blocks(50)), (0..=1, 1..=2));
    }
}
