//! Namespaces without a name.

use std::{
    fs::{self, File},
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    path::PathBuf,
};

use nix::{
    errno::Errno,
    sched::{CloneFlags, setns, unshare},
    unistd::{getgid, getuid},
};

use super::rights;
use crate::{RelayFault, packets::Namespace};

/// The user namespace in which this process may create network namespaces.
pub(super) struct Owner {
    /// True if this process has created the user namespace.
    is_own: bool,
}

/// A network namespace of this process.
pub(super) struct NetworkNamespace(OwnedFd);

impl Owner {
    /// Leaves the network namespace of the session for a new one. If the rights do not suffice, first enters a new user
    /// namespace.
    ///
    /// # Errors
    /// Fails if the kernel allows neither.
    pub(super) fn leave() -> Result<Self, RelayFault> {
        match unshare(CloneFlags::CLONE_NEWNET) {
            Ok(()) => return Ok(Self { is_own: false }),
            Err(Errno::EPERM) => {}
            Err(errno) => return Err(rights::without_network_namespace(errno)),
        }
        let (user, group) = (getuid(), getgid());
        unshare(CloneFlags::CLONE_NEWUSER).map_err(rights::without_user_namespace)?;
        // Programs that this process starts get its rights only if its user is root in the user namespace.
        for (file, content) in [
            ("setgroups", "deny".to_owned()),
            ("uid_map", format!("0 {user} 1")),
            ("gid_map", format!("0 {group} 1")),
        ] {
            fs::write(format!("/proc/self/{file}"), content).map_err(|error| rights::without_map(&error))?;
        }
        unshare(CloneFlags::CLONE_NEWNET).map_err(rights::without_rights_of_its_own)?;
        Ok(Self { is_own: true })
    }

    /// Returns the files by which a worker of the session can enter a namespace.
    pub(super) fn way_to(&self, namespace: &NetworkNamespace) -> Namespace {
        let process = PathBuf::from(format!("/proc/{}", std::process::id()));
        Namespace {
            network: process.join(format!("fd/{}", namespace.0.as_raw_fd())),
            user: self.is_own.then(|| process.join("ns/user")),
        }
    }
}

impl NetworkNamespace {
    /// Creates a namespace and moves this process to it.
    ///
    /// # Errors
    /// Fails if the kernel creates no namespace.
    pub(super) fn create() -> io::Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET)?;
        Self::current()
    }

    /// Returns the namespace that this process is in.
    ///
    /// # Errors
    /// Fails if `/proc` is not mounted.
    pub(super) fn current() -> io::Result<Self> {
        Ok(Self(File::open("/proc/thread-self/ns/net")?.into()))
    }

    /// Moves this process to the namespace.
    ///
    /// # Errors
    /// Fails if the process has lost its rights.
    pub(super) fn enter(&self) -> io::Result<()> {
        Ok(setns(&self.0, CloneFlags::CLONE_NEWNET)?)
    }
}

/// Moves this process, which must have one thread, to a namespace.
///
/// # Errors
/// Fails if the namespace is gone.
pub fn enter(namespace: &Namespace) -> io::Result<()> {
    // Both files are opened before the first move, because the process may lose the right to open them by that move.
    let user = namespace.user.as_ref().map(File::open).transpose()?;
    let network = File::open(&namespace.network)?;
    if let Some(user) = user {
        setns(user, CloneFlags::CLONE_NEWUSER)?;
    }
    Ok(setns(network, CloneFlags::CLONE_NEWNET)?)
}
