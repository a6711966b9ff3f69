//! Files: sources and outputs of any kind, limits, and the files that remain when a program is stopped.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{MetadataExt as _, PermissionsExt as _, symlink},
    },
    path::Path,
    process::{Command, Output, Stdio},
    thread::sleep,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::common::{assert_success, limited, longhaul, names, open_files, run, server::Server, text, wait};

/// Returns a server that saves uploads in a new folder.
fn saving(args: &[&str]) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let sink = format!("save:{}", folder.path().display());
    let server = Server::start(&[&["--sink", &sink], args].concat());
    (folder, server)
}

/// Runs `longhaul send` with a file.
fn send(server: &Server, name: &str, file: &OsStr, args: &[&str]) -> Output {
    let mut payload = OsStr::new("file:").to_owned();
    payload.push(file);
    let url = server.url(false, name);
    longhaul(&["send", &url, "--quiet", "--payload"]).arg(payload).args(args).output().unwrap()
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn pipes_devices_made_up_sparse_and_oddly_named_files_are_sent() {
    let (saved, server) = saving(&[]);
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    make_pipe(&pipe);
    let content: Vec<u8> = (0..3_000_001_u32).map(|i| (i >> 5) as u8).collect();
    let writer = {
        let (pipe, content) = (pipe.clone(), content.clone());
        std::thread::spawn(move || fs::write(pipe, content))
    };
    assert_success(&send(&server, "/pipe", pipe.as_os_str(), &[]));
    writer.join().unwrap().unwrap();
    assert!(fs::read(saved.path().join("pipe")).unwrap() == content);

    assert_success(&send(&server, "/version", OsStr::new("/proc/version"), &[]));
    assert_eq!(fs::read(saved.path().join("version")).unwrap(), fs::read("/proc/version").unwrap());

    assert_success(&send(&server, "/zero", OsStr::new("/dev/zero"), &["--size", "1000003"]));
    assert!(fs::read(saved.path().join("zero")).unwrap() == vec![0; 1_000_003]);

    let odd = folder.path().join(OsStr::from_bytes(b"\xff"));
    fs::File::create(&odd).unwrap().set_len(5 << 20).unwrap();
    assert_success(&send(&server, "/odd", odd.as_os_str(), &["--json"]));
    assert!(fs::read(saved.path().join("odd")).unwrap() == vec![0; 5 << 20]);
}

#[test]
fn an_output_is_written_as_its_kind_allows() {
    let (folder, server) = saving(&[]);
    let path = |name: &str| folder.path().join(name);
    let fetch = |output: &OsStr| {
        longhaul(&["fetch", &server.url(false, "/?size=100000"), "--quiet", "-o"])
            .arg(output)
            .output()
            .unwrap()
    };
    // A new file follows the umask, and an old one keeps its permissions.
    fs::write(path("like"), "").unwrap();
    let mode = |name: &str| fs::metadata(path(name)).unwrap().mode() & 0o777;
    assert_success(&fetch(path("new").as_os_str()));
    assert_eq!(mode("new"), mode("like"));
    fs::write(path("old"), "before").unwrap();
    fs::set_permissions(path("old"), fs::Permissions::from_mode(0o604)).unwrap();
    assert_success(&fetch(path("old").as_os_str()));
    assert_eq!((mode("old"), fs::read(path("old")).unwrap().len()), (0o604, 100_000));

    symlink("target", path("link")).unwrap();
    assert_success(&fetch(path("link").as_os_str()));
    assert!(path("link").is_symlink() && fs::read(path("target")).unwrap().len() == 100_000);

    let odd = folder.path().join(OsStr::from_bytes(b"\xfe"));
    assert_success(&fetch(odd.as_os_str()));
    assert_eq!(fs::read(&odd).unwrap().len(), 100_000);

    assert_success(&fetch(OsStr::new("/dev/null")));
    make_pipe(&path("pipe"));
    let reader = {
        let pipe = path("pipe");
        std::thread::spawn(move || fs::read(pipe).unwrap().len())
    };
    assert_success(&fetch(path("pipe").as_os_str()));
    assert_eq!(reader.join().unwrap(), 100_000);
    let piped = fetch(OsStr::new("/dev/stdout"));
    assert_success(&piped);
    assert_eq!(piped.stdout.len(), 100_000, "the figures go to stderr");
    assert!(names(folder.path()).iter().all(|name| !name.starts_with('.')));
}

#[test]
fn a_stopped_download_leaves_nothing_whatever_stops_it() {
    let (_folder, server) = saving(&[]);
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGKILL] {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("x");
        let url = server.url(false, "/?size=1GiB");
        let mut command = longhaul(&["fetch", &url, "--reader-rate", "10MiB", "--quiet", "-o"]);
        let mut fetch = command.arg(&output).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait(|| open_files(fetch.id() as i32, folder.path()) > 0);
        sleep(Duration::from_millis(300));
        kill(Pid::from_raw(fetch.id() as i32), signal).unwrap();
        let code = fetch.wait().unwrap().code();
        assert_eq!(names(folder.path()), Vec::<String>::new(), "{signal}");
        assert_eq!(code, (signal != Signal::SIGKILL).then_some(130), "{signal}");
    }
}

#[test]
fn a_file_over_the_systems_limit_is_413_and_the_server_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::spawn(limited(1024, &format!("serve --sink save:{}", folder.path().display())));
    let refused = server.client("send", "h1c", "/big", &["--size", "64MiB"]);
    assert!(text(&refused.stderr).contains("413"), "{}", text(&refused.stderr));
    assert_eq!(names(folder.path()), Vec::<String>::new());
    assert_success(&server.client("send", "h1c", "/small", &["--size", "64KiB"]));
}

#[test]
fn a_folder_stores_no_more_than_it_may() {
    let (folder, server) = saving(&["--max-stored", "1MiB"]);
    assert_success(&server.client("send", "h1c", "/a", &["--size", "600KiB"]));
    let refused = server.client("send", "h1c", "/b", &["--size", "600KiB"]);
    assert!(text(&refused.stderr).contains("507"), "{}", text(&refused.stderr));
    assert_success(&server.client("send", "h1c", "/b", &["--size", "400KiB"]));
    fs::remove_file(folder.path().join("a")).unwrap();
    assert_success(&server.client("send", "h1c", "/c", &["--size", "600KiB"]));
    let (_folder, server) = saving(&["--min-free", "1000000GiB"]);
    let refused = server.client("send", "h1c", "/a", &["--size", "1"]);
    assert!(text(&refused.stderr).contains("507"), "{}", text(&refused.stderr));
}

#[test]
fn without_a_folder_for_temporary_files_a_server_has_no_certificate_file() {
    let mut command = longhaul(&["serve"]);
    command.env("TMPDIR", "/nonexistent");
    let server = Server::spawn(command);
    assert!(server.listening["certificate"].is_null(), "{}", server.listening);
    let url = server.url(true, "/?size=1");
    assert_success(&run(&["fetch", &url, "--protocol", "h2", "--pin", server.fingerprint(), "--quiet"]));
}
