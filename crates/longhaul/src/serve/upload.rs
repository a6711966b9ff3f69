//! Takes an upload: `PUT` or `POST`, chunked or with a length.

use std::time::Duration;

use http::{Request, StatusCode, header};
use http_body_util::{LengthLimitError, Limited};
use metrics::Meter;
use receiver::{
    Receipt,
    save::{NameError, SafeName, SaveError, Saver},
};
use transport::Body;

use super::{
    Sink,
    answering::{After, Answering, refuse, stalled},
    response::{Refusal, receipt},
    told,
};
use crate::size::ByteSize;

/// The window of the meter that watches over progress; no figure is made of it.
const WINDOW: u64 = 1 << 20;

pub(super) async fn take(
    sink: &Sink,
    max_body: Option<ByteSize>,
    request: Request<Body>,
    name: Result<SafeName, NameError>,
    idle: Duration,
    responder: Answering<'_>,
) -> After {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    let mut body = request.into_body();
    let sink = match admit(sink, max_body, name, length) {
        Ok(sink) => sink,
        Err(refusal) => return refuse(refusal, body, responder).await,
    };
    let meter = Meter::new(WINDOW);
    let most = max_body.map_or(usize::MAX, |most| usize::try_from(most.0).unwrap_or(usize::MAX));
    let limited = Limited::new(&mut body, most);
    let received = tokio::select! {
        received = receiver::receive(limited, &meter, sink, length, None, Duration::ZERO) => received,
        () = stalled(&meter, idle) => {
            let waited = format!("no byte came for {} s", idle.as_secs_f64());
            responder.respond(Refusal::new(StatusCode::REQUEST_TIMEOUT, waited).response()).await;
            return After::Close;
        }
    };
    match received {
        Ok(got) => answered(&got, responder).await,
        Err(error) => refuse(refusal(max_body, error), body, responder).await,
    }
}

async fn answered(got: &Receipt, responder: Answering<'_>) -> After {
    responder.respond(receipt(got)).await
}

/// The sink for a body, if its name and its announced length are acceptable.
fn admit(
    sink: &Sink,
    max_body: Option<ByteSize>,
    name: Result<SafeName, NameError>,
    length: Option<u64>,
) -> Result<receiver::Sink, Refusal> {
    if let (Some(most), Some(length)) = (max_body, length)
        && length > most.0
    {
        return Err(too_large(most));
    }
    match sink {
        Sink::Discard => Ok(receiver::Sink::Discard),
        Sink::Verify => Ok(receiver::Sink::verify()),
        Sink::Collect => Ok(receiver::Sink::Collect(Vec::new())),
        Sink::Save(folder) => {
            let name = name.map_err(SaveError::from)?;
            Ok(receiver::Sink::save(Saver::begin(folder, name)?))
        }
    }
}

fn too_large(most: ByteSize) -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body may have at most {}", told(most)))
}

fn refusal(max_body: Option<ByteSize>, error: receiver::Error) -> Refusal {
    match error {
        receiver::Error::Save(error) => error.into(),
        receiver::Error::Broken { source, .. } if source.is::<LengthLimitError>() => {
            too_large(max_body.unwrap_or(ByteSize(u64::MAX)))
        }
        error => Refusal::new(StatusCode::BAD_REQUEST, error.to_string()),
    }
}
