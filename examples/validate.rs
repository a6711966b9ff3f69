//! Validates every record of a file against the JSON Schema: `cargo run --example validate -- results/…/records.jsonl`

use std::{
    env,
    error::Error,
    fs::File,
    io::{BufRead as _, BufReader},
};

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args().nth(1).ok_or("usage: validate RECORDS")?;
    let validator = jsonschema::validator_for(&serde_json::from_str(record::SCHEMA)?)?;
    let mut valid = 0;
    for (number, line) in BufReader::new(File::open(&path)?).lines().enumerate() {
        let record = serde_json::from_str(&line?)?;
        if let Err(error) = validator.validate(&record) {
            return Err(format!("{path}:{}: {}: {error}", number + 1, error.instance_path()).into());
        }
        valid += 1;
    }
    if valid == 0 {
        return Err(format!("{path} holds no records").into());
    }
    eprintln!("{valid} records of {path} are valid");
    Ok(())
}
