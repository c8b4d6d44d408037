//! Work on several threads, only when asked for: threads are born and end within the call.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Applies `f` to every item; results in the items' order. `begin` runs once on every thread before its first item.
///
/// This thread works too; a panic of another is resumed here.
pub(crate) fn map<T: Sync, R: Send>(
    items: &[T],
    threads: NonZeroUsize,
    begin: impl Fn() + Sync,
    f: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = || {
        begin();
        let mut done = Vec::new();
        // Items differ in size, so each thread takes the next one when it is free.
        while let Some((i, item)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, items.get(i)?))) {
            done.push((i, f(item)));
        }
        done
    };
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.get().min(items.len())).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for other in others {
            match other.join() {
                Ok(results) => done.extend(results),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items() {
        let items: Vec<u64> = (0..1000).collect();
        for threads in [1, 2, 7] {
            let begun = AtomicUsize::new(0);
            let begin = || _ = begun.fetch_add(1, Ordering::Relaxed);
            let squares = map(&items, NonZeroUsize::new(threads).unwrap(), begin, |x| x * x);
            assert_eq!(squares, items.iter().map(|x| x * x).collect::<Vec<_>>());
            assert_eq!(begun.into_inner(), threads);
        }
        assert!(map(&[] as &[u64], NonZeroUsize::MIN, || (), |x| x * x).is_empty());
    }
}
