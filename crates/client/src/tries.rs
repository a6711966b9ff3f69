//! The exchanges that one transfer takes: more than one if the server redirects, asks for another form of the request,
//! or fails transiently.

use std::pin::Pin;

use futures_util::FutureExt as _;
use http::{HeaderMap, Method, StatusCode};
use record::{Fault, FaultKind};
use run::Heartbeat;
use tokio::time::{sleep, timeout};

use crate::{
    Client, HandshakeKind, Proxy, Target, Transfer,
    advice::with_advice,
    answer::{Failure, Refusal, accepted, receipt},
    attempt::Measured,
    credentials::without_secrets,
    redirect::Way,
    retry::{Tries, is_resumable, is_transient},
};

/// A future that ends when the maximum time of one try has passed.
pub(crate) type Deadline = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Client {
    /// Makes the transfer, and repeats it after transient failures as often as the options allow. The message of a
    /// failure has no secrets.
    pub(crate) async fn measure(
        &self,
        target: &Target,
        transfer: &mut Transfer,
        progress: impl Fn(Heartbeat),
    ) -> Measured {
        let mut tries = Tries::begin(self.options.retries);
        loop {
            let mut measured = self.try_once(target, transfer, &progress).await;
            measured.tries = tries.made();
            if !tries.are_allowed() || !(is_transient(&measured) || is_resumable(transfer, &measured)) {
                return measured;
            }
            if let Err(reason) = transfer.check_repeatable() {
                return measured.explained(&reason);
            }
            let asked = measured.refusal.as_ref().and_then(|refusal| refusal.retry_after);
            let Some(wait) = measured.outcome.fault.as_ref().and_then(|fault| tries.next(fault, asked))
            else {
                return measured;
            };
            sleep(wait).await;
        }
    }

    /// Makes one try of the transfer, within the maximum time.
    async fn try_once(
        &self,
        target: &Target,
        transfer: &mut Transfer,
        progress: &impl Fn(Heartbeat),
    ) -> Measured {
        let mut deadline: Deadline = match self.options.max_time {
            Some(max_time) => Box::pin(sleep(max_time)),
            None => Box::pin(std::future::pending()),
        };
        let mut way = Way::new(target, &self.options.request);
        let mut measured = self.follow(&mut way, transfer, progress, &mut deadline).await;
        if let Some(fault) = &mut measured.outcome.fault {
            let proxy = self.options.proxy.as_ref();
            let secrets = proxy.map(Proxy::secrets).unwrap_or_default().iter().chain(way.secrets());
            fault.message = without_secrets(&with_advice(fault, way.target(), proxy), secrets);
        }
        measured.redirects = way.redirects();
        measured.target = Some(way.target().clone());
        measured
    }

    /// Makes exchanges until a server neither redirects nor asks for another form of the request.
    async fn follow(
        &self,
        way: &mut Way<'_>,
        transfer: &mut Transfer,
        progress: &impl Fn(Heartbeat),
        deadline: &mut Deadline,
    ) -> Measured {
        let mut handshake = self.options.handshake;
        loop {
            let mut measured = self.attempt(way, transfer, handshake, progress, deadline).await;
            if handshake == HandshakeKind::EarlyData && is_too_early(&measured) {
                handshake = HandshakeKind::Resumed;
                continue;
            }
            if let Some(location) = measured.see_other.take() {
                let confirmed = tokio::select! {
                    confirmed = self.confirm(way, location) => confirmed,
                    () = &mut *deadline => Err(self.out_of_time()),
                };
                return measured.confirmed(confirmed);
            }
            if let Some(adapted) = adapted(transfer, &measured, way) {
                if let Err(reason) = transfer.check_repeatable_after(measured.content) {
                    return measured.explained(&reason);
                }
                *transfer = adapted;
                continue;
            }
            let Some(location) = measured.refusal.as_ref().and_then(|refusal| refusal.location.clone())
            else {
                return measured;
            };
            let followed = way.follow(&location).and_then(|()| transfer.check_repeatable());
            if let Err(reason) = followed {
                return measured.explained(&reason);
            }
        }
    }

    /// Requests the page to which a server redirects after an upload, and reads it to its end (RFC 9110 section 15.4.4).
    ///
    /// # Errors
    /// Fails if no server answers within the timeout with a status that is expected.
    async fn confirm(&self, way: &mut Way<'_>, mut location: String) -> Result<(), Fault> {
        let mut answered = "the server redirected after the upload".to_owned();
        loop {
            way.follow(&location)
                .map_err(|reason| Fault::new(FaultKind::Http, format!("{answered}; {reason}")))?;
            match timeout(self.options.timeout, self.get(way)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(Failure { fault, refusal: Some(Refusal { location: Some(next), .. }) })) => {
                    (answered, location) = (fault.message, next);
                }
                Ok(Err(failure)) => return Err(failure.fault),
                Err(_) => {
                    let waited = self.options.timeout.as_secs_f64();
                    let message = format!("no response to the GET after the upload within {waited} s");
                    return Err(Fault::new(FaultKind::Timeout, message));
                }
            }
        }
    }

    async fn get(&self, way: &Way<'_>) -> Result<(), Failure> {
        let connection = self.connect(way.target()).await?;
        let options = way.options().clone().with_method(Method::GET);
        let request =
            options.request(Method::GET, way.target(), HeaderMap::new(), transport::body::empty())?;
        let response = accepted(connection.exchange(request).await?, &options.expected).await?;
        // The future is boxed because rustc cannot prove otherwise that it is `Send` (rust-lang/rust#110338).
        receipt(response).boxed().await?;
        Ok(())
    }

    pub(crate) fn out_of_time(&self) -> Fault {
        let limit = self.options.max_time.unwrap_or_default().as_secs_f64();
        Fault::new(
            FaultKind::Timeout,
            format!("the transfer did not end within its maximum time of {limit} s"),
        )
    }
}

/// Returns whether a server refused a request in early data (425). It accepts the request after the handshake (RFC 8470
/// section 5.2).
fn is_too_early(measured: &Measured) -> bool {
    measured.refusal.as_ref().is_some_and(|refusal| refusal.status == StatusCode::TOO_EARLY)
}

/// Returns the transfer to make if a server may have refused the form of the request: the chunked coding (411; 501 by
/// RFC 9112 section 6.1), or `Expect: 100-continue` (417). `None` for any other refusal.
fn adapted(transfer: &Transfer, measured: &Measured, way: &Way<'_>) -> Option<Transfer> {
    match measured.refusal.as_ref()?.status {
        StatusCode::LENGTH_REQUIRED | StatusCode::NOT_IMPLEMENTED => transfer.with_length_required(),
        StatusCode::EXPECTATION_FAILED => transfer.without_expectation(way.options()),
        _ => None,
    }
}
