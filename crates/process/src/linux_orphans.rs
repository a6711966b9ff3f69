//! Orphans of a process tree: descendants whose ancestors in the tree have ended.

use std::{
    ffi::{OsStr, OsString},
    thread::sleep,
    time::Duration,
};

use procfs::process::{Process, Stat};

use super::{ProcessTree, children_of, is_running};
use crate::{Mark, Unmarked};

impl ProcessTree {
    /// Adds the orphans of the tree among the children of the current process, and their descendants. The current
    /// process becomes the parent of orphans if it is a subreaper ([`keep_orphans`](crate::keep_orphans)).
    ///
    /// A child is an orphan of the tree if its environment has the mark. A child whose environment does not have the
    /// variable is one if it belongs to the process group of the first process, and also as `unmarked` says. Any other
    /// child is none, and so is a child with another value of the variable.
    pub fn adopt_orphans(&mut self, mark: Mark<'_>, unmarked: Unmarked) {
        let Ok(own) = Process::myself() else { return };
        let Ok(session) = own.stat().map(|stat| stat.session) else { return };
        let is_orphan = |process: &Process| {
            let Some(stat) = process.stat().ok().filter(is_running) else { return false };
            match value(process, mark.name) {
                Some(value) => value == mark.value,
                None => self.is_unmarked_orphan(&stat, (unmarked == Unmarked::Adopted).then_some(session)),
            }
        };
        let unknown = children_of(&own).filter(|child| !self.members.contains_key(child));
        let orphans: Vec<_> =
            unknown.filter_map(|child| Process::new(child).ok()).filter(is_orphan).collect();
        if orphans.is_empty() {
            return;
        }
        self.members.extend(orphans.into_iter().map(|process| (process.pid, process)));
        self.find_descendants();
    }

    /// Returns whether a child without a mark is an orphan: by its process group, or by its session if that is not
    /// `own`. A child that is older than the first process is none. The process 1 of a PID namespace is the parent of
    /// everybody's orphans there, so their session says nothing.
    fn is_unmarked_orphan(&self, stat: &Stat, own: Option<i32>) -> bool {
        let is_by_session = std::process::id() != INIT && own.is_some_and(|own| stat.session != own);
        stat.starttime >= self.started && (stat.pgrp == self.first.pid || is_by_session)
    }
}

/// The process that becomes the parent of all orphans of its PID namespace (pid_namespaces(7)).
const INIT: u32 = 1;

/// The most looks at an environment that is not there yet.
const LOOKS: u32 = 20;

/// The time between two looks at an environment.
const LOOK: Duration = Duration::from_millis(1);

/// Returns the value of a variable in the environment of a process. In the middle of execve(2), the environment is empty,
/// and its end is 0. An empty environment counts only if that end is set, and the same before and after the reading.
fn value(process: &Process, name: &str) -> Option<OsString> {
    for _ in 0..LOOKS {
        let end = process.stat().ok()?.env_end;
        let environment = process.environ().ok()?;
        if !environment.is_empty() {
            return environment.get(name.as_ref() as &OsStr).cloned();
        }
        if end != Some(0) && process.stat().ok()?.env_end == end {
            return None;
        }
        sleep(LOOK);
    }
    None
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::process::CommandExt as _,
        process::{Child, Command, Stdio},
    };

    use super::*;

    const NAME: &str = "LONGHAUL_TEST_MARK";

    fn mark(value: &str) -> Mark<'_> {
        Mark { name: NAME, value }
    }

    /// Starts a shell with a mark in a process group of its own. Returns the shell, which has ended, its tree, and the
    /// process whose id it has printed.
    fn orphaned(script: &str, value: &str) -> (Child, ProcessTree, i32) {
        crate::keep_orphans();
        let mut shell = Command::new("sh");
        // The shell waits until its tree has been made.
        shell.args(["-c", &format!("read _; {script}")]).env(NAME, value).process_group(0);
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let tree = ProcessTree::of(shell.id()).unwrap();
        drop(shell.stdin.take());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(shell.stdout.take().unwrap()), &mut line)
            .unwrap();
        shell.wait().unwrap();
        (shell, tree, line.trim().parse().unwrap())
    }

    /// Waits until a process has become the program `name`, and sleeps: its environment is there then.
    fn wait_for(pid: i32, name: &str) {
        let stat = || Process::new(pid).and_then(|process| process.stat());
        while !stat().is_ok_and(|stat| stat.comm == name && stat.state == 'S') {
            sleep(Duration::from_millis(5));
        }
    }

    fn kill(pid: i32) {
        Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    }

    /// Asserts which orphans a tree adopts: those of its own mark, and all.
    fn assert_adopted(script: &str, marked: bool, all: bool) {
        let value = format!("{script} {marked} {all}");
        let (_shell, mut tree, orphan) = orphaned(script, &value);
        wait_for(orphan, "sleep");
        let is_member = |tree: &ProcessTree| tree.ids().contains(&(orphan as u32));
        tree.adopt_orphans(mark(&value), Unmarked::Left);
        assert_eq!(is_member(&tree), marked, "{script}");
        tree.adopt_orphans(mark("another"), Unmarked::Left);
        assert_eq!(is_member(&tree), marked, "{script}");
        tree.adopt_orphans(mark(&value), Unmarked::Adopted);
        let adopted = is_member(&tree);
        kill(orphan);
        assert_eq!(adopted, all, "{script}");
    }

    #[test]
    fn an_orphan_is_known_by_its_mark_its_group_or_its_session() {
        const QUIET: &str = "</dev/null >/dev/null 2>&1 & echo $!";
        assert_adopted(&format!("setsid sleep 31 {QUIET}"), true, true);
        assert_adopted(&format!("env -i sleep 32 {QUIET}"), true, true);
        assert_adopted(&format!("env -i setsid sleep 33 {QUIET}"), false, true);
        assert_adopted(&format!("{NAME}=other setsid sleep 34 {QUIET}"), false, false);
    }

    #[test]
    fn children_that_this_process_starts_itself_are_no_orphans() {
        crate::keep_orphans();
        let start = |command: &mut Command| command.env_remove(NAME).arg("35").spawn().unwrap();
        let older = start(Command::new("setsid").arg("sleep"));
        wait_for(older.id() as i32, "sleep");
        // Start times are exact to a clock tick.
        sleep(Duration::from_millis(30));
        let first = start(Command::new("sleep").process_group(0));
        let mut tree = ProcessTree::of(first.id()).unwrap();
        let worker = start(Command::new("sleep").process_group(0));
        let plain = start(&mut Command::new("sleep"));
        wait_for(plain.id() as i32, "sleep");
        for unmarked in [Unmarked::Left, Unmarked::Adopted] {
            tree.adopt_orphans(mark("its own"), unmarked);
            let ids = tree.ids();
            let others = [&older, &worker, &plain].map(|child| ids.contains(&child.id()));
            assert!(ids.contains(&first.id()) && others == [false; 3], "{ids:?} {others:?}");
        }
        for mut child in [older, first, worker, plain] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
