//! The commands that prove constant memory, or that repeat a proof which decided nothing.

use std::collections::{BTreeMap, BTreeSet};

use record::{Axis, ByteSize, LIMITS, PROTOCOLS, Protocol};

use crate::Row;

/// The values of flags, by their names.
type Flags = BTreeMap<String, String>;

/// The factor by which the bodies of a repetition are larger, unless the default sizes of `prove` are.
const LARGER: u64 = 4;

/// The largest body of `prove` by default, without an emulated network.
const DEFAULT_LARGEST: ByteSize = ByteSize(4 << 30);

/// The fewest sizes of body that show how peak RSS follows the size.
const FEWEST_SIZES: usize = 3;

/// Returns the command that proves that the memory of rows is constant; `None` if a peer or another program took part.
pub(super) fn proof(rows: &[&Row<'_>]) -> Option<String> {
    command(rows, flags(rows, limit_flags))
}

/// Returns the command that repeats the proof of these rows with twice their rounds, and with the sizes of `prove` if
/// the user gave too few for peak RSS.
pub(super) fn with_more_rounds(rows: &[&Row<'_>]) -> Option<String> {
    let last = rows.iter().flat_map(|row| &row.records).map(|record| record.round).max()?;
    let mut flags = flags_of_proof(rows);
    let sizes: BTreeSet<ByteSize> = rows.iter().map(|row| row.case.body).collect();
    if sizes.len() >= FEWEST_SIZES {
        flags.extend(given(rows, "size", || joined(sizes.into_iter())));
    }
    flags.insert("rounds".into(), last.saturating_add(1).saturating_mul(2).to_string());
    command(rows, flags)
}

/// Returns the command that repeats the proof of these rows with larger bodies: those that `prove` has by default, if
/// the user gave smaller ones.
pub(super) fn with_larger_bodies(rows: &[&Row<'_>]) -> Option<String> {
    let mut flags = flags_of_proof(rows);
    let largest = rows.iter().map(|row| row.case.body).max()?;
    let is_default_larger = is_given(rows, "size") && largest < DEFAULT_LARGEST;
    if !is_default_larger || flags.contains_key("network") {
        let larger = rows.iter().map(|row| ByteSize(row.case.body.0.saturating_mul(LARGER)));
        flags.insert("size".into(), joined(larger));
    }
    command(rows, flags)
}

fn command(rows: &[&Row<'_>], flags: Flags) -> Option<String> {
    if rows.iter().any(|row| row.key.peer.is_some()) {
        return None;
    }
    let named: Vec<&str> = PROTOCOLS
        .iter()
        .map(|protocol| protocol.name)
        .filter(|name| rows.iter().any(|row| row.case.protocol == *name))
        .collect();
    let proven: Vec<&str> =
        PROTOCOLS.iter().filter(|protocol| Protocol::is_http(protocol)).map(|row| row.name).collect();
    let mut command = "longhaul prove".to_owned();
    if named != proven && !named.is_empty() {
        command += &format!(" --protocol {}", named.join(","));
    }
    flags.iter().for_each(|(flag, value)| command += &format!(" --{flag} {value}"));
    Some(command)
}

/// Returns the flags of the axes of a proof, except those of its protocols, its bodies and its rounds.
fn flags_of_proof(rows: &[&Row<'_>]) -> Flags {
    let mut flags = flags(rows, |axis| {
        let of_setting = setting_flag(axis).map(|(flag, value)| vec![(flag.to_owned(), value.to_owned())]);
        of_setting.unwrap_or_else(|| limit_flags(axis))
    });
    // Only the rows of the slow reader have its rate.
    let mut settings = rows.iter().flat_map(|row| &row.key.case.axes).filter_map(setting_flag);
    let rate = settings.rfind(|(flag, _)| *flag == "reader-rate");
    flags.extend(rate.map(|(flag, value)| (flag.to_owned(), value.to_owned())));
    flags.extend(given(rows, "direction", || joined(rows.iter().map(|row| row.case.direction))));
    flags.extend(given(rows, "chunk-size", || joined(rows.iter().map(|row| row.key.case.chunk))));
    flags
}

/// Returns a flag with its value, if the user gave the flag. Otherwise its default applies again.
fn given(rows: &[&Row<'_>], flag: &str, value: impl FnOnce() -> String) -> Option<(String, String)> {
    is_given(rows, flag).then(|| (flag.to_owned(), value()))
}

/// Returns whether the command line of any record has a flag. A file of flags may have any flag.
fn is_given(rows: &[&Row<'_>], flag: &str) -> bool {
    let names = |word: &str| {
        let name = word.strip_prefix("--").and_then(|word| word.split('=').next());
        name.is_some_and(|name| name == flag || name == "config")
    };
    let commands = rows.iter().flat_map(|row| &row.records).filter_map(|record| record.command.as_deref());
    commands.flat_map(str::split_whitespace).any(names)
}

/// Returns distinct values in their order, separated by commas.
fn joined<T: Ord + ToString>(values: impl Iterator<Item = T>) -> String {
    let distinct: BTreeSet<T> = values.collect();
    distinct.iter().map(T::to_string).collect::<Vec<_>>().join(",")
}

/// Returns the flags of the axes that all rows have in common to which they apply.
fn flags(rows: &[&Row<'_>], flags_of: impl Fn(&Axis) -> Vec<(String, String)>) -> Flags {
    let (mut of_axis, mut of_protocol): (BTreeMap<&Axis, usize>, BTreeMap<&str, usize>) = Default::default();
    for row in rows {
        *of_protocol.entry(&row.case.protocol).or_default() += 1;
        row.key.case.axes.iter().for_each(|axis| *of_axis.entry(axis).or_default() += 1);
    }
    let is_common = |axis: &Axis, count: usize| {
        let applies = of_protocol.iter().filter(|(protocol, _)| applies_to(axis, protocol));
        count >= applies.map(|(_, rows)| rows).sum()
    };
    let common = of_axis.into_iter().filter(|(axis, count)| is_common(axis, *count));
    common.flat_map(|(axis, _)| flags_of(axis)).collect()
}

/// Returns the flags of a limit or of a load; empty for any other axis.
fn limit_flags(axis: &Axis) -> Vec<(String, String)> {
    match axis {
        Axis::Load { connections, streams } => vec![
            ("connections".to_owned(), connections.to_string()),
            ("streams".to_owned(), streams.to_string()),
        ],
        Axis::Setting { name, value } if axis.is_limit() => vec![(name.clone(), value.clone())],
        Axis::Setting { .. } => Vec::new(),
    }
}

/// Returns the flag of a setting that is no limit, with its value. `None` for an axis whose value is not that of a flag.
fn setting_flag(axis: &Axis) -> Option<(&str, &str)> {
    let Axis::Setting { name, value } = axis else { return None };
    let flag = match (name.as_str(), value.as_str()) {
        // The rate follows from a measurement.
        ("reader", "quarter") => return None,
        ("reader", _) => "reader-rate",
        ("limit", _) => "limit-rate",
        ("network" | "threads" | "seed" | "spin", _)
        | ("sink", "discard" | "collect")
        | ("payload", "zero" | "cold") => name,
        _ => return None,
    };
    Some((flag, value))
}

/// Returns whether an axis applies to a protocol: a limit to those that it is for, any other axis to all.
fn applies_to(axis: &Axis, protocol: &str) -> bool {
    let Axis::Setting { name, .. } = axis else { return true };
    let limit = LIMITS.iter().find(|limit| limit.flag == name);
    limit.is_none_or(|limit| Protocol::by_name(protocol).is_some_and(|row| limit.applies_to(row)))
}
