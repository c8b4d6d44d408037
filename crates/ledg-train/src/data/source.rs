//! What loaders share: files with their hash, seeded draws, groups, platforms.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use ledg_cost_model::template::hardware::HardwareRegistry;
use ledg_cost_model::{CostModelError, RawPlatform};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::PlatformEntry;

/// Parts into which a family of many networks is dealt.
const GROUPS: u8 = 20;

/// Reads files and hashes what was read.
#[derive(Default)]
pub struct Files(Sha256);

impl Files {
    /// The bytes of a file, unpacked if its name ends in `.xz`; what is hashed is the file itself.
    pub fn read(&mut self, path: &Path) -> Result<Vec<u8>> {
        let bytes = std::fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
        self.0.update(&bytes);
        if path.extension().is_none_or(|e| e != "xz") {
            return Ok(bytes);
        }
        let mut unpacked = Vec::new();
        let mut reader = lzma_rust2::XzReader::new(bytes.as_slice(), true);
        reader.read_to_end(&mut unpacked).with_context(|| format!("{}: cannot be unpacked", path.display()))?;
        Ok(unpacked)
    }

    /// The rows of a CSV file.
    pub fn rows<T: DeserializeOwned>(&mut self, path: &Path) -> Result<Vec<T>> {
        let bytes = self.read(path)?;
        let rows = csv::Reader::from_reader(bytes.as_slice()).into_deserialize();
        let row = |(i, row): (usize, csv::Result<T>)| row.with_context(|| format!("{}, row {}", path.display(), i + 1));
        rows.enumerate().map(row).collect()
    }

    /// SHA-256 over what was read.
    pub fn hash(self) -> String {
        format!("{:x}", self.0.finalize())
    }
}

/// Indices of `wanted` of `n` items in ascending order, drawn by `seed`; all if none is wanted or there are not more.
pub fn draw(n: usize, wanted: Option<usize>, seed: u64) -> Vec<usize> {
    match wanted.filter(|&w| w < n) {
        Some(wanted) => {
            let mut drawn = index::sample(&mut ChaCha8Rng::seed_from_u64(seed), n, wanted).into_vec();
            drawn.sort_unstable();
            drawn
        }
        None => (0..n).collect(),
    }
}

/// The group of a member of a large family: depends on the member alone, so that several data sets agree on it.
pub fn group(family: &str, member: &str) -> String {
    let digest = Sha256::digest(member.as_bytes());
    format!("{family}/{:02}", digest[0] % GROUPS)
}

/// Platforms by their names in the source, each resolved once.
pub struct Platforms<'a> {
    registry: &'a HardwareRegistry,
    /// Platforms so far.
    pub entries: Vec<PlatformEntry>,
    places: HashMap<String, usize>,
}

impl<'a> Platforms<'a> {
    /// None yet.
    pub fn new(registry: &'a HardwareRegistry) -> Self {
        Platforms { registry, entries: Vec::new(), places: HashMap::new() }
    }

    /// The place of a platform.
    pub fn place(&mut self, name: &str) -> Result<usize> {
        if let Some(&place) = self.places.get(name) {
            return Ok(place);
        }
        let platform = self.registry.resolve(name)?;
        let raw = RawPlatform::new(&platform)?;
        let place = self.entries.iter().position(|p| p.platform.name == raw.name).unwrap_or(self.entries.len());
        if place == self.entries.len() {
            self.entries.push(PlatformEntry { device: platform.device.name.clone(), platform: raw });
        }
        self.places.insert(name.to_owned(), place);
        Ok(place)
    }

    /// Whether a platform's data sheet has what an estimate needs.
    pub fn can_estimate(&self, name: &str) -> Result<bool> {
        match RawPlatform::new(&self.registry.resolve(name)?) {
            Ok(_) => Ok(true),
            Err(CostModelError::MissingFigure { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// The measurement in a column of a row: a positive number.
///
/// # Errors
/// Names the column, and what it holds instead.
pub fn measurement(row: &BTreeMap<String, String>, column: &str) -> Result<f64> {
    let field = row.get(column).with_context(|| format!("no column `{column}`"))?;
    let value: f64 = field.trim().parse().with_context(|| format!("column `{column}` is `{field}`"))?;
    ensure!(value.is_finite() && value > 0.0, "column `{column}` is `{field}`, which is no measurement");
    Ok(value)
}

/// Refuses what is no time.
pub fn check_time(latency_s: f64) -> Result<f64> {
    ensure!(latency_s.is_finite() && latency_s > 0.0, "{latency_s} s is no measurement");
    Ok(latency_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_measurement_is_named_with_its_column() {
        let row = |value: &str| BTreeMap::from([("raspi4".to_owned(), value.to_owned())]);
        assert_eq!(measurement(&row("2.5"), "raspi4").unwrap(), 2.5);
        for bad in ["", "x", "0", "-1", "NaN", "inf"] {
            let error = format!("{:#}", measurement(&row(bad), "raspi4").unwrap_err());
            assert!(error.contains(&format!("column `raspi4` is `{bad}`")), "{error}");
        }
        assert!(measurement(&row("1"), "pixel3").unwrap_err().to_string().contains("no column `pixel3`"));
    }

    #[test]
    fn draws_are_seeded_and_ascending() {
        assert_eq!(draw(5, None, 1), [0, 1, 2, 3, 4]);
        assert_eq!(draw(3, Some(7), 1), [0, 1, 2]);
        let drawn = draw(1000, Some(50), 1);
        assert!(drawn.len() == 50 && drawn.is_sorted_by(|a, b| a < b));
        assert_eq!(drawn, draw(1000, Some(50), 1));
        assert_ne!(drawn, draw(1000, Some(50), 2));
    }

    #[test]
    fn groups_depend_on_the_member_alone() {
        assert_eq!(group("a", "x"), group("a", "x"));
        let distinct: std::collections::BTreeSet<String> = (0..500).map(|i| group("a", &i.to_string())).collect();
        assert_eq!(distinct.len(), usize::from(GROUPS));
    }
}
