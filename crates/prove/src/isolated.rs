//! Runs of a closure in fresh processes of the program that contains it.

use std::{
    collections::BTreeMap,
    env,
    os::unix::process::parent_id,
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
};

use crate::Proof;

/// The environment variable that names the process that makes a proof, the arrival whose closure is to run, and the
/// size of its input.
const ASKED: &str = "LONGHAUL_PROVE";

/// The exit code of a process whose closure has returned. A test harness ends with 0 or 101, also if it has run no test.
const RETURNED: i32 = 86;

/// The number of arrivals at each place in this process.
static ARRIVALS: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());

/// The place of an assertion in the source.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// The path of a function that is local to the place.
    pub path: &'static str,
    /// The line of the place.
    pub line: u32,
    /// The column of the place.
    pub column: u32,
}

impl Site {
    /// Returns the path of the function that contains the place, as `cargo test` names tests.
    fn function(&self) -> String {
        let path = self.path.replace("::{{closure}}", "");
        let inner = path.split_once("::").map_or(path.as_str(), |(_, inner)| inner);
        inner.rsplit_once("::").map_or(inner, |(test, _)| test).to_owned()
    }
}

/// An arrival of a thread at an assertion. A loop arrives several times, and so do tests that share a function.
struct Arrival {
    site: Site,
    /// The name of the thread, which in libtest is that of the test; `None` for a thread without a name.
    thread: Option<String>,
    /// The place and the thread, with the number of earlier arrivals.
    key: String,
}

impl Arrival {
    /// Counts an arrival of the current thread.
    fn now(site: Site) -> Self {
        let thread = thread::current().name().map(ToOwned::to_owned);
        let by = thread.as_deref().unwrap_or_default();
        let place = format!("{by} at {}:{}:{}", site.path, site.line, site.column);
        let mut arrivals = ARRIVALS.lock().unwrap_or_else(PoisonError::into_inner);
        let number = arrivals.entry(place.clone()).or_default();
        let key = format!("{place}#{number}");
        *number = number.saturating_add(1);
        Self { site, thread, key }
    }

    /// Returns what the process `prover` asks for in [`ASKED`] to run the closure with an input of `size` bytes.
    fn asked(&self, prover: u32, size: u64) -> String {
        format!("{prover} {}={size}", self.key)
    }

    /// Returns the names that the test may have: that of its thread, and that of the function with the assertion.
    fn tests(&self) -> Vec<String> {
        let mut names: Vec<_> = self.thread.iter().cloned().chain([self.site.function()]).collect();
        names.dedup();
        names
    }
}

/// Asserts that the memory of a closure stays constant, whatever the size of its input in bytes.
///
/// `assert_constant_memory!(sizes, |n| …)` runs the closure with each size in three rounds. Each run has a process of
/// its own: the test binary is started again for this one test, and ends when the closure returns. Code before the
/// assertion in the test also runs in each of these processes.
///
/// An assertion may stand in a loop, or in a function that tests share. Each arrival at it is a proof of its own, and
/// in every process the test must arrive in the same order.
///
/// # Panics
/// Panics with the figures if memory grows, if the runs are inconclusive, and if a run fails. A run fails also if its
/// process does not arrive at the assertion.
#[macro_export]
macro_rules! assert_constant_memory {
    ($sizes:expr, $run:expr $(,)?) => {{
        fn site() {}
        let site = $crate::Site {
            path: ::std::any::type_name_of_val(&site),
            line: ::std::line!(),
            column: ::std::column!(),
        };
        $crate::assert_constant(site, $sizes, $run)
    }};
}

/// Makes the proof of [`assert_constant_memory!`], or runs the closure if this process was started for that.
#[doc(hidden)]
#[allow(clippy::panic, reason = "an assertion fails by panicking")]
pub fn assert_constant(site: Site, sizes: impl IntoIterator<Item = u64>, run: impl FnOnce(u64)) {
    let (sizes, arrival): (Vec<u64>, _) = (sizes.into_iter().collect(), Arrival::now(site));
    if let Some(asked) = asked_by(parent_id()) {
        // This process may have been started for another arrival of the same test.
        if let Some(size) = sizes.iter().find(|size| arrival.asked(parent_id(), **size) == asked) {
            run(*size);
            std::process::exit(RETURNED);
        }
        return;
    }
    let again = |size| {
        let mut command = Command::new(env::current_exe().unwrap_or_default());
        command.args(arrival.tests());
        command.args(["--exact", "--nocapture", "--include-ignored", "--test-threads=1"]);
        command.env(ASKED, arrival.asked(std::process::id(), size)).stdout(Stdio::null());
        command
    };
    match Proof::of_command(again).sizes(sizes.iter().copied()).ending_with(RETURNED).run() {
        Ok(conclusion) => conclusion.assert_constant(),
        Err(error) => panic!("{error}"),
    }
}

/// Returns the value of [`ASKED`] if the process `parent` has set it. Any other value has no effect: a proof must not be
/// skipped because of an inherited environment.
fn asked_by(parent: u32) -> Option<String> {
    let asked = env::var(ASKED).ok()?;
    let (prover, _) = asked.split_once(' ')?;
    (prover.parse() == Ok(parent)).then_some(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_test_follows_from_the_path_of_a_local_function() {
        let test = |path| Site { path, line: 1, column: 1 }.function();
        assert_eq!(test("uploads::a_test::site"), "a_test");
        assert_eq!(test("my_crate::module::tests::a_test::{{closure}}::site"), "module::tests::a_test");
    }

    #[test]
    fn each_arrival_of_a_thread_has_a_number_and_the_names_of_its_test() {
        let arrive = || Arrival::now(Site { path: "my_crate::helper::site", line: 2, column: 1 });
        let (first, second) = (arrive(), arrive());
        let own = "isolated::tests::each_arrival_of_a_thread_has_a_number_and_the_names_of_its_test";
        assert_eq!(first.asked(9, 7), format!("9 {own} at my_crate::helper::site:2:1#0=7"));
        assert_eq!(second.asked(9, 7), format!("9 {own} at my_crate::helper::site:2:1#1=7"));
        assert_eq!(first.tests(), [own, "helper"]);
        let (key, tests) = thread::spawn(move || (arrive().key, arrive().tests())).join().unwrap();
        assert_eq!((key.as_str(), tests), (" at my_crate::helper::site:2:1#0", vec!["helper".to_owned()]));
    }
}
