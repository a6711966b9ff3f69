//! Runs of `bench` without a folder, without disk space or without time, and the records that remain.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::common::{self, assert_success, limited, longhaul, names, open_files, run, text, wait};

#[test]
fn with_json_no_folder_is_needed() {
    let args = ["bench", "--protocol", "tcp", "--size", "1", "--chunk-size", "1", "--rounds", "2", "--json"];
    let output = longhaul(&args).arg("--quiet").current_dir("/proc").output().unwrap();
    assert_success(&output);
    assert_eq!(common::records(&text(&output.stdout)).len(), 2);
    assert!(text(&output.stderr).contains("the records go to stdout only"), "{}", text(&output.stderr));
}

/// The limit on the size of files stands for a full disk, since it needs no privileges.
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

/// Starts a bench of bodies of these sizes.
fn bench(out: &Path, sizes: &str) -> Child {
    let mut command =
        longhaul(&["bench", "--quiet", "--protocol", "tcp", "--rounds", "1", "--order", "fixed"]);
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
        // A later report knows it from the records.
        let later = folder.path().join("later");
        if finished > 0 {
            assert_success(&run(&["report", out.to_str().unwrap(), "-o", later.to_str().unwrap()]));
            let summary = fs::read_to_string(later.join("summary.md")).unwrap();
            assert!(summary.contains("\n\nInterrupted: 1 of 2 runs; bench --resume makes"), "{summary}");
            assert!(summary.contains(" the others. Every finished run ended well"), "{summary}");
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

/// Returns the port on which a process listens.
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
        let mut command = longhaul(&["bench", "--quiet", "--protocol", protocol, "--rounds", "12"]);
        command.args(["--chunk-size", "64KiB", "--size", "1MiB"]).arg("--out").arg(&out);
        let mut bench = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while bench.try_wait().unwrap().is_none() {
            for port in common::children(&bench).into_iter().filter_map(listening) {
                let Ok(mut stranger) = std::net::TcpStream::connect(("127.0.0.1", port)) else { continue };
                let _ = stranger.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n");
                stranger.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
                let _ = stranger.read(&mut [0; 100]);
                met += 1;
            }
        }
        let written = fs::read_to_string(out.join("records.jsonl")).unwrap();
        let records = common::records(&written);
        assert_eq!(records.len(), 12, "{protocol}");
        for record in records {
            assert_eq!(record["outcome"], "ok", "{protocol}: {}", record["error"]);
        }
    }
    assert!(met > 0, "no worker was met");
}
