//! The download of one body.

use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use metrics::Pace;
use payload::Payload;
use receiver::{Halt, Receipt, Reception, Sink};
use record::{ByteSize, ChunkSize, DEFAULT_SEED, Fault, FaultKind, PayloadKind, Rate, SinkKind};
use transport::Body;

use crate::{
    Output, Target,
    activity::Incoming,
    answer::{Failure, accepted, is_longhaul},
    carried::Carried,
    checksum::{Checksums, Proof, Verified},
    transfer::{ContentReport, Exchange, SentContent},
};

/// A download of one body by GET.
#[derive(Debug)]
pub struct Download {
    pub(crate) output: Output,
    pub(crate) reader_rate: Option<Rate>,
    halt: Option<Halt>,
    pub(crate) is_resumable: bool,
}

impl Download {
    /// Creates a download into an output, as fast as bytes arrive.
    pub fn new(output: Output) -> Self {
        Self { output, reader_rate: None, halt: None, is_resumable: false }
    }

    /// Sets the rate at which the body is read. `None` reads as fast as bytes arrive.
    #[must_use]
    pub fn with_reader_rate(self, rate: impl Into<Option<Rate>>) -> Self {
        Self { reader_rate: rate.into(), ..self }
    }

    /// Sets a halt of the reader in the middle of the body; `None` reads to the end without a halt.
    #[must_use]
    pub fn with_halt(self, halt: impl Into<Option<Halt>>) -> Self {
        Self { halt: halt.into(), ..self }
    }

    /// Completes the part that an earlier download of the same URL left, and keeps a part if this download breaks off.
    /// The part is `NAME.part` beside the output's file, with the validator of the representation in `NAME.part.json`.
    /// Without a strong validator no part is kept (RFC 9110 section 13.1.5). Only a file can be resumed, and only by GET:
    /// with any other method, the download has no part.
    #[must_use]
    pub fn resuming(self) -> Self {
        Self { is_resumable: true, ..self }
    }

    /// Returns a copy of the download, for another body at the same time.
    ///
    /// # Errors
    /// Fails if the output keeps the body.
    pub(crate) fn copy(&self) -> Result<Self, String> {
        if self.output.is_kept() {
            return Err(
                "an output has room for one body; drop the bodies, or use one connection and one stream"
                    .into(),
            );
        }
        let output = Output::verify();
        Ok(Self { output, reader_rate: self.reader_rate, halt: self.halt.clone(), is_resumable: false })
    }

    /// Returns the use of the bytes as cases and records state it.
    pub(crate) fn sink(&self) -> SinkKind {
        self.output.kind()
    }

    /// Returns the chunk size for the case of a download. The URL of a generated body states it. Any other URL gives a
    /// placeholder, because the server chooses the chunks.
    pub(crate) fn chunk(target: &Target) -> ChunkSize {
        let chunk = generated_parameter(target, "chunk").and_then(|chunk| chunk.parse::<ByteSize>().ok());
        chunk.and_then(|chunk| ChunkSize::try_from(chunk.0).ok()).unwrap_or(ChunkSize::DEFAULT)
    }

    /// Returns the seed in the URL of a generated body; `None` for any other URL.
    pub(crate) fn seed(target: &Target) -> Option<u64> {
        generated_parameter(target, "seed")?.parse().ok()
    }

    /// Requests the body, and receives it into the output. The output is opened only after the server has accepted the
    /// request. A range of the body exists for GET alone (RFC 9110 section 14.2).
    pub(crate) async fn exchange(&mut self, by: &Exchange<'_>) -> Result<ContentReport, Failure> {
        if self.is_resumable && *method(by) == Method::GET {
            return self.resume(by).await;
        }
        let response = request(by, HeaderMap::new()).await?;
        let response = whole(accepted(response, &by.options.expected).await?, by)?;
        self.receive_whole(response, by).await
    }

    /// Receives the content of a response into the output. A response to HEAD, and a 304, leave the output as it is.
    pub(crate) async fn receive_whole(
        &mut self,
        response: Response<Body>,
        by: &Exchange<'_>,
    ) -> Result<ContentReport, Failure> {
        let ((head, body), method) = (response.into_parts(), method(by));
        let carried = Carried::by(method, head.status);
        let is_of_target = head.status == StatusCode::OK && *method == Method::GET;
        let sent = if is_of_target { generated(by.target, &head.headers) } else { None };
        let mut nothing = Output::verify();
        let is_kept = head.status != StatusCode::NOT_MODIFIED && *method != Method::HEAD;
        let output = if is_kept { &mut self.output } else { &mut nothing };
        let (checksums, length) = (carried.checksums(&head.headers), carried.length(&head.headers));
        let (sink, output) = output.open(length).await?;
        let sink = digesting(sink, sent.as_ref());
        let received =
            Received { body, checksums, length, sink, rate: self.reader_rate, halt: self.halt.take() };
        let (receipt, proof) = received.run(by).await?;
        let (bytes, received) = (receipt.bytes, sent.as_ref().and(receipt.digest));
        let proof = proof.get().cloned();
        Ok(ContentReport { bytes, received, sent, output, proof, ..ContentReport::default() })
    }
}

/// A body that is ready to be received.
pub(crate) struct Received {
    pub(crate) body: Body,
    pub(crate) checksums: Checksums,
    pub(crate) length: Option<u64>,
    pub(crate) sink: Sink,
    pub(crate) rate: Option<Rate>,
    pub(crate) halt: Option<Halt>,
}

impl Received {
    /// Receives the body, and compares it with the digests of the server before the sink completes it.
    ///
    /// # Errors
    /// Fails if the body breaks off, has another length or digest than stated, or cannot be saved.
    pub(crate) async fn run(self, by: &Exchange<'_>) -> Result<(Receipt, Proof), Fault> {
        let body = Verified::new(Incoming::new(self.body, by.activity.clone()), self.checksums);
        let proof = body.proof();
        let receipt = Reception::of(body.boxed_unsync(), by.meter)
            .into_sink(self.sink)
            .expecting(self.length)
            .paced(self.rate.map(Pace::new))
            .halting(self.halt)
            .run()
            .await;
        match (receipt, proof.get().filter(|proof| !proof.matches)) {
            (Ok(receipt), _) => Ok((receipt, proof)),
            (Err(_), Some(differs)) => {
                let (name, sent, received) = (&differs.algorithm, &differs.sent, &differs.received);
                let message = format!("the server states the {name} {sent}, the body has {received}");
                Err(Fault::new(FaultKind::Integrity, message))
            }
            (Err(error), None) => Err(error.into()),
        }
    }
}

/// Returns the method of a download.
fn method<'a>(by: &Exchange<'a>) -> &'a Method {
    by.options.method.as_ref().unwrap_or(&Method::GET)
}

/// Sends the request of a download.
pub(crate) async fn request(by: &Exchange<'_>, fields: HeaderMap) -> Result<Response<Body>, Failure> {
    let request = by.options.request(Method::GET, by.target, fields, transport::body::empty())?;
    Ok(by.connection.exchange(request).await?)
}

/// Refuses a 206 response that the user neither requested nor expects, because a part must not be saved as the whole
/// file.
pub(crate) fn whole(response: Response<Body>, by: &Exchange<'_>) -> Result<Response<Body>, Fault> {
    let is_asked_for = by.options.asks_for_range() || !by.options.expected.is_default();
    if response.status() == StatusCode::PARTIAL_CONTENT && !is_asked_for {
        let message = "the server answered 206 Partial Content to a request for the whole body";
        return Err(Fault::new(FaultKind::Protocol, message));
    }
    Ok(response)
}

/// Returns a sink that digests the body only if the sender's content is known. Digesting takes a fifth of a receiver's
/// processor time in cleartext.
pub(crate) fn digesting(sink: Sink, sent: Option<&SentContent>) -> Sink {
    if sent.is_some() { sink } else { sink.without_digest() }
}

/// Returns a query parameter in the URL of a body that a longhaul server generates; `None` for any other URL.
fn generated_parameter<'a>(target: &'a Target, name: &str) -> Option<&'a str> {
    (target.uri().path() == "/").then(|| target.parameter(name)).flatten()
}

/// Returns the body that a longhaul server generates for the URL. The URL's `size` and `seed` determine the digest.
/// `None` for any other server or URL.
pub(crate) fn generated(target: &Target, headers: &HeaderMap) -> Option<SentContent> {
    let size: ByteSize =
        generated_parameter(target, "size").filter(|_| is_longhaul(headers))?.parse().ok()?;
    let seed = match generated_parameter(target, "seed") {
        Some(seed) => seed.parse().ok()?,
        None => DEFAULT_SEED,
    };
    let payload = Payload::prepare(&PayloadKind::Random, seed, ChunkSize::DEFAULT);
    Some(SentContent::Generated(payload, size.0))
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};

    use super::*;

    fn digest(url: &str, server: &'static str) -> Option<String> {
        let headers = HeaderMap::from_iter([(header::SERVER, HeaderValue::from_static(server))]);
        generated(&Target::parse(url).unwrap(), &headers)?.digest()
    }

    #[test]
    fn the_url_of_a_longhaul_server_states_size_and_seed_of_a_generated_body() {
        let expected = |seed, size| {
            let payload = Payload::prepare(&PayloadKind::Random, seed, ChunkSize::try_from(7).unwrap());
            payload.digest(size).map(|digest| digest.to_string())
        };
        assert_eq!(digest("http://x/?size=1KiB", "longhaul/0.1.0"), expected(DEFAULT_SEED, 1024));
        assert_eq!(digest("http://x/?chunk=9&seed=5&size=10", "longhaul/0.1.0"), expected(5, 10));
    }

    #[test]
    fn the_case_states_chunk_and_seed_of_a_generated_body_alone() {
        let facts = |url: &str| {
            let target = Target::parse(url).unwrap();
            (Download::chunk(&target).get(), Download::seed(&target))
        };
        assert_eq!(facts("http://x/?size=1GiB&chunk=1MiB&seed=5"), (1 << 20, Some(5)));
        for url in ["http://x/", "http://x/a?chunk=1MiB&seed=5", "http://x/?chunk=1TiB&seed=x"] {
            assert_eq!(facts(url), (ChunkSize::DEFAULT.get(), None), "{url}");
        }
    }

    #[test]
    fn nothing_is_expected_of_files_defaults_and_other_servers() {
        for (url, server) in [
            ("http://x/?size=1KiB", "nginx"),
            ("http://x/a?size=1KiB", "longhaul/0.1.0"),
            ("http://x/", "longhaul/0.1.0"),
            ("http://x/?size=much", "longhaul/0.1.0"),
            ("http://x/?size=1&seed=x", "longhaul/0.1.0"),
        ] {
            assert_eq!(digest(url, server), None, "{url} {server}");
        }
    }
}
