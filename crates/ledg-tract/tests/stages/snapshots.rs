//! Sentences and masks of every stage, pinned.
//!
//! A line is a node: its number, name and sentence, `<` its fathers, `<<` its grandfathers. Sons are fathers read backwards.

use std::fmt::Write;

use ledg_cost_model::DescribedGraph;

use super::{NETWORKS, described, network, stages};

fn render(graph: &DescribedGraph) -> String {
    let mut text = String::new();
    let list = |row: &[u32]| row.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    for (i, node) in graph.nodes.iter().enumerate() {
        let (fathers, grandfathers) = (graph.relations.fathers.row(i), graph.relations.grandfathers.row(i));
        let known = if node.known { "" } else { " (not known)" };
        writeln!(text, "{i} {}: {}{known} < {} << {}", node.name, node.sentence, list(fathers), list(grandfathers))
            .unwrap();
    }
    text
}

/// What tract makes of a model depends on the instructions that the processor has.
fn is_pinned_processor() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::is_x86_feature_detected!("avx2") && !std::is_x86_feature_detected!("avx512f")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

#[test]
fn sentences_and_masks_of_every_stage() {
    for (name, _) in NETWORKS {
        for (stage, graph) in stages(&network(name)) {
            if stage == "optimised" && !is_pinned_processor() {
                eprintln!("{name}: skipped, its plan is pinned for x86-64 processors with AVX2 and without AVX-512");
                continue;
            }
            insta::assert_snapshot!(format!("{name}_{stage}"), render(&described(&graph)));
        }
    }
}
