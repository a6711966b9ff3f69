//! The disk: sources and outputs of any kind, limits, and what is left when a program is stopped.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    ffi::OsStr,
    fs,
    io::{Read as _, Write as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{MetadataExt as _, PermissionsExt as _, symlink},
    },
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread::sleep,
    time::Duration,
};

use common::{longhaul, open_files, run, server::Server, text};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// A server that saves uploads in a new folder.
fn saving(args: &[&str]) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let sink = format!("save:{}", folder.path().display());
    let server = Server::start(&[&["--sink", &sink], args].concat());
    (folder, server)
}

/// `longhaul send` of a file.
fn send(server: &Server, name: &str, file: &OsStr, args: &[&str]) -> Output {
    let mut payload = OsStr::new("file:").to_owned();
    payload.push(file);
    let url = server.url(false, name);
    longhaul(&["send", &url, "--quiet", "--payload"]).arg(payload).args(args).output().unwrap()
}

fn assert_success(output: &Output) {
    assert!(output.status.success(), "{} {}", text(&output.stdout), text(&output.stderr));
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

fn wait(condition: impl Fn() -> bool) {
    for _ in 0..3000 {
        if condition() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("the condition never held");
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// A command under a limit of the size of files, in KiB.
fn limited(kib: u32, args: &str) -> Command {
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_longhaul");
    command.arg("-c").arg(format!("ulimit -f {}; exec {program} {args}", 2 * kib));
    command
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

#[test]
fn with_json_no_folder_is_needed() {
    let args = ["bench", "--protocol", "tcp", "--size", "1", "--chunk-size", "1", "--rounds", "2", "--json"];
    let output = longhaul(&args).arg("--quiet").current_dir("/proc").output().unwrap();
    assert_success(&output);
    assert_eq!(common::records(&text(&output.stdout)).len(), 2);
    assert!(text(&output.stderr).contains("the records go to stdout only"), "{}", text(&output.stderr));
}

/// The limit takes the place of a full disk: it needs no privileges.
#[test]
fn records_that_do_not_fit_on_the_disk_leave_whole_lines_and_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let args = "bench --protocol tcp --size 1 --chunk-size 1 --rounds 60 --quiet --out";
    let output = limited(64, &format!("{args} {}", out.display())).output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cannot write") && stderr.contains("records.jsonl"), "{stderr}");
    let records = fs::read_to_string(out.join("records.jsonl")).unwrap();
    assert!(records.ends_with('\n') && !common::records(&records).is_empty());
    let summary = fs::read_to_string(out.join("summary.md")).unwrap();
    assert!(summary.contains(&format!("stopped: {} of 60 runs", records.lines().count())), "{summary}");
    assert!(names(&out).iter().all(|name| !name.starts_with('.')), "{:?}", names(&out));
}

#[test]
fn a_torn_last_line_is_noted_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let (out, ceilings) = (folder.path().join("out"), folder.path().join("c.toml"));
    let shape = ["--protocol", "tcp", "--size", "1", "--chunk-size", "1", "--rounds", "2", "--quiet"];
    let out = out.to_str().unwrap();
    assert_success(&run(&[&["bench"], &shape[..], &["--out", out]].concat()));
    let records = Path::new(out).join("records.jsonl");
    let whole = fs::read_to_string(&records).unwrap();
    fs::write(&records, format!("{whole}{}", &whole[..500])).unwrap();
    fs::write(&ceilings, "[[ceiling]]\nprotocol = \"*\"\nbudget = true\n").unwrap();
    let report = folder.path().join("report");
    for args in [
        vec!["check", out, "--ceilings", ceilings.to_str().unwrap()],
        vec!["compare", out, out],
        vec!["report", out, "-o", report.to_str().unwrap()],
    ] {
        let output = run(&args);
        assert_ne!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stderr));
        let noted = text(&output.stderr);
        assert!(noted.contains("records.jsonl:3: not a record"), "{args:?}: {noted}");
    }
}

/// A bench of bodies of these sizes.
fn bench(out: &Path, sizes: &str) -> Child {
    let mut command = longhaul(&["bench", "--quiet", "--protocol", "tcp", "--rounds", "1"]);
    command.args(["--chunk-size", "64KiB", "--sink", "discard", "--size", sizes]);
    command.arg("--out").arg(out).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn an_interrupted_bench_says_how_far_it_came() {
    for (sizes, finished, expected) in
        [("1,4096GiB", 1, "interrupted: 1 of 2 runs"), ("4096GiB", 0, "interrupted: 0 of 1 runs")]
    {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let mut bench = bench(&out, sizes);
        let records = || fs::read_to_string(out.join("records.jsonl")).unwrap_or_default().lines().count();
        wait(|| records() == finished && common::children(&bench).len() == 2);
        kill(Pid::from_raw(bench.id() as i32), Signal::SIGHUP).unwrap();
        assert_eq!(bench.wait().unwrap().code(), Some(130));
        for file in ["summary.md", "report.html"] {
            let report = fs::read_to_string(out.join(file)).unwrap();
            assert!(report.contains(expected), "{file}");
        }
    }
}

#[test]
fn a_stopped_worker_and_its_file_do_not_outlive_a_killed_bench() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved");
    fs::create_dir(&saved).unwrap();
    let mut command = longhaul(&["bench", "--quiet", "--protocol", "tcp", "--rounds", "1", "--size", "1GiB"]);
    command.args(["--chunk-size", "64KiB", "--limit-rate", "10MiB", "--sink"]);
    command.arg(format!("save:{}", saved.display())).arg("--out").arg(folder.path().join("out"));
    let mut bench = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait(|| common::children(&bench).iter().any(|worker| open_files(*worker, &saved) > 0));
    wait(|| common::children(&bench).len() == 2);
    let workers = common::children(&bench);
    kill(Pid::from_raw(workers[0]), Signal::SIGSTOP).unwrap();
    bench.kill().unwrap();
    bench.wait().unwrap();
    let is_alive = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
    };
    wait(|| !workers.iter().any(is_alive));
    assert_eq!(names(&saved), Vec::<String>::new());
}

/// The port on which a process listens.
fn listening(pid: i32) -> Option<u16> {
    let inodes: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .ok()?
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok()?.to_str().map(str::to_owned))
        .collect();
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_own = inodes.contains(&format!("socket:[{}]", fields.get(9)?));
        let port = fields.get(1)?.rsplit_once(':')?.1;
        (is_own && *fields.get(3)? == "0A").then(|| u16::from_str_radix(port, 16).ok())?
    })
}

#[test]
fn strangers_at_the_port_of_a_worker_do_not_end_a_run() {
    let mut met = 0;
    for protocol in ["tcp", "h1c", "h2c", "h2"] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let mut command = longhaul(&["bench", "--quiet", "--json", "--protocol", protocol, "--rounds", "12"]);
        command.args(["--chunk-size", "64KiB", "--size", "1MiB"]).arg("--out").arg(&out);
        let mut bench = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        while bench.try_wait().unwrap().is_none() {
            for port in common::children(&bench).into_iter().filter_map(listening) {
                let Ok(mut stranger) = std::net::TcpStream::connect(("127.0.0.1", port)) else { continue };
                let _ = stranger.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n");
                stranger.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
                let _ = stranger.read(&mut [0; 100]);
                met += 1;
            }
        }
        let mut printed = String::new();
        bench.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        for record in common::records(&printed) {
            assert_eq!(record["outcome"], "ok", "{protocol}: {}", record["error"]);
        }
    }
    assert!(met > 0, "no worker was met");
}
