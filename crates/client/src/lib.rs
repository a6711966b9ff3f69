//! A client that moves one body to or from any HTTP server, in constant memory, and measures this end.
//!
//! A [`Client`] makes a [`Transfer`], which is an [`Upload`] or a [`Download`], to a [`Target`]: a URL and a protocol.
//! The [`TransferReport`] holds a [`record::Record`] of goodput, memory, processor time and connection. A failure is
//! part of the record. A redirect is a failure, unless the options allow redirects.
//!
//! The content is verified if the server is a longhaul server. Such a server confirms an upload with a receipt, and the
//! digest of a body that it generates follows from the URL. For other servers, status and length are checked, and the
//! digests of RFC 9530 if the server states them.
//!
//! This crate does not handle signals. Dropping the future of [`Client::run`] cancels a transfer.
//!
//! # Example
//! An upload to a server in the same process, which answers with a receipt:
//!
//! ```
//! # use {metrics as longhaul_metrics, receiver as longhaul_receiver};
//! # use {record as longhaul_record, transport as longhaul_transport};
//! use http::Response;
//! use longhaul_client::{Client, Options, Target, Upload};
//! use longhaul_metrics::Meter;
//! use longhaul_receiver::{Reception, Sink};
//! use longhaul_record::{Build, ByteSize, Limits, PayloadKind};
//! use longhaul_transport::{Bind, BodyError, body, listen_cleartext};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BodyError> {
//! let listener = listen_cleartext(&Bind::new(([127, 0, 0, 1], 0).into()), &Limits::default())?;
//! let url = format!("http://{}/", listener.local_addr());
//! tokio::spawn(async move {
//!     let session = listener.accept().await?.handshake.await?;
//!     while let Some(incoming) = session.accept().await? {
//!         let meter = Meter::new(1 << 20);
//!         let reception = Reception::of(incoming.request.into_body(), &meter);
//!         let receipt = reception.into_sink(Sink::verify()).run().await?;
//!         let receipt = body::full(serde_json::to_vec(&receipt)?);
//!         incoming.responder.respond(Response::new(receipt)).await?;
//!     }
//!     Ok::<_, BodyError>(())
//! });
//!
//! let client = Client::new(Options::default(), Build::default());
//! let upload = Upload::new(PayloadKind::Random)?.with_size(ByteSize(10 << 20))?;
//! let report = client.run(&Target::parse(&url)?, upload, |_| {}).await;
//!
//! assert_eq!(report.record.error, None);
//! assert!(report.record.goodput_bytes_per_s.is_some());
//! assert!(report.record.integrity.is_some_and(|integrity| integrity.matches));
//! assert_eq!(report.receipt.map(|receipt| receipt.bytes), Some(10 << 20));
//! # Ok(())
//! # }
//! ```

mod activity;
mod addresses;
mod advice;
mod answer;
mod attempt;
mod carried;
mod checksum;
mod client;
mod confirmation;
mod content_range;
mod control;
mod credentials;
mod dial;
mod download;
mod form;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod in_place;
mod load;
mod options;
mod output;
mod part;
mod part_writer;
mod proxy;
mod redirect;
mod reference;
mod request;
mod resume;
mod resumption;
mod retry;
mod route;
mod status;
mod target;
mod target_error;
mod transfer;
mod tries;
mod upload;
mod upload_error;
mod upload_resource;
mod upload_resume;
mod upload_state;
mod url;
mod validator;

pub use addresses::{AddressFamily, AddressOptions, AddressRuleError, ConnectRule, ResolveRule};
pub use client::{Client, TransferReport};
pub use control::{ControlResource, ControlUrlError};
pub use credentials::{Credentials, CredentialsError};
pub use download::Download;
pub use form::{Form, FormError, FormField};
pub use load::Load;
pub use options::Options;
pub use output::{Output, OutputError};
pub use proxy::{Proxy, ProxyError};
pub use receiver::Receipt;
pub use request::{HeaderEdit, HeaderEditError, RequestOptions};
pub use resumption::HandshakeKind;
pub use retry::{Retry, RetryOptions};
pub use run::Heartbeat;
pub use status::{Statuses, StatusesError};
pub use target::Target;
pub use target_error::TargetError;
pub use transfer::Transfer;
pub use upload::Upload;
pub use upload_error::UploadError;
