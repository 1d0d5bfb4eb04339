//! What is printed and written: a table a row, and all figures as JSON.

use comfy_table::{Table, presets::ASCII_MARKDOWN};
use serde_json::{Value, json};

use crate::harness::{Contestant, Measured, Role, RowResult, Trouble, Unit};

/// The least, the middle and the greatest of some figures.
#[derive(Clone, Copy, Debug)]
struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_unstable_by(f64::total_cmp);
        let (min, max) = (*figures.first()?, *figures.last()?);
        let half = figures.len() / 2;
        let median =
            if figures.len() % 2 == 1 { figures[half] } else { (figures[half - 1] + figures[half]) / 2.0 };
        Some(Self { min, median, max })
    }

    fn shown(&self, show: impl Fn(f64) -> String) -> String {
        if self.min == self.max { String::new() } else { format!("{}..{}", show(self.min), show(self.max)) }
    }
}

/// The row as people read it.
pub(crate) fn table(result: &RowResult) -> String {
    let row = &result.row;
    let names: Vec<(usize, &Contestant)> = row
        .contestants
        .iter()
        .enumerate()
        .filter(|(_, who)| who.role == Role::Ours && row.unit != Unit::Cost)
        .collect();
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    let mut header = vec!["".to_owned(), "contestant".to_owned(), "median".to_owned(), "min..max".to_owned()];
    header.push("CPU each".to_owned());
    header.extend(names.iter().map(|(_, who)| format!("{} / this", who.name)));
    header.push("also".to_owned());
    table.set_header(header);
    let mut notes =
        vec![format!("other programs kept {} cores busy meanwhile", digits(result.foreign_cores))];
    for (who, measured) in row.contestants.iter().zip(&result.results) {
        match measured {
            Ok(rounds) => {
                let mut cells = vec![role(who.role).to_owned(), who.name.to_owned()];
                cells.extend(figures(row.unit, rounds));
                cells.extend(names.iter().map(|(index, _)| ratio(&result.results[*index], rounds)));
                cells.push(also(rounds));
                table.add_row(cells);
            }
            Err(Trouble::Skipped(why)) => notes.push(format!("skipped: {}: {why}", who.name)),
            Err(Trouble::Failed(why)) => notes.push(format!("FAILED: {}: {why}", who.name)),
        }
    }
    let notes: String = notes.iter().map(|note| format!("\n{note}")).collect();
    format!("\n{}: {}\n{table}{notes}", row.name, row.about)
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Ours => "ours",
        Role::Peer => "peer",
        Role::Limit => "limit",
        Role::Base => "base",
    }
}

/// Median, spread and CPU time an operation.
fn figures(unit: Unit, rounds: &[Measured]) -> [String; 3] {
    let Some(each) = Spread::of(rounds.iter().map(Measured::each)) else {
        return Default::default();
    };
    let cpu = Spread::of(rounds.iter().map(cpu_each)).map_or(String::new(), |cpu| time(cpu.median));
    match unit {
        Unit::Time => [time(each.median), each.shown(time), cpu],
        Unit::Cost => [String::new(), String::new(), cpu],
        Unit::Rate => {
            let rates = Spread { min: 1.0 / each.max, median: 1.0 / each.median, max: 1.0 / each.min };
            [rate(rates.median), rates.shown(rate), cpu]
        }
    }
}

fn cpu_each(round: &Measured) -> f64 {
    round.cpu_seconds.unwrap_or(0.0) / round.operations.max(1) as f64
}

/// How many times as fast ours is, round by round.
fn ratio(ours: &Result<Vec<Measured>, Trouble>, theirs: &[Measured]) -> String {
    let Ok(ours) = ours else {
        return String::new();
    };
    let ratios = ours.iter().zip(theirs).map(|(ours, theirs)| theirs.each() / ours.each());
    let Some(ratio) = Spread::of(ratios) else {
        return String::new();
    };
    match ratio.shown(digits) {
        range if range.is_empty() => digits(ratio.median),
        range => format!("{} ({range})", digits(ratio.median)),
    }
}

/// The medians of the further figures.
fn also(rounds: &[Measured]) -> String {
    let Some(first) = rounds.first() else {
        return String::new();
    };
    let median = |name: &str| {
        let found = rounds.iter().filter_map(|round| round.notes.iter().find(|note| note.name == name));
        Spread::of(found.map(|note| note.value)).map_or(0.0, |spread| spread.median)
    };
    let shown = |note: &crate::harness::Note| {
        format!("{} {} {}", note.name, digits(median(note.name)), note.unit).trim_end().to_owned()
    };
    first.notes.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// Three digits that matter.
fn digits(value: f64) -> String {
    match value {
        value if value >= 100.0 || value == 0.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn time(seconds: f64) -> String {
    match seconds {
        seconds if seconds >= 1.0 => format!("{} s", digits(seconds)),
        seconds if seconds >= 1e-3 => format!("{} ms", digits(seconds * 1e3)),
        seconds if seconds >= 1e-6 => format!("{} us", digits(seconds * 1e6)),
        seconds => format!("{} ns", digits(seconds * 1e9)),
    }
}

fn rate(per_second: f64) -> String {
    match per_second {
        rate if rate >= 1e6 => format!("{} M/s", digits(rate / 1e6)),
        rate if rate >= 1e3 => format!("{} k/s", digits(rate / 1e3)),
        rate => format!("{} /s", digits(rate)),
    }
}

/// All figures of all rounds.
pub(crate) fn json(results: &[RowResult], rounds: usize, smoke: bool) -> Value {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let rows: Vec<Value> = results.iter().map(row_json).collect();
    json!({ "rounds": rounds, "smoke": smoke, "cores": cores, "rows": rows })
}

fn row_json(result: &RowResult) -> Value {
    let contestants: Vec<Value> = result
        .row
        .contestants
        .iter()
        .zip(&result.results)
        .map(|(who, measured)| {
            let mut value = json!({ "name": who.name, "role": role(who.role) });
            match measured {
                Ok(rounds) => value["rounds"] = rounds.iter().map(round_json).collect(),
                Err(Trouble::Skipped(why)) => value["skipped"] = json!(why),
                Err(Trouble::Failed(why)) => value["failed"] = json!(why),
            }
            value
        })
        .collect();
    json!({ "row": result.row.name, "about": result.row.about, "foreign_cores": result.foreign_cores,
        "contestants": contestants })
}

fn round_json(round: &Measured) -> Value {
    let notes: Vec<Value> = round
        .notes
        .iter()
        .map(|note| json!({ "name": note.name, "value": note.value, "unit": note.unit }))
        .collect();
    json!({
        "operations": round.operations,
        "seconds": round.seconds,
        "cpu_seconds": round.cpu_seconds,
        "notes": notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_lies_between_the_middle_two() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0].into_iter()).unwrap();
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 2.5, 4.0));
        assert!(Spread::of(std::iter::empty()).is_none());
    }

    #[test]
    fn a_ratio_above_one_says_that_ours_is_faster() {
        let round = |seconds| Measured { operations: 10, seconds, ..Measured::default() };
        assert_eq!(ratio(&Ok(vec![round(1.0)]), &[round(3.0)]), "3.00");
    }
}
