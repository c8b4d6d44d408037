//! Bars of latencies with their intervals, for a terminal.

use std::fmt::Write as _;

use ledg_cost_model::text::units;

/// Columns where stdout is no terminal.
const COLUMNS: usize = 100;
/// Fewest columns that bars get, however long the labels are.
const MIN_BAR: usize = 20;
/// Longest label; a longer one keeps its end, where the runtime is.
const MAX_LABEL: usize = 40;
/// Up to the interval's lower end, from there to the estimate, from there to the upper end.
const PARTS: [char; 3] = ['█', '▓', '░'];

/// One bar.
pub(super) struct Bar<'a> {
    pub label: &'a str,
    pub latency_s: f64,
    pub lo_s: f64,
    pub hi_s: f64,
}

/// Columns of the terminal that stdout is, or a default.
pub(super) fn terminal_columns() -> usize {
    terminal_size::terminal_size().map_or(COLUMNS, |(width, _)| usize::from(width.0))
}

/// The bars on one linear scale from zero, at most `columns` wide unless the terminal is very narrow.
pub(super) fn chart(bars: &[Bar<'_>], columns: usize) -> String {
    let labels: Vec<String> = bars.iter().map(|bar| shortened(bar.label)).collect();
    let times: Vec<String> = bars.iter().map(|bar| units::duration(bar.latency_s)).collect();
    let widest = |texts: &[String]| texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    let (label_width, time_width) = (widest(&labels), widest(&times));
    let width = columns.saturating_sub(label_width + time_width + 3).max(MIN_BAR);
    let full_s = bars.iter().map(|bar| bar.hi_s).fold(0.0, f64::max);
    let mut text = String::new();
    for ((bar, label), time) in bars.iter().zip(labels).zip(times) {
        let cells = |seconds: f64| (seconds / full_s * width as f64).round() as usize;
        // An estimate is never nothing, so its bar is not either.
        let lo = cells(bar.lo_s).max(1);
        let mid = cells(bar.latency_s).max(lo);
        let hi = cells(bar.hi_s).max(mid);
        let drawn: String =
            PARTS.iter().zip([lo, mid - lo, hi - mid]).flat_map(|(&part, n)| std::iter::repeat_n(part, n)).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{label:<label_width$}  {time:>time_width$} {drawn}");
    }
    let _ = writeln!(
        text,
        "{} to the lower end of the interval, {} to the estimate, {} to the upper end; full width {}",
        PARTS[0],
        PARTS[1],
        PARTS[2],
        units::duration(full_s)
    );
    text
}

fn shortened(label: &str) -> String {
    let n = label.chars().count();
    if n <= MAX_LABEL {
        return label.to_owned();
    }
    std::iter::once('…').chain(label.chars().skip(n - MAX_LABEL + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_share_a_scale() {
        let bar = |label, latency_s: f64, lo_s, hi_s| Bar { label, latency_s, lo_s, hi_s };
        let bars = [bar("a", 0.010, 0.005, 0.020), bar("bb", 0.020, 0.010, 0.040), bar("c", 1e-6, 1e-7, 2e-6)];
        // 2 for labels, 7 for times, 3 between: 40 left.
        let chart = chart(&bars, 52);
        let lines: Vec<&str> = chart.lines().collect();
        assert_eq!(lines[0], format!("a   10.0 ms {}{}{}", "█".repeat(5), "▓".repeat(5), "░".repeat(10)));
        assert_eq!(lines[1], format!("bb  20.0 ms {}{}{}", "█".repeat(10), "▓".repeat(10), "░".repeat(20)));
        assert_eq!(lines[2], "c   1.00 µs █");
        assert!(lines[3].ends_with("full width 40.0 ms"));
    }

    #[test]
    fn long_labels_keep_their_end() {
        let short = shortened(&format!("{}:amp/nhwc", "x".repeat(60)));
        assert_eq!(short.chars().count(), MAX_LABEL);
        assert!(short.starts_with("…x") && short.ends_with(":amp/nhwc"));
    }
}
