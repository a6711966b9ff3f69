//! The content that is transferred, and the folder in which it is compared.

use std::{
    fs::{self, File},
    io::{BufReader, Read as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use metrics::Stamp;
use record::Protocol;
use tempfile::TempDir;

use super::Trip;
use crate::study::Server;

/// The size of the content, in bytes.
pub(super) const SIZE: u64 = 256 << 20;

/// The longest time of a transfer.
const WAY: Duration = Duration::from_secs(180);

/// The longest time until a server listens.
const START: Duration = Duration::from_secs(60);

/// A `serve` that saves uploads, the content, and a folder for received files.
pub(super) struct Fixture {
    pub(super) program: PathBuf,
    pub(super) folder: TempDir,
    pub(super) server: Server,
}

/// A process that is killed when its row is done.
pub(super) struct Ended(pub(super) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // There is no need to wait for a process that is already gone.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

impl Fixture {
    pub(super) fn prepare(program: &Path) -> Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let saved = folder.path().join("saved");
        fs::create_dir(&saved).context("no folder to save into")?;
        let sink = format!("save:{}", saved.display());
        let server = Server::logging(program, &["--sink", &sink], &folder.path().join("serve.log"))?;
        let fixture = Self { program: program.to_owned(), folder, server };
        let plain = Protocol::by_name("h1c").context("no such protocol")?;
        let blob = fixture.blob();
        let made = fixture.server.client(
            "fetch",
            plain,
            &format!("/?size={SIZE}"),
            &["-o", &blob.to_string_lossy()],
        );
        ensure!(quiet(made).status()?.success(), "cannot make the content");
        Ok(fixture)
    }

    /// Returns the file with the content.
    pub(super) fn blob(&self) -> PathBuf {
        self.folder.path().join("blob.bin")
    }

    /// Returns the file that a client downloads.
    pub(super) fn back(&self) -> PathBuf {
        self.folder.path().join("back.bin")
    }

    /// Returns the file that `serve` saves.
    pub(super) fn saved(&self) -> PathBuf {
        self.folder.path().join("saved/up.bin")
    }

    /// Runs a client, and compares the content with the file `made`, which the transfer must create.
    pub(super) fn trip(&self, command: &mut Command, made: &Path) -> Trip {
        let _ = fs::remove_file(made);
        match run(command).and_then(|()| self.compare(made)) {
            Ok(()) => Trip::Same,
            Err(error) => Trip::Failed(format!("{error:#}")),
        }
    }

    /// Runs a client that keeps no file and checks the length itself.
    pub(super) fn dropped(&self, command: &mut Command) -> Trip {
        run(command).map_or_else(|error| Trip::Failed(format!("{error:#}")), |()| Trip::Same)
    }

    fn compare(&self, made: &Path) -> Result<()> {
        let open = |path: &Path| File::open(path).with_context(|| format!("cannot open {}", path.display()));
        let (expected, made) = (open(&self.blob())?, open(made)?);
        let length = made.metadata()?.len();
        ensure!(length == SIZE, "{length} of {SIZE} bytes came");
        let (mut expected, mut made) =
            (BufReader::with_capacity(1 << 20, expected), BufReader::with_capacity(1 << 20, made));
        let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
        for block in 0..SIZE >> 20 {
            expected.read_exact(&mut left)?;
            made.read_exact(&mut right)?;
            ensure!(left == right, "the content differs in MiB {block}");
        }
        Ok(())
    }
}

/// Returns a command without input and output.
fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs a program that must succeed within the time limit.
fn run(command: &mut Command) -> Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let began = Stamp::now();
    while began.elapsed() < WAY {
        let Some(status) = child.try_wait()? else {
            sleep(Duration::from_millis(20));
            continue;
        };
        let mut reason = String::new();
        if let Some(mut errors) = child.stderr.take() {
            errors.read_to_string(&mut reason).unwrap_or_default();
        }
        let last = reason.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        ensure!(status.success(), "{status}: {last}");
        return Ok(());
    }
    drop(Ended(child));
    bail!("not done after {} s", WAY.as_secs())
}

/// Returns a port that was free a moment ago.
pub(super) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Starts a server, and waits until it listens on a port.
pub(super) fn started(command: &mut Command, port: u16) -> Result<Ended> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let process = Ended(child.with_context(|| format!("cannot start {:?}", command.get_program()))?);
    let began = Stamp::now();
    while began.elapsed() < START {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(process);
        }
        sleep(Duration::from_millis(50));
    }
    bail!("{:?} does not listen", command.get_program())
}
