//! A bounded memory of sentences already embedded.
//!
//! **Invariant:** never more than `limit` sentences. What is forgotten is computed again to the same bits, so the limit is
//! about time only.

use std::collections::HashMap;
use std::sync::Arc;

/// Two generations: when the young one is full it becomes the old one, and the old one is forgotten. Close to
/// least-recently-used at the price of a hash map, and a hit on a young sentence needs no write.
pub(crate) struct Memo {
    young: Generation,
    old: Generation,
    generation_limit: usize,
}

type Generation = HashMap<Box<str>, Arc<[f32]>>;

impl Memo {
    pub(crate) fn new(limit: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), generation_limit: limit / 2 }
    }

    /// The vector, and whether it was found in the old generation: then [`Memo::insert`] it anew to keep it.
    pub(crate) fn get(&self, sentence: &str) -> Option<(&Arc<[f32]>, bool)> {
        let young = self.young.get(sentence).map(|v| (v, false));
        young.or_else(|| self.old.get(sentence).map(|v| (v, true)))
    }

    pub(crate) fn insert(&mut self, sentence: &str, vector: &Arc<[f32]>) {
        if self.generation_limit == 0 || self.young.contains_key(sentence) {
            return;
        }
        if self.young.len() == self.generation_limit {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(sentence.into(), vector.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_half_is_forgotten_unless_used() {
        let vector: Arc<[f32]> = Arc::from([1.0]);
        let mut memo = Memo::new(4);
        for s in ["a", "b", "c"] {
            memo.insert(s, &vector);
        }
        assert!(memo.get("a").is_some_and(|(_, old)| old));
        memo.insert("a", &vector); // used again: young now, with c
        memo.insert("d", &vector);
        assert!(memo.get("a").is_some() && memo.get("c").is_some() && memo.get("d").is_some());
        assert!(memo.get("b").is_none());
        assert!(memo.young.len() + memo.old.len() <= 4);
    }

    #[test]
    fn a_limit_of_zero_remembers_nothing() {
        let mut memo = Memo::new(0);
        memo.insert("a", &Arc::from([1.0]));
        assert!(memo.get("a").is_none());
    }
}
