//! `longhaul peers`: lists the programs that `bench --peer` knows.

use std::fmt::Write as _;

use analyse::Verdict;
use record::Direction;
use subject::peers::Peer;

use crate::output::print;

/// Runs `longhaul peers`.
pub(super) fn main() -> anyhow::Result<Verdict> {
    let listed: Vec<String> = Peer::known().iter().map(describe).collect();
    print(&format!(
        "{}\nOthers: longhaul bench --peer NAME=CMD (see longhaul bench --help)\n",
        listed.join("\n")
    ))?;
    Ok(Verdict::Good)
}

/// Returns the lines about a peer.
fn describe(peer: &Peer) -> String {
    let mut lines = format!("{} ({})\n", peer.name(), peer.role());
    let found = match peer.installed() {
        Some(installed) => {
            let version = installed.version.map_or_else(String::new, |version| format!(", {version}"));
            format!("{}{version}", installed.path.display())
        }
        None => format!("missing: {}", peer.remedy()),
    };
    let mut add = |name: &str, text: &str| {
        // Writing to a string never fails.
        let _ = writeln!(lines, "  {name:<10}{text}");
    };
    add("installed", &found);
    add("protocols", &peer.protocols().join(" "));
    for direction in [Direction::Up, Direction::Down] {
        let command = peer.command_line(direction);
        add(&direction.to_string(), command.as_deref().unwrap_or("not at all"));
    }
    add("remark", peer.remark());
    lines
}
