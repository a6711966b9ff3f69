//! The folder of one run of a peer: its configuration, the files that it gives, and the certificate.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use payload::Hasher;
use record::{Case, Fault, FaultKind, Protocol, Subject};
use tempfile::TempDir;

use super::{
    Peer,
    fill::Value,
    installed::{OWN, find},
    peer::STORED,
};
use crate::Bodies;

/// The name in the certificate of a server.
pub(super) const NAME: &str = "localhost";

/// The bytes that are read at once to compute a digest.
const BLOCK: usize = 1 << 20;

/// A folder for one run, which is removed with this value.
pub(super) struct RunFolder {
    folder: TempDir,
    /// The certificate of a server as PEM, if it is encrypted.
    pub(super) certificate: Option<String>,
}

impl RunFolder {
    /// Makes the folder of a run below `parent`. A server of bodies finds the body of the case in its root.
    pub(super) fn make(
        parent: &Path,
        peer: &Peer,
        case: &Case,
        bodies: Option<&Bodies>,
    ) -> Result<Self, Fault> {
        let make = || -> io::Result<Self> {
            let folder = tempfile::Builder::new().prefix("peer-").tempdir_in(parent)?;
            let mut run_folder = Self { folder, certificate: None };
            fs::create_dir(run_folder.root())?;
            if peer.needs_file(case.direction)
                && let Some(bodies) = bodies
            {
                let body = std::path::absolute(bodies.file(case.body))?;
                let name = run_folder.root().join(format!("{}.bin", case.body.0));
                // Servers may refuse symbolic links, but some file systems have no hard links.
                fs::hard_link(&body, &name).or_else(|_| symlink(&body, &name))?;
            }
            let is_encrypted = Protocol::by_name(&case.protocol).is_some_and(Protocol::is_encrypted);
            if peer.role() == Subject::Server && is_encrypted {
                run_folder.certificate = Some(run_folder.identify()?);
            }
            Ok(run_folder)
        };
        make().map_err(|error| failed(parent, &error))
    }

    /// Writes a self-signed certificate and its key. Returns the certificate.
    fn identify(&self) -> io::Result<String> {
        let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).map_err(io::Error::other)?;
        fs::write(self.file("key.pem"), made.signing_key.serialize_pem())?;
        fs::write(self.file("cert.pem"), made.cert.pem())?;
        Ok(made.cert.pem())
    }

    /// Returns the values of all placeholders for a server at an address. Writes the certificate that a client has to trust.
    pub(super) fn values(
        &self,
        case: &Case,
        addr: SocketAddr,
        path: &str,
        trusted: Option<&str>,
        bodies: Option<&Bodies>,
    ) -> Result<Vec<Value>, Fault> {
        let protocol = Protocol::by_name(&case.protocol);
        let is_encrypted = protocol.is_some_and(Protocol::is_encrypted);
        let host = if is_encrypted { NAME.to_owned() } else { addr.ip().to_string() };
        let authority = if addr.is_ipv6() && !is_encrypted { format!("[{host}]") } else { host.clone() };
        let scheme = protocol.map_or("http", |protocol| protocol.scheme());
        if let Some(pem) = trusted {
            fs::write(self.file("ca.pem"), pem).map_err(|error| failed(self.folder.path(), &error))?;
        }
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let file = bodies.map_or_else(String::new, |bodies| text(bodies.file(case.body)));
        let size = case.body.0.to_string();
        let own = find(OWN).unwrap_or_default();
        Ok(vec![
            ("longhaul", text(own)),
            ("url", format!("{scheme}://{authority}:{}{path}", addr.port())),
            ("host", host),
            ("port", addr.port().to_string()),
            ("cacert", text(self.file("ca.pem"))),
            ("cert", text(self.file("cert.pem"))),
            ("key", text(self.file("key.pem"))),
            ("folder", text(self.folder.path().to_owned())),
            ("root", text(self.root())),
            ("file", file),
            ("size", size.clone()),
            ("n", size),
        ])
    }

    /// Writes the files of a peer into the folder.
    pub(super) fn write(&self, files: &[(&'static str, String)]) -> Result<(), Fault> {
        let write = |(name, text): &(&str, String)| fs::write(self.file(name), text);
        files.iter().try_for_each(write).map_err(|error| failed(self.folder.path(), &error))
    }

    /// Returns the digest of the upload that a server has stored in its root; `None` if there is none.
    pub(super) fn stored_digest(&self) -> Option<String> {
        let mut file = fs::File::open(self.root().join(STORED)).ok()?;
        let (mut hasher, mut block) = (Hasher::new(), vec![0; BLOCK]);
        loop {
            let read = io::Read::read(&mut file, &mut block).ok()?;
            match block.get(..read) {
                Some(part) if !part.is_empty() => hasher.update(part),
                _ => return Some(hasher.digest().to_string()),
            }
        }
    }

    /// Returns the folder from which a server gives files, and in which it stores uploads.
    fn root(&self) -> PathBuf {
        self.file("root")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn failed(folder: &Path, error: &io::Error) -> Fault {
    Fault::new(FaultKind::Program, format!("cannot prepare a peer below {}: {error}", folder.display()))
}

#[cfg(test)]
mod tests {
    use record::{ByteSize, Direction};

    use super::*;

    #[test]
    fn a_server_finds_the_body_its_configuration_and_a_certificate_which_all_go_with_the_run() {
        let parent = tempfile::tempdir().unwrap();
        let mut case = Case::new("h2");
        (case.body, case.direction) = (ByteSize(3000), Direction::Down);
        let bodies = Bodies::write(parent.path(), &[case.body]).unwrap();
        let peer = Peer::parse("nginx").unwrap();
        let run_folder = RunFolder::make(parent.path(), &peer, &case, Some(&bodies)).unwrap();
        let addr = "127.0.0.1:81".parse().unwrap();
        let values = run_folder.values(&case, addr, "/3000.bin", None, Some(&bodies)).unwrap();
        assert!(values.contains(&("url", "https://localhost:81/3000.bin".into())), "{values:?}");
        let files = peer.files(&case, &values);
        run_folder.write(&files).unwrap();
        let config = fs::read_to_string(run_folder.file("nginx.conf")).unwrap();
        assert!(config.contains("listen 127.0.0.1:81 ssl http2;"), "{config}");
        assert!(
            config.contains(&format!("ssl_certificate \"{}\";", run_folder.file("cert.pem").display())),
            "{config}"
        );
        assert!(run_folder.certificate.as_ref().unwrap().starts_with("-----BEGIN CERTIFICATE"));
        assert_eq!(fs::read(run_folder.root().join("3000.bin")).unwrap().len(), 3000);

        assert_eq!(run_folder.stored_digest(), None, "nothing was uploaded");
        fs::copy(bodies.file(case.body), run_folder.root().join(STORED)).unwrap();
        assert_eq!(run_folder.stored_digest(), bodies.digest(case.body).map(|digest| digest.to_string()));
        drop((run_folder, bodies));
        assert_eq!(parent.path().read_dir().unwrap().count(), 0);
    }
}
