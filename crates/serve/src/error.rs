//! The failure to start a server.

use std::{io, net::SocketAddr, path::PathBuf};

/// A server that cannot be started with its options.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The folder for uploads does not exist, or cannot be read or written.
    #[error("cannot save into {}: {source}", path.display())]
    Folder {
        /// The folder as it was given.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Other machines can reach the address, and may do as they like.
    #[error(
        "other machines can reach {addr}: protect it with --token-file FILE, or let everybody in with --open"
    )]
    Unprotected {
        /// The address to listen on.
        addr: SocketAddr,
    },
    /// A port cannot be bound, or a limit or the certificate cannot be used.
    #[error(transparent)]
    Listen(#[from] transport::Error),
    /// Limits that were asked for may take more memory than there is.
    #[error(
        "the server may take {worst}, but there are {:.0}MiB of memory; lower --max-connections, --max-requests, \
         --max-header, --max-chunk or --h2-frame",
        record::mib(memory.0)
    )]
    Memory {
        /// The worst case.
        worst: String,
        /// The memory that is available.
        memory: record::ByteSize,
    },
}
