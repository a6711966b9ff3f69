//! Uploads: `PUT` or `POST`, chunked or with a length.

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use futures_util::FutureExt as _;
use http::{HeaderMap, StatusCode, request::Parts};
use http_body_util::{LengthLimitError, Limited};
use metrics::{Meter, Pace};
use receiver::{
    Halt, Receipt, ReceiveError, Reception, Sink,
    save::{Existing, Folder, NameError, SafeName},
};
use record::{ByteSize, Rate};
use tracing::warn;
use transport::Body;

use crate::{
    Options, Receipts, conditions,
    destination::Destination,
    digest::{Mismatch, Stated, Verified},
    framing,
    occasional::Occasional,
    refusal::{ExactSize, Refusal},
    reply::{ConnectionFate, Reply},
    response,
    resumable::Partials,
    saved_file,
    stall::unless_sender_stalls,
    text::printable,
    whole_body,
};

/// The longest name in a line of the log, in characters.
const MOST_NAME: usize = 300;

/// An upload that was admitted, and whose body is still to be read.
struct Admitted {
    sink: Sink,
    announced: Option<u64>,
    stated: Stated,
    /// True if a file already has the name.
    replaces: bool,
}

/// The uploads of a server: their destination, and the bound on their size.
pub(crate) struct Uploads {
    destination: Destination,
    pub(crate) max_body: Option<ByteSize>,
    pub(crate) partials: Partials,
    existing: Existing,
    reader_rate: Option<Rate>,
    reader_halt: Option<Halt>,
    receipts: Option<Receipts>,
    /// The rate limit of the log line about replaced files.
    replacements: Mutex<Occasional>,
}

impl Uploads {
    /// Returns uploads to a destination, within the bounds of the options.
    pub(crate) fn new(destination: Destination, options: &Options) -> Self {
        let existing = if options.access.no_overwrite { Existing::Keep } else { Existing::Replace };
        Self {
            destination,
            max_body: options.max_body,
            partials: Partials::new(options),
            existing,
            reader_rate: options.reader_rate,
            reader_halt: options.reader_halt.clone(),
            receipts: options.receipts.clone(),
            replacements: Mutex::default(),
        }
    }

    /// Returns the folder of saved uploads, if uploads are saved.
    pub(crate) fn folder(&self) -> Option<&Folder> {
        self.destination.folder()
    }

    /// Adds OPTIONS to the methods that a 405 states, if uploads are saved: it asks for the limits of resumable ones.
    pub(crate) fn with_methods(&self, refusal: Refusal) -> Refusal {
        match self.folder() {
            Some(_) => refusal.allowing("GET, HEAD, PUT, POST, OPTIONS"),
            None => refusal,
        }
    }

    /// Receives the body of a request and answers it with a receipt. A body whose client stalls is aborted.
    pub(crate) async fn receive(
        &self,
        request: Parts,
        mut body: Body,
        name: Result<SafeName, NameError>,
        reply: Reply<'_>,
    ) -> ConnectionFate {
        let admitted = self.admit(&request, name).await;
        drop(request);
        let Admitted { sink, announced, stated, replaces } = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => return reply.refuse(self.with_methods(refusal), body).await,
        };
        let meter = Meter::counting();
        let most = self.max_body.map_or(usize::MAX, |most| usize::try_from(most.0).unwrap_or(usize::MAX));
        let limited = Limited::new(Verified::new(&mut body, stated), most);
        let activity = sink.activity();
        let reception = Reception::of(limited, &meter)
            .into_sink(sink)
            .expecting(announced)
            .paced(self.reader_rate.map(Pace::new))
            .halting(self.reader_halt.clone())
            .run();
        // Boxed, because rustc cannot prove the future of a generic body `Send` here (rust-lang/rust#110338).
        let patience = reply.patience();
        let received = unless_sender_stalls(patience, &meter, || activity.is_busy(), reception.boxed());
        match received.await {
            Ok(Ok(receipt)) => {
                self.confirm(&receipt, replaces, reply.client());
                reply.send(response::receipt(&receipt)).await
            }
            Ok(Err(error)) => reply.refuse_midway(self.refusal(error), body).await,
            Err(stalled) => {
                let refusal = Refusal::new(StatusCode::REQUEST_TIMEOUT, stalled.to_string());
                reply.send(refusal.response()).await;
                ConnectionFate::Close
            }
        }
    }

    /// Hands the receipt of a complete upload over, and logs a replaced file.
    pub(crate) fn confirm(&self, receipt: &Receipt, replaces: bool, client: SocketAddr) {
        if let Some(receipts) = &self.receipts {
            receipts.hand_over(receipt);
        }
        if let (true, Some(name)) = (replaces, &receipt.saved) {
            self.report_replacement(name, client);
        }
    }

    /// Decides by the head of a request whether its body is accepted, before any byte of the body is read.
    async fn admit(&self, request: &Parts, name: Result<SafeName, NameError>) -> Result<Admitted, Refusal> {
        whole_body::check(request)?;
        let announced = framing::announced_upload(&request.headers)?;
        if let (Some(most), Some(announced)) = (self.max_body, announced)
            && announced > most.0
        {
            return Err(too_large(most));
        }
        let stated = Stated::of(&request.headers)?;
        let existing = self.replaceable(&request.headers, &name).await?;
        let replaces = match (self.folder(), &name) {
            (Some(folder), Ok(name)) => saved_file::exists(folder, name).await,
            _ => false,
        };
        let sink = self.destination.sink(name, existing, announced).await?;
        Ok(Admitted { sink, announced, stated, replaces })
    }

    /// Logs the client that replaced a file, even without an access log.
    fn report_replacement(&self, name: &str, client: SocketAddr) {
        let left_out = self.replacements.lock().unwrap_or_else(PoisonError::into_inner).due();
        if let Some(left_out) = left_out {
            let name = printable(name, MOST_NAME);
            let others = match left_out {
                0 => String::new(),
                _ => format!(" ({left_out} such lines left out; --access-log has all)"),
            };
            warn!("{client} replaced '{name}'{others}");
        }
    }

    /// Checks the preconditions of an upload. Returns the file that it may replace.
    pub(crate) async fn replaceable(
        &self,
        headers: &HeaderMap,
        name: &Result<SafeName, NameError>,
    ) -> Result<Existing, Refusal> {
        if !conditions::are_present(headers) {
            return Ok(self.existing);
        }
        let file = match (self.folder(), name) {
            (Some(folder), Ok(name)) => saved_file::validators(folder, name).await?,
            _ => None,
        };
        conditions::of_upload(headers, file.as_ref())?;
        let by_conditions = conditions::replaceable(headers, file.as_ref());
        Ok(if self.existing == Existing::Keep { Existing::Keep } else { by_conditions })
    }

    fn refusal(&self, error: ReceiveError) -> Refusal {
        match error {
            ReceiveError::Save(error) => error.into(),
            ReceiveError::Broken { source, .. } if source.is::<LengthLimitError>() => {
                too_large(self.max_body.unwrap_or(ByteSize(u64::MAX)))
            }
            ReceiveError::Broken { source, .. } if source.is::<Mismatch>() => {
                Refusal::new(StatusCode::BAD_REQUEST, source.to_string())
            }
            error => Refusal::new(StatusCode::BAD_REQUEST, error.to_string()),
        }
    }
}

pub(crate) fn too_large(most: ByteSize) -> Refusal {
    let reason = format!("a body may have at most {}", ExactSize(most));
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, reason)
}
