//! A capture of loopback by tshark.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// The address of the server: no other program of this machine is expected to use it.
pub(super) const ADDRESS: &str = "127.0.0.77";

/// The line that tshark prints on stderr once it captures.
const STARTED: &str = "Capture started";

/// The time within which the last packets reach tshark.
const SETTLED: Duration = Duration::from_secs(1);

/// Returns the version of tshark; `None` if it is not installed.
pub(super) fn version() -> Option<String> {
    let output =
        Command::new("tshark").arg("--version").output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().map(|line| line.trim_end_matches('.').to_owned())
}

/// A running capture. Dropping it ends tshark.
pub(super) struct Capture {
    tshark: Child,
    file: PathBuf,
}

impl Capture {
    /// Begins to capture into a file in `folder`. Returns `None` if this user may not.
    pub(super) fn begin(folder: &Path) -> Result<Option<Self>> {
        let file = folder.join("capture.pcapng");
        let mut tshark = Command::new("tshark")
            // A buffer of 128 MiB holds the whole transfer, however late tshark reads it.
            .args(["-q", "-i", "lo", "-B", "128", "-f", &format!("host {ADDRESS}"), "-w"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start tshark")?;
        let stderr = tshark.stderr.take().context("tshark has no stderr")?;
        let capture = Self { tshark, file };
        let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
        if !lines.any(|line| line.contains(STARTED)) {
            return Ok(None);
        }
        // The rest of the output is read and dropped, so that a full pipe does not block tshark.
        thread::spawn(move || lines.for_each(drop));
        Ok(Some(capture))
    }

    /// Ends the capture. Returns its file.
    pub(super) fn end(mut self) -> Result<PathBuf> {
        thread::sleep(SETTLED);
        let pid = Pid::from_raw(i32::try_from(self.tshark.id()).context("a process id out of range")?);
        kill(pid, Signal::SIGINT).context("cannot end tshark")?;
        self.tshark.wait().context("cannot wait for tshark")?;
        Ok(self.file.clone())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // Neither call has an effect if tshark has ended.
        let _ = self.tshark.kill().and_then(|()| self.tshark.wait());
    }
}
