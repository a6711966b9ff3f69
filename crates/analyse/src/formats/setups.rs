//! The setups of rows. A setup names the axes that the rows of a chart have in common.

use std::collections::{HashMap, HashSet};

use super::distinct;
use crate::Row;

/// Returns the setup of each row, in the form of the name of a case. Limits differ between protocols, so a setup leaves
/// them out. It includes them if the protocol has rows with several sets of limits and equal other axes. It includes label
/// and peer if rows differ in them.
pub(super) fn setups(rows: &[Row<'_>]) -> Vec<String> {
    let others = |row: &Row<'_>| (row.case.protocol.clone(), row.key.case.without_limits().variant());
    let mut variants: HashMap<(String, String), HashSet<String>> = HashMap::new();
    for row in rows {
        variants.entry(others(row)).or_default().insert(row.key.case.variant());
    }
    let has_several_names = distinct(rows.iter().map(name)).len() > 1;
    let setup = |row: &Row<'_>| {
        let key = others(row);
        let is_single = variants.get(&key).is_some_and(|known| known.len() == 1);
        let axes = if is_single { key.1 } else { row.key.case.variant() };
        if has_several_names { format!("{axes} {}", name(row)).trim().to_owned() } else { axes }
    };
    rows.iter().map(setup).collect()
}

/// Returns the label in quotation marks and the peer of a row, as far as it has them. A program in the place of one end
/// is no part of a setup, because charts leave its rows out.
fn name(row: &Row<'_>) -> String {
    let label = row.key.label.as_ref().map(|label| format!("'{label}'"));
    let peer = row.key.peer.clone().filter(|_| row.peer_end().is_none());
    label.into_iter().chain(peer).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use record::{H2_WINDOW, LimitValue, Record};

    use super::*;
    use crate::{
        Analysis,
        tests::{run, with},
    };

    fn windowed(protocol: &str, window: u64, connections: u32) -> Record {
        with(run(protocol), |record| {
            record.case.connections = connections;
            record.case.limits.set(&H2_WINDOW, LimitValue::Bytes(window)).unwrap();
        })
    }

    fn setups_of(records: &[Record]) -> Vec<String> {
        setups(&Analysis::of(records).rows)
    }

    #[test]
    fn a_limit_of_one_protocol_does_not_part_it_from_others() {
        let h1 = with(run("h1"), |record| record.case.connections = 2);
        assert_eq!(setups_of(&[h1.clone(), windowed("h2", 4 << 20, 2)]), ["c2s1", "c2s1"]);
        let both = [h1, windowed("h2", 4 << 20, 2), windowed("h2", 1 << 20, 2)];
        assert_eq!(setups_of(&both), ["c2s1", "c2s1+h2-window=1MiB", "c2s1+h2-window=4MiB"]);
    }

    #[test]
    fn labels_part_rows_only_if_there_are_several() {
        let by = |label: Option<&str>| with(run("h2"), |record| record.label = label.map(Into::into));
        assert_eq!(setups_of(&[by(Some("a"))]), [""]);
        assert_eq!(setups_of(&[by(Some("a")), by(None)]), ["", "'a'"]);
        let sent = with(run("h1"), |record| record.peer = Some("https://b/".into()));
        assert_eq!(setups_of(&[by(Some("a")), sent]), ["https://b/", "'a'"]);
    }
}
