//! A `longhaul serve`, and clients for it.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, SysconfVar, sysconf},
};
use record::{Protocol, Record};
use serde::Deserialize;

/// A server in a separate process, which is killed when the value is dropped.
pub(crate) struct Server {
    program: PathBuf,
    child: Child,
    listening: Listening,
}

/// The line that a server prints once it accepts connections.
#[derive(Deserialize)]
struct Listening {
    cleartext: String,
    tls: String,
    certificate: PathBuf,
}

impl Server {
    /// Starts a server that saves into a folder, with further flags.
    pub(crate) fn start(program: &Path, folder: &Path, flags: &[&str]) -> Result<Self> {
        let mut sink = OsString::from("save:");
        sink.push(folder);
        let flags = flags.iter().map(OsStr::new);
        Self::launch(program, [OsStr::new("--sink"), &sink].into_iter().chain(flags), Stdio::inherit())
    }

    /// Starts a server whose standard error goes to a file.
    pub(crate) fn logging(program: &Path, flags: &[&str], log: &Path) -> Result<Self> {
        let log = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
        Self::launch(program, flags.iter().map(OsStr::new), log.into())
    }

    fn launch<'f>(program: &Path, flags: impl Iterator<Item = &'f OsStr>, errors: Stdio) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("serve").args(flags).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).context("longhaul serve says nothing")?;
        }
        let listening = serde_json::from_str(&line);
        let listening = listening.with_context(|| format!("longhaul serve printed '{}'", line.trim()))?;
        Ok(Self { program: program.to_owned(), child, listening })
    }

    /// Starts an upload that is saved as `name`, and that prints its record on standard output.
    pub(crate) fn upload(&self, protocol: &Protocol, name: &str, flags: &[&str]) -> Result<Child> {
        let mut command = self.client("send", protocol, &format!("/?file={name}"), flags);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().with_context(|| format!("cannot start {}", self.program.display()))
    }

    /// Returns the command of a `longhaul send` or `fetch` of a path, which prints a record.
    pub(crate) fn client(&self, command: &str, protocol: &Protocol, path: &str, flags: &[&str]) -> Command {
        let mut client = Command::new(&self.program);
        client.arg(command).arg(self.url(protocol, path));
        client.args(["--protocol", protocol.name, "--json", "--quiet"]).args(flags);
        if protocol.is_encrypted() {
            client.arg("--cacert").arg(self.certificate());
        }
        client.stdin(Stdio::null());
        client
    }

    /// Returns the URL of a path for a protocol.
    pub(crate) fn url(&self, protocol: &Protocol, path: &str) -> String {
        let address = if protocol.is_encrypted() { self.tls() } else { self.cleartext() };
        format!("{}://{address}{path}", protocol.scheme())
    }

    /// Returns the address of the cleartext port.
    pub(crate) fn cleartext(&self) -> &str {
        &self.listening.cleartext
    }

    /// Returns the address of the ports for TLS and QUIC.
    pub(crate) fn tls(&self) -> &str {
        &self.listening.tls
    }

    /// Returns the file of the server's certificate.
    pub(crate) fn certificate(&self) -> &Path {
        &self.listening.certificate
    }

    /// Returns the process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Stops the server in good order.
    pub(crate) fn stop(mut self) -> Result<ExitStatus> {
        let pid = i32::try_from(self.pid()).context("a process without a usable number")?;
        kill(Pid::from_raw(pid), Signal::SIGTERM).context("cannot stop the server")?;
        self.child.wait().context("the server is lost")
    }

    /// Returns the RSS of the server now, in bytes.
    pub(crate) fn rss(&self) -> Result<u64> {
        self.memory("VmRSS:")
    }

    /// Returns the peak RSS of the server so far, in bytes.
    pub(crate) fn peak_rss(&self) -> Result<u64> {
        self.memory("VmHWM:")
    }

    /// Returns the processor time of the server so far, in seconds.
    pub(crate) fn cpu_s(&self) -> Result<f64> {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let ticks = ticks(&stat).with_context(|| format!("{path} has no processor time"))?;
        let per_second = sysconf(SysconfVar::CLK_TCK)?.context("no ticks of processor time")?;
        Ok(ticks as f64 / per_second as f64)
    }

    fn memory(&self, field: &str) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        memory(&status, field).with_context(|| format!("{path} has no {field}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // There is no need to wait for a process that is already gone, or that cannot be killed.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// Waits for an upload that has been started. Returns its record.
pub(crate) fn finish(upload: Child) -> Result<Record> {
    let output = upload.wait_with_output().context("an upload is lost")?;
    let reason = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.stdout.is_empty(), "longhaul send failed ({}): {}", output.status, reason.trim());
    Record::from_json(&output.stdout).context("longhaul send printed no record")
}

/// Returns a field of `/proc/PID/status`, in bytes (proc_pid_status(5); its kB are KiB).
fn memory(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// Returns user and system time from `/proc/PID/stat`, in clock ticks (proc_pid_stat(5), fields 14 and 15). The name of the program
/// in field 2 may have spaces and brackets.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut times = after_name.split_whitespace().skip(11).map(str::parse::<u64>);
    times.next()?.ok()?.checked_add(times.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use record::Case;

    use super::*;
    use crate::study::scripts;

    /// Returns a shell script in place of longhaul. It acts as a server, and as an upload that prints its arguments on
    /// standard error and then runs `sent`.
    fn program(folder: &Path, sent: &str) -> PathBuf {
        let program = folder.join("longhaul");
        let line =
            r#"{"event":"listening","cleartext":"127.0.0.1:1","tls":"127.0.0.1:2","certificate":"/c.pem"}"#;
        let serve = format!("serve) echo '{line}'; exec sleep 100 ;;");
        let script = format!("#!/bin/sh\ncase $1 in {serve} send) echo \"$*\" >&2; {sent} ;; esac\n");
        scripts::write(&program, &script);
        program
    }

    #[test]
    fn an_upload_goes_where_its_protocol_is_served_and_trusts_that_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&program(folder.path(), "exit 1"), folder.path(), &[]).unwrap();
        assert!(server.peak_rss().unwrap() > 0);
        let failure = |name: &str| {
            let upload = server.upload(Protocol::by_name(name).unwrap(), "some", &["--size", "1"]).unwrap();
            finish(upload).unwrap_err().to_string()
        };
        let (cleartext, secured) = (failure("h2c"), failure("h3"));
        assert!(
            cleartext.ends_with("send http://127.0.0.1:1/?file=some --protocol h2c --json --quiet --size 1")
        );
        assert!(
            secured.contains("https://127.0.0.1:2/?file=some") && secured.ends_with("--cacert /c.pem"),
            "{secured}"
        );
    }

    #[test]
    fn an_upload_is_a_record() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::new("some run", Case::new("h1c"));
        let sent = format!("cat <<'END'\n{}END\n", record.to_line().unwrap());
        let server = Server::start(&program(folder.path(), &sent), folder.path(), &[]).unwrap();
        let upload = server.upload(Protocol::by_name("h1c").unwrap(), "some", &[]).unwrap();
        assert_eq!(finish(upload).unwrap().run_id, "some run");
    }

    #[test]
    fn processor_time_is_that_of_user_and_system() {
        let stat = "7 (a) name) S 1 7 7 0 -1 4194560 90 0 0 0 250 31 4 5 20 0 1 0 99";
        assert_eq!((ticks(stat), ticks("7 (cut) S 1"), ticks("")), (Some(281), None, None));
    }

    #[test]
    fn a_peak_is_in_bytes() {
        assert_eq!(memory("VmPeak:\t  9 kB\nVmHWM:\t    12 kB\n", "VmHWM:"), Some(12 << 10));
        assert_eq!(memory("VmPeak:\t  9 kB\n", "VmHWM:"), None);
    }
}
