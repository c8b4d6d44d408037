//! What profiled nodes took, carried over to others: a Gaussian process of ln(measured / roofline) over kinds and sizes.
//!
//! The roofline of a node is `FLOPs / rate + bytes / rate`; how far a kernel is from it depends on its sizes in no simple way,
//! so nothing but smoothness is assumed: the covariance of two nodes is a constant, a part for each level of kinds that they
//! share, and of one class or one kind a part that fades with the distance of their ln sizes ([`covariance`]). Its scales were
//! chosen on one host (`hosts/amd-epyc-zen3` of ledg-train), families apart; the table of the other host is what they are worth.
//!
//! What the process says of a network when it is left out follows from the one factorisation in closed form: with `K` the
//! covariance of all observations `y`, noise included, and `g` those of the network, `y_g - [K⁻¹]_gg⁻¹ [K⁻¹ y]_g`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::kinds::{Kind, LnSizes, Roofline, levels};
use super::linear::{dot, inverse_factor, solve};

/// Variances: of all nodes together, of each level of kinds, of sizes within a class, within a kind, and of a trend of a kind.
const COMMON: f64 = 0.25;
const LEVEL: f64 = 0.25;
const CLASS_SIZES: f64 = 1.0;
const KIND_SIZES: f64 = 9.0;
const KIND_TREND: f64 = 0.01;
/// Distance in ln sizes at which nodes still speak of each other.
const REACH: f64 = 5.0;
/// Standard deviation of the seconds of nodes that are all of their network; of others in proportion to 1 / share^¼.
const NOISE: f64 = 0.2;
const SMALLEST_SHARE: f64 = 1e-4;
/// Observations that take part, and the difference in every ln size below which two nodes of a kind are alike: beyond that
/// number those are left out first.
const MOST: usize = 1000;
const ALIKE: f64 = 0.4;

/// Nodes of one kind and shape in a profiled network.
#[derive(Debug, Clone)]
pub(super) struct Timed {
    pub kind: Arc<str>,
    pub shape: LnSizes,
    /// Seconds of the roofline, of all of them.
    pub roofline_s: f64,
    /// Measured seconds, of all of them.
    pub measured_s: f64,
    /// Their share of the network.
    pub share: f64,
}

/// What nodes take on a platform, by kind and sizes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeTimes {
    /// What the process is relative to.
    pub roofline: Roofline,
    /// What was observed, by kind.
    pub observed: BTreeMap<String, Vec<Observed>>,
}

/// One observation of the process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    /// ln sizes of the nodes.
    pub sizes: LnSizes,
    /// `[K⁻¹ y]` of the observation.
    pub weight: f64,
}

impl NodeTimes {
    /// Seconds of a node at a batch.
    pub(super) fn seconds(&self, kind: &Kind, batch: f64) -> f64 {
        kind.roofline_s(batch, &self.roofline) * self.ln_factor(&kind.name, &kind.shape(batch)).exp()
    }

    /// ln(seconds / roofline) of nodes.
    pub(super) fn of(&self, timed: &Timed) -> f64 {
        self.ln_factor(&timed.kind, &timed.shape)
    }

    fn ln_factor(&self, kind: &str, sizes: &LnSizes) -> f64 {
        let of_kind = |(other, observed): (&String, &Vec<Observed>)| -> f64 {
            match Shared::by(kind, other) {
                // Sizes do not matter, and most observations are of other classes.
                Shared::Nothing => COMMON * observed.iter().map(|o| o.weight).sum::<f64>(),
                shared => observed.iter().map(|o| o.weight * covariance(shared, sizes, &o.sizes)).sum(),
            }
        };
        self.observed.iter().map(of_kind).sum()
    }

    pub(super) fn is_sound(&self) -> bool {
        let Roofline { flops_s, elems_s, launch_s } = self.roofline;
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let sound = |o: &Observed| o.weight.is_finite() && o.sizes.iter().all(|x| x.is_finite());
        let count: usize = self.observed.values().map(Vec::len).sum();
        let all = self.observed.values().flatten().all(sound);
        positive(flops_s) && positive(elems_s) && launch_s.is_finite() && launch_s >= 0.0 && count <= MOST && all
    }
}

/// What two kinds have in common.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
enum Shared {
    Nothing,
    Class,
    Operation,
    Kind,
}

impl Shared {
    fn by(a: &str, b: &str) -> Self {
        let (mut a_levels, mut b_levels) = (levels(a), levels(b));
        let class = (a_levels.next(), b_levels.next());
        // A kind of one word is its own operation.
        let operation = (a_levels.next().or(class.0), b_levels.next().or(class.1));
        match () {
            () if a == b => Shared::Kind,
            () if class.0 != class.1 => Shared::Nothing,
            () if operation.0 == operation.1 => Shared::Operation,
            () => Shared::Class,
        }
    }
}

fn covariance(shared: Shared, a: &LnSizes, b: &LnSizes) -> f64 {
    if shared == Shared::Nothing {
        return COMMON;
    }
    let distance: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
    let near = (-0.5 * distance / REACH.powi(2)).exp();
    let mut sum = COMMON + LEVEL + CLASS_SIZES * near;
    if shared >= Shared::Operation {
        sum += LEVEL;
    }
    if shared == Shared::Kind {
        let along: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
        sum += LEVEL + KIND_SIZES * near + KIND_TREND * along;
    }
    sum
}

/// A fitted process, and what it says of each network's nodes when that network is left out: ln(seconds / roofline) in the order
/// of its profile.
pub(super) struct Fitted {
    pub times: NodeTimes,
    pub left_out: Vec<Vec<f64>>,
}

/// Which nodes take part: networks in turn, each one's largest first; those like one that takes part already wait until all
/// others do.
fn chosen(profiles: &[Vec<Timed>], orders: &[Vec<usize>]) -> Vec<(usize, usize)> {
    let longest = orders.iter().map(Vec::len).max().unwrap_or_default();
    let in_turn = (0..longest).flat_map(|rank| {
        let ranked = move |(network, order): (usize, &Vec<usize>)| Some((network, *order.get(rank)?));
        orders.iter().enumerate().filter_map(ranked)
    });
    let mut by_kind: BTreeMap<&str, Vec<&LnSizes>> = BTreeMap::new();
    let (mut first, mut alike) = (Vec::new(), Vec::new());
    for (network, i) in in_turn {
        let node = &profiles[network][i];
        let known = by_kind.entry(&node.kind).or_default();
        let near = |other: &&LnSizes| other.iter().zip(&node.shape).all(|(a, b)| (a - b).abs() < ALIKE);
        if known.iter().any(near) {
            alike.push((network, i));
        } else {
            known.push(&node.shape);
            first.push((network, i));
        }
    }
    let mut chosen: Vec<(usize, usize)> = first.into_iter().chain(alike).take(MOST).collect();
    chosen.sort_unstable();
    chosen
}

/// Fits the process to profiles, one a network.
pub(super) fn fit(profiles: &[Vec<Timed>], roofline: Roofline) -> Fitted {
    let usable = |profile: &Vec<Timed>| -> Vec<usize> {
        let mut order: Vec<usize> = (0..profile.len()).filter(|&i| profile[i].is_usable()).collect();
        order.sort_by(|&a, &b| profile[b].share.total_cmp(&profile[a].share));
        order
    };
    let orders: Vec<Vec<usize>> = profiles.iter().map(usable).collect();
    let chosen = chosen(profiles, &orders);
    let of = |&(network, i): &(usize, usize)| &profiles[network][i];
    let y: Vec<f64> = chosen.iter().map(|at| of(at).ln_factor()).collect();
    let n = y.len();
    let mut shared: BTreeMap<(&str, &str), Shared> = BTreeMap::new();
    let mut rows = Vec::with_capacity(n);
    for (i, at) in chosen.iter().enumerate() {
        let own = of(at);
        let with = |at: &(usize, usize)| {
            let other = of(at);
            let shared = *shared.entry((&own.kind, &other.kind)).or_insert_with(|| Shared::by(&own.kind, &other.kind));
            covariance(shared, &own.shape, &other.shape)
        };
        let mut row: Vec<f64> = chosen[..=i].iter().map(with).collect();
        row[i] += own.noise().powi(2);
        rows.push(row);
    }
    let inverse = inverse_factor(rows);
    // K⁻¹ = Xᵀ X with X the inverse of the factor, whose rows are zero after the diagonal.
    let mut weights = vec![0.0; n];
    for row in &inverse {
        let along = dot(row, &y[..row.len()]);
        weights.iter_mut().zip(row).for_each(|(w, x)| *w += x * along);
    }
    let mut observed: BTreeMap<String, Vec<Observed>> = BTreeMap::new();
    for (at, &weight) in chosen.iter().zip(&weights) {
        let timed = of(at);
        observed.entry(timed.kind.to_string()).or_default().push(Observed { sizes: timed.shape, weight });
    }
    let times = NodeTimes { roofline, observed };

    let mut left_out: Vec<Vec<f64>> =
        profiles.iter().map(|profile| profile.iter().map(|t| times.of(t)).collect()).collect();
    let mut first = 0;
    for (network, values) in left_out.iter_mut().enumerate() {
        let count = chosen[first..].iter().take_while(|at| at.0 == network).count();
        let group = first..first + count;
        let block = |i: usize, j: usize| inverse[i.max(j)..].iter().map(|row| row[i] * row[j]).sum::<f64>();
        let rows = group.clone().map(|i| (first..=i).map(|j| block(i, j)).collect()).collect();
        let off = solve(rows, weights[group.clone()].to_vec());
        for (place, off) in group.zip(off) {
            values[chosen[place].1] = y[place] - off;
        }
        first += count;
    }
    Fitted { times, left_out }
}

impl Timed {
    /// Nodes that are still to be counted.
    pub fn none(kind: &Arc<str>, shape: LnSizes) -> Self {
        Timed { kind: Arc::clone(kind), shape, roofline_s: 0.0, measured_s: 0.0, share: 0.0 }
    }

    fn is_usable(&self) -> bool {
        self.ln_factor().is_finite()
    }

    fn ln_factor(&self) -> f64 {
        (self.measured_s / self.roofline_s).ln()
    }

    fn noise(&self) -> f64 {
        NOISE / self.share.clamp(SMALLEST_SHARE, 1.0).powf(0.25)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node of ln size `x`, measured at `factor` times its roofline of a second.
    fn timed(kind: &str, x: f64, factor: f64) -> Timed {
        let shape = [x, 0.5 * x, 0.0, 0.0, 0.0, 0.0];
        Timed { kind: kind.into(), shape, roofline_s: 1.0, measured_s: factor, share: 0.25 }
    }

    /// Efficiency that saturates with size, which no straight line follows.
    fn saturating(x: f64) -> f64 {
        (2.0 / (1.0 + x.exp())).exp() * 1.5
    }

    fn fitted(profiles: &[Vec<Timed>]) -> Fitted {
        fit(profiles, Roofline { flops_s: 1.0, elems_s: 1.0, launch_s: 0.0 })
    }

    fn network(offset: f64) -> Vec<Timed> {
        (-2..=2).map(|i| f64::from(i) * 1.5 + offset).map(|x| timed("ParamL Conv", x, saturating(x))).collect()
    }

    #[test]
    fn a_curve_is_found_between_what_was_observed() {
        let fitted = fitted(&[0.0, 0.3, 0.6, 0.9].map(network));
        for x in [-2.3, -1.1, 0.2, 1.7] {
            let found = fitted.times.of(&timed("ParamL Conv", x, 1.0));
            assert!((found - saturating(x).ln()).abs() < 0.1, "{x}: {found} {}", saturating(x).ln());
        }
        // A kind never observed follows its class, another class the whole; both shrunk.
        let [own, sibling, stranger] =
            ["ParamL Conv", "ParamL MatMul", "Norm Softmax"].map(|kind| fitted.times.of(&timed(kind, 0.2, 1.0)));
        assert!(stranger > 0.0 && stranger < sibling && sibling < own, "{stranger} {sibling} {own}");
    }

    #[test]
    fn what_is_said_of_a_network_left_out_is_that_of_a_fit_without_it() {
        let mut profiles: Vec<_> = [0.0, 0.4, 1.1].map(network).into();
        profiles[1].push(timed("Norm Softmax", 0.3, 3.0));
        let all = fitted(&profiles);
        for (network, profile) in profiles.iter().enumerate() {
            let mut others = profiles.clone();
            others.remove(network);
            let without = fitted(&others);
            for (timed, &said) in profile.iter().zip(&all.left_out[network]) {
                let expected = without.times.of(timed);
                assert!((said - expected).abs() < 1e-8, "{said} {expected}");
            }
        }
    }

    #[test]
    fn what_cannot_be_told_is_left_out() {
        let mut profiles: Vec<_> = [0.0, 0.4].map(network).into();
        let plain = fitted(&profiles);
        profiles[0].push(timed("Norm Softmax", 0.3, 0.0));
        profiles[1].push(timed("Norm Softmax", 0.3, f64::NAN));
        let with = fitted(&profiles);
        assert_eq!(plain.times, with.times);
        assert!(with.left_out.iter().flatten().all(|ln| ln.is_finite()) && with.times.is_sound());
        assert!(fitted(&[]).times.observed.is_empty());
    }

    #[test]
    fn what_is_unlike_all_others_takes_part_before_what_is_alike() {
        // Each network has more large nodes, all alike, than its part of what can take part, and one small one unlike them.
        let of_network = |i: usize| -> Vec<Timed> {
            let large = (0..MOST / 5).map(|j| Timed { share: 0.9, ..timed("ParamL Conv", 1e-4 * (i + j) as f64, 1.0) });
            let small = Timed { share: 0.01, ..timed("Norm Softmax", i as f64, 1.0) };
            large.chain([small]).collect()
        };
        let fitted = fitted(&(0..10).map(of_network).collect::<Vec<_>>());
        assert_eq!(fitted.times.observed["Norm Softmax"].len(), 10);
        assert_eq!(fitted.times.observed.values().map(Vec::len).sum::<usize>(), MOST);
    }

    #[test]
    fn more_than_can_take_part_is_bounded() {
        let profiles: Vec<_> = (0..MOST + 10).map(|i| network(i as f64 * 1e-3)[..2].to_vec()).collect();
        let fitted = fitted(&profiles);
        assert_eq!(fitted.times.observed.values().map(Vec::len).sum::<usize>(), MOST);
        assert!(fitted.times.is_sound() && fitted.left_out.iter().flatten().all(|ln| ln.is_finite()));
    }
}
