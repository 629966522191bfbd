//! How far aims were met.

use super::{Aim, Report, Row, Who, row};

/// A row's aims in words, and how far each was met.
pub(super) fn judged(report: &Report, row: &Row) -> (String, String) {
    let aims: Vec<String> = row.aims.iter().map(|aim| described(*aim)).collect();
    let met = row.aims.iter().filter_map(|aim| {
        let (figure, holds) = held_against(report, row, *aim)?;
        Some(format!("{figure} {}", if holds { "✓" } else { "missed" }).trim_start().to_owned())
    });
    (aims.join("; "), met.collect::<Vec<_>>().join("; "))
}

fn described(aim: Aim) -> String {
    let what = |id| row(id).map_or(id, |row| row.what);
    match aim {
        Aim::AtLeast(times, who) => format!("≥ {times} × {}", who.name()),
        Aim::AtMost(times, who) => format!("≤ {times} × {}", who.name()),
        Aim::AtLeastOf(times, who, of) => format!("≥ {times} × “{}” of {}", what(of), who.name()),
        Aim::AtMostPlus(more, who, of) => format!("≤ “{}” of {} + {more}", what(of), who.name()),
        Aim::Below(bound) => format!("< {bound}"),
        Aim::Above(bound) => format!("≥ {bound}"),
        Aim::Within(share, of) => format!("within {:.0} % of “{}”", share * 100.0, what(of)),
    }
}

fn held_against(report: &Report, row: &Row, aim: Aim) -> Option<(String, bool)> {
    let ours = report.spread(row.id, Who::TIDEMILL)?.median;
    let ratio_to =
        |id, who| report.compared((row.id, Who::TIDEMILL), (id, who), |ours, theirs| ours / theirs);
    let times = |ratio: f64| format!("{ratio:.2} ×");
    Some(match aim {
        Aim::AtLeast(least, who) => {
            let ratio = ratio_to(row.id, who)?;
            (times(ratio), ratio >= least)
        }
        Aim::AtMost(most, who) => {
            let ratio = ratio_to(row.id, who)?;
            (times(ratio), ratio <= most)
        }
        Aim::AtLeastOf(least, who, of) => {
            let ratio = ratio_to(of, who)?;
            (times(ratio), ratio >= least)
        }
        Aim::AtMostPlus(more, who, of) => {
            let above = report.compared((row.id, Who::TIDEMILL), (of, who), |ours, theirs| ours - theirs)?;
            (format!("{above:+.0}"), above <= more)
        }
        Aim::Below(bound) => (String::new(), ours < bound),
        Aim::Above(bound) => (String::new(), ours >= bound),
        Aim::Within(share, of) => {
            let ratio = ratio_to(of, Who::TIDEMILL)?;
            (times(ratio), (1.0 - share..=1.0 + share).contains(&ratio))
        }
    })
}
