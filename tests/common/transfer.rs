//! Transfers of 256 MiB between longhaul and programs of other projects, whose content is compared.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output},
    sync::OnceLock,
};

use super::server::Server;

/// The size of each transfer, in bytes.
pub const SIZE: u64 = 256 << 20;

/// Returns a file of `SIZE` random bytes in the folder of the build, made once for all tests.
pub fn blob() -> &'static Path {
    static BLOB: OnceLock<PathBuf> = OnceLock::new();
    BLOB.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("blob.bin");
        if !fs::metadata(&path).is_ok_and(|made| made.len() == SIZE) {
            // Another test may create the file, too. The last file replaces the others atomically.
            let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let target = file.path().to_str().unwrap();
            let made = Server::start(&[]).client("fetch", "h1c", &format!("/?size={SIZE}"), &["-o", target]);
            assert!(made.status.success(), "{}", super::text(&made.stderr));
            file.persist(&path).unwrap();
        }
        path
    })
}

pub fn assert_same(a: &Path, b: &Path) {
    let (mut a, mut b) = (File::open(a).unwrap(), File::open(b).unwrap());
    assert_eq!(a.metadata().unwrap().len(), b.metadata().unwrap().len());
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    for _ in 0..SIZE >> 20 {
        a.read_exact(&mut left).unwrap();
        b.read_exact(&mut right).unwrap();
        assert!(left == right);
    }
}

/// Returns a server that saves uploads, and its folder.
pub fn saving() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&["--sink", &format!("save:{}", folder.path().display())]);
    (folder, server)
}

/// Returns the standard output of a program that must succeed.
pub fn ran(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (printed, error) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {printed} {error}");
    printed.into_owned()
}

/// Returns the path of a peer's script.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(name)
}

/// A process that is killed at the end of the test.
pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the files of a self-signed certificate for localhost and of its key.
pub fn self_signed(folder: &Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}
