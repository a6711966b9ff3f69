//! The setups of rows. A setup names the axes that the rows of a chart have in common.

use std::collections::{HashMap, HashSet};

use crate::Row;

/// Returns the setup of each row, in the form of the name of a case. Limits differ between protocols, so a setup leaves
/// them out. It includes them if the protocol has rows with several sets of limits and equal other axes.
pub(super) fn setups(rows: &[Row<'_>]) -> Vec<String> {
    let others = |row: &Row<'_>| (row.case.protocol.clone(), row.key.case.without_limits().variant());
    let mut variants: HashMap<(String, String), HashSet<String>> = HashMap::new();
    for row in rows {
        variants.entry(others(row)).or_default().insert(row.key.case.variant());
    }
    let setup = |row: &Row<'_>| {
        let key = others(row);
        let is_single = variants.get(&key).is_some_and(|known| known.len() == 1);
        if is_single { key.1 } else { row.key.case.variant() }
    };
    rows.iter().map(setup).collect()
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
}
