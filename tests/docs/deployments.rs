//! The files below `deploy`: the command lines of the manifests run by the real binary, and their figures are those of its
//! budgets.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use jiff::{SignedDuration, Timestamp};

use crate::common::{assert_success, longhaul, run, server::Server, text, wait};

/// The memory of the program itself that budgets leave out, in MiB, as `serve` counts it.
const PROGRAM_MIB: f64 = 16.0;

const SERVER: &str = "server/deployment.yaml";
const SENDERS: &str = "senders/job.yaml";
const MERGE: &str = "merge/job.yaml";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes")
}

fn manifest(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

/// Returns the arguments of the only container of a manifest.
fn arguments(manifest: &str) -> Vec<String> {
    let after = manifest.split_once("          args:\n").unwrap().1;
    let items = after.lines().map_while(|line| line.strip_prefix("            - "));
    items.map(|item| item.trim_matches('"').to_owned()).collect()
}

/// Returns the value that follows a flag.
fn value<'a>(arguments: &'a [String], flag: &str) -> &'a str {
    let at = arguments.iter().position(|argument| argument == flag).unwrap_or_else(|| panic!("no {flag}"));
    &arguments[at + 1]
}

/// Returns the word after a text.
fn word<'a>(text: &'a str, before: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no '{before}' in {text}")).1;
    rest.split_whitespace().next().unwrap()
}

/// Returns the memory that a container requests, and its limit, in MiB.
fn memory(manifest: &str) -> (f64, f64) {
    let mib = |kind: &str| {
        let line = manifest
            .lines()
            .find(|line| line.trim_start().starts_with(kind) && line.contains("memory"))
            .unwrap();
        let figure = word(line, "memory: ");
        match figure.strip_suffix("Gi") {
            Some(gib) => 1024.0 * gib.parse::<f64>().unwrap(),
            None => figure.strip_suffix("Mi").unwrap().parse().unwrap(),
        }
    };
    (mib("requests:"), mib("limits:"))
}

/// Replaces the variables and the folders of a container by those of a test.
fn placed(arguments: &[String], variables: &[(&str, &str)], place: &Path) -> Vec<String> {
    let place = place.display().to_string();
    let replaced = |argument: &String| {
        let with_values = variables
            .iter()
            .fold(argument.clone(), |text, (name, value)| text.replace(&format!("$({name})"), value));
        let moved = with_values.replace("/secrets/", &format!("{place}/secrets/"));
        if moved.starts_with("/results/") { format!("{place}{moved}") } else { moved }
    };
    arguments.iter().map(replaced).collect()
}

fn as_strs(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// Writes the secrets of a fleet, with a certificate for the name of the service.
fn write_secrets(place: &Path, name: &str) {
    let folder = |kind: &str| place.join("secrets").join(kind);
    ["tls", "token"].iter().for_each(|kind| fs::create_dir_all(folder(kind)).unwrap());
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    fs::write(folder("tls").join("tls.crt"), made.cert.pem()).unwrap();
    fs::write(folder("tls").join("tls.key"), made.signing_key.serialize_pem()).unwrap();
    fs::write(folder("token").join("token"), "0123456789abcdef0123456789abcdef\n").unwrap();
}

#[test]
fn the_command_lines_of_the_manifests_make_a_fleet() {
    let temporary = tempfile::tempdir().unwrap();
    let place = temporary.path();
    let service = manifest("server/service.yaml");
    let name = word(&service, "metadata:\n  name: ").to_owned();
    write_secrets(place, &name);

    let args = placed(&arguments(&manifest(SERVER)), &[], place);
    let listen = value(&args, "--listen-tls").to_owned();
    let args: Vec<_> =
        args.into_iter().map(|arg| if arg == listen { "127.0.0.1:0".into() } else { arg }).collect();
    let server = Server::start(&as_strs(&args[1..]));
    // The probes ask without a token, at an address.
    let health = format!("https://{}/.longhaul/health", server.tls());
    assert_success(&run(&["fetch", &health, "--insecure", "--quiet"]));

    let start = (Timestamp::now() + SignedDuration::from_secs(3)).to_string();
    let (senders, merge) = (arguments(&manifest(SENDERS)), arguments(&manifest(MERGE)));
    let (_, port) = listen.rsplit_once(':').unwrap();
    assert_eq!(senders[1], format!("https://{name}:{port}/"));
    let connect_to = format!("{name}:{port}:{}", server.tls());
    let count: usize = value(&merge, "--expect").parse().unwrap();
    let clients: Vec<Child> = (0..count)
        .map(|index| {
            let variables =
                [("SIZE", "1MiB"), ("START_AT", &start), ("FLEET", "first"), ("INDEX", &index.to_string())];
            let args = placed(&senders, &variables, place);
            // Bodies that take a second overlap on a slow machine as well.
            let paced = ["--connect-to", &connect_to, "--limit-rate", "1MiB"];
            longhaul(&[&as_strs(&args), &paced[..]].concat())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    clients.into_iter().for_each(|client| assert_success(&client.wait_with_output().unwrap()));
    let merged = run(&as_strs(&placed(&merge, &[("FLEET", "first")], place)));
    assert_success(&merged);
    assert!(
        text(&merged.stdout).contains(&format!("records   {count} (0 failed)")),
        "{}",
        text(&merged.stdout)
    );
}

#[test]
fn names_ports_and_numbers_agree() {
    let (server, senders, merge) = (manifest(SERVER), manifest(SENDERS), manifest(MERGE));
    let image = format!("image: longhaul:{}\n", env!("CARGO_PKG_VERSION"));
    for (name, text) in [(SERVER, &server), (SENDERS, &senders), (MERGE, &merge)] {
        assert!(text.contains(&image), "{name} has another image than {image}");
        for rule in [
            "runAsNonRoot: true",
            "readOnlyRootFilesystem: true",
            "allowPrivilegeEscalation: false",
            "drop: [ALL]",
        ] {
            assert!(text.contains(rule), "{name} lacks {rule}");
        }
    }
    let facts = manifest("fleet/fleet.env");
    for arg in arguments(&senders).iter().chain(&arguments(&merge)).filter(|arg| arg.contains("$(")) {
        for name in arg.split("$(").skip(1).map(|rest| rest.split_once(')').unwrap().0) {
            let is_fact = facts.lines().any(|line| line.starts_with(&format!("{name}=")));
            assert!(is_fact || name == "INDEX", "{name}");
        }
    }
    let args = arguments(&server);
    let (_, port) = value(&args, "--listen-tls").rsplit_once(':').unwrap();
    let service = manifest("server/service.yaml");
    for protocol in ["TCP", "UDP"] {
        assert!(server.contains(&format!("containerPort: {port}, protocol: {protocol}")), "{protocol}");
        assert!(
            service.lines().any(|line| line.contains(&format!("port: {port},")) && line.contains(protocol))
        );
    }
    let counts = [word(&senders, "completions: "), word(&senders, "parallelism: ")];
    assert_eq!(counts, [value(&arguments(&merge), "--expect"); 2]);
    let claim = word(&manifest("server/results.yaml"), "metadata:\n  name: ").to_owned();
    assert!([senders, merge].iter().all(|text| text.contains(&format!("claimName: {claim} "))));
}

#[test]
fn the_memory_of_the_containers_is_that_of_the_budgets() {
    let senders = manifest(SENDERS);
    let args = arguments(&senders);
    let chunk = args.iter().any(|arg| arg == "--chunk-size").then(|| value(&args, "--chunk-size"));
    let case = [
        "--protocol",
        value(&args, "--protocol"),
        "--direction",
        "up",
        "--chunk-size",
        chunk.unwrap_or("64KiB"),
    ];
    let explained = run(&[&["bench", "--explain-memory"], &case[..]].concat());
    let explained = text(&explained.stdout);
    let line = explained.lines().find(|line| line.ends_with("MiB  sender over its baseline")).unwrap();
    let budget: f64 = line.split_whitespace().next().unwrap().parse().unwrap();
    let needed = ((PROGRAM_MIB + budget) / 8.0).ceil() * 8.0;
    assert_eq!(memory(&senders), (needed, needed + 8.0), "the budget is {budget} MiB");

    let temporary = tempfile::tempdir().unwrap();
    write_secrets(temporary.path(), "longhaul");
    let manifest = manifest(SERVER);
    let args = placed(&arguments(&manifest), &[], temporary.path());
    let args: Vec<_> =
        args.iter().map(|arg| if arg.ends_with(":8434") { "127.0.0.1:0" } else { arg }).collect();
    let stderr = temporary.path().join("stderr");
    let _server = Server::start_with_stderr(&args[1..], &stderr);
    wait(|| fs::read_to_string(&stderr).is_ok_and(|text| text.contains("memory: at most ")));
    let printed = fs::read_to_string(&stderr).unwrap();
    let worst: f64 = word(&printed, "memory: at most ").parse().unwrap();
    let (request, limit) = memory(&manifest);
    assert!(
        worst <= request && 4.0 * request <= 3.0 * limit,
        "{worst} MiB at most, {request} requested of {limit}"
    );
    // On a machine with little memory the worst case is lower.
    assert!(
        worst > request - 64.0 || printed.contains("instead of"),
        "{worst} MiB at most, but {request} requested"
    );
}

#[test]
fn the_batch_script_is_a_script() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/slurm/fleet.sbatch");
    assert!(Command::new("bash").arg("-n").arg(&script).status().unwrap().success());
    // It refuses an allocation without a sender before it writes anything.
    let temporary = tempfile::tempdir().unwrap();
    let mut alone = Command::new("bash");
    alone
        .arg(&script)
        .env("SLURM_NTASKS", "1")
        .env("SLURM_JOB_ID", "1")
        .env("SLURM_SUBMIT_DIR", temporary.path());
    let output = alone.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("use --ntasks=2 or more"), "{}", text(&output.stderr));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}
