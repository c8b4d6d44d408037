//! Rows computed so far, by colour: what a query need not compute again.
//!
//! A fresh store makes a query compute each distinct row once; a store kept between queries makes it compute only rows that
//! no query before it had, so that an edited graph costs what its edit can influence.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Rows at which a store forgets everything: about 400 MB at the default model's width, far more than one graph needs.
const MAX_ROWS: usize = 1 << 16;

/// Rows by colour, with scratch memory that is used again.
#[derive(Debug, Default)]
pub struct Store {
    /// Before each layer: node vectors, and what attention needs of them.
    pub(crate) levels: Vec<Level>,
    /// After the last layer: the node's part of the readout.
    pub(crate) heads: Level,
    /// By row of `heads`, its part of a score; a scorer keeps nothing else of it.
    pub(crate) sums: Vec<f32>,
    pub(crate) scratch: Scratch,
    /// How often the rows were forgotten.
    generation: u64,
}

/// The rows of one level.
#[derive(Debug, Default)]
pub(crate) struct Level {
    rows: HashMap<u64, u32, BuildHasherDefault<Same>>,
    pub colours: Vec<u64>,
    /// (rows, width of a row); after the last layer, a scorer's are gone once they are summed.
    pub x: Vec<f32>,
    /// (rows, width of the projections); empty after the last layer.
    pub projected: Vec<f32>,
}

/// Memory that a query needs only while it runs.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Colours of the graph's nodes at this level and at the next.
    pub colours: Vec<u64>,
    pub next_colours: Vec<u64>,
    /// The row of each node at this level and at the next.
    pub rows: Vec<u32>,
    pub next_rows: Vec<u32>,
    /// Nodes whose row is new.
    pub new: Vec<u32>,
    /// Of a graph that differs from a recorded one: nodes whose colour differs at this level, and those looked at for it.
    pub changed: Vec<u32>,
    pub affected: Vec<u32>,
    pub a: Vec<f32>,
    pub b: Vec<f32>,
    pub c: Vec<f32>,
    pub edges: Vec<(u64, u32)>,
    /// Addresses of sentences and their hashes.
    pub known: Vec<(usize, u64)>,
    pub heard: Vec<u64>,
    pub attention: super::attention::Lists,
}

impl Store {
    /// Number of rows held.
    pub fn n_rows(&self) -> usize {
        self.levels.iter().map(|l| l.colours.len()).sum::<usize>() + self.heads.colours.len()
    }

    /// Forgets all rows, and keeps their memory.
    pub fn clear(&mut self) {
        self.levels.iter_mut().chain([&mut self.heads]).for_each(Level::clear);
        self.sums.clear();
        self.generation += 1;
    }

    /// Changes whenever rows are forgotten.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether the next whole graph makes the store forget its rows.
    pub fn is_full(&self) -> bool {
        self.n_rows() > MAX_ROWS
    }

    /// Readies the store for a model of that many layers.
    pub(crate) fn begin(&mut self, n_layers: usize) {
        if self.levels.len() != n_layers {
            self.levels.resize_with(n_layers, Level::default);
        }
        if self.is_full() {
            self.clear();
        }
    }
}

impl Level {
    fn clear(&mut self) {
        self.rows.clear();
        self.colours.clear();
        self.x.clear();
        self.projected.clear();
    }

    /// Gives every colour its row; `new` receives the nodes, one a colour, whose rows are still to be computed. New rows
    /// follow the old ones in that order.
    pub fn assign(&mut self, colours: &[u64], rows: &mut Vec<u32>, new: &mut Vec<u32>) {
        rows.clear();
        new.clear();
        for (node, &colour) in colours.iter().enumerate() {
            rows.push(self.row(node as u32, colour, new));
        }
    }

    /// As [`Level::assign`], of some nodes: the others have their row already.
    pub fn assign_some(&mut self, nodes: &[u32], colours: &[u64], rows: &mut [u32], new: &mut Vec<u32>) {
        new.clear();
        for &node in nodes {
            rows[node as usize] = self.row(node, colours[node as usize], new);
        }
    }

    fn row(&mut self, node: u32, colour: u64, new: &mut Vec<u32>) -> u32 {
        *self.rows.entry(colour).or_insert_with(|| {
            self.colours.push(colour);
            new.push(node);
            (self.colours.len() - 1) as u32
        })
    }
}

/// Colours are hashes already.
#[derive(Debug, Default)]
pub(crate) struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&b| self.0 = self.0.rotate_left(8) ^ u64::from(b));
    }

    fn write_u64(&mut self, v: u64) {
        self.0 = v;
    }
}
