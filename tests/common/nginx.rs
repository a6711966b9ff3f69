//! A running nginx, which `scripts/peers` installs.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use super::{ports::wait_for, transfer::Ended};

/// Starts nginx with server blocks, whose files lie in `folder`. Waits until nginx listens on `port`.
pub fn nginx(peers: &Path, folder: &Path, servers: &str, port: u16) -> Ended {
    let config = format!(
        "user root;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n\
         http {{\n access_log off;\n client_max_body_size 0;\n{temporary}{servers}}}\n",
        folder = folder.display(),
        temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!(" {kind}_temp_path {}/{kind};\n", folder.display()))
            .concat(),
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, config).unwrap();
    let mut nginx = Command::new(peers.join("bin/nginx"));
    nginx.args(["-g", "daemon off; master_process off;", "-c"]).arg(&file).arg("-p").arg(folder);
    let nginx = Ended(nginx.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    wait_for(port);
    nginx
}
