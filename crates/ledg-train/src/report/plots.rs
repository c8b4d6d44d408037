//! Plots as SVG text: bars, scatter and lines, in the colours of one palette.

use anyhow::{Result, anyhow};
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;

/// A bar.
pub struct Bar {
    /// What stands at its left.
    pub name: String,
    /// Its length.
    pub value: f64,
    /// What stands at its right, after the value.
    pub note: String,
}

/// Points of one colour.
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// (x, y).
    pub points: Vec<(f64, f64)>,
}

const FONT: &str = "sans-serif";
/// Width of every plot, and height of those that have axes, pixels.
const WIDTH: u32 = 760;
const HEIGHT: u32 = 460;
/// Height of a bar and the space to the next, pixels.
const BAR: i32 = 15;

/// Horizontal bars, in the order given.
pub fn bars(title: &str, bars: &[Bar]) -> Result<String> {
    let top = 40;
    let height = top + BAR * bars.len() as i32 + 12;
    // A letter of this size is about 6 pixels wide.
    let left = 12 + bars.iter().map(|b| b.name.chars().count()).max().unwrap_or(0).min(66) as i32 * 6;
    let right = WIDTH as i32 - 90;
    let longest = bars.iter().map(|b| b.value).fold(f64::MIN_POSITIVE, f64::max);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height as u32)).into_drawing_area();
        let drawn = |e: DrawingAreaErrorKind<_>| anyhow!("{e}");
        root.fill(&WHITE).map_err(drawn)?;
        root.draw(&Text::new(title.to_owned(), (10, 10), (FONT, 16))).map_err(drawn)?;
        for (i, bar) in bars.iter().enumerate() {
            let y = top + BAR * i as i32;
            let end = left + ((right - left) as f64 * bar.value / longest).round() as i32;
            root.draw(&Text::new(bar.name.clone(), (8, y), (FONT, 11))).map_err(drawn)?;
            root.draw(&Rectangle::new([(left, y), (end, y + BAR - 4)], Palette99::pick(0).filled())).map_err(drawn)?;
            let note = format!("{:.1} ({})", bar.value, bar.note);
            root.draw(&Text::new(note, (end + 4, y), (FONT, 11))).map_err(drawn)?;
        }
        root.present().map_err(drawn)?;
    }
    Ok(svg)
}

/// Points on logarithmic axes of equal range, with the line where both are equal. First coordinate: measured.
pub fn scatter(title: &str, unit: &str, series: &[Series]) -> Result<String> {
    let all = || series.iter().flat_map(|s| &s.points).flat_map(|&(x, y)| [x, y]);
    let (low, high) = (all().fold(f64::INFINITY, f64::min) / 1.3, all().fold(0.0, f64::max) * 1.3);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT + 120)).into_drawing_area();
        root.fill(&WHITE).map_err(|e| anyhow!("{e}"))?;
        let mut chart = ChartBuilder::on(&root)
            .caption(title, (FONT, 16))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(64)
            .build_cartesian_2d((low..high).log_scale(), (low..high).log_scale())
            .map_err(|e| anyhow!("{e}"))?;
        axes(&mut chart, &format!("measured, {unit}"), &format!("predicted, {unit}"))?;
        chart.draw_series(LineSeries::new([(low, low), (high, high)], BLACK.mix(0.5))).map_err(|e| anyhow!("{e}"))?;
        for (i, s) in series.iter().enumerate() {
            let colour = Palette99::pick(i).to_rgba();
            let points = s.points.iter().map(|&p| Circle::new(p, 2, colour.filled()));
            chart
                .draw_series(points)
                .map_err(|e| anyhow!("{e}"))?
                .label(s.name.clone())
                .legend(move |(x, y)| Circle::new((x + 8, y), 4, colour.filled()));
        }
        legend(&mut chart)?;
        root.present().map_err(|e| anyhow!("{e}"))?;
    }
    Ok(svg)
}

/// Lines with their points; if `from_data`, the axes begin at the least value, else at 0.
pub fn lines(title: &str, x: &str, y: &str, from_data: bool, series: &[Series]) -> Result<String> {
    // An axis to infinity would never end, and one of nothing has no ends.
    let finite = |&&(x, y): &&(f64, f64)| x.is_finite() && y.is_finite();
    anyhow::ensure!(series.iter().flat_map(|s| &s.points).any(|p| finite(&p)), "`{title}` has nothing to show");
    let range = |of: fn(&(f64, f64)) -> f64| {
        let all = || series.iter().flat_map(|s| &s.points).filter(finite).map(of);
        let (least, most) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
        let least = if from_data { least - 0.05 * (most - least) } else { least.min(0.0) };
        // Values that are all the same still need an axis.
        least..(most + 0.05 * (most - least)).max(least + 1e-3 * least.abs().max(1.0))
    };
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        root.fill(&WHITE).map_err(|e| anyhow!("{e}"))?;
        let mut chart = ChartBuilder::on(&root)
            .caption(title, (FONT, 16))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(56)
            .build_cartesian_2d(range(|p| p.0), range(|p| p.1))
            .map_err(|e| anyhow!("{e}"))?;
        axes(&mut chart, x, y)?;
        for (i, s) in series.iter().enumerate() {
            let colour = Palette99::pick(i).to_rgba();
            chart
                .draw_series(
                    LineSeries::new(s.points.iter().filter(finite).copied(), colour.stroke_width(2)).point_size(3),
                )
                .map_err(|e| anyhow!("{e}"))?
                .label(s.name.clone())
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        legend(&mut chart)?;
        root.present().map_err(|e| anyhow!("{e}"))?;
    }
    Ok(svg)
}

type Chart<'a, X, Y> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>;

fn axes<'a, X, Y>(chart: &mut Chart<'a, X, Y>, x: &str, y: &str) -> Result<()>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let short = |v: &f64| if *v != 0.0 && v.abs() < 1.0 { format!("{v:.2}") } else { format!("{v:.0}") };
    chart
        .configure_mesh()
        .x_desc(x)
        .y_desc(y)
        .x_label_formatter(&short)
        .y_label_formatter(&short)
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .label_style((FONT, 12))
        .draw()
        .map_err(|e| anyhow!("{e}"))
}

fn legend<'a, X, Y>(chart: &mut Chart<'a, X, Y>) -> Result<()>
where
    X: Ranged<ValueType = f64> + 'a,
    Y: Ranged<ValueType = f64> + 'a,
{
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 12))
        .draw()
        .map_err(|e| anyhow!("{e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many marks as values, in proportion.
    #[test]
    fn bars_are_as_long_as_their_values() {
        let bar = |name: &str, value| Bar { name: name.into(), value, note: "7".into() };
        let svg = bars("errors", &[bar("one", 20.0), bar("two", 10.0)]).unwrap();
        let widths: Vec<f64> = svg
            .split("<rect ")
            .skip(2)
            .map(|rect| rect.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(widths.len(), 2);
        assert!((widths[0] / widths[1] - 2.0).abs() < 0.01, "{widths:?}");
        assert!(svg.contains("20.0 (7)") && svg.contains("two"));
    }

    #[test]
    fn every_point_is_drawn() {
        let series = |name: &str, points: &[(f64, f64)]| Series { name: name.into(), points: points.to_vec() };
        let svg = scatter("s", "ms", &[series("gpu", &[(1.0, 1.1), (20.0, 17.0), (300.0, 310.0)])]).unwrap();
        // One more circle in the legend.
        assert_eq!(svg.matches("<circle").count(), 4);
        let flat = lines("l", "x", "y", true, &[series("a", &[(1.0, 5.0), (2.0, 5.0)])]).unwrap();
        assert_eq!(flat.matches("<circle").count(), 2);
        assert!(flat.contains("<polyline"));
        // A baseline that says nothing does not stop the page, or hide the others.
        let nothing = series("b", &[(1.0, f64::INFINITY), (2.0, f64::NAN)]);
        let one = lines("l", "x", "y", true, &[series("a", &[(1.0, 5.0), (2.0, 6.0)]), nothing]).unwrap();
        assert_eq!(one.matches("<circle").count(), 2);
        let error = lines("l", "x", "y", true, &[series("a", &[(1.0, f64::NAN)])]).unwrap_err().to_string();
        assert!(error.contains("nothing to show"), "{error}");
    }
}
