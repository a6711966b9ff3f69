//! A running Caddy, which `scripts/peers` installs.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use super::{ports::wait_for, transfer::Ended};

/// Starts Caddy with sites, whose files lie in `folder`. Waits until Caddy listens on `port`.
pub fn caddy(peers: &Path, folder: &Path, sites: &str, port: u16) -> Ended {
    let config = format!(
        "{{\n admin off\n auto_https off\n persist_config off\n servers {{\n protocols h1 h2 h2c h3\n }}\n}}\n{sites}"
    );
    let file = folder.join("Caddyfile");
    fs::write(&file, config).unwrap();
    let mut caddy = Command::new(peers.join("bin/caddy"));
    caddy.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file).env("HOME", folder);
    let caddy = Ended(caddy.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    wait_for(port);
    caddy
}
