//! What an estimate cannot be trusted for.

use std::collections::BTreeSet;

use ledg_cost_model::text::{tally, units};
use ledg_cost_model::{BatchScaling, CostModel, DescribedGraph, Estimate, Platform, RawPlatform};
use serde::Serialize;

use super::data::Model;

/// One reason, with what it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// What it is about, in a word or two.
    pub about: &'static str,
    pub text: String,
}

/// An estimate and what it is of.
pub struct Asked<'a> {
    pub model: &'a CostModel,
    pub platform: &'a Platform,
    pub described: &'a DescribedGraph,
    /// Which shapes in the model's file its operators contradict.
    pub contradictions: Option<&'a str>,
    pub batch: u64,
    pub answer: &'a Estimate,
    pub shown: &'a Model,
    pub nodes: &'a [[f64; 4]],
}

/// All reasons, the gravest first.
pub fn warnings(asked: &Asked<'_>) -> Vec<Warning> {
    let checks = [
        unknown(asked),
        contradictions(asked),
        device(asked),
        batch(asked),
        unseen_sentences(asked),
        runtime(asked),
        interval(asked),
    ];
    checks.into_iter().flatten().collect()
}

/// Operators that no template covers.
fn unknown(asked: &Asked<'_>) -> Option<Warning> {
    let unknown: Vec<String> = asked.described.nodes.iter().filter(|n| !n.known).map(|n| n.op.to_string()).collect();
    (!unknown.is_empty()).then(|| Warning {
        about: "Operators not known",
        text: format!(
            "No template covers {} of {} nodes ({}). They are estimated by the sizes of their tensors; {} of the \
             estimate comes from nodes that the model knows.",
            unknown.len(),
            asked.described.nodes.len(),
            tally(unknown.iter().cloned()),
            units::share(asked.answer.known),
        ),
    })
}

/// Shapes that cannot be right.
fn contradictions(asked: &Asked<'_>) -> Option<Warning> {
    let which = asked.contradictions?;
    Some(Warning { about: "Shapes contradicted", text: format!("In the file {which}.") })
}

/// A device without measurements.
fn device(asked: &Asked<'_>) -> Option<Warning> {
    if asked.answer.measured || asked.answer.calibrated {
        return None;
    }
    let kind = asked.platform.device.kind.name();
    let text = if trained_kinds(asked.model).contains(kind) {
        format!(
            "{} was never measured in training. The estimate rests on its data sheet, the interval on how far off \
             estimates were for devices held out of training.",
            asked.platform.device.name
        )
    } else {
        format!(
            "{} was never measured in training, and no chip of its kind ({kind}) was. The estimate rests on its data \
             sheet; the interval was never checked on such a chip and can be far too narrow.",
            asked.platform.device.name
        )
    };
    Some(Warning { about: "Device not measured", text })
}

/// Kinds of chip that the training data measured.
fn trained_kinds(model: &CostModel) -> BTreeSet<&'static str> {
    let registry = ledg_cost_model::HardwareRegistry::builtin();
    let devices = registry.devices().filter(|device| model.has_measured(&device.name));
    devices.map(|device| device.kind.name()).collect()
}

/// A batch dimension that gets lost.
fn batch(asked: &Asked<'_>) -> Option<Warning> {
    let text = match &asked.described.scaling {
        BatchScaling::Followed => return None,
        BatchScaling::Proportional { why } if asked.batch != asked.described.batch => format!(
            "The batch dimension cannot be followed, so the work at batch {} is taken to be in proportion to that at \
             batch {}: {why}.",
            asked.batch, asked.described.batch
        ),
        BatchScaling::Proportional { .. } => return None,
        BatchScaling::Fixed { why } => format!("The model is known at its own batch size only: {why}."),
    };
    Some(Warning { about: "Batch size", text })
}

/// Wording that training never saw.
fn unseen_sentences(asked: &Asked<'_>) -> Option<Warning> {
    let unseen = |i: usize| {
        let node = &asked.shown.nodes[i];
        node.known && !asked.shown.sentences[node.sentence].trained
    };
    let rows: Vec<usize> = (0..asked.shown.nodes.len()).filter(|&i| unseen(i)).collect();
    if rows.is_empty() {
        return None;
    }
    let share = match asked.nodes {
        [] => String::new(),
        nodes => {
            let time = |i: usize| nodes[i].iter().sum::<f64>();
            let share = rows.iter().map(|&i| time(i)).sum::<f64>() / asked.answer.latency_s;
            format!(", {} of the time", units::share(share.clamp(0.0, 1.0)))
        }
    };
    let words = rows.iter().map(|&i| asked.shown.sentences[asked.shown.nodes[i].sentence].text.clone());
    Some(Warning {
        about: "Forms not trained on",
        text: format!(
            "{} of {} nodes{share} have a form that the training data did not contain ({}).",
            rows.len(),
            asked.shown.nodes.len(),
            tally(words)
        ),
    })
}

/// A runtime in which the device was never measured.
fn runtime(asked: &Asked<'_>) -> Option<Warning> {
    if !asked.answer.measured || asked.answer.calibrated {
        return None;
    }
    let name = asked.platform.to_string();
    let way = without_version(&name);
    let measured: BTreeSet<&str> =
        asked.model.header().provenance.platforms.iter().map(|p| without_version(p)).collect();
    if measured.contains(way) {
        return None;
    }
    let device = format!("{}:", asked.platform.device.name);
    let ways: Vec<&str> = measured.into_iter().filter_map(|p| p.strip_prefix(&device)).collect();
    let mut text = format!("The device was measured, but in other ways than {way}: {}.", ways.join(", "));
    if !asked.answer.measured_as_run {
        text.push_str(" The interval is that of a device never measured.");
    }
    Some(Warning { about: "Runtime not measured", text })
}

/// `device:precision/layout/compiler`, without the framework's version.
fn without_version(platform: &str) -> &str {
    platform.match_indices('/').nth(2).map_or(platform, |(at, _)| &platform[..at])
}

/// Intervals of kinds of chip that have no scores of their own.
fn interval(asked: &Asked<'_>) -> Option<Warning> {
    let kind = RawPlatform::new(asked.platform).ok()?.kind.name();
    let own = asked.model.header().conformal.groups.contains_key(kind);
    (asked.answer.measured_as_run && !asked.answer.calibrated && !own).then(|| Warning {
        about: "Interval borrowed",
        text: format!(
            "No records of the kind {kind} were left to calibrate intervals on. The interval has the width of other \
             kinds' and can be too narrow."
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_left_out() {
        assert_eq!(without_version("a-b:amp/nchw/eager/pt2.4.0+cu124"), "a-b:amp/nchw/eager");
        assert_eq!(without_version("a-b:amp/nchw/eager"), "a-b:amp/nchw/eager");
    }
}
