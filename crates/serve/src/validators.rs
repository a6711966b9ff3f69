//! The validators of a saved file: its ETag and its Last-Modified (RFC 9110 section 8.8).

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{Response, header};
use payload::Hasher;
use receiver::save::FileVersion;

use crate::response;

/// The first second that an HTTP date cannot express: the start of the year 10,000.
const YEAR_10000: i64 = 253_402_300_800;

/// The validators of a saved file, which distinguish its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validators {
    /// The strong ETag, in quotes: a digest of the version, which does not reveal the inode.
    pub(crate) etag: String,
    /// The time of modification in whole seconds, as in HTTP dates. `None` if no HTTP date expresses it.
    pub(crate) modified: Option<SystemTime>,
    /// The version that the validators describe.
    pub(crate) version: FileVersion,
}

impl Validators {
    /// Returns the validators of the version that `metadata` describes.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let version = FileVersion::of(metadata);
        let mut hasher = Hasher::new();
        hasher.update(&version.to_bytes());
        let seconds = Some(metadata.mtime()).filter(|seconds| (0..YEAR_10000).contains(seconds));
        let modified = seconds
            .and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?)));
        Self { etag: format!("\"{}\"", hasher.digest()), modified, version }
    }

    /// Returns whether the time of modification is at least a second ago. Any later version then has a different time
    /// (RFC 9110 section 8.8.2.2).
    pub(crate) fn is_settled(&self, now: SystemTime) -> bool {
        let age = self.modified.and_then(|modified| now.duration_since(modified).ok());
        // The time of modification is truncated to whole seconds.
        age.is_some_and(|age| age >= Duration::from_secs(2))
    }

    /// Sets the fields of a response. A Last-Modified in the future is left out (RFC 9110 section 8.8.2.1).
    pub(crate) fn set<B>(&self, response: &mut Response<B>, now: SystemTime) {
        response::set(response, header::ETAG, &self.etag);
        if let Some(modified) = self.modified.filter(|modified| *modified <= now) {
            response::set(response, header::LAST_MODIFIED, httpdate::fmt_http_date(modified));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    fn with_time(time: SystemTime) -> Validators {
        let file = tempfile::tempfile().unwrap();
        file.set_modified(time).unwrap();
        Validators::of(&file.metadata().unwrap())
    }

    #[test]
    fn another_version_has_another_etag() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let validators = || Validators::of(&fs::metadata(&path).unwrap());
        fs::write(&path, "one").unwrap();
        let first = validators();
        assert_eq!(first, validators());
        assert!(first.etag.len() == 34 && first.etag.starts_with('"') && first.etag.ends_with('"'));
        // A file with the same length and time, in another inode.
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(folder.path().join("b"), "two").unwrap();
        fs::rename(folder.path().join("b"), &path).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        assert_ne!(first.etag, validators().etag);
        // A file with the same inode and length, at another time.
        let second = validators();
        let later = time + Duration::from_nanos(1000);
        File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
        assert_ne!(second.etag, validators().etag);
    }

    #[test]
    fn a_time_that_http_cannot_express_is_left_out() {
        assert_eq!(with_time(UNIX_EPOCH - Duration::from_secs(1)).modified, None);
        assert_eq!(with_time(UNIX_EPOCH).modified, Some(UNIX_EPOCH));
        let mut response = Response::new(());
        let now = UNIX_EPOCH + Duration::from_secs(100);
        with_time(now + Duration::from_secs(1)).set(&mut response, now);
        assert!(response.headers().contains_key("etag") && !response.headers().contains_key("last-modified"));
        with_time(now).set(&mut response, now);
        assert_eq!(response.headers()["last-modified"], "Thu, 01 Jan 1970 00:01:40 GMT");
    }

    #[test]
    fn a_time_is_settled_once_its_second_is_over() {
        let time = UNIX_EPOCH + Duration::from_millis(100_900);
        let settled = |after| with_time(time).is_settled(time + Duration::from_millis(after));
        assert!(!settled(0) && !settled(1000) && settled(2000));
    }
}
