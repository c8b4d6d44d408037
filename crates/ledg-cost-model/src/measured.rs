//! Which devices training measured, and how these ran graphs.

use std::collections::BTreeSet;

use ledg_template::hardware::Precision;

/// What training measured, by the names of its platforms.
pub(crate) struct Measured {
    devices: BTreeSet<String>,
    ways: BTreeSet<String>,
}

impl Measured {
    /// Of platforms of these names.
    pub fn of(platforms: &[String]) -> Self {
        let device = |p: &String| p.split(':').next().unwrap_or(p).to_owned();
        Measured { devices: platforms.iter().map(device).collect(), ways: platforms.iter().map(|p| way(p)).collect() }
    }

    /// Whether it measured a device.
    pub fn has_device(&self, device: &str) -> bool {
        self.devices.contains(device)
    }

    /// Whether it measured a platform's device at numbers of that width and by that engine; layouts and versions may differ.
    pub fn has_way(&self, platform: &str) -> bool {
        self.ways.contains(&way(platform))
    }
}

/// `device:width/engine` of `device:precision/layout/engine/version`.
fn way(platform: &str) -> String {
    let (device, runtime) = platform.split_once(':').unwrap_or((platform, ""));
    let mut parts = runtime.split('/');
    let (precision, engine) = (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default());
    let half = Precision::from_name(precision).is_some_and(Precision::is_half);
    format!("{device}:{}/{engine}", if half { "half" } else { precision })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_a_width_and_an_engine() {
        let platforms = ["nvidia-t4:fp32/nchw/eager/pt2.1.0", "nvidia-rtx-4090:amp/nhwc/dynamo/pt2.4.0+cu124"];
        let measured = Measured::of(&platforms.map(String::from));
        assert!(measured.has_device("nvidia-t4") && !measured.has_device("nvidia-t40"));
        let cases = [
            ("nvidia-t4:fp32/nhwc/eager/pt2.9.1", true),
            ("nvidia-t4:tf32/nchw/eager/pt2.1.0", false),
            ("nvidia-t4:int8/nchw/eager/pt2.1.0", false),
            ("nvidia-t4:fp32/nchw/tensorrt/trt7.1", false),
            ("nvidia-rtx-4090:bf16/nchw/dynamo/pt2.4.0", true),
            ("nvidia-rtx-4090:fp32/nchw/dynamo/pt2.4.0", false),
            ("nvidia-l4:fp32/nchw/eager/pt2.1.0", false),
        ];
        for (platform, has) in cases {
            assert_eq!(measured.has_way(platform), has, "{platform}");
        }
    }
}
