//! Accuracies instead of latencies: NAS-Bench-201 and NAS-Bench-101, graphs with the share of images they classify rightly.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use ledg_cost_model::Describer;
use ledg_zoo::cell::CellGraph;
use ledg_zoo::nasbench101;
use ledg_zoo::nasbench201::{self, Cell};

use super::GraphEntry;
use super::config::{AccuracyConfig, DataConfig};
use super::describe::describe_all;
use super::source::{Files, draw, group};

/// Graphs and their accuracies.
pub struct AccuracyDataset {
    /// Graphs.
    pub graphs: Vec<GraphEntry>,
    /// Share of images classified rightly, 0 to 1, by graph.
    pub accuracies: Vec<f64>,
    /// SHA-256 over the source file.
    pub hash: String,
}

/// The accuracy data set that a configuration names, if it names one.
pub fn load(config: &DataConfig, describer: &Describer) -> Result<Option<AccuracyDataset>> {
    match (&config.nasbench201_accuracy, &config.nasbench101_accuracy) {
        (Some(c), _) => Ok(Some(nasbench201(c, describer).context("data.nasbench201_accuracy")?)),
        (None, Some(c)) => Ok(Some(nasbench101(c, describer).context("data.nasbench101_accuracy")?)),
        (None, None) => Ok(None),
    }
}

/// Cells alone and their accuracies: what a predictor of accuracy learns from.
pub struct CellDataset {
    /// Cells in canonical form.
    pub cells: Vec<CellGraph>,
    /// Share of images classified rightly, 0 to 1, by cell.
    pub accuracies: Vec<f64>,
    /// SHA-256 over the source file.
    pub hash: String,
}

/// The cells of the accuracy data set that a configuration names.
///
/// # Errors
/// A configuration that names none; a file or row that cannot be read.
pub fn load_cells(config: &DataConfig) -> Result<CellDataset> {
    let (cells, accuracies, hash) = match (&config.nasbench201_accuracy, &config.nasbench101_accuracy) {
        (Some(c), _) => {
            sizes(&c.target).context("data.nasbench201_accuracy")?;
            drawn(c, "accuracy.csv", true, |row| Ok(field(row, "arch_str")?.parse::<Cell>()?.graph()))?
        }
        (None, Some(c)) => drawn(c, "accuracy.csv.xz", false, |row| Ok(vertices(row)?.graph()))?,
        (None, None) => bail!("`data` names no accuracies"),
    };
    Ok(CellDataset { cells, accuracies, hash })
}

fn vertices(row: &Row) -> Result<nasbench101::Cell> {
    Ok(nasbench101::Cell::parse(field(row, "adjacency_rowmajor")?, field(row, "ops")?)?)
}

type Row = BTreeMap<String, String>;

fn field<'a>(row: &'a Row, name: &str) -> Result<&'a String> {
    row.get(name).with_context(|| format!("no column `{name}`"))
}

/// The drawn rows of a table: the accuracy, and what `network` makes of the row.
fn drawn<T>(
    config: &AccuracyConfig,
    file: &str,
    percent: bool,
    network: impl Fn(&Row) -> Result<T>,
) -> Result<(Vec<T>, Vec<f64>, String)> {
    let (mut files, path) = (Files::default(), config.path.join(file));
    let rows: Vec<Row> = files.rows(&path)?;
    let (mut networks, mut accuracies) = (Vec::new(), Vec::new());
    for i in draw(rows.len(), config.networks, config.seed) {
        let context = || format!("{}, row {}", path.display(), i + 1);
        let text = field(&rows[i], &config.target).with_context(context)?;
        let named = || format!("{}: column `{}` is `{text}`", context(), config.target);
        let value: f64 = text.parse().with_context(named)?;
        let share = if percent { value / 100.0 } else { value };
        ensure!((0.0..=1.0).contains(&share), "{}, which is no accuracy", named());
        networks.push(network(&rows[i]).with_context(context)?);
        accuracies.push(share);
    }
    Ok((networks, accuracies, files.hash()))
}

/// Sizes of the data sets that NAS-Bench-201's cells were trained on: image and classes.
fn sizes(target: &str) -> Result<(u64, u64)> {
    Ok(match target {
        "cifar10_test_acc" => (32, 10),
        "cifar100_test_acc" => (32, 100),
        "imagenet16_120_test_acc" => (16, 120),
        other => bail!("`target` is `{other}`; there are cifar10_test_acc, cifar100_test_acc, imagenet16_120_test_acc"),
    })
}

fn nasbench201(config: &AccuracyConfig, describer: &Describer) -> Result<AccuracyDataset> {
    let (image, classes) = sizes(&config.target)?;
    let cell = |row: &Row| Ok(field(row, "arch_str")?.parse::<Cell>()?);
    let (cells, accuracies, hash) = drawn(config, "accuracy.csv", true, cell)?;
    let sizes = nasbench201::Config { image, classes, ..nasbench201::Config::default() };
    let described = describe_all("NAS-Bench-201", &cells, describer, |cell| Ok(nasbench201::build(cell, &sizes)?))?;
    let entry = |(cell, graph): (&Cell, _)| GraphEntry {
        family: "nasbench201".to_owned(),
        group: group("nasbench201", &cell.to_string()),
        stage: None,
        graph,
    };
    Ok(AccuracyDataset { graphs: cells.iter().zip(described).map(entry).collect(), accuracies, hash })
}

fn nasbench101(config: &AccuracyConfig, describer: &Describer) -> Result<AccuracyDataset> {
    let cell = |row: &Row| Ok((field(row, "hash")?.clone(), vertices(row)?));
    let (cells, accuracies, hash) = drawn(config, "accuracy.csv.xz", false, cell)?;
    let build = |(name, cell): &(String, nasbench101::Cell)| Ok(nasbench101::build(name, cell, 1)?);
    let described = describe_all("NAS-Bench-101", &cells, describer, build)?;
    let entry = |((name, _), graph): (&(String, nasbench101::Cell), _)| GraphEntry {
        family: "nasbench101".to_owned(),
        group: group("nasbench101", name),
        stage: None,
        graph,
    };
    Ok(AccuracyDataset { graphs: cells.iter().zip(described).map(entry).collect(), accuracies, hash })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, files: &[(&str, &str)]) -> Result<Option<AccuracyDataset>> {
        let dir = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| std::fs::write(dir.path().join(name), text).unwrap());
        let config: DataConfig = toml::from_str(&text.replace("DIR", &dir.path().display().to_string())).unwrap();
        config.check().unwrap();
        super::load(&config, &Describer::builtin().unwrap())
    }

    const TABLE: &str = "idx,arch_str,cifar10_test_acc,imagenet16_120_test_acc\n\
        0,|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|,85.5,26.25\n\
        1,|nor_conv_3x3~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|,90,44\n";

    #[test]
    fn percent_are_shares_and_the_target_sets_the_sizes() {
        let of = |target: &str| {
            let text = format!("nasbench201_accuracy = {{ path = \"DIR\", target = \"{target}\" }}");
            load(&text, &[("accuracy.csv", TABLE)])
        };
        let (small, large) =
            (of("imagenet16_120_test_acc").unwrap().unwrap(), of("cifar10_test_acc").unwrap().unwrap());
        assert_eq!((small.accuracies, large.accuracies), (vec![0.2625, 0.44], vec![0.855, 0.9]));
        let macs = |data: &[GraphEntry]| data[1].graph.macs();
        // A quarter of the positions, but the classifier's 64·120 instead of 64·10.
        assert_eq!(macs(&small.graphs) - 64.0 * 120.0, (macs(&large.graphs) - 640.0) / 4.0);
        assert!(format!("{:#}", of("cifar").err().unwrap()).contains("imagenet16_120_test_acc"));
    }
}
