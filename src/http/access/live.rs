//! Who is connected by something that can be lost.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

use super::Standing;

type Stays = HashMap<Standing, (usize, CancellationToken)>;

/// How many stay by what, and what ends their stay. No more than there are connections.
#[derive(Clone, Default)]
pub(super) struct Live(Arc<Mutex<Stays>>);

/// The place of one connection. Dropping it leaves.
pub(in crate::http) struct Stay {
    standing: Standing,
    end: CancellationToken,
    live: Live,
}

impl Live {
    pub(super) fn enter(&self, standing: Standing) -> Stay {
        let mut stays = self.lock();
        let (count, end) = stays.entry(standing.clone()).or_default();
        *count += 1;
        Stay { standing, end: end.clone(), live: self.clone() }
    }

    /// What those who are connected stay by.
    pub(super) fn standings(&self) -> Vec<Standing> {
        self.lock().keys().cloned().collect()
    }

    /// Ends the stay of all who stay by this.
    pub(super) fn end(&self, standing: &Standing) {
        if let Some((_, end)) = self.lock().remove(standing) {
            end.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Stays> {
        // Nothing that is done under this lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stay {
    /// Waits until they may not stay any longer.
    pub(in crate::http) async fn ended(&self) {
        self.end.cancelled().await;
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut stays = self.live.lock();
        // Those whose stay was ended are not counted any more; who came by the same later is.
        if self.end.is_cancelled() {
            return;
        }
        if let Some((count, _)) = stays.get_mut(&self.standing) {
            *count -= 1;
            if *count == 0 {
                stays.remove(&self.standing);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_is_forgotten_and_who_stays_is_told() {
        let live = Live::default();
        let (one, two) = (live.enter(Standing::Local), live.enter(Standing::Local));
        drop(one);
        assert_eq!(live.standings(), [Standing::Local]);
        live.end(&Standing::Local);
        assert!(two.end.is_cancelled());
        let later = live.enter(Standing::Local);
        drop(two);
        assert!(!later.end.is_cancelled());
        assert_eq!(live.standings(), [Standing::Local], "who came later stays");
        drop(later);
        assert!(live.standings().is_empty());
    }
}
