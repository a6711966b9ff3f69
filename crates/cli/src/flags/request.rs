//! The flags of a request, with curl's names: method, header fields, credentials, and the statuses that are expected.

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path, path::PathBuf};

use clap::Args;
use client::{Credentials, HeaderEdit, RequestOptions, Statuses};

use crate::{exit::Usage, output::stderr_line};

/// The largest file of a token or of header lines, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The permissions of a file for its group and for others (inode(7)).
const GROUP_AND_OTHERS: u32 = 0o077;

#[derive(Debug, Args)]
pub(crate) struct RequestArgs {
    /// Header field: 'Name: value', 'Name:' to remove it, 'Name;' for an empty one, @FILE for a line each (repeatable)
    #[arg(short = 'H', long = "header", value_name = "LINE")]
    headers: Vec<String>,
    /// Method of the request [default: PUT to send, POST for a form, GET to fetch]
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<String>,
    /// User and password (Basic); without :PASSWORD, the password comes from --token-file. Other users can see a
    /// password here in the list of processes
    #[arg(short, long, value_name = "USER:PASSWORD")]
    user: Option<String>,
    /// Token (Bearer). Other users can see it in the list of processes; --token-file hides it
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["user", "token_file"])]
    oauth2_bearer: Option<String>,
    /// File with the token (Bearer), or with the password of --user
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Statuses that count as success, such as 201,409 or 2xx [default: 2xx]
    #[arg(long, value_name = "LIST")]
    expect_status: Option<Statuses>,
}

impl RequestArgs {
    /// Returns whether any flag is given.
    pub(crate) fn is_given(&self) -> bool {
        let texts = [&self.method, &self.user, &self.oauth2_bearer];
        texts.into_iter().any(Option::is_some)
            || !self.headers.is_empty()
            || self.token_file.is_some()
            || self.expect_status.is_some()
    }

    /// Returns the changes to the request. No error message shows a secret.
    ///
    /// # Errors
    /// Fails if a value cannot be part of a request, or if a file cannot be read.
    pub(crate) fn options(&self) -> Result<RequestOptions, Usage> {
        let method = self.method.as_ref().map(|method| {
            let unusable = |_| Usage::new(format!("-X: '{method}' is not a method, such as PUT or POST"));
            method.parse().map_err(unusable)
        });
        let options = RequestOptions::default()
            .with_method(method.transpose()?)
            .with_credentials(self.credentials()?)
            .expecting(self.expect_status.clone().unwrap_or_default());
        let mut edits = Vec::new();
        for line in &self.headers {
            match line.strip_prefix('@') {
                None => edits.push(edit(line)?),
                Some(path) => {
                    let text = read(Path::new(path), "-H @")?;
                    let lines = text.lines().filter(|line| !line.trim().is_empty());
                    edits.extend(lines.map(edit).collect::<Result<Vec<_>, _>>()?);
                }
            }
        }
        Ok(edits.into_iter().fold(options, RequestOptions::with_field))
    }

    fn credentials(&self) -> Result<Option<Credentials>, Usage> {
        let unusable = |flag: &str, error| Usage::new(format!("{flag}: {error}"));
        if let Some(token) = &self.oauth2_bearer {
            let bearer = Credentials::bearer(token).map_err(|error| unusable("--oauth2-bearer", error))?;
            return Ok(Some(bearer));
        }
        let secret = self.token_file.as_deref().map(token).transpose()?;
        let basic = |user: &str, password: &str| {
            Credentials::basic(user, password).map(Some).map_err(|error| unusable("-u", error))
        };
        match (self.user.as_deref().map(|user| user.split_once(':').ok_or(user)), secret) {
            (None, None) => Ok(None),
            (None, Some(token)) => {
                Credentials::bearer(&token).map(Some).map_err(|error| unusable("--token-file", error))
            }
            (Some(Ok((user, password))), None) => basic(user, password),
            (Some(Err(user)), Some(password)) => basic(user, &password),
            (Some(Ok(_)), Some(_)) => {
                Err(Usage::new("-u has a password already; --token-file contradicts it"))
            }
            (Some(Err(_)), None) => {
                Err(Usage::new("-u has no password; use -u USER:PASSWORD or --token-file"))
            }
        }
    }
}

fn edit(line: &str) -> Result<HeaderEdit, Usage> {
    HeaderEdit::parse(line).map_err(|error| Usage::new(format!("-H: {error}")))
}

/// Returns the credentials with the token in a file.
///
/// # Errors
/// Fails if the file cannot be read, or has no token.
pub(super) fn bearer(path: &Path) -> Result<Credentials, Usage> {
    Credentials::bearer(&token(path)?).map_err(|error| Usage::new(format!("--token-file: {error}")))
}

/// Returns the token in a file, which only its owner should be able to read.
fn token(path: &Path) -> Result<String, Usage> {
    let text = read(path, "--token-file ")?;
    let mode = fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|file| file.permissions().mode());
    if mode.is_some_and(|mode| mode & GROUP_AND_OTHERS != 0) {
        stderr_line(format_args!("WARNING: other users may read {}; chmod 600 forbids it", path.display()));
    }
    Ok(text.trim().to_owned())
}

fn read(path: &Path, flag: &str) -> Result<String, Usage> {
    let text = fs::File::open(path).and_then(|file| io::read_to_string(io::Read::take(file, MAX_FILE)));
    text.map_err(|error| Usage::new(format!("{flag}{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        request: RequestArgs,
    }

    fn options(args: &[&str]) -> Result<RequestOptions, String> {
        let cli =
            Cli::try_parse_from(std::iter::once(&"x").chain(args)).map_err(|error| error.to_string())?;
        cli.request.options().map_err(|error| error.to_string())
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn a_file_holds_the_token_the_password_or_header_lines() {
        let secret = file("hunter2\n");
        let path = secret.path().to_str().unwrap();
        assert!(options(&["--token-file", path]).unwrap().credentials.is_some());
        assert!(options(&["-u", "me", "--token-file", path]).unwrap().credentials.is_some());
        let lines = file("X-A: 1\r\n\nX-B: 2\n");
        let fields = options(&["-H", &format!("@{}", lines.path().display()), "-H", "X-C;"]).unwrap().fields;
        assert_eq!(fields.len(), 3);
    }

    #[test]
    fn wrong_values_are_refused_without_showing_a_secret() {
        let secret = file("two words");
        let path = secret.path().to_str().unwrap();
        for (args, part) in [
            (vec!["-u", "me"], "--token-file"),
            (vec!["-u", "me:hunter2", "--token-file", path], "contradicts"),
            (vec!["-u", "me:hunter2", "--oauth2-bearer", "x"], "cannot be used with"),
            (vec!["--oauth2-bearer", "hunter2 x"], "one word"),
            (vec!["--token-file", path], "one word"),
            (vec!["--token-file", "/no/such"], "--token-file /no/such"),
            (vec!["-H", "@/no/such"], "-H @/no/such"),
            (vec!["-H", "X-A hunter2"], "Name: value"),
            (vec!["-X", "a b"], "'a b' is not a method"),
            (vec!["--expect-status", "20"], "'20' is not a status"),
        ] {
            let text = options(&args).unwrap_err();
            assert!(text.contains(part) && !text.contains("hunter2"), "{args:?}: {text}");
        }
    }
}
