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
    /// True if it is this process's own.
    is_own: bool,
}

/// A network namespace of this process.
pub(super) struct NetworkNamespace(OwnedFd);

impl Owner {
    /// Leaves the network namespace of the session, in a user namespace of this process's own if the rights do not
    /// suffice.
    ///
    /// # Errors
    /// Fails if the kernel does not allow either.
    pub(super) fn leave() -> Result<Self, RelayFault> {
        match unshare(CloneFlags::CLONE_NEWNET) {
            Ok(()) => return Ok(Self { is_own: false }),
            Err(Errno::EPERM) => {}
            Err(errno) => return Err(rights::without_network_namespace(errno)),
        }
        let (user, group) = (getuid(), getgid());
        unshare(CloneFlags::CLONE_NEWUSER).map_err(rights::without_user_namespace)?;
        // Programs that the process starts have its rights only as this namespace's root.
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

    /// Returns the way to a namespace for a worker of the session.
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
    /// Fails if the kernel gives the process none.
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
    // The rights to open the files may end with the move to another user namespace.
    let user = namespace.user.as_ref().map(File::open).transpose()?;
    let network = File::open(&namespace.network)?;
    if let Some(user) = user {
        setns(user, CloneFlags::CLONE_NEWUSER)?;
    }
    Ok(setns(network, CloneFlags::CLONE_NEWNET)?)
}
