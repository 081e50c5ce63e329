//! When each group of a node last changed.

use super::Revision;
use crate::domain::Groups;

/// The revisions at which the groups of a node last changed. `position` is also the revision at
/// which the node came into the world, so that whoever does not know the one knows not the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Changed {
    info: Revision,
    pub(super) position: Revision,
    telemetry: Revision,
    status: Revision,
    links: Revision,
}

impl Changed {
    pub(super) fn all(at: Revision) -> Self {
        Self { info: at, position: at, telemetry: at, status: at, links: at }
    }

    /// In the order of [`Groups::EACH`].
    pub(super) fn from_array([info, position, telemetry, status, links]: [u64; 5]) -> Self {
        let [info, position, telemetry, status, links] =
            [info, position, telemetry, status, links].map(Revision);
        Self { info, position, telemetry, status, links }
    }

    /// In the order of [`Groups::EACH`].
    pub(super) fn to_array(self) -> [u64; 5] {
        [self.info, self.position, self.telemetry, self.status, self.links].map(|at| at.0)
    }

    /// When the last of them changed.
    pub(super) fn last(self) -> Revision {
        Revision(self.to_array().into_iter().max().unwrap_or_default())
    }

    pub(super) fn mark(&mut self, groups: Groups, at: Revision) {
        for group in Groups::EACH.into_iter().filter(|group| groups.intersects(*group)) {
            *self.of_mut(group) = at;
        }
    }

    pub(super) fn since(mut self, cursor: Revision) -> Groups {
        let changed = Groups::EACH.into_iter().filter(|group| *self.of_mut(*group) > cursor);
        changed.fold(Groups::NONE, Groups::or)
    }

    fn of_mut(&mut self, group: Groups) -> &mut Revision {
        match group {
            Groups::INFO => &mut self.info,
            Groups::POSITION => &mut self.position,
            Groups::TELEMETRY => &mut self.telemetry,
            Groups::STATUS => &mut self.status,
            _ => &mut self.links,
        }
    }
}
