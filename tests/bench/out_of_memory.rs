//! A worker that the kernel kills because its cgroup is out of memory.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use crate::common::{Out, longhaul, records, skip};

/// The limit, in bytes: far less than the payload block of a sender with chunks of 64 MiB.
const LIMIT: &str = "62914560";

/// A cgroup with a limit of memory, below the one of this process.
struct Limited(PathBuf);

impl Limited {
    /// Creates the cgroup. Returns `None` if this user may not: in containers, and without root.
    fn make() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let path = |kind: &str| {
            own.lines().find_map(|line| line.split_once(kind)).map(|(_, path)| path.trim_start_matches('/'))
        };
        let name = format!("longhaul-test-{}", std::process::id());
        let (folder, limit) = match (path(":memory:"), path("0::")) {
            (Some(path), _) => (PathBuf::from("/sys/fs/cgroup/memory").join(path), "memory.limit_in_bytes"),
            (None, Some(path)) => (PathBuf::from("/sys/fs/cgroup").join(path), "memory.max"),
            _ => return None,
        };
        let limited = Self(folder.join(name));
        fs::create_dir(&limited.0).ok()?;
        fs::write(limited.0.join(limit), LIMIT).ok()?;
        Some(limited)
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        // A killed worker may take a moment to leave the cgroup.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_worker_that_is_killed_for_lack_of_memory_is_reported_as_such() {
    let Some(limited) = Limited::make() else {
        skip("this user may not limit the memory of a cgroup; root may");
        return;
    };
    let (out, processes) = (Out::new(), limited.0.join("cgroup.procs"));
    let text = out.text();
    let case = ["--protocol", "tcp", "--chunk-size", "64MiB", "--size", "256MiB", "--sink", "discard"];
    let args = [&["bench", "--json", "--quiet", "--rounds", "1", "--out", &text], &case[..]].concat();
    let command = longhaul(&args);
    let program = std::iter::once(command.get_program()).chain(command.get_args());
    // The shell enters the cgroup, and becomes the program.
    let mut shell = Command::new("sh");
    shell.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]).arg(&processes).args(program).stdin(Stdio::null());
    let output = shell.output().unwrap();
    let record = records(&String::from_utf8(output.stdout).unwrap()).remove(0);
    let message = record["error"]["message"].as_str().unwrap();
    assert!(message.contains("the sender's process died (killed: out of memory)"), "{message}");
    assert_eq!((&record["error"]["kind"], &record["error"]["end"]), (&"worker".into(), &"sender".into()));
    assert_eq!(record["host"]["memory_limit_bytes"], 62_914_560);
    assert!(record["conditions"]["oom_kills"].as_u64().unwrap() >= 1, "{}", record["conditions"]);
}
