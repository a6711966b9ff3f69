//! What a request asks for: method, path and query become a [`Wish`], or a refusal.

use http::{Method, StatusCode, Uri};
use payload::ChunkSize;
use receiver::save::{NameError, SafeName};

use super::response::Refusal;
use crate::{case::DEFAULT_SEED, size::ByteSize};

/// The chunk of a generated body, unless another is asked for.
const DEFAULT_CHUNK: u64 = 64 << 10;

/// What a client wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// To upload; the name matters only where uploads are saved.
    Upload { name: Result<SafeName, NameError> },
    /// A generated body.
    Generated { size: ByteSize, chunk: ChunkSize, seed: u64 },
    /// A saved file.
    File { name: SafeName },
    /// To know what this is.
    Page,
}

impl Wish {
    pub(super) fn of(method: &Method, uri: &Uri) -> Result<Self, Refusal> {
        match *method {
            Method::PUT | Method::POST => Ok(Self::Upload { name: upload_name(uri) }),
            Method::GET | Method::HEAD => Self::of_get(uri),
            _ => Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not offered here"))),
        }
    }

    fn of_get(uri: &Uri) -> Result<Self, Refusal> {
        let bad = |reason: String| Refusal::new(StatusCode::BAD_REQUEST, reason);
        if uri.path() != "/" {
            let name = decoded(uri.path().trim_start_matches('/')).and_then(|name| SafeName::parse(&name));
            return Ok(Self::File { name: name.map_err(|error| bad(error.to_string()))? });
        }
        let query = Query::of(uri);
        let Some(size) = query.get("size") else { return Ok(Self::Page) };
        let size = size.parse().map_err(|error| bad(format!("size: {error}")))?;
        let chunk = match query.get("chunk") {
            None => DEFAULT_CHUNK,
            Some(chunk) => chunk.parse::<ByteSize>().map_err(|error| bad(format!("chunk: {error}")))?.0,
        };
        let chunk = ChunkSize::try_from(chunk).map_err(|error| bad(error.to_string()))?;
        let seed = match query.get("seed") {
            None => DEFAULT_SEED,
            Some(seed) => seed.parse().map_err(|_| bad(format!("seed: '{seed}' is no whole number")))?,
        };
        Ok(Self::Generated { size, chunk, seed })
    }
}

/// `?file=NAME`, else the last segment of the path.
fn upload_name(uri: &Uri) -> Result<SafeName, NameError> {
    let name = match Query::of(uri).raw("file") {
        Some(name) => decoded(&name.replace('+', " "))?,
        None => decoded(uri.path().rsplit('/').next().unwrap_or_default())?,
    };
    SafeName::parse(&name)
}

fn decoded(text: &str) -> Result<String, NameError> {
    let text = percent_encoding::percent_decode_str(text).decode_utf8();
    text.map(Into::into).map_err(|_| NameError::NotText)
}

/// The parts of a query, still encoded.
struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    fn of(uri: &'a Uri) -> Self {
        Self(uri.query().unwrap_or_default())
    }

    fn raw(&self, key: &str) -> Option<&'a str> {
        self.0.split('&').find_map(|part| part.split_once('=').filter(|(k, _)| *k == key)).map(|(_, v)| v)
    }

    fn get(&self, key: &str) -> Option<String> {
        decoded(self.raw(key)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(method: Method, uri: &str) -> Result<Wish, u16> {
        Wish::of(&method, &uri.parse().unwrap()).map_err(|refusal| refusal.status.as_u16())
    }

    fn uploaded(uri: &str) -> Result<String, NameError> {
        upload_name(&uri.parse().unwrap()).map(|name| name.to_string())
    }

    #[test]
    fn an_upload_is_named_by_the_query_or_the_last_segment() {
        assert_eq!(uploaded("/?file=some%20file.iso").as_deref(), Ok("some file.iso"));
        assert_eq!(uploaded("/a/b/c.bin").as_deref(), Ok("c.bin"));
        assert_eq!(uploaded("/x?file=y").as_deref(), Ok("y"));
        assert_eq!(uploaded("/"), Err(NameError::Empty));
    }

    #[test]
    fn a_name_that_leaves_the_folder_is_refused_however_it_is_encoded() {
        for uri in [
            "/?file=../x",
            "/?file=..%2Fx",
            "/?file=%2e%2e%2fx",
            "/..%2fx",
            "/?file=a%00b",
            "/?file=%252e%252e%252fx",
        ] {
            assert!(uploaded(uri).is_err(), "{uri}");
        }
        assert_eq!(uploaded("/?file=%ff"), Err(NameError::NotText));
    }

    #[test]
    fn a_get_is_generated_saved_or_the_page() {
        let chunk = |bytes: u64| ChunkSize::try_from(bytes).unwrap();
        let generated = Wish::Generated { size: ByteSize(2 << 30), chunk: chunk(65_536), seed: 1 };
        assert_eq!(wish(Method::GET, "/?size=2GiB"), Ok(generated));
        let generated = Wish::Generated { size: ByteSize(5), chunk: chunk(1000), seed: 7 };
        assert_eq!(wish(Method::HEAD, "/?size=5&chunk=1KB&seed=7"), Ok(generated));
        assert_eq!(wish(Method::GET, "/"), Ok(Wish::Page));
        assert!(matches!(wish(Method::GET, "/some.iso"), Ok(Wish::File { .. })));
        for uri in ["/?size=x", "/?size=1&chunk=0", "/?size=1&chunk=65MiB", "/?size=1&seed=x", "/a/b", "/.x"]
        {
            assert_eq!(wish(Method::GET, uri), Err(400), "{uri}");
        }
        assert_eq!(wish(Method::DELETE, "/x"), Err(405));
    }
}
