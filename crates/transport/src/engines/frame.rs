//! The head of a request or response on the raw engines: a small frame before the body.
//!
//! A frame is four bytes of length, big-endian, then that many bytes of JSON. The head announces the length of the
//! body, since nothing else ends it.

use http::{Method, Request, Response, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::{BodyLength, Error};

/// The largest head that is accepted, in bytes. Heads sent by longhaul have less than 200.
const MAX_HEAD: u32 = 16 << 10;

/// The head of a request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RequestHead {
    method: String,
    target: String,
    /// The length of the body, in bytes.
    pub(crate) length: u64,
}

/// The head of a response.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ResponseHead {
    status: u16,
    /// The length of the body, in bytes.
    pub(crate) length: u64,
}

impl RequestHead {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        Self {
            method: request.method().to_string(),
            target: request.uri().to_string(),
            length: announced(request.extensions()),
        }
    }

    /// Returns the request with its body.
    ///
    /// # Errors
    /// Fails if the method or the target is malformed.
    pub(crate) fn request<B>(&self, protocol: &'static str, body: B) -> Result<Request<B>, Error> {
        let method: Method = self.method.parse().map_err(|e| Error::protocol(protocol, e))?;
        let target: Uri = self.target.parse().map_err(|e| Error::protocol(protocol, e))?;
        let mut request = Request::new(body);
        (*request.method_mut(), *request.uri_mut()) = (method, target);
        Ok(request)
    }
}

impl ResponseHead {
    pub(crate) fn of<B>(response: &Response<B>) -> Self {
        Self { status: response.status().as_u16(), length: announced(response.extensions()) }
    }

    /// Returns the response with its body.
    ///
    /// # Errors
    /// Fails if the status is invalid.
    pub(crate) fn response<B>(&self, protocol: &'static str, body: B) -> Result<Response<B>, Error> {
        let status = StatusCode::from_u16(self.status).map_err(|e| Error::protocol(protocol, e))?;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        Ok(response)
    }
}

fn announced(extensions: &http::Extensions) -> u64 {
    extensions.get().map_or(0, |BodyLength(length)| *length)
}

/// Encodes a head as a frame.
///
/// # Errors
/// Fails if the head is too long for a frame.
pub(crate) fn encode(protocol: &'static str, head: &impl Serialize) -> Result<Vec<u8>, Error> {
    let json = serde_json::to_vec(head).map_err(|e| Error::protocol(protocol, e))?;
    let length = u32::try_from(json.len()).map_err(|e| Error::protocol(protocol, e))?;
    Ok([&length.to_be_bytes()[..], &json].concat())
}

/// Reads a head. Returns `None` if the stream ended in good order before it.
///
/// # Errors
/// Fails if the stream broke, or the head is too long or malformed.
pub(crate) async fn read<H: for<'a> Deserialize<'a>>(
    protocol: &'static str,
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<H>, Error> {
    let broken = |error| Error::protocol(protocol, error);
    let mut length = [0; 4];
    let first = stream.read(&mut length).await.map_err(broken)?;
    if first == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[first..]).await.map_err(broken)?;
    let length = u32::from_be_bytes(length);
    if length > MAX_HEAD {
        let reason = format!("a head of {length} bytes exceeds the {MAX_HEAD} that are accepted");
        return Err(Error::protocol(protocol, reason));
    }
    let mut json = vec![0; length as usize];
    stream.read_exact(&mut json).await.map_err(broken)?;
    serde_json::from_slice(&json).map(Some).map_err(|e| Error::protocol(protocol, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_stream_that_ends_before_a_head_ends_in_good_order() {
        let whole = encode("test", &ResponseHead { status: 200, length: 7 }).unwrap();
        let read = async |mut bytes: &[u8]| read::<ResponseHead>("test", &mut bytes).await;
        assert_eq!(read(&whole).await.unwrap().unwrap().length, 7);
        assert!(read(&[]).await.unwrap().is_none());
        for cut in 1..whole.len() {
            assert!(read(&whole[..cut]).await.is_err(), "after {cut} bytes");
        }
    }
}
