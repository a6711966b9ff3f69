//! The command line of a program under proof. Placeholders stand for values that differ from run to run.

use std::{
    borrow::Cow,
    env,
    ffi::OsString,
    fmt, fs,
    os::unix::{ffi::OsStringExt as _, fs::PermissionsExt as _},
    path::Path,
};

use record::{printable, redacted_command};

/// A value that longhaul puts into a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placeholder {
    /// The URL of the server.
    Url,
    /// The file with the body.
    File,
    /// The size of the body, in decimal bytes.
    Size,
    /// The file with the certificate to trust.
    Cacert,
    /// The host of the server.
    Host,
    /// The port of the server.
    Port,
    /// The size of the input, in decimal.
    N,
}

impl Placeholder {
    const ALL: [Self; 7] = [Self::Url, Self::File, Self::Size, Self::Cacert, Self::Host, Self::Port, Self::N];

    /// Returns the placeholder as users write it.
    const fn text(self) -> &'static str {
        match self {
            Self::Url => "{url}",
            Self::File => "{file}",
            Self::Size => "{size}",
            Self::Cacert => "{cacert}",
            Self::Host => "{host}",
            Self::Port => "{port}",
            Self::N => "{n}",
        }
    }
}

/// A command line that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The command line has no words.
    #[error("no command follows; name the program and its arguments after --")]
    Empty,
    /// The command line of a client has no placeholder for the address of the server.
    #[error(
        "the command has neither {{url}} nor {{port}}, and the address of longhaul's server is new in each run"
    )]
    NoAddress,
    /// The command line of a server has no placeholder for the port that its URL leaves open.
    #[error("the URL has {{port}}, and the command has not, so the server cannot know its port")]
    NoPort,
    /// The command line of a program has no placeholder for the size of the input.
    #[error("the command has no {{n}}, which stands for the size of the input")]
    NoSize,
}

/// The bits of a file's mode by which its owner, its group or others may execute it (inode(7)).
const EXECUTABLE: u32 = 0o111;

/// A program that does not exist, or that may not be executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} cannot be started: there is no such program")]
pub struct NoProgram(String);

/// A program and its arguments, which run without a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine(Vec<OsString>);

impl CommandLine {
    /// Returns the program as the command line names it.
    pub(crate) fn program(&self) -> Cow<'_, str> {
        self.0.first().map(|program| program.to_string_lossy()).unwrap_or_default()
    }

    /// Makes the command line of a client from words.
    ///
    /// # Errors
    /// Fails without any word, and without a placeholder for the address of the server.
    pub fn of_client(words: Vec<OsString>) -> Result<Self, CommandError> {
        Self::with_any_of(words, [Placeholder::Url, Placeholder::Port], CommandError::NoAddress)
    }

    /// Makes the command line of a server from words. With `needs_port`, longhaul chooses the port.
    ///
    /// # Errors
    /// Fails without any word, and without a placeholder for the port if it needs one.
    pub fn of_server(words: Vec<OsString>, needs_port: bool) -> Result<Self, CommandError> {
        let command = Self(words);
        match command.0.is_empty() {
            true => Err(CommandError::Empty),
            false if needs_port && !command.has(Placeholder::Port) => Err(CommandError::NoPort),
            false => Ok(command),
        }
    }

    /// Makes, from words, the command line of a program whose input has a size.
    ///
    /// # Errors
    /// Fails without any word, and without a placeholder for the size.
    pub fn of_series(words: Vec<OsString>) -> Result<Self, CommandError> {
        Self::with_any_of(words, [Placeholder::N, Placeholder::Size], CommandError::NoSize)
    }

    fn with_any_of(
        words: Vec<OsString>,
        placeholders: [Placeholder; 2],
        missing: CommandError,
    ) -> Result<Self, CommandError> {
        let command = Self(words);
        match command.0.is_empty() {
            true => Err(CommandError::Empty),
            false if placeholders.into_iter().any(|placeholder| command.has(placeholder)) => Ok(command),
            false => Err(missing),
        }
    }

    /// Checks that the program exists, as execvp(3) looks for it, so that not every run fails for want of it.
    ///
    /// # Errors
    /// Fails if there is no such file, or none that may be executed.
    pub fn check_program(&self) -> Result<(), NoProgram> {
        let Some(program) = self.0.first() else { return Ok(()) };
        let is_program = |path: &Path| {
            fs::metadata(path)
                .is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & EXECUTABLE != 0)
        };
        let is_known = if program.as_encoded_bytes().contains(&b'/') {
            is_program(Path::new(program))
        } else {
            env::var_os("PATH")
                .is_some_and(|path| env::split_paths(&path).any(|folder| is_program(&folder.join(program))))
        };
        if is_known { Ok(()) } else { Err(NoProgram(program.to_string_lossy().into_owned())) }
    }

    /// Returns whether the command line names a file to upload.
    pub fn needs_file(&self) -> bool {
        self.has(Placeholder::File)
    }

    /// Returns whether a placeholder stands anywhere in the command line.
    fn has(&self, placeholder: Placeholder) -> bool {
        let text = placeholder.text().as_bytes();
        self.0.iter().any(|word| word.as_encoded_bytes().windows(text.len()).any(|part| part == text))
    }

    /// Returns the words with a value in place of each placeholder. Braces around any other text stay as they are.
    pub(crate) fn filled(&self, value: impl Fn(Placeholder) -> OsString) -> Vec<OsString> {
        self.0.iter().map(|word| fill(word, &value)).collect()
    }
}

fn fill(word: &OsString, value: &impl Fn(Placeholder) -> OsString) -> OsString {
    let (mut filled, mut rest) = (Vec::new(), word.as_encoded_bytes());
    while let Some((first, after)) = rest.split_first() {
        let here =
            Placeholder::ALL.into_iter().find(|placeholder| rest.starts_with(placeholder.text().as_bytes()));
        rest = match here {
            Some(placeholder) => {
                filled.extend_from_slice(value(placeholder).as_encoded_bytes());
                rest.get(placeholder.text().len()..).unwrap_or_default()
            }
            None => {
                filled.push(*first);
                after
            }
        };
    }
    OsString::from_vec(filled)
}

/// Writes the command line with its placeholders and without secrets, on one line.
impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.iter().map(|word| word.to_string_lossy().into_owned());
        f.write_str(&printable(&redacted_command(words)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str]) -> Result<CommandLine, CommandError> {
        CommandLine::of_client(words.iter().map(OsString::from).collect())
    }

    #[test]
    fn placeholders_are_filled_wherever_they_stand_and_other_braces_stay() {
        let command = command(&["sh", "-c", "curl {url}?n={size} -d '{\"a\": {}}' {ur"]).unwrap();
        let filled = command.filled(|placeholder| format!("<{placeholder:?}>").into());
        assert_eq!(filled[2], "curl <Url>?n=<Size> -d '{\"a\": {}}' {ur");
        assert!(command.has(Placeholder::Size) && !command.has(Placeholder::File));
    }

    #[test]
    fn a_client_must_be_told_the_address() {
        assert_eq!(command(&[]), Err(CommandError::Empty));
        assert_eq!(command(&["curl", "http://127.0.0.1:8080/"]), Err(CommandError::NoAddress));
        assert!(command(&["nc", "{host}", "{port}"]).is_ok());
        let message = CommandError::NoAddress.to_string();
        assert!(message.contains("{url}"), "{message}");
    }

    #[test]
    fn a_command_is_shown_without_secrets() {
        let shown = command(&["curl", "-u", "me:secret", "{url}"]).unwrap().to_string();
        assert!(shown.contains("{url}") && !shown.contains("secret"), "{shown}");
        let lines = command(&["sh", "-c", "a\nb", "{url}"]).unwrap().to_string();
        assert!(!lines.contains('\n'), "{lines}");
    }
}
