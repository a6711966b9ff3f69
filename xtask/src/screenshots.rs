//! `cargo xtask screenshots`: pictures of the pages, made by Chromium from the records in `results`.

use std::{
    fs::{self, File},
    io::{BufReader, BufWriter},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use color_quant::NeuQuant;
use png::{BitDepth, ColorType, Transformations};

use crate::workspace;

/// Take pictures of the pages of a bench, a sweep, a proof, a comparison and an interrupted run
///
/// Needs Node.js and Chromium, which `scripts/peers` installs.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The program that makes the pages
    #[arg(long, value_name = "PATH", default_value = "target/release/longhaul")]
    program: PathBuf,
    /// Folder for the pictures
    #[arg(short, long, value_name = "DIR", default_value = "docs/screenshots")]
    output: PathBuf,
    /// Show whole pages, not only their beginnings
    #[arg(long)]
    whole: bool,
}

/// The records of the pages: a name, a folder of results, and a title.
const REPORTS: [(&str, &str, &str); 3] = [
    ("bench", "results/2026-11-28-epyc-2-cores/default", "longhaul bench"),
    ("sweep", "results/2026-11-26-epyc-2-cores/sweep", "longhaul bench: chunks from 1 KiB to 16 MiB"),
    ("prove", "results/2026-11-28-2-cores/prove", "longhaul prove"),
];

/// The two sets of records of the comparison.
const COMPARED: [&str; 2] = [
    "results/2026-11-23-h2-0.4.18-0.4.20/base.jsonl.zst",
    "results/2026-11-23-h2-0.4.18-0.4.20/candidate.jsonl.zst",
];

/// The number of records after which the interrupted run ends.
const INTERRUPTED: usize = 70;

/// The number of colours of a picture. Pages have few colours, and text has shades of them.
const COLOURS: usize = 192;

/// The sampling of NeuQuant: it examines one in this number of pixels.
const SAMPLED: i32 = 10;

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let mut pages = Vec::new();
    for (name, records, title) in REPORTS {
        pages.push((name, report(&arguments.program, title, Path::new(records), &folder.path().join(name))?));
    }
    let early = folder.path().join("early.jsonl");
    interrupt(Path::new(REPORTS[0].1), &early)?;
    let interrupted = report(&arguments.program, REPORTS[0].2, &early, &folder.path().join("interrupted"))?;
    pages.push(("interrupted", interrupted));
    let compared = folder.path().join("compare");
    longhaul(&arguments.program, &["compare", COMPARED[0], COMPARED[1], "-o"], &compared)?;
    pages.push(("compare", compared.join("compare.html")));
    let pictures = folder.path().join("pictures");
    shoot(&pages, &pictures, arguments.whole)?;
    fs::create_dir_all(&arguments.output)?;
    let mut bytes = 0;
    for entry in fs::read_dir(&pictures)? {
        let path = entry?.path();
        let to = arguments.output.join(path.file_name().context("a picture without a name")?);
        reduce(&path, &to).with_context(|| format!("cannot reduce {}", path.display()))?;
        bytes += fs::metadata(to)?.len();
    }
    eprintln!("{}: {:.1} MiB", arguments.output.display(), bytes as f64 / f64::from(1 << 20));
    Ok(ExitCode::SUCCESS)
}

/// Makes the page of records in a new folder, and returns its path.
fn report(program: &Path, title: &str, records: &Path, folder: &Path) -> Result<PathBuf> {
    let records = records.to_str().context("a path that is no text")?;
    longhaul(program, &["report", records, "--title", title, "--format", "html", "-o"], folder)?;
    Ok(folder.join("report.html"))
}

fn longhaul(program: &Path, arguments: &[&str], last: &Path) -> Result<()> {
    let output = Command::new(program).args(arguments).arg(last).output();
    let output = output.with_context(|| format!("cannot start {}; build it first", program.display()))?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// Writes the first records of a session, as if it had been interrupted.
fn interrupt(records: &Path, to: &Path) -> Result<()> {
    let lines: Result<String, _> =
        record::read(records)?.iter().take(INTERRUPTED).map(record::Record::to_line).collect();
    fs::write(to, lines?).with_context(|| format!("cannot write {}", to.display()))
}

/// Takes the pictures of pages.
fn shoot(pages: &[(&str, PathBuf)], folder: &Path, is_whole: bool) -> Result<()> {
    let root = workspace::root();
    let mut node = Command::new("node");
    node.arg(root.join("tests/page/shoot.mjs")).arg(folder);
    if is_whole {
        node.arg("--whole");
    }
    node.args(pages.iter().map(|(name, page)| format!("{name}={}", page.display())));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    node.env("LONGHAUL_NODE_MODULES", target.join("peers/node/node_modules"));
    let status = node.status().context("cannot start node; scripts/peers installs Chromium's driver")?;
    ensure!(status.success(), "no pictures were taken ({status})");
    Ok(())
}

/// Writes a picture with a palette of [`COLOURS`].
fn reduce(from: &Path, to: &Path) -> Result<()> {
    let mut decoder = png::Decoder::new(BufReader::new(File::open(from)?));
    decoder.set_transformations(Transformations::EXPAND | Transformations::ALPHA);
    let mut reader = decoder.read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().context("too large a picture")?];
    let info = reader.next_frame(&mut pixels)?;
    let palette = NeuQuant::new(SAMPLED, COLOURS, &pixels);
    let indices: Vec<u8> = pixels.chunks_exact(4).map(|pixel| palette.index_of(pixel) as u8).collect();
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(to)?), info.width, info.height);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    // Neighbouring indices of the palette are not similar colours, so PNG filters would make the file larger.
    encoder.set_filter(png::Filter::NoFilter);
    encoder.set_palette(palette.color_map_rgb());
    encoder.write_header()?.write_image_data(&indices)?;
    Ok(())
}
