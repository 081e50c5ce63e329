//! What may be kept and shown, from the settings; and what is stored, held to it.

use std::{collections::BTreeSet, net::SocketAddr};

use anyhow::{Context, ensure};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    config,
    domain::{
        NodeId, Place,
        policy::{
            HomeZone, KeptOut, Policy, PositionRate, Precision, Region, Rules, SourceRules,
            Treatment,
        },
    },
    ingest::MqttUrl,
    storage::{Patience, Reapplied, Store},
    warden,
};

/// Rows that are held to another policy in one step.
const ROWS: u32 = 1000;

/// Who can look at a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Onlookers {
    /// Whoever uses this machine.
    Local,
    /// Others.
    Others,
}

impl Onlookers {
    /// Those of the map that these settings make.
    pub(super) fn of(listen: SocketAddr, map: &config::Map) -> Self {
        let is_public = map.access.public.is_some_and(config::OnOff::is_on);
        let is_passed_on = !map.limits.trusted_proxy.is_empty();
        if listen.ip().is_loopback() && !is_public && !is_passed_on {
            Self::Local
        } else {
            Self::Others
        }
    }
}

/// The policy that the settings describe.
pub(crate) fn policy(
    general: &config::Policy,
    sources: &[config::SourcePolicy],
    onlookers: Onlookers,
) -> anyhow::Result<Policy> {
    let sources = sources.iter().map(|own| source(own, onlookers));
    let sources = sources.collect::<anyhow::Result<Vec<_>>>()?;
    let mut names = BTreeSet::new();
    for SourceRules { name, .. } in &sources {
        ensure!(names.insert(name), "two [[source]] tables are about the same: {name}");
    }
    Ok(Policy { general: rules(general, onlookers)?, sources })
}

fn source(source: &config::SourcePolicy, onlookers: Onlookers) -> anyhow::Result<SourceRules> {
    let broker = source.mqtt_url.as_ref().map(|url| MqttUrl::parse(url.expose().as_str()));
    let broker = broker.transpose()?.map(|url| url.to_string());
    let name = [broker.as_deref(), source.topic.as_deref()];
    let name = name.into_iter().flatten().collect::<Vec<_>>().join(" ");
    Ok(SourceRules {
        name: name.into(),
        broker: broker.map(Into::into),
        topic: source.topic.as_deref().map(Into::into),
        rules: rules(&source.policy, onlookers)?,
    })
}

fn rules(policy: &config::Policy, onlookers: Onlookers) -> anyhow::Result<Rules> {
    let treatment = |treatment| match treatment {
        config::Treatment::Keep => Treatment::Keep,
        config::Treatment::MapOnly => Treatment::MapOnly,
        config::Treatment::Drop => Treatment::Drop,
    };
    let texts = |texts: &[String]| texts.iter().map(|text| text.as_str().into()).collect();
    let node = |id: &str| NodeId::meant(id).with_context(|| format!("{id} names no node"));
    let nodes = |ids: &[String]| {
        ids.iter().map(|id| node(id)).collect::<anyhow::Result<BTreeSet<NodeId>>>()
    };
    let place = |at: &config::Degrees| Place::from_degrees(at.latitude, at.longitude);
    let home_zones = policy.home_zone.iter().map(|zone| {
        anyhow::Ok(HomeZone {
            middle: place(&zone.middle)?,
            radius_m: zone.radius_m,
            node: zone.node.as_deref().map(node).transpose().context("--home-zone")?,
        })
    });
    let regions = policy.region.iter().map(|region| {
        let corners = region.0.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        anyhow::Ok(Region::new(corners)?)
    });
    Ok(Rules {
        ok_to_mqtt_yes: treatment(policy.ok_to_mqtt_yes),
        ok_to_mqtt_no: match (policy.ok_to_mqtt_no, onlookers) {
            (Some(asked), _) => treatment(asked),
            (None, Onlookers::Local) => Treatment::Keep,
            (None, Onlookers::Others) => Treatment::Drop,
        },
        ok_to_mqtt_absent: treatment(policy.ok_to_mqtt_absent),
        texts: treatment(policy.text_messages),
        precision: Precision {
            finest: policy.finest_precision,
            coarsest: policy.coarsest_precision,
        },
        opt_out_marks: texts(&policy.opt_out_mark),
        opt_out_prefixes: texts(&policy.opt_out_prefix),
        allow_nodes: nodes(&policy.allow_node).context("--allow-node")?,
        block_nodes: nodes(&policy.block_node).context("--block-node")?,
        channels: texts(&policy.only_channel),
        ports: policy.only_port.iter().copied().collect(),
        home_zones: home_zones.collect::<anyhow::Result<_>>()?,
        regions: regions.collect::<anyhow::Result<_>>().context("--region")?,
        position_rate: policy
            .max_positions_per_node
            .map(|rate| PositionRate::new(rate.count, rate.span)),
        most_kept_out: policy.max_kept_out,
    })
}

/// Holds what is stored to the policy, if it was held to another one, and erases what is left of
/// nodes that are kept out. Nothing is shown before that. Says who is kept out.
pub(super) async fn hold_to(
    store: &dyn Store,
    policy: &Policy,
    patience: &Patience,
) -> anyhow::Result<KeptOut> {
    let never = &CancellationToken::new();
    let fingerprint = policy.fingerprint();
    let applied = patience.until(|| store.policy_applied()).await?;
    if applied != Some(fingerprint) {
        if applied.is_some() {
            patience.is_busy_with("what is stored is held to another policy");
            info!("the policy is another one: what is stored is held to it");
        }
        let mut from = Some(Reapplied::default());
        while let Some(step) = from {
            from = patience.until(|| store.reapply(policy, step.clone(), ROWS)).await?;
        }
        for node in policy.blocked() {
            patience.until(|| warden::erase(store, node, never)).await?;
        }
        patience.until(|| store.set_policy_applied(fingerprint)).await?;
        if applied.is_some() {
            info!("everything stored is held to the policy");
        }
    }
    let kept_out = patience.until(|| store.kept_out()).await?;
    for row in kept_out.iter().filter(|row| !row.erased) {
        patience.is_busy_with("what is stored of nodes that are kept out is erased");
        patience.until(|| warden::erase(store, &row.node, never)).await?;
    }
    Ok(kept_out.into_iter().map(|row| (row.node, row.left)).collect())
}
