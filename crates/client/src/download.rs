//! The download of one body.

use http::{HeaderMap, Method, header};
use metrics::{Meter, Pace};
use payload::Payload;
use receiver::Reception;
use record::{ByteSize, ChunkSize, DEFAULT_SEED, Fault, FaultKind, PayloadKind, Rate};
use run::accepted;
use transport::Connection;

use crate::{
    Output, Target,
    transfer::{ContentReport, SentContent, request},
};

/// A download of one body by GET.
#[derive(Debug)]
pub struct Download {
    output: Output,
    pub(crate) reader_rate: Option<Rate>,
}

impl Download {
    /// The chunk size in the case of a download: a placeholder, because the server chooses the chunks.
    pub(crate) const CHUNK: ChunkSize = ChunkSize::DEFAULT;

    /// A download into an output, as fast as bytes arrive.
    pub fn new(output: Output) -> Self {
        Self { output, reader_rate: None }
    }

    /// Sets the rate at which the body is read. `None` reads as fast as bytes arrive.
    #[must_use]
    pub fn with_reader_rate(self, rate: impl Into<Option<Rate>>) -> Self {
        Self { reader_rate: rate.into(), ..self }
    }

    /// Requests the body, and receives it into the output. The output is opened only once the server has accepted.
    pub(crate) async fn exchange(
        self,
        target: &Target,
        connection: &dyn Connection,
        meter: &Meter,
    ) -> Result<ContentReport, Fault> {
        let request = request(Method::GET, target).body(transport::body::empty());
        let request = request.map_err(|error| Fault::new(FaultKind::Protocol, error))?;
        let response = accepted(connection.exchange(request).await?).await?;
        let sent = generated(target, response.headers());
        let length = content_length(response.headers());
        let (sink, output) = self.output.open(length).await?;
        let receipt = Reception::of(response.into_body(), meter)
            .into_sink(sink)
            .expecting(length)
            .paced(self.reader_rate.map(Pace::new))
            .run()
            .await?;
        Ok(ContentReport { received: sent.as_ref().and(receipt.digest), sent, receipt: None, output })
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The body that a longhaul server generates for the URL. Its digest follows from the URL's `size` and `seed`.
fn generated(target: &Target, headers: &HeaderMap) -> Option<SentContent> {
    let server = headers.get(header::SERVER)?.to_str().ok()?;
    if !server.starts_with("longhaul/") || target.uri().path() != "/" {
        return None;
    }
    let query = target.uri().query()?;
    let value = |key: &str| query.split('&').find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
    let size: ByteSize = value("size")?.parse().ok()?;
    let seed = value("seed").map_or(Some(DEFAULT_SEED), |seed| seed.parse().ok())?;
    let payload = Payload::prepare(&PayloadKind::Random, seed, Download::CHUNK);
    Some(SentContent::Generated(payload, size.0))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

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
