//! The programs of both ends in tables, if one of them is not longhaul.

use record::End;

use crate::{Analysis, Row};

/// The explanation of the programs, which stands below a table.
const LEGEND: &str = "a→b: the programs of the sender and of the receiver, both longhaul where none are named; longhaul's chunk\n\
    size has no effect on what others send (-)\n";

/// Returns the explanation of the programs; empty if all ends are longhaul's own.
pub(super) fn legend(analysis: &Analysis<'_>) -> &'static str {
    if analysis.rows.iter().any(|row| row.peer_end().is_some()) { LEGEND } else { "" }
}

/// Returns the name of a row in two parts: the name of the series, and an empty text. If a program took the place of
/// one end, the parts are the name of the case, and both programs as `sender→receiver`.
pub(super) fn name(row: &Row<'_>) -> [String; 2] {
    let Some(end) = row.peer_end() else { return [row.key.to_string(), String::new()] };
    let mut case = row.key.clone();
    let peer = case.peer.take().unwrap_or_default();
    match end {
        End::Receiver => [case.to_string(), format!("longhaul→{peer}")],
        End::Sender => [any_chunk(&case.to_string()), format!("{peer}→longhaul")],
    }
}

/// Returns the name of a case whose chunk size has no effect: protocol, direction, `-`, body and the rest.
fn any_chunk(name: &str) -> String {
    let parts = name.split('/').enumerate().map(|(place, part)| if place == 2 { "-" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use record::{Direction, PeerProgram, Subject};

    use super::*;
    use crate::tests::{run, with};

    #[test]
    fn a_program_in_the_place_of_one_end_stands_beside_longhauls_own() {
        let of = |protocol: &str, direction: Direction, peer: Option<(&str, Subject)>| {
            with(run(protocol), |record| {
                record.case.direction = direction;
                record.peer = peer.map(|(name, _)| name.into());
                record.subject = peer.map(|(_, role)| role);
                record.peer_program = peer.map(|_| PeerProgram { version: None, command: "x".into() });
            })
        };
        let (curl, nginx) = (Some(("curl", Subject::Client)), Some(("nginx", Subject::Server)));
        let (up, down) = (Direction::Up, Direction::Down);
        let records = [
            of("h2", up, curl),
            of("h1c", up, nginx),
            of("h1c", up, curl),
            of("h2", up, None),
            of("h1c", down, nginx),
            of("h1c", up, None),
        ];
        let rows = Analysis::of(&records).rows;
        let names: Vec<_> = rows.iter().map(|row| name(row).join(" ")).collect();
        let expected = [
            "h1c/up/64KiB/2GiB ",
            "h1c/up/-/2GiB curl→longhaul",
            "h1c/up/64KiB/2GiB longhaul→nginx",
            "h2/up/64KiB/2GiB ",
            "h2/up/-/2GiB curl→longhaul",
            "h1c/down/-/2GiB nginx→longhaul",
        ];
        assert_eq!(names, expected);
    }
}
