//! The ports that are listened on, and the certificate shown there.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use anyhow::Context as _;
use tempfile::NamedTempFile;
use transport::{Bind, Error, Guards, Identity, Limits, Listener};

use super::usage;
use crate::cli::ServeArgs;

/// How often a port is looked for that is free for TCP and UDP.
const ATTEMPTS: u32 = 16;

pub(super) struct Ports {
    pub(super) listeners: Vec<Box<dyn Listener>>,
    pub(super) cleartext: Option<SocketAddr>,
    pub(super) tls: Option<SocketAddr>,
    pub(super) fingerprint: Option<String>,
    pub(super) certificate: Option<PathBuf>,
    /// A self-signed certificate is a file as long as the server runs.
    _file: Option<NamedTempFile>,
}

impl Ports {
    /// Listens where the flags say: without any, on two free ports of 127.0.0.1.
    pub(super) fn open(args: &ServeArgs) -> anyhow::Result<Self> {
        let (cleartext, tls) = match (args.listen, args.listen_tls) {
            (None, None) => {
                let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                (Some(free), Some(free))
            }
            asked => asked,
        };
        let key_log = args.trust.key_log()?;
        let limits = args.limits.limits_for_anybody();
        let mut ports = Self {
            listeners: Vec::new(),
            cleartext: None,
            tls: None,
            fingerprint: None,
            certificate: None,
            _file: None,
        };
        let identity = identity(args, tls)?;
        let bind = |addr| Bind {
            addr,
            identity: Some(identity.clone()),
            guards: guards(args),
            key_log: key_log.clone(),
        };
        if let Some(addr) = cleartext {
            let listener = transport::listen_cleartext(&bind(addr), &limits)?;
            ports.cleartext = Some(listener.local_addr());
            ports.listeners.push(listener);
        }
        if let Some(addr) = tls {
            let secured = secured(bind(addr), &limits)?;
            ports.tls = Some(secured[0].local_addr());
            ports.listeners.extend(secured);
            ports.show(args, &identity)?;
        }
        Ok(ports)
    }

    fn show(&mut self, args: &ServeArgs, identity: &Identity) -> anyhow::Result<()> {
        let digits: String = identity.fingerprint().iter().map(|byte| format!("{byte:02x}")).collect();
        self.fingerprint = Some(format!("sha256:{digits}"));
        if let Some(path) = &args.cert {
            self.certificate = Some(path.clone());
            return Ok(());
        }
        let file = NamedTempFile::with_suffix(".pem").context("cannot write the certificate")?;
        std::fs::write(file.path(), identity.certificate_pem()).context("cannot write the certificate")?;
        self.certificate = Some(file.path().to_owned());
        self._file = Some(file);
        Ok(())
    }

    /// Where HTTP/3 is, for those who came by TCP (RFC 7838).
    pub(super) fn alt_svc(&self) -> Option<String> {
        self.tls.map(|addr| format!("h3=\":{}\"; ma=3600", addr.port()))
    }
}

fn guards(args: &ServeArgs) -> Guards {
    Guards {
        header_bytes: args.max_header,
        header_count: args.max_header_count,
        header_timeout: args.header_timeout,
        streams: args.max_streams,
        retry_from: args.retry_from,
    }
}

fn identity(args: &ServeArgs, tls: Option<SocketAddr>) -> anyhow::Result<Identity> {
    match (&args.cert, &args.key) {
        (Some(certificate), Some(key)) => Ok(Identity::read(certificate, key).map_err(usage)?),
        _ => {
            let own = tls.map(|addr| addr.ip()).filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string());
            let mut names = vec!["localhost", "127.0.0.1", "::1"];
            names.extend(own.as_deref().filter(|own| !["127.0.0.1", "::1"].contains(own)));
            Ok(Identity::self_signed(&names)?)
        }
    }
}

/// TLS on TCP and QUIC on UDP, under one port number.
fn secured(mut bind: Bind, limits: &Limits) -> Result<[Box<dyn Listener>; 2], Error> {
    let asked = bind.addr;
    let mut attempt = 1;
    loop {
        bind.addr = asked;
        let tcp = transport::listen_secured(&bind, limits)?;
        bind.addr = tcp.local_addr();
        match transport::listen_quic(&bind, limits) {
            Ok(udp) => return Ok([tcp, udp]),
            Err(_) if asked.port() == 0 && attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}
