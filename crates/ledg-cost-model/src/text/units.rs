//! Numbers for people: three significant digits and a unit that fits.

/// The unit that fits a number of seconds, and its length in seconds.
fn time_unit(seconds: f64) -> (&'static str, f64) {
    const UNITS: [(&str, f64); 4] = [("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)];
    // What rounds to 1000 of a unit is said as 1 of the next.
    UNITS.into_iter().find(|(_, length)| seconds >= 0.9995 * length).unwrap_or(UNITS[3])
}

/// A duration: `12.3 ms`.
pub fn duration(seconds: f64) -> String {
    let (unit, length) = time_unit(seconds);
    format!("{} {unit}", digits(seconds / length))
}

/// A span of durations in one unit, the upper end's: `10.1 - 14.9 ms`.
pub fn duration_span(lo: f64, hi: f64) -> String {
    let (unit, length) = time_unit(hi);
    format!("{} - {} {unit}", digits(lo / length), digits(hi / length))
}

/// A count with a metric prefix: `3.64 G`, `512`.
pub fn count(n: f64) -> String {
    const PREFIXES: [(&str, f64); 4] = [(" T", 1e12), (" G", 1e9), (" M", 1e6), (" k", 1e3)];
    match PREFIXES.into_iter().find(|(_, size)| n >= 0.9995 * size) {
        Some((prefix, size)) => format!("{}{prefix}", digits(n / size)),
        None => format!("{n:.0}"),
    }
}

/// A share, rounded down so that 100 % means all: `99.9 %`.
pub fn share(x: f64) -> String {
    // Adding zero turns -0, the sum of nothing, into 0.
    let permille = (x * 1000.0).floor() + 0.0;
    if permille % 10.0 == 0.0 { format!("{:.0} %", permille / 10.0) } else { format!("{:.1} %", permille / 10.0) }
}

/// Three significant digits of a number of at most four digits.
fn digits(x: f64) -> String {
    if x >= 99.95 {
        format!("{x:.0}")
    } else if x >= 9.995 {
        format!("{x:.1}")
    } else {
        format!("{x:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_fit() {
        assert_eq!(duration(0.0123), "12.3 ms");
        assert_eq!(duration(0.99951), "1.00 s");
        assert_eq!(duration(123e-6), "123 µs");
        assert_eq!(duration(4.5e-9), "4.50 ns");
        assert_eq!(duration(0.0), "0.00 ns");
        assert_eq!(duration_span(0.0008, 0.0013), "0.80 - 1.30 ms");
        assert_eq!(count(3.64e9), "3.64 G");
        assert_eq!(count(999.0), "999");
        assert_eq!(count(999_600.0), "1.00 M");
    }

    #[test]
    fn all_is_only_said_of_all() {
        assert_eq!(share(1.0), "100 %");
        assert_eq!(share(0.99999), "99.9 %");
        assert_eq!(share(-0.0), "0 %");
    }
}
