//! The known devices nearest to one: by what the language model makes of its words, and by its data sheet.

use ledg_encoder::Encoder;
use ledg_template::hardware::{Device, HardwareRegistry, Platform, Precision};

use crate::error::Result;

/// A known device and how near it is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Near {
    /// The device.
    pub name: String,
    /// By words: the cosine, 1 for the same. By sheet: the typical factor between two figures, 1 for the same.
    pub nearness: f64,
}

/// The devices whose sentences are embedded nearest to a platform's, nearest first: by cosine.
///
/// # Errors
/// What the encoder refuses.
pub fn nearest_by_words(
    encoder: &Encoder,
    registry: &HardwareRegistry,
    platform: &Platform,
    n: usize,
) -> Result<Vec<Near>> {
    let mut names = Vec::new();
    let mut sentences = vec![platform.sentence()];
    for device in others(registry, &platform.device) {
        let known = Platform::new(device.clone(), device.default_runtime.clone())?;
        names.push(device.name.clone());
        sentences.push(known.sentence());
    }
    let texts: Vec<&str> = sentences.iter().map(String::as_str).collect();
    let vectors = encoder.embed(&texts)?;
    let near = names.into_iter().zip(&vectors[1..]).map(|(name, v)| Near { name, nearness: cosine(&vectors[0], v) });
    let mut near: Vec<Near> = near.collect();
    near.sort_by(|a, b| b.nearness.total_cmp(&a.nearness).then_with(|| a.name.cmp(&b.name)));
    near.truncate(n);
    Ok(near)
}

/// The devices whose figures are nearest to a platform's, nearest first: by the weighted root mean square of the logarithms of
/// the factors between the figures that both state. Only devices that compute in the platform's precision are compared.
pub fn nearest_by_sheet(registry: &HardwareRegistry, platform: &Platform, n: usize) -> Vec<Near> {
    let precision = platform.runtime.precision;
    let own = figures(&platform.device, precision);
    let mut near: Vec<Near> = others(registry, &platform.device)
        .filter(|d| d.peak.matmul(precision).is_some())
        .filter_map(|d| {
            let pairs = own.iter().zip(figures(d, precision)).zip(WEIGHTS);
            let squares: Vec<(f64, f64)> =
                pairs.filter_map(|((a, b), w)| Some((w * (a.as_ref()? / b?).ln().powi(2), w))).collect();
            // One or two figures in common say little.
            (squares.len() >= 3).then(|| {
                let (sum, weight) = squares.iter().fold((0.0, 0.0), |(s, t), (x, w)| (s + x, t + w));
                Near { name: d.name.clone(), nearness: (sum / weight).sqrt().exp() }
            })
        })
        .collect();
    near.sort_by(|a, b| a.nearness.total_cmp(&b.nearness).then_with(|| a.name.cmp(&b.name)));
    near.truncate(n);
    near
}

/// The other devices.
fn others<'a>(
    registry: &'a HardwareRegistry,
    device: &'a Device,
) -> impl Iterator<Item = &'a std::sync::Arc<Device>> + 'a {
    registry.devices().filter(move |d| d.name != device.name)
}

/// What each of [`figures`] counts: rates decide the latency, the size of the memory hardly does.
const WEIGHTS: [f64; 6] = [2.0, 2.0, 1.0, 0.5, 1.0, 1.0];

/// What makes a device fast, large and hungry.
fn figures(device: &Device, precision: Precision) -> [Option<f64>; 6] {
    [
        device.peak.matmul(precision),
        device.memory_bandwidth_gb_s,
        device.l2_cache_mb,
        device.memory_gb,
        device.tdp_w,
        device.peak.vector(),
    ]
}

/// Ratios of a device that lie far outside of those of all known devices, each as a sentence.
pub(super) fn unusual(registry: &HardwareRegistry, platform: &Platform) -> Vec<String> {
    type Ratio = fn(&Device, f64) -> Option<f64>;
    let ratios: [(&str, Ratio); 2] = [
        ("operations a second and watt", |d, peak| Some(peak * 1e12 / d.tdp_w?)),
        ("operations for each byte of memory bandwidth", |d, peak| Some(peak * 1e3 / d.memory_bandwidth_gb_s?)),
    ];
    let precision = platform.runtime.precision;
    let mut notes = Vec::new();
    for (what, ratio) in ratios {
        let of = |d: &Device| d.peak.matmul(precision).and_then(|peak| ratio(d, peak));
        let Some(own) = of(&platform.device) else { continue };
        let known: Vec<(f64, &str)> =
            others(registry, &platform.device).filter_map(|d| Some((of(d)?, d.name.as_str()))).collect();
        let least = known.iter().min_by(|a, b| a.0.total_cmp(&b.0));
        let most = known.iter().max_by(|a, b| a.0.total_cmp(&b.0));
        let (Some(least), Some(most)) = (least, most) else { continue };
        let count = crate::text::units::count;
        if own > 2.0 * most.0 {
            notes.push(format!(
                "{} {what}: {:.1} times the most of {} known devices ({})",
                count(own),
                own / most.0,
                known.len(),
                most.1
            ));
        } else if own < 0.5 * least.0 {
            notes.push(format!(
                "{} {what}: {:.1} times below the least of {} known devices ({})",
                count(own),
                least.0 / own,
                known.len(),
                least.1
            ));
        }
    }
    notes
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_sheet_is_a_sibling_s() {
        let registry = HardwareRegistry::builtin();
        let near = |spec: &str| nearest_by_sheet(&registry, &registry.resolve(spec).unwrap(), 3);
        let v100 = near("v100-pcie-16gb");
        assert!(v100.iter().any(|n| n.name == "nvidia-v100-pcie-32gb" && n.nearness < 1.4), "{v100:?}");
        assert_eq!(near("a100-sxm4-40gb:fp16")[0].name, "nvidia-a100-pcie-40gb");
        assert!(near("rtx4090").iter().all(|n| n.nearness >= 1.0));
    }

    #[test]
    fn no_built_in_device_is_far_from_all_others() {
        let registry = HardwareRegistry::builtin();
        let mut strange = Vec::new();
        for device in registry.devices() {
            let platform = registry.resolve(&device.name).unwrap();
            strange.extend(unusual(&registry, &platform).into_iter().map(|note| format!("{}: {note}", device.name)));
        }
        // Chips of a kind of their own: they may be the extreme of a ratio, not many of them.
        assert!(strange.len() <= 8, "{strange:#?}");
    }
}
