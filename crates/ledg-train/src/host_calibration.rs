//! What a calibration to a host is worth: errors on networks of families that no record was of, by number of records.
//!
//! Families are dealt into three parts. Each part in turn is tested on; records to calibrate with are drawn from the other
//! two. **Invariant:** a family that is tested on gives no record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use ledg_cost_model::template::hardware::HardwareRegistry;
use ledg_cost_model::text::TextTable;
use ledg_cost_model::{CostModel, PredictOptions, PreparedGraph, Records};
use rand::SeedableRng;
use rand::seq::{SliceRandom, index};
use rand_chacha::ChaCha8Rng;

use crate::data::host;
use crate::metrics::{Metrics, mean_std};

/// Parts that families are dealt into.
const PARTS: usize = 3;
/// Networks of a part that are tested on, at most.
const TESTED: usize = 100;

/// A measured network.
struct Network {
    /// Place in the records.
    row: usize,
    family: String,
    prepared: PreparedGraph,
}

/// What one model says of the networks tested on.
struct Score {
    metrics: Metrics,
    /// Rank correlation of the nodes' times within a network, the median over the networks that were profiled.
    spearman: Option<f64>,
    /// ln of predicted and of measured seconds, by family.
    by_family: BTreeMap<String, Vec<(f64, f64)>>,
}

/// What is asked for.
pub struct Options<'a> {
    /// A bundle to calibrate instead of the one compiled in.
    pub bundle: Option<&'a Path>,
    /// Numbers of records to calibrate with.
    pub numbers: &'a [usize],
    /// Sets of records that are drawn for every number and part.
    pub draws: u64,
    /// Where the table goes.
    pub output: Option<&'a Path>,
}

impl Options<'_> {
    /// The command that makes the table.
    fn command(&self, folder: &Path) -> String {
        let option =
            |name: &str, path: Option<&Path>| path.map_or(String::new(), |p| format!(" --{name} {}", p.display()));
        let numbers: Vec<String> = self.numbers.iter().map(usize::to_string).collect();
        format!(
            "ledg-train host-calibration {}{} --numbers {} --draws {}{}",
            folder.display(),
            option("bundle", self.bundle),
            numbers.join(","),
            self.draws,
            option("output", self.output)
        )
    }
}

/// The table, as Markdown.
pub fn report(folder: &Path, options: &Options) -> Result<String> {
    let &Options { bundle, numbers, draws, .. } = options;
    let mut registry = HardwareRegistry::builtin();
    host::add_device(folder, &mut registry)?;
    let (records, _) = host::read(folder, &registry)?;
    let model = match bundle {
        Some(file) => CostModel::load(file)?,
        None => (*CostModel::default_model()?).clone(),
    };
    let networks = networks(&records, &model)?;
    let names: BTreeSet<&str> = networks.iter().map(|n| n.family.as_str()).collect();
    let mut dealt: Vec<&str> = names.into_iter().collect();
    ensure!(dealt.len() >= PARTS, "{}: {} families are too few", folder.display(), dealt.len());
    dealt.shuffle(&mut ChaCha8Rng::seed_from_u64(0));
    let platform = records.rows()[networks[0].row].hardware.to_string();
    let mut text = header(&options.command(folder), &model, &platform, networks.len(), dealt.len());
    let mut table = TextTable::new(&[
        ">records",
        "with times of",
        ">MAPE %",
        ">worst draw %",
        ">median error %",
        ">within 10 %",
        ">Spearman of nodes",
    ]);
    let mut families = BTreeMap::<String, Vec<String>>::new();
    let mut columns = Vec::new();
    for &n in numbers {
        for profiled in [false, true] {
            if n == 0 && profiled {
                continue;
            }
            let scores = scores(&records, &model, &networks, &dealt, (n, profiled, draws))?;
            if profiled || n == 0 {
                columns.push(n);
                for (family, mape) in by_family(&scores)? {
                    families.entry(family).or_default().push(format!("{mape:.1}"));
                }
            }
            let mean = |get: &dyn Fn(&Score) -> f64| mean_std(&scores.iter().map(get).collect::<Vec<_>>()).0;
            let worst = scores.iter().map(|s| s.metrics.mape).fold(0.0, f64::max);
            let nodes: Vec<f64> = scores.iter().filter_map(|s| s.spearman).collect();
            table.row(&[
                n.to_string(),
                if n == 0 {
                    ""
                } else if profiled {
                    "networks and nodes"
                } else {
                    "networks"
                }
                .to_owned(),
                format!("{:.1}", mean(&|s| s.metrics.mape)),
                format!("{worst:.1}"),
                format!("{:.1}", mean(&|s| s.metrics.median_ape)),
                format!("{:.0}", mean(&|s| s.metrics.acc10)),
                if nodes.is_empty() { String::new() } else { format!("{:.3}", mean_std(&nodes).0) },
            ]);
        }
    }
    writeln!(text, "{table}")?;
    writeln!(text, "## By family\n")?;
    writeln!(text, "MAPE %, by number of records with times of networks and nodes.\n")?;
    let heads: Vec<String> = columns.iter().map(|n| format!(">{n}")).collect();
    let mut table = TextTable::new(&["family"].into_iter().chain(heads.iter().map(String::as_str)).collect::<Vec<_>>());
    for (family, mut row) in families {
        row.insert(0, family);
        table.row(&row);
    }
    writeln!(text, "{table}")?;
    writeln!(text, "## Parts\n")?;
    for part in 0..PARTS {
        let own: Vec<&str> = dealt.iter().skip(part).step_by(PARTS).copied().collect();
        let n = networks.iter().filter(|network| own.contains(&network.family.as_str())).count();
        writeln!(text, "- {}: {} networks, {} tested on", own.join(", "), n, n.min(TESTED))?;
    }
    Ok(text)
}

fn header(command: &str, model: &CostModel, platform: &str, n: usize, families: usize) -> String {
    let trained = &model.header().provenance;
    format!(
        "# Calibration to a host\n\nMade by `{command}`.\n\
         {n} networks of {families} families were measured on `{platform}`. Families are dealt into {PARTS} parts; each is tested\n\
         on in turn, up to {TESTED} networks of it, with records drawn from the other families only. Figures are means over parts\n\
         and draws, the worst draw is the one with the largest MAPE. Spearman is the rank correlation of predicted and measured\n\
         times of the nodes within a network, the median over networks. The model was trained on {} records, {}.\n\n",
        trained.records, trained.date,
    )
}

fn networks(records: &Records, model: &CostModel) -> Result<Vec<Network>> {
    let mut networks = Vec::new();
    for (row, record) in records.rows().iter().enumerate().filter(|(_, r)| r.latency_s().is_some()) {
        let graph = records.graph(&record.graph).context("a record without its graph")?;
        networks.push(Network { row, family: host::family(graph).to_owned(), prepared: model.prepare(graph)? });
    }
    ensure!(!networks.is_empty(), "there are no records with a time");
    Ok(networks)
}

fn scores(
    records: &Records,
    model: &CostModel,
    networks: &[Network],
    dealt: &[&str],
    (n, profiled, draws): (usize, bool, u64),
) -> Result<Vec<Score>> {
    let mut scores = Vec::new();
    for part in 0..PARTS {
        let own: BTreeSet<&str> = dealt.iter().skip(part).step_by(PARTS).copied().collect();
        let (mut tested, others): (Vec<&Network>, Vec<&Network>) =
            networks.iter().partition(|network| own.contains(network.family.as_str()));
        let mut rng = ChaCha8Rng::seed_from_u64(part as u64);
        tested.shuffle(&mut rng);
        tested.truncate(TESTED);
        ensure!(others.len() >= n && !tested.is_empty(), "{} networks are too few to draw {n} from", others.len());
        for _ in 0..if n == 0 { 1 } else { draws } {
            let drawn = index::sample(&mut rng, others.len(), n);
            let mut some = Records::new();
            for network in drawn.into_iter().map(|i| others[i]) {
                let row = &records.rows()[network.row];
                let graph = records.graph(&row.graph).context("a record without its graph")?;
                let nodes = if profiled { row.nodes_s.clone() } else { Default::default() };
                some.push_profiled(graph, &row.hardware, row.batch, row.outcome.clone(), nodes)?;
            }
            scores.push(score(records, &model.calibrate(&some)?, &tested)?);
        }
    }
    Ok(scores)
}

fn score(records: &Records, model: &CostModel, tested: &[&Network]) -> Result<Score> {
    let (mut by_family, mut ranks) = (BTreeMap::<String, Vec<(f64, f64)>>::new(), Vec::new());
    for network in tested {
        let row = &records.rows()[network.row];
        let measured = row.latency_s().context("a record without a time")?;
        let options = PredictOptions { per_node: true, ..PredictOptions::default() };
        let on = [((*row.hardware).clone(), row.batch)];
        let estimate = model.predict(&network.prepared, &on, &options)?.remove(0);
        by_family.entry(network.family.clone()).or_default().push((estimate.latency_s.ln(), measured.ln()));
        let described = network.prepared.described();
        let nodes = estimate.nodes.iter().filter_map(|node| {
            let times: Vec<f64> =
                described.origins[node.node].iter().filter_map(|name| row.nodes_s.get(name).copied()).collect();
            (!times.is_empty()).then(|| (node.latency_s, times.iter().sum::<f64>()))
        });
        let nodes: Vec<(f64, f64)> = nodes.collect();
        if nodes.len() > 2 {
            ranks.push(spearman(&nodes));
        }
    }
    ranks.sort_by(f64::total_cmp);
    let pairs: Vec<(f64, f64)> = by_family.values().flatten().copied().collect();
    let metrics = Metrics::of(&pairs).context("nothing was tested")?;
    Ok(Score { metrics, spearman: ranks.get(ranks.len() / 2).copied(), by_family })
}

/// MAPE of each family, over all sets of records that were drawn.
fn by_family(scores: &[Score]) -> Result<BTreeMap<String, f64>> {
    let mut pairs = BTreeMap::<&String, Vec<(f64, f64)>>::new();
    for (family, own) in scores.iter().flat_map(|score| &score.by_family) {
        pairs.entry(family).or_default().extend(own);
    }
    let mape = |own: &[(f64, f64)]| Metrics::of(own).map(|m| m.mape).context("nothing was tested");
    pairs.into_iter().map(|(family, own)| Ok((family.clone(), mape(&own)?))).collect()
}

/// The correlation of ranks; equal values share the mean of their ranks.
fn spearman(pairs: &[(f64, f64)]) -> f64 {
    let (a, b) = (ranks(pairs.iter().map(|p| p.0)), ranks(pairs.iter().map(|p| p.1)));
    let mean = (pairs.len() as f64 - 1.0) / 2.0;
    let sum = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    let spread = (sum(&a, &a) * sum(&b, &b)).sqrt();
    if spread > 0.0 { sum(&a, &b) / spread } else { 0.0 }
}

fn ranks(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let values: Vec<f64> = values.collect();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    while first < order.len() {
        let equal = order[first..].iter().take_while(|&&i| values[i] == values[order[first]]).count();
        let rank = first as f64 + (equal as f64 - 1.0) / 2.0;
        order[first..first + equal].iter().for_each(|&i| ranks[i] = rank);
        first += equal;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rank_correlation_by_hand() {
        assert_eq!(spearman(&[(1.0, 10.0), (2.0, 20.0), (3.0, 30.0)]), 1.0);
        assert_eq!(spearman(&[(1.0, 30.0), (2.0, 20.0), (3.0, 10.0)]), -1.0);
        // Ranks 0, 1, 2 against 0.5, 0.5, 2: cov 1.5, spreads 2 and 1.5.
        let tied = spearman(&[(1.0, 5.0), (2.0, 5.0), (3.0, 6.0)]);
        assert!((tied - 1.5 / 3.0f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn a_table_of_a_made_up_host() {
        let dir = tempfile::tempdir().unwrap();
        let folder = host::tests::packed(dir.path());
        let options = |numbers| Options { bundle: None, numbers, draws: 1, output: Some(Path::new("page.md")) };
        let text = report(&folder, &options(&[0, 2])).unwrap();
        let made =
            format!("`ledg-train host-calibration {} --numbers 0,2 --draws 1 --output page.md`", folder.display());
        assert!(text.contains(&made), "{text}");
        assert!(text.contains("3 networks of 3 families were measured on `made-up:"), "{text}");
        let (table, families) = text.split_once("## By family").unwrap();
        let rows: Vec<&str> = table.lines().filter(|l| l.starts_with("| ")).collect();
        assert_eq!(rows.len(), 1 + 3, "{text}");
        let mape = |row: &str| -> f64 { row.split('|').nth(3).unwrap().trim().parse().unwrap() };
        assert!(mape(rows[2]) < mape(rows[1]), "calibrated to two, the third is closer: {text}");
        // Each family is tested on once; what is said of it is its own error, one column a number of records.
        let rows: Vec<&str> = families.lines().filter(|l| l.starts_with("| ")).collect();
        assert_eq!(
            rows.iter().map(|row| row.split('|').nth(1).unwrap().trim()).collect::<Vec<_>>(),
            ["family", "alexnet", "resnet", "squeezenet"]
        );
        let cell = |row: &str, column| -> f64 { row.split('|').nth(column).unwrap().trim().parse().unwrap() };
        let of_all = rows[1..].iter().map(|row| cell(row, 2)).sum::<f64>() / 3.0;
        assert!((of_all - mape(table.lines().filter(|l| l.starts_with("| ")).nth(1).unwrap())).abs() < 0.11, "{text}");
        assert!(report(&folder, &options(&[5])).unwrap_err().to_string().contains("too few"));
    }
}
