//! The gatekeeper: holds what comes in to the policy, and knows who is kept out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Metrics, Refusal};
use crate::domain::{
    NodeId, Report, Timestamp,
    policy::{Decision, Denial, Flow, KeptOut, Merged, Origin, Policy, Standing, Stripped},
};

/// Decides what of every packet may be kept and shown. All sources share one.
#[derive(Debug)]
pub struct Gatekeeper {
    policy: Policy,
    state: Mutex<State>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct State {
    kept_out: KeptOut,
    flow: Flow,
}

/// What is left of a packet, and who is kept out because of it.
#[derive(Debug)]
pub(super) struct Admitted {
    /// None if it is merged with one that follows.
    pub(super) report: Result<Box<Report>, Option<Refusal>>,
    pub(super) standing: Option<Standing>,
    pub(super) stripped: Stripped,
}

impl Gatekeeper {
    /// One that knows who is kept out at the start.
    pub fn new(policy: Policy, kept_out: KeptOut, metrics: Arc<Metrics>) -> Self {
        let state = State { kept_out, flow: Flow::default() };
        Self { policy, state: Mutex::new(state), metrics }
    }

    /// What is allowed.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Keeps a node out from now on, or lets it in again; says whether it was otherwise before.
    pub fn apply(&self, standing: &Standing) -> bool {
        let mut state = self.state();
        if matches!(standing, Standing::Out(..)) {
            state.flow.forget(standing.node());
        }
        state.kept_out.apply(standing)
    }

    /// Who is kept out.
    pub fn kept_out(&self) -> KeptOut {
        self.state().kept_out.clone()
    }

    /// Whether nothing is told of this node, also not that it is a gateway.
    pub(super) fn hides(&self, node: &NodeId) -> bool {
        self.policy.general.block_nodes.contains(node) || self.state().kept_out.is_hidden(node)
    }

    /// The positions that were held until now, since their nodes sent too many.
    pub fn release(&self, now: Timestamp) -> Vec<Report> {
        self.state().flow.release(now)
    }

    /// The same, all of them.
    pub fn release_all(&self) -> Vec<Report> {
        self.state().flow.release_all()
    }

    /// Holds a report to the policy.
    pub(super) fn admit(
        &self,
        origin: &Origin<'_>,
        mut report: Box<Report>,
        now: Timestamp,
    ) -> Admitted {
        let (rules, name) = self.policy.rules_for(origin);
        report.terms.source = name.cloned();
        let mut state = self.state();
        let Decision { report, stripped, standing } = rules.decide(report, &state.kept_out);
        // Whoever may publish may name any number of nodes.
        let is_too_many = |standing: &Standing| {
            matches!(standing, Standing::Out(node, _) if state.kept_out.get(node).is_none())
                && state.kept_out.len() >= self.policy.general.most_kept_out
        };
        let standing = match standing {
            Some(standing) if is_too_many(&standing) => {
                self.metrics.kept_out_full();
                None
            }
            standing => standing,
        };
        if let Some(standing) = &standing {
            if matches!(standing, Standing::Out(..)) {
                state.flow.forget(standing.node());
            }
            state.kept_out.apply(standing);
        }
        self.metrics.stripped(stripped);
        let report = match (report, rules.position_rate) {
            (Ok(report), Some(rate)) => state.flow.pass(report, rate, now).map_err(|merged| {
                // One of two goes: the first that is held will still be stored.
                let Merged { is_first } = merged;
                if is_first {
                    self.metrics.flooded();
                }
                (!is_first).then_some(Refusal::Rate)
            }),
            (report, _) => report.map_err(|denial| Some(refusal(denial))),
        };
        Admitted { report, standing, stripped }
    }

    /// What is under the lock is whole whenever it is let go.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a denial is counted.
const fn refusal(denial: Denial) -> Refusal {
    match denial {
        Denial::OkToMqtt => Refusal::OkToMqtt,
        Denial::OptedOut => Refusal::OptedOut,
        Denial::Forgotten => Refusal::Forgotten,
        Denial::Node => Refusal::NodeNotAllowed,
        Denial::Channel => Refusal::ChannelNotKept,
        Denial::Port => Refusal::PortNotKept,
        Denial::OutsideRegion => Refusal::OutsideRegion,
    }
}
