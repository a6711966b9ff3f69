//! The error of a server that cannot be started.

use std::{io, net::SocketAddr, path::PathBuf};

/// The reason why a server cannot be started with its options.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The folder for uploads does not exist, or cannot be read or written.
    #[error("cannot save into {}: {source}", path.display())]
    Folder {
        /// The path of the folder, as it was given.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Other machines can reach the address, and no token protects the server.
    #[error(
        "other machines can reach {addr}: protect it with --token-file FILE, or let everybody in with --open"
    )]
    Unprotected {
        /// The address to listen on.
        addr: SocketAddr,
    },
    /// A server that measures has no port for TLS.
    #[error("--measure needs a port for TLS, over which its sessions come: add --listen-tls ADDR")]
    MeasuringInCleartext,
    /// A server that measures has no token.
    #[error(
        "--measure starts a process for each run that is asked for: protect it with --token-file FILE, or listen on loopback \
         only, with --open"
    )]
    MeasuringForAnybody,
    /// No chunk of a generated body is within the bounds.
    #[error("--min-chunk {min} is more than --max-chunk {max}")]
    ChunkBounds {
        /// The smallest chunk that clients may ask for.
        min: record::ChunkSize,
        /// The largest chunk that clients may ask for.
        max: record::ChunkSize,
    },
    /// A port cannot be bound, or a limit or the certificate cannot be used.
    #[error(transparent)]
    Listen(#[from] transport::Error),
    /// The limits that were requested may take more memory than there is.
    #[error(
        "the server may take {worst}, but there are {:.0}MiB of memory; lower --max-connections, --max-requests, \
         --max-header, --max-chunk or --h2-frame",
        record::mib(memory.0)
    )]
    Memory {
        /// The worst case, as text.
        worst: String,
        /// The memory that is available.
        memory: record::ByteSize,
    },
}
