//! Runs of a closure in fresh processes of the program that contains it.

use std::{
    env,
    process::{Command, Stdio},
};

use crate::Proof;

/// The environment variable that names the place of the closure to run, and the size of its input.
const ASKED: &str = "LONGHAUL_PROVE";

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
    /// Returns the name of the test that contains the place, as `cargo test` knows it.
    fn test(&self) -> String {
        let path = self.path.replace("::{{closure}}", "");
        let inner = path.split_once("::").map_or(path.as_str(), |(_, inner)| inner);
        inner.rsplit_once("::").map_or(inner, |(test, _)| test).to_owned()
    }

    fn asked(&self, size: u64) -> String {
        format!("{}:{}:{}={size}", self.path, self.line, self.column)
    }
}

/// Asserts that the memory of a closure stays constant, whatever the size of its input in bytes.
///
/// `assert_constant_memory!(sizes, |n| …)` runs the closure with each size in three rounds. Each run has a process of
/// its own: the test binary is started again for this one test, and ends when the closure returns. Code before the
/// assertion in the test also runs in each of these processes.
///
/// # Panics
/// Panics with the figures if memory grows, if the runs are inconclusive, and if a run fails.
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
    let sizes: Vec<u64> = sizes.into_iter().collect();
    if let Ok(asked) = env::var(ASKED) {
        // This process may have been started for another assertion of the same test.
        if let Some(size) = sizes.iter().find(|size| site.asked(**size) == asked) {
            run(*size);
            std::process::exit(0);
        }
        return;
    }
    let again = |size| {
        let mut command = Command::new(env::current_exe().unwrap_or_default());
        command.args([&site.test(), "--exact", "--nocapture", "--include-ignored", "--test-threads=1"]);
        command.env(ASKED, site.asked(size)).stdout(Stdio::null());
        command
    };
    match Proof::of_command(again).sizes(sizes.iter().copied()).run() {
        Ok(conclusion) => conclusion.assert_constant(),
        Err(error) => panic!("{error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_test_follows_from_the_path_of_a_local_function() {
        let test = |path| Site { path, line: 1, column: 1 }.test();
        assert_eq!(test("uploads::a_test::site"), "a_test");
        assert_eq!(test("my_crate::module::tests::a_test::{{closure}}::site"), "module::tests::a_test");
    }
}
