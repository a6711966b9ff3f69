//! The claims of a run and the answers of its repetition, as tables.

use comfy_table::{CellAlignment, Table, presets};
use record::{mib_per_s, three_digits};

use crate::{Answer, Claim, Goodputs, Reproduction, Subject};

/// Returns a reproduction as text for standard output: the claims, then the goodputs, then the number of each answer.
pub fn reproduction_text(reproduction: &Reproduction) -> String {
    let mut claims = table(["case", "claim", "there", "here", "answer"]);
    for claim in &reproduction.claims {
        let Claim { case, there, here, answer, .. } = claim;
        claims.add_row([case, &subject(claim), there, here, word(*answer)]);
    }
    let mut goodputs = table(["case", "MiB/s there", "MiB/s here", "", ""]);
    let figure = |goodput: Option<f64>| goodput.map_or("-".into(), |rate| three_digits(mib_per_s(rate)));
    for Goodputs { case, there, here } in &reproduction.goodputs {
        goodputs.add_row([case.clone(), figure(*there), figure(*here), String::new(), String::new()]);
    }
    for column in goodputs.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!(
        "{}\n\ngoodputs, which depend on the machine and are no claims:\n{}\n\n{}\n",
        claims.trim_fmt(),
        goodputs.trim_fmt(),
        counted(reproduction)
    )
}

fn table(heads: [&str; 5]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(heads);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

fn subject(claim: &Claim) -> String {
    match &claim.subject {
        Subject::Ratio { baseline } => format!("goodput of {baseline}"),
        Subject::Budget { end } => format!("{end}'s memory"),
        Subject::Constancy { end } => format!("{end}'s growth"),
    }
}

fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Agrees => "agrees",
        Answer::Disagrees => "DISAGREES",
        Answer::CannotTell => "cannot tell",
    }
}

fn counted(reproduction: &Reproduction) -> String {
    let count = |answer| reproduction.count(answer);
    format!(
        "{} claims: {} agree, {} disagree, {} cannot be told; ratios agree within a factor of {:.2}",
        reproduction.claims.len(),
        count(Answer::Agrees),
        count(Answer::Disagrees),
        count(Answer::CannotTell),
        1.0 + reproduction.margin,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{runs, with};

    #[test]
    fn every_claim_is_a_line_with_its_answer() {
        let there = [runs("tcp", &[10.0; 6]), runs("h2c", &[8.0; 6])].concat();
        let here: Vec<_> = there
            .iter()
            .map(|record| {
                with(record.clone(), |record| {
                    if record.case.protocol == "h2c" {
                        record.goodput_bytes_per_s = Some(5.0 * f64::from(1 << 20));
                    }
                })
            })
            .collect();
        let text = reproduction_text(&Reproduction::of(&there, &here, 0.1));
        let line = text.lines().find(|line| line.contains("goodput of tcp")).unwrap();
        assert!(line.starts_with("h2c/up/64KiB/2GiB"), "{text}");
        assert!(line.contains("0.80 [0.80, 0.80]") && line.contains("0.50 [0.50, 0.50]"), "{text}");
        assert!(line.trim_end().ends_with("DISAGREES"), "{text}");
        assert!(text.contains("5 claims: 4 agree, 1 disagree, 0 cannot be told"), "{text}");
        assert!(text.contains("h2c/up/64KiB/2GiB") && text.contains('5'), "{text}");
    }
}
