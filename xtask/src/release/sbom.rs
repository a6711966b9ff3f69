//! `cargo xtask sbom`: the bill of materials of the program, in the JSON of CycloneDX 1.5 (ECMA-424).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::linked::{self, Edges, Identity};
use crate::workspace::{self, Metadata, Package};

/// The manifest of the code in the page of a report, below the root.
const CHARTS: &str = "crates/analyse/charts/package.json";

/// Write the bill of materials of the program: all packages that it links, with versions, licences and checksums
#[derive(Args)]
pub(crate) struct Arguments {
    /// Target whose packages are listed
    #[arg(long, value_name = "TRIPLE", default_value = "x86_64-unknown-linux-gnu")]
    target: String,
    /// File for the bill
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let text = serde_json::to_string_pretty(&bill(&arguments.target)?).context("cannot write JSON")?;
    fs::write(&arguments.output, text + "\n")
        .with_context(|| format!("cannot write {}", arguments.output.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn bill(target: &str) -> Result<Value> {
    let edges = linked::edges(target)?;
    let metadata = Metadata::read()?;
    let packages = metadata.by_identity();
    let checksums = checksums(&read(&workspace::root().join("Cargo.lock"))?);
    let charts: Value = serde_json::from_str(&read(&workspace::root().join(CHARTS))?)
        .with_context(|| format!("{CHARTS} is not as expected"))?;
    let charts = charts["dependencies"]["echarts"].as_str().context("the version of ECharts is unknown")?;
    let component = |identity: &Identity| {
        let package = packages.get(&(identity.0.as_str(), identity.1.as_str()));
        Ok(component(package.context(identity.0.clone())?, checksums.get(identity)))
    };
    let program = edges.keys().find(|(name, _)| name == "longhaul").context("no package longhaul")?;
    let mut root = component(program)?;
    root["type"] = "application".into();
    let mut components: Vec<Value> =
        edges.keys().filter(|identity| *identity != program).map(component).collect::<Result<_>>()?;
    components.push(charts_component(charts));
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": format!("urn:uuid:{}", uuid::Uuid::new_v4()),
        "version": 1,
        "metadata": {
            "timestamp": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "tools": { "components": [{ "type": "application", "name": "cargo xtask sbom", "version": program.1 }] },
            "component": root,
            "properties": [{ "name": "target", "value": target }],
        },
        "components": components,
        "dependencies": dependencies(&edges, charts),
    }))
}

fn component(package: &Package, checksum: Option<&String>) -> Value {
    let purl = purl(&package.name, &package.version);
    let mut component = json!({
        "type": "library",
        "bom-ref": purl,
        "name": package.name,
        "version": package.version,
        "scope": "required",
        "purl": purl,
    });
    // Old packages do not use SPDX expressions, and separate alternatives by a slash.
    if let Some(licence) = &package.license {
        component["licenses"] = json!([{ "expression": licence.replace('/', " OR ") }]);
    }
    if let Some(checksum) = checksum {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    if let Some(repository) = &package.repository {
        component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    component
}

/// Returns the component of the chart library, which the page of a report contains.
fn charts_component(version: &str) -> Value {
    let purl = charts_purl(version);
    json!({
        "type": "library", "bom-ref": purl, "name": "echarts", "version": version, "scope": "required", "purl": purl,
        "licenses": [{ "license": { "id": "Apache-2.0" } }],
    })
}

/// Returns the dependencies of each component.
fn dependencies(edges: &Edges, charts: &str) -> Vec<Value> {
    let reference = |(name, version): &Identity| purl(name, version);
    let of = |(identity, needs): (&Identity, &BTreeSet<Identity>)| {
        let mut needs: Vec<String> = needs.iter().map(reference).collect();
        if identity.0 == "longhaul-analyse" {
            needs.push(charts_purl(charts));
        }
        json!({ "ref": reference(identity), "dependsOn": needs })
    };
    let charts = json!({ "ref": charts_purl(charts), "dependsOn": [] });
    edges.iter().map(of).chain([charts]).collect()
}

fn purl(name: &str, version: &str) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

fn charts_purl(version: &str) -> String {
    format!("pkg:npm/echarts@{version}")
}

/// Returns the SHA-256 of the archive of each package from a registry.
fn checksums(lock: &str) -> BTreeMap<Identity, String> {
    let of = |package: &str| {
        let value = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
            line.map(|text| text.trim_end_matches('"').to_owned())
        };
        Some(((value("name")?, value("version")?), value("checksum")?))
    };
    lock.split("[[package]]").filter_map(of).collect()
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the text under `key` of each item. Panics if an item has none.
    fn texts<'a>(items: &'a [Value], key: &str) -> Vec<&'a str> {
        items.iter().map(|item| item[key].as_str().unwrap_or_else(|| panic!("no {key}: {item}"))).collect()
    }

    #[test]
    fn the_bill_has_the_fields_that_cyclonedx_requires() {
        let bill = bill("x86_64-unknown-linux-gnu").unwrap();
        assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
        let serial = bill["serialNumber"].as_str().unwrap();
        assert!(serial.starts_with("urn:uuid:") && serial.len() == 45, "{serial}");
        assert_eq!(bill["metadata"]["component"]["name"], "longhaul");
        let components = bill["components"].as_array().unwrap();
        assert!(components.len() > 100, "{}", components.len());
        for (key, allowed) in [("type", Some("library")), ("name", None), ("version", None)] {
            let values = texts(components, key);
            assert!(allowed.is_none_or(|allowed| values.iter().all(|value| *value == allowed)));
        }
        for component in components {
            let licence = &component["licenses"][0];
            assert!(licence["expression"].is_string() || licence["license"]["id"].is_string(), "{component}");
            let is_own = component["name"].as_str().unwrap().starts_with("longhaul-");
            let hash = &component["hashes"][0];
            let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            let is_npm = component["purl"].as_str().unwrap().starts_with("pkg:npm/");
            let has_hash = hash["alg"] == "SHA-256" && hash["content"].as_str().is_some_and(is_hash);
            assert!(has_hash || is_own || is_npm, "{component}");
        }
    }

    #[test]
    fn every_reference_of_the_bill_names_one_component() {
        let bill = bill("x86_64-unknown-linux-gnu").unwrap();
        let mut references = texts(bill["components"].as_array().unwrap(), "bom-ref");
        references.push(bill["metadata"]["component"]["bom-ref"].as_str().unwrap());
        let known: BTreeSet<&str> = references.iter().copied().collect();
        assert_eq!(known.len(), references.len(), "a reference names two components");
        let dependencies = bill["dependencies"].as_array().unwrap();
        assert_eq!(texts(dependencies, "ref").into_iter().collect::<BTreeSet<_>>(), known);
        let needed = dependencies.iter().flat_map(|one| one["dependsOn"].as_array().unwrap());
        assert!(needed.map(|name| name.as_str().unwrap()).all(|name| known.contains(name)));
    }

    #[test]
    fn checksums_are_those_of_the_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"x\"\nchecksum = \"00ff\"\n\n\
                    [[package]]\nname = \"own\"\nversion = \"0.1.0\"\n";
        let expected = BTreeMap::from([(("a".to_owned(), "1.0.0".to_owned()), "00ff".to_owned())]);
        assert_eq!(checksums(lock), expected);
    }
}
