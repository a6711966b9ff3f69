//! Shell scripts that tests run in place of programs.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

/// Writes an executable script. A process of its own writes the file: a process that another test starts meanwhile
/// would inherit a file that this one has open for writing, and until it runs its program, the kernel would refuse to
/// run the script (ETXTBSY).
pub(crate) fn write(path: &Path, text: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-c", "cat > \"$0\" && chmod +x \"$0\""]).arg(path).stdin(Stdio::piped());
    let mut shell = shell.spawn().unwrap();
    shell.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success());
}
