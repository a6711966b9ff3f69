//! Sessions between two network namespaces with a veth pair.

use std::process::{Command, Output};

use serde_json::Value;

use super::{ALL, token};
use crate::common::{self, assert_all_good, records, text};

/// Runs a bench between two network namespaces: `$1` is the program, `$2` a folder, and the rest are flags of bench.
/// Everything ends with the script.
const BETWEEN_NAMESPACES: &str = r#"
set -e
program=$1 folder=$2 address=$3
shift 3
unshare --net sleep 120 & there=$!
trap 'kill $there $server 2>/dev/null' EXIT
while [ "$(readlink /proc/$there/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
in_there() { nsenter --target $there --net -- "$@"; }
ip link add client type veth peer name server netns $there
ip address add 10.77.0.1/24 dev client
ip address add fd77::1/64 dev client nodad
ip link set client up
in_there ip address add 10.77.0.2/24 dev server
in_there ip address add fd77::2/64 dev server nodad
in_there ip link set server up
[ "$program" = none ] && exit
nsenter --target $there --net -- "$program" serve --measure --listen-tls "$address" --token-file "$folder/token" > "$folder/announced" & server=$!
while ! [ -s "$folder/announced" ]; do sleep 0.05; done
pin=$(sed 's/.*"fingerprint":"\([^"]*\)".*/\1/' "$folder/announced")
"$program" bench --json --quiet --rounds 1 -o "$folder/results" --to "https://$address" --pin "$pin" \
    --token-file "$folder/token" "$@"
"#;

/// Returns the output of the script; `None`, with a message, if this user may not make namespaces.
fn between_namespaces(address: &str, args: &[&str]) -> Option<(Output, Vec<Value>)> {
    let folder = tempfile::tempdir().unwrap();
    token(folder.path(), "correct-horse", 0o600);
    let script = |program: &str| {
        let id = Command::new("id").arg("-u").output().unwrap();
        let is_root = id.stdout.trim_ascii() == b"0";
        let words = if is_root { vec!["--net"] } else { vec!["--net", "--map-root-user"] };
        let mut command = Command::new("timeout");
        command.args(["120", "unshare"]).args(words).args(["sh", "-c", BETWEEN_NAMESPACES, "sh"]);
        command.args([program, folder.path().to_str().unwrap(), address]).args(args).output().unwrap()
    };
    let tried = script("none");
    if !tried.status.success() {
        let reason = text(&tried.stderr);
        common::skip(&format!(
            "no two network namespaces here: {}",
            reason.lines().last().unwrap_or_default()
        ));
        return None;
    }
    let output = script(env!("CARGO_BIN_EXE_longhaul"));
    let printed = records(&text(&output.stdout));
    Some((output, printed))
}

/// Checks runs whose packets cannot have gone over loopback.
fn assert_over_network(address: &str, server: &str) {
    let args = [&ALL[..], &["--chunk-size", "64KiB"]].concat();
    let Some((output, records)) = between_namespaces(address, &args) else { return };
    assert_all_good(&output, &records, 16);
    for record in &records {
        assert_eq!(record["link"]["address"], server, "{}", record["case"]["name"]);
        let mtu = record["link"]["mtu"].as_u64();
        assert!(mtu.is_none_or(|mtu| mtu <= 1500), "{mtu:?}: loopback has larger packets");
    }
}

#[test]
fn both_ends_are_measured_between_two_namespaces_over_ipv4() {
    assert_over_network("10.77.0.2:8434", "10.77.0.2");
}

#[test]
fn both_ends_are_measured_between_two_namespaces_over_ipv6() {
    assert_over_network("[fd77::2]:8434", "fd77::2");
}
