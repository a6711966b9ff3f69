//! The evidence that the program under proof serves the URL itself, so that its memory is that of a transfer.
//!
//! A process that is named by mistake, or the command that starts a container elsewhere, neither listens at the port of
//! the URL nor works during the transfer. A program behind another one, such as a proxy, does not listen there, but it
//! works.

use std::time::Duration;

use client::Target;
use process::TreeTimes;
use record::{ByteSize, Fault, FaultKind, redacted_url};

use crate::processes::Processes;

/// The bytes of a body per second of processor time that no program exceeds. A core of a virtual machine (Xeon) copied
/// 4 GB/s, and sent 8 GB/s over loopback by sendfile(2).
const FASTEST: f64 = 100e9;

/// A program of which a transfer is expected.
pub(crate) struct Service<'a> {
    processes: Option<&'a Processes>,
    name: &'a str,
    target: &'a Target,
    before: TreeTimes,
}

impl<'a> Service<'a> {
    /// Notes the processor time of a program before a transfer with `target`.
    pub(crate) fn expected(processes: Option<&'a Processes>, name: &'a str, target: &'a Target) -> Self {
        let before = processes.map(|processes| {
            processes.find_descendants();
            processes.tree().times()
        });
        Self { processes, name, target, before: before.unwrap_or_default() }
    }

    /// Checks, after `bytes` bytes of a body have moved, that the program can have moved them. A program whose process
    /// is unknown passes.
    ///
    /// # Errors
    /// Fails if the program neither listens at the port of the target nor has used enough processor time.
    pub(crate) fn check(&self, bytes: u64) -> Result<(), Fault> {
        let Some(processes) = self.processes else { return Ok(()) };
        processes.find_descendants();
        let tree = processes.tree();
        let used = tree.times().since(&self.before);
        let least = Duration::from_secs_f64(bytes as f64 / FASTEST);
        if used >= least || tree.listens_at(self.target.port()) {
            return Ok(());
        }
        let (name, url) = (self.name, redacted_url(&self.target.url()));
        let what = format!(
            "{name} neither listens at {url} nor has worked while {} moved ({:.3} ms of processor time), so its memory is \
             not that of the server; name the process that serves this URL by --watch PID",
            ByteSize(bytes),
            used.as_secs_f64() * 1e3
        );
        Err(Fault::new(FaultKind::Program, what))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
        process::{Child, Command, Stdio},
    };

    use super::*;

    const BODY: u64 = 4 << 20;

    fn target(port: u16) -> Target {
        Target::parse(&format!("http://127.0.0.1:{port}/")).unwrap()
    }

    fn end(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_that_sleeps_while_another_one_serves_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sleep = Command::new("sleep").arg("37").spawn().unwrap();
        // The start of the process takes processor time.
        while !std::fs::read_to_string(format!("/proc/{}/stat", sleep.id())).unwrap().contains(") S ") {
            std::thread::sleep(Duration::from_millis(5));
        }
        let processes = Processes::running(sleep.id()).unwrap();
        let target = target(listener.local_addr().unwrap().port());
        let fault = Service::expected(Some(&processes), "sleep", &target).check(BODY);
        let own = Processes::running(std::process::id()).unwrap();
        let own = Service::expected(Some(&own), "it", &target).check(u64::MAX);
        end(sleep);
        let message = fault.unwrap_err().message;
        assert!(message.starts_with("sleep neither listens at http://127.0.0.1:"), "{message}");
        assert!(message.contains("while 4MiB moved") && message.contains("--watch PID"), "{message}");
        assert_eq!(own, Ok(()), "it listens there");
        assert_eq!(Service::expected(None, "it", &target).check(BODY), Ok(()), "its process is unknown");
    }

    #[test]
    fn a_program_behind_another_one_is_known_by_its_work() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let processes = Processes::running(cat.id()).unwrap();
        let target = target(listener.local_addr().unwrap().port());
        let service = Service::expected(Some(&processes), "cat", &target);
        let sent = std::thread::spawn(move || {
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let mut passed = listener.accept().unwrap().0;
            let block = vec![1; 64 << 10];
            for _ in 0..BODY / block.len() as u64 {
                client.write_all(&block).unwrap();
                let mut read = vec![0; block.len()];
                passed.read_exact(&mut read).unwrap();
                cat.stdin.as_mut().unwrap().write_all(&read).unwrap();
            }
            cat
        });
        let cat = sent.join().unwrap();
        assert_eq!(service.check(BODY), Ok(()));
        end(cat);
    }
}
