//! The rules of `serve` for resumable uploads: quota, access, digests, and requests that it refuses.

use std::fs;

use crate::common::{
    resumable::{append, content, create, curl, saving},
    server::Server,
    wait,
};

#[test]
fn incomplete_uploads_count_against_the_quota() {
    let folder = tempfile::tempdir().unwrap();
    let server = saving(folder.path(), &["--max-stored", "1MiB", "--max-body", "900KiB"]);
    let first = create(&server, "/a", &["Upload-Length: 800000"]);
    assert_eq!(first.status, 201);
    assert!(first.field("upload-limit").starts_with("max-size=921600, max-age=35"), "of an hour");
    assert_eq!(create(&server, "/b", &["Upload-Length: 300000"]).status, 507);
    let whole = tempfile::NamedTempFile::new().unwrap();
    fs::write(whole.path(), content(300_000)).unwrap();
    let put = || curl(&["-T", whole.path().to_str().unwrap(), &server.url(false, "/b")]).status;
    assert_eq!(put(), 507);
    assert_eq!(create(&server, "/b", &["Upload-Length: 1000000"]).status, 413);
    curl(&["-X", "DELETE", &server.url(false, first.field("location"))]);
    wait(|| put() == 201);
    // Bytes of unknown length count as they arrive.
    let resource = server.url(false, create(&server, "/c", &[]).field("location"));
    let part = tempfile::NamedTempFile::new().unwrap();
    fs::write(part.path(), content(850_000)).unwrap();
    let refused = append(&resource, 0, "?0", part.path(), &[]);
    assert_eq!((refused.status, refused.field("upload-complete")), (507, "?0"));
    // The bytes for which there was room stay.
    let state = curl(&["-I", &resource]);
    assert_eq!((state.status, state.field("upload-complete")), (204, "?0"));
    let held: usize = state.field("upload-offset").parse().unwrap();
    assert!(held <= (1 << 20) - 300_000, "{held}");
    fs::write(part.path(), &content(850_000)[held..700_000.max(held)]).unwrap();
    assert_eq!(append(&resource, held as u64, "?1", part.path(), &[]).status, 201);
    assert!(content(850_000).starts_with(&fs::read(folder.path().join("c")).unwrap()));
}

#[test]
fn an_upload_resource_obeys_the_rules_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let token = tempfile::NamedTempFile::new().unwrap();
    fs::write(token.path(), "s3cret").unwrap();
    let server = saving(
        folder.path(),
        &["--token-file", token.path().to_str().unwrap(), "--no-overwrite", "--upload-only"],
    );
    let bearer = "Authorization: Bearer s3cret";
    assert_eq!(create(&server, "/a", &[]).status, 401);
    let created = create(&server, "/a", &[bearer]);
    let resource = server.url(false, created.field("location"));
    assert_eq!(curl(&["-I", &resource]).status, 401);
    assert_eq!(curl(&["-I", &resource, "-H", bearer]).status, 204);
    let foreign = ["-H", bearer, "-H", "Origin: https://evil.example"];
    assert_eq!(curl(&[&["-X", "DELETE", resource.as_str()], &foreign[..]].concat()).status, 403);
    assert_eq!(curl(&["-I", &resource, "-H", bearer, "-H", "Host: evil.example"]).status, 421);
    // Another upload takes the name meanwhile.
    let part = tempfile::NamedTempFile::new().unwrap();
    fs::write(part.path(), "abc").unwrap();
    let other = curl(&["-T", part.path().to_str().unwrap(), &server.url(false, "/a"), "-H", bearer]);
    assert_eq!(other.status, 201);
    let refused = append(&resource, 0, "?1", part.path(), &[bearer]);
    assert_eq!((refused.status, refused.field("upload-complete")), (412, "?1"));
    assert_eq!(create(&server, "/a", &[bearer]).status, 412);
    assert_eq!(create(&server, "/..%2fa", &[bearer]).status, 400);
    assert_eq!(create(&server, "/b", &[bearer, "Upload-Draft-Interop-Version: 6"]).status, 501);
    assert_eq!(create(&server, "/b", &[bearer, "Upload-Draft-Interop-Version: 8"]).status, 201);
}

#[test]
fn digests_of_the_file_and_of_a_part_are_verified() {
    let folder = tempfile::tempdir().unwrap();
    let server = saving(folder.path(), &[]);
    let part = tempfile::NamedTempFile::new().unwrap();
    fs::write(part.path(), "abc").unwrap();
    // The digests of "abc" and of "abcabc", by `openssl dgst -sha256 -binary | base64`.
    let (once, twice) = (
        "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:",
        "sha-256=:u7Wdo6+Tn3r182DyzrgKSW47rhzYfd5CbbCuQGd+HCw=:",
    );
    for (whole, of_part, expected) in [(twice, once, 201), (once, once, 400), (twice, twice, 400)] {
        let created = create(&server, "/a", &[&format!("Repr-Digest: {whole}")]);
        let resource = server.url(false, created.field("location"));
        assert_eq!(append(&resource, 0, "?0", part.path(), &[]).status, 204);
        let done = append(&resource, 3, "?1", part.path(), &[&format!("Content-Digest: {of_part}")]);
        assert_eq!((done.status, done.field("upload-complete")), (expected, "?1"), "{}", done.body);
        if expected == 201 {
            assert_eq!(fs::read_to_string(folder.path().join("a")).unwrap(), "abcabc");
            fs::remove_file(folder.path().join("a")).unwrap();
        } else {
            assert!(!folder.path().join("a").exists());
            assert_eq!(curl(&["-I", &resource]).status, 404);
        }
    }
}

#[test]
fn requests_that_are_no_part_of_an_upload_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = saving(folder.path(), &[]);
    let resource = server.url(false, create(&server, "/a", &["Upload-Length: 6"]).field("location"));
    let part = "Content-Type: application/partial-upload";
    for (fields, status) in [
        (vec!["Content-Type: text/plain", "Upload-Offset: 0", "Upload-Complete: ?1"], 415),
        (vec![part, "Upload-Offset: 0", "Upload-Complete: ?1", "Content-Encoding: gzip"], 415),
        (vec![part, "Upload-Complete: ?1"], 400),
        (vec![part, "Upload-Offset: -1", "Upload-Complete: ?1"], 400),
        (vec![part, "Upload-Offset: 0"], 400),
        (vec![part, "Upload-Offset: 0", "Upload-Complete: yes"], 400),
        (vec![part, "Upload-Offset: 0", "Upload-Complete: ?0", "Content-Range: bytes 0-2/6"], 400),
        (vec![part, "Upload-Offset: 0", "Upload-Complete: ?1"], 400),
        (vec![part, "Upload-Offset: 0", "Upload-Complete: ?0", "Upload-Length: 7"], 400),
        (vec![part, "Upload-Offset: 3", "Upload-Complete: ?0"], 409),
        (vec![part, "Upload-Offset: 0", "Upload-Complete: ?0"], 204),
    ] {
        let mut args = vec!["-X", "PATCH", resource.as_str(), "-d", "abc"];
        fields.iter().for_each(|field| args.extend(["-H", field]));
        assert_eq!(curl(&args).status, status, "{fields:?}");
    }
    assert_eq!(curl(&["-I", &resource]).field("upload-offset"), "3");
    // Without files there is nothing to resume.
    let verifying = Server::start(&[]);
    assert_eq!(create(&verifying, "/a", &[]).status, 501);
    assert_eq!(curl(&["-X", "OPTIONS", &verifying.url(false, "/a")]).status, 405);
}
