//! Uploads one body.

use http::{HeaderValue, Method, Request, header};
use http_body_util::BodyExt as _;
use metrics::Pace;
use payload::{Kind, Payload};
use receiver::Receipt;
use sender::MeteredBody;
use transport::{BodyLength, Connection};

use super::{Job, Proof, Target};
use crate::{
    bench::Measured,
    case::{Case, Direction, Rates, SinkKind},
    cli::SendArgs,
    exit::Usage,
    instruments::Instruments,
    record::{EndRecord, Fault, FaultKind, fault},
    reply::{accepted, text},
    size::{ByteSize, mib},
};

/// The size of a generated body unless another is asked for.
const DEFAULT_SIZE: u64 = 2 << 30;

pub(super) struct Upload<'a> {
    args: &'a SendArgs,
    size: Option<u64>,
}

impl<'a> Upload<'a> {
    /// # Errors
    /// The payload cannot be used, or flags contradict each other.
    pub(super) fn of(args: &'a SendArgs) -> Result<Self, Usage> {
        let own = args.payload.size().map_err(|error| Usage(error.to_string()))?;
        let size = match (&args.payload, own, args.size) {
            (Kind::Stdin | Kind::File(_), _, Some(_)) => {
                let payload = &args.payload;
                return Err(Usage(format!("--size contradicts --payload {payload}: it has its own size")));
            }
            (Kind::Stdin, _, None) => None,
            (_, Some(own), None) => Some(own),
            (_, _, asked) => Some(asked.map_or(DEFAULT_SIZE, |size| size.0)),
        };
        Ok(Self { args, size })
    }

    fn request(&self, target: &Target) -> http::request::Builder {
        let kind = match &self.args.payload {
            Kind::File(path) => mime_guess::from_path(path).first_or_octet_stream(),
            _ => mime_guess::mime::APPLICATION_OCTET_STREAM,
        };
        let request = Request::builder().method(Method::PUT).uri(target.uri.clone());
        match HeaderValue::from_str(kind.as_ref()) {
            Ok(kind) => request.header(header::CONTENT_TYPE, kind),
            Err(_) => request,
        }
    }
}

impl Job for Upload<'_> {
    fn case(&self, target: &Target, bytes: u64) -> Case {
        Case {
            transport: target.transport,
            direction: Direction::Up,
            chunk: self.args.chunk_size,
            body: ByteSize(self.size.unwrap_or(bytes)),
            payload: self.args.payload.clone(),
            seed: self.args.seed,
            sink: SinkKind::Verify,
            connections: 1,
            streams: 1,
            rates: Rates { reader: None, limit: self.args.limit_rate },
            limits: self.args.remote.limits.limits_for_anybody(),
        }
    }

    async fn exchange(
        &self,
        target: &Target,
        connection: &dyn Connection,
        instruments: &Instruments,
    ) -> Result<Proof, Fault> {
        let payload = Payload::prepare(&self.args.payload, self.args.seed, self.args.chunk_size);
        let source = payload.open(self.size.unwrap_or_default())?;
        let is_generated = matches!(self.args.payload, Kind::Random | Kind::Zero);
        let body = MeteredBody::new(source, instruments.meter.clone(), !is_generated)
            .paced(self.args.limit_rate.map(|rate| Pace::new(rate.0)));
        let sent = body.sent();
        let mut request = self
            .request(target)
            .body(body.map_err(Into::into).boxed_unsync())
            .map_err(|error| fault(FaultKind::Protocol, error))?;
        request.extensions_mut().insert(BodyLength(self.size.unwrap_or_default()));

        let response = connection.exchange(request).await.map_err(|error| match sent.error() {
            Some(payload) => fault(FaultKind::Payload, payload),
            None => error.into(),
        })?;
        let text = text(accepted(response).await?).await?;
        let Ok(receipt) = serde_json::from_slice::<Receipt>(&text) else { return Ok(Proof::default()) };
        let bytes = instruments.meter.bytes();
        if receipt.bytes != bytes {
            let message = format!("{bytes} bytes were sent, {} were received", receipt.bytes);
            return Err(fault(FaultKind::Integrity, message));
        }
        let digest = receipt.digest.as_ref().and_then(|_| match is_generated {
            true => payload.digest(bytes),
            false => sent.digest(),
        });
        let saved = receipt.saved.as_ref().map(|name| format!(", saved as {name}")).unwrap_or_default();
        let far_end = format!("{:.1} MiB in {:.2} s{saved}", mib(receipt.bytes), receipt.elapsed_s);
        Ok(Proof {
            sent: digest.map(|digest| digest.to_string()),
            received: receipt.digest,
            far_end: Some(far_end),
        })
    }

    fn size(&self) -> Option<u64> {
        self.size
    }

    fn place(&self, measured: &mut Measured, end: EndRecord) {
        measured.sender = Some(end);
    }
}
