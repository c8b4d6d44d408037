//! What a data set holds, as a table: graphs and their sizes, records, platforms, records near their resolution.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::data::Dataset;
use crate::data::accuracy::AccuracyDataset;

/// Markdown tables by family and by platform.
pub fn of(data: &Dataset) -> String {
    let mut out = String::new();
    let mut families: BTreeMap<&str, (Vec<usize>, BTreeSet<&str>)> = BTreeMap::new();
    for graph in &data.graphs {
        let entry = families.entry(&graph.family).or_default();
        entry.0.push(graph.graph.nodes.len());
        entry.1.insert(&graph.group);
    }
    let mut records: BTreeMap<&str, usize> = BTreeMap::new();
    let mut platforms: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    let mut unresolved: BTreeMap<usize, usize> = BTreeMap::new();
    for record in &data.records {
        *records.entry(&data.graphs[record.graph].family).or_default() += 1;
        platforms.entry(record.platform).or_default().push(record.latency_s);
        *unresolved.entry(record.platform).or_default() += usize::from(!record.is_resolved());
    }
    let totals = (data.graphs.len(), data.records.len(), data.platforms.len());
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{} graphs, {} records, {} platforms; data {}\n", totals.0, totals.1, totals.2, data.hash);
    let _ = writeln!(
        out,
        "| family | graphs | groups | records | nodes: least | median | most |\n|---|---|---|---|---|---|---|"
    );
    for (family, (mut nodes, groups)) in families {
        nodes.sort_unstable();
        let (least, median, most) = (nodes[0], nodes[nodes.len() / 2], nodes[nodes.len() - 1]);
        let (n, groups, records) = (nodes.len(), groups.len(), records.get(family).copied().unwrap_or_default());
        let _ = writeln!(out, "| {family} | {n} | {groups} | {records} | {least} | {median} | {most} |");
    }
    let _ = writeln!(
        out,
        "\n| platform | records | ms: least | median | most | below resolution |\n|---|---|---|---|---|---|"
    );
    for (place, mut times) in platforms {
        times.sort_by(f64::total_cmp);
        let ms = |i: usize| times[i] * 1e3;
        let (n, name) = (times.len(), &data.platforms[place].platform.name);
        let _ = writeln!(
            out,
            "| {name} | {n} | {:.4} | {:.4} | {:.4} | {} |",
            ms(0),
            ms(n / 2),
            ms(n - 1),
            unresolved[&place]
        );
    }
    out
}

/// Graphs, their sizes, and the range of their accuracies.
pub fn of_accuracies(data: &AccuracyDataset) -> String {
    let mut nodes: Vec<usize> = data.graphs.iter().map(|g| g.graph.nodes.len()).collect();
    nodes.sort_unstable();
    let mut shares = data.accuracies.clone();
    shares.sort_by(f64::total_cmp);
    let groups: BTreeSet<&str> = data.graphs.iter().map(|g| g.group.as_str()).collect();
    let families: BTreeSet<&str> = data.graphs.iter().map(|g| g.family.as_str()).collect();
    let n = nodes.len();
    format!(
        "{n} graphs of {families:?} in {} groups; data {}\nnodes: least {}, median {}, most {}\naccuracy: least {:.4}, \
         median {:.4}, most {:.4}\n",
        groups.len(),
        data.hash,
        nodes[0],
        nodes[n / 2],
        nodes[n - 1],
        shares[0],
        shares[n / 2],
        shares[n - 1]
    )
}

#[cfg(test)]
mod tests {
    use crate::data::synthetic;

    #[test]
    fn counts_are_those_of_the_data() {
        let text = super::of(&synthetic::dataset());
        assert!(text.starts_with("6 graphs, 24 records, 2 platforms; data synthetic\n"), "{text}");
        let resnet = text.lines().find(|l| l.starts_with("| resnet |")).unwrap();
        assert!(resnet.starts_with("| resnet | 2 | 1 | 8 |"), "{resnet}");
    }
}
