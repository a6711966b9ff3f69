//! Uploads: `PUT` or `POST`, chunked or with a length.

use std::time::Duration;

use futures_util::FutureExt as _;
use http::{Request, StatusCode, header};
use http_body_util::{LengthLimitError, Limited};
use metrics::Meter;
use receiver::{
    ReceiveError, Reception, Sink,
    save::{Folder, NameError, SafeName},
};
use record::ByteSize;
use transport::Body;

use crate::{
    destination::Destination,
    refusal::{ExactSize, Refusal},
    reply::{ConnectionFate, Reply},
    response,
    stall::unless_stalled,
};

/// The throughput window of the meter that the stall watch reads, in bytes. Its throughput is not used.
const WINDOW: u64 = 1 << 20;

/// The uploads of a server: their destination, and the bound on their length.
pub(crate) struct Uploads {
    destination: Destination,
    max_body: Option<ByteSize>,
}

impl Uploads {
    /// Uploads of up to `max_body`, or of any length.
    pub(crate) fn new(destination: Destination, max_body: Option<ByteSize>) -> Self {
        Self { destination, max_body }
    }

    /// The folder of saved uploads, if they are saved.
    pub(crate) fn folder(&self) -> Option<&Folder> {
        self.destination.folder()
    }

    /// Receives the body of a request and answers it with a receipt. A body without progress for `idle` is aborted.
    pub(crate) async fn receive(
        &self,
        request: Request<Body>,
        name: Result<SafeName, NameError>,
        idle: Duration,
        reply: Reply<'_>,
    ) -> ConnectionFate {
        let announced = request
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse().ok());
        let mut body = request.into_body();
        let sink = match self.admit(name, announced).await {
            Ok(sink) => sink,
            Err(refusal) => return reply.refuse(refusal, body).await,
        };
        let meter = Meter::new(WINDOW);
        let most = self.max_body.map_or(usize::MAX, |most| usize::try_from(most.0).unwrap_or(usize::MAX));
        let limited = Limited::new(&mut body, most);
        let activity = sink.activity();
        let reception = Reception::of(limited, &meter).into_sink(sink).expecting(announced).run();
        // Boxed, because rustc cannot prove the future of a generic body `Send` here (rust-lang/rust#110338).
        let received = unless_stalled(&meter, || activity.is_busy(), idle, reception.boxed());
        match received.await {
            Ok(Ok(receipt)) => reply.send(response::receipt(&receipt)).await,
            Ok(Err(error)) => reply.refuse(self.refusal(error), body).await,
            Err(stalled) => {
                let refusal = Refusal::new(StatusCode::REQUEST_TIMEOUT, stalled.to_string());
                reply.send(refusal.response()).await;
                ConnectionFate::Close
            }
        }
    }

    /// Checks the name and the announced length of a body. Returns the sink.
    async fn admit(
        &self,
        name: Result<SafeName, NameError>,
        announced: Option<u64>,
    ) -> Result<Sink, Refusal> {
        if let (Some(most), Some(announced)) = (self.max_body, announced)
            && announced > most.0
        {
            return Err(too_large(most));
        }
        Ok(self.destination.sink(name, announced).await?)
    }

    fn refusal(&self, error: ReceiveError) -> Refusal {
        match error {
            ReceiveError::Save(error) => error.into(),
            ReceiveError::Broken { source, .. } if source.is::<LengthLimitError>() => {
                too_large(self.max_body.unwrap_or(ByteSize(u64::MAX)))
            }
            error => Refusal::new(StatusCode::BAD_REQUEST, error.to_string()),
        }
    }
}

fn too_large(most: ByteSize) -> Refusal {
    let reason = format!("a body may have at most {}", ExactSize(most));
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, reason)
}
