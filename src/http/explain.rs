//! `/api/explain/{id}`: why a node is on the map, or why it is not, and what its owner can do.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{AppState, error::ApiError, nodes::parse_id};
use crate::{
    domain::{
        Filter, Heard, Node, NodeId, Page, Remark, Timestamp,
        policy::{Left, Why},
    },
    storage::HeardPacket,
};

/// Most packets that an answer lists.
const MOST_HEARD: usize = 20;

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Explanation {
    id: String,
    /// Whether the map shows the node: `shown`, `shown_without_position`, `refused`, `kept_out`,
    /// `not_on_map` or `never_heard`.
    verdict: &'static str,
    /// The same for people.
    summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_heard: Option<i64>,
    /// What was lately heard and kept, newest first.
    heard: Vec<HeardRecord>,
    /// What was lately refused or withheld, newest first.
    refusals: Vec<RefusalRecord>,
    /// What the operator of the node can do, the most pressing first.
    advice: Vec<&'static str>,
}

/// What is read from the database says the channel, and not the topic.
#[derive(Debug, Serialize, JsonSchema)]
struct HeardRecord {
    time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    gateway: String,
    port: u16,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct RefusalRecord {
    time: i64,
    reason: String,
    message: String,
    advice: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_hash: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
}

/// `GET /api/explain/{id}`
pub(super) async fn explain(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = parse_id(&id)?;
    let nodes = state.live.nodes(Filter::default().with_node_ids([id.clone()])).await?;
    let left = state.store.left(&id).await?;
    let page = state.logbook.page(&id).unwrap_or_default();
    let mut heard: Vec<_> = page.heard.iter().rev().map(kept).collect();
    if heard.len() < MOST_HEARD {
        // What was heard before this server started, or too long ago to be remembered.
        let first = page.heard.front().map(|heard| heard.time);
        let stored = state.store.heard(&id, u32::try_from(MOST_HEARD).unwrap_or(u32::MAX)).await?;
        let before = stored.iter().filter(|heard| first.is_none_or(|first| heard.time < first));
        heard.extend(before.map(HeardRecord::from));
        heard.truncate(MOST_HEARD);
    }
    Ok(Json(told(&id, nodes.first().map(AsRef::as_ref), left, heard, &page)).into_response())
}

fn told(
    id: &NodeId,
    node: Option<&Node>,
    left: Option<Left>,
    heard: Vec<HeardRecord>,
    page: &Page,
) -> Explanation {
    let remarks = &page.remarks;
    let refusals: Vec<_> = remarks.iter().rev().map(refusal).collect();
    let mut advice = Vec::new();
    let (verdict, summary) = match (node, left) {
        (_, Some(left)) => {
            let reason = why(left.why);
            advice.push(advice_on(reason));
            ("kept_out", format!("It is kept off this map: {}.", meaning(reason)))
        }
        (Some(node), _) if node.position.is_some() => {
            ("shown", "The map shows it, with its position.".to_owned())
        }
        (Some(_), _) => {
            advice.push(
                "Share the position on the channel that is uplinked: in the app, channel settings, \
                 position enabled, with a precision above zero; and let the node have a GPS fix or \
                 a fixed position.",
            );
            let summary = "The map knows it, but no position that it may show.";
            ("shown_without_position", summary.to_owned())
        }
        (None, _) => match refusals.first() {
            Some(last) => {
                let summary = format!("It was heard, and refused: {}.", last.message);
                ("refused", summary)
            }
            None if !heard.is_empty() => {
                let summary = "It was heard, but has been silent for so long that it left the map.";
                ("not_on_map", summary.to_owned())
            }
            None => {
                advice.push(
                    "Check that a gateway near the node has MQTT and uplink on for the channel, \
                     that it is connected to a broker that this map reads, and that its root topic \
                     is among those that this map subscribes to.",
                );
                ("never_heard", "This server has not heard it lately, or never.".to_owned())
            }
        },
    };
    for refusal in &refusals {
        if !advice.contains(&refusal.advice) {
            advice.push(refusal.advice);
        }
    }
    let last = heard.first().map(|heard| Timestamp::from_millis(heard.time));
    let last = last.max(remarks.back().map(|remark| remark.time));
    let last = last.max(node.map(|node| node.status.last_heard));
    Explanation {
        id: id.to_string(),
        verdict,
        summary,
        last_heard: last.map(Timestamp::as_millis),
        heard: if left.is_some_and(|left| left.why.erases()) { Vec::new() } else { heard },
        refusals,
        advice,
    }
}

fn kept(heard: &Heard) -> HeardRecord {
    let Heard { time, topic, gateway, port } = heard;
    HeardRecord {
        time: time.as_millis(),
        topic: Some(topic.to_string()),
        channel: None,
        gateway: gateway.to_string(),
        port: *port,
    }
}

impl From<&HeardPacket> for HeardRecord {
    fn from(HeardPacket { time, gateway, port, channel }: &HeardPacket) -> Self {
        Self {
            time: time.as_millis(),
            topic: None,
            channel: channel.as_deref().map(str::to_owned),
            gateway: gateway.to_string(),
            port: *port,
        }
    }
}

fn refusal(remark: &Remark) -> RefusalRecord {
    let Remark { time, reason, channel_hash, topic, gateway, port } = remark;
    let message = match channel_hash {
        Some(hash) => format!("no key is known for channel hash {hash}"),
        None => meaning(reason).to_owned(),
    };
    RefusalRecord {
        time: time.as_millis(),
        reason: reason.clone().into_owned(),
        message,
        advice: advice_on(reason),
        channel_hash: *channel_hash,
        topic: topic.as_deref().map(str::to_owned),
        gateway: gateway.as_ref().map(NodeId::to_string),
        port: *port,
    }
}

const fn why(why: Why) -> &'static str {
    match why {
        Why::Forgotten => "forgotten",
        Why::OptedOut => "opted_out",
        Why::OutsideRegion => "outside_region",
    }
}

/// What a reason means.
fn meaning(reason: &str) -> &'static str {
    match reason {
        "malformed" => "its packet could not be read",
        "no_key" => "it is encrypted with a channel key that this map does not know",
        "direct_message" => "it was a direct message, which is for its receiver alone",
        "unknown_port" => "it was a kind of packet that says nothing about the map",
        "bad_position" => "its position was no place on Earth, or that of a receiver without a fix",
        "precision_zero" => "it shares its position with a precision of zero, which is not at all",
        "quarantined" => "the database refused it, and it was set aside",
        "ok_to_mqtt" => "its owner does not agree that it goes to MQTT",
        "opted_out" => "its name says that it is not to be shown",
        "forgotten" => "an administrator of this map removed it",
        "node_not_allowed" => "this map does not show this node",
        "channel_not_kept" => "this map does not show this channel",
        "port_not_kept" => "this map does not show this kind of packet",
        "outside_region" => "it is outside the region of this map",
        "rate" => "it sends positions too often, so they are merged: the newest is shown",
        "position_withheld" => "its position was withheld by a rule of this map",
        "text_withheld" => "its text was withheld by a rule of this map",
        "clock" => "its clock runs far behind, so its positions count as old ones",
        _ => "it was refused",
    }
}

/// What the operator of the node can do about it.
fn advice_on(reason: &str) -> &'static str {
    match reason {
        "no_key" => {
            "Use a channel whose key this map knows, such as the default one, or give the key of \
             the channel to the operator of the map."
        }
        "direct_message" | "unknown_port" | "duplicate" => "Nothing: that is as it should be.",
        "bad_position" => "Wait for a GPS fix, or set a fixed position in the app.",
        "precision_zero" => {
            "Set a precision above zero for positions in the settings of the channel."
        }
        "ok_to_mqtt" => {
            "If you want to be on public maps, turn \"OK to MQTT\" on in the LoRa settings of the \
             node, with firmware 2.5 or newer."
        }
        "opted_out" => {
            "If you want to be shown, take the mark out of the long and the short name. The node \
             comes back with its next node information."
        }
        "forgotten" | "node_not_allowed" | "channel_not_kept" | "port_not_kept"
        | "position_withheld" | "text_withheld" => "Ask the operator of this map.",
        "outside_region" => "Nothing: it comes back when it is inside.",
        "rate" => "Send positions less often: choose a longer interval in the position settings.",
        "clock" => {
            "Let the node have the right time: by GPS, by an app that connects to it, or by NTP."
        }
        _ => "Update the firmware of the node and of its gateway.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(reasons: &[&'static str]) -> Page {
        let mut page = Page::default();
        for (time, reason) in (1..).zip(reasons) {
            page.remarks.push_back(Remark {
                time: Timestamp::from_millis(time),
                reason: (*reason).into(),
                channel_hash: (*reason == "no_key").then_some(31),
                topic: None,
                gateway: None,
                port: None,
            });
        }
        page
    }

    #[test]
    fn the_newest_reason_is_the_summary_and_each_comes_with_what_to_do() {
        let page = page(&["precision_zero", "no_key"]);
        let explanation = told(&NodeId::Radio(1), None, None, Vec::new(), &page);
        assert_eq!(explanation.verdict, "refused");
        assert!(explanation.summary.contains("channel hash 31"), "{explanation:?}");
        assert_eq!(explanation.last_heard, Some(2));
        let expected = [advice_on("no_key"), advice_on("precision_zero")];
        assert_eq!(explanation.advice, expected);
    }

    #[test]
    fn who_was_never_heard_is_told_so() {
        let explanation = told(&NodeId::Radio(1), None, None, Vec::new(), &Page::default());
        assert_eq!((explanation.verdict, explanation.advice.len()), ("never_heard", 1));
    }

    #[test]
    fn who_is_kept_out_is_told_why_and_not_where_it_was_heard() {
        let heard = vec![kept(&Heard {
            time: Timestamp::from_millis(1),
            topic: "msh".into(),
            gateway: NodeId::Radio(9),
            port: 3,
        })];
        let left = Left { why: Why::OptedOut, since: Timestamp::from_millis(1) };
        let explanation = told(&NodeId::Radio(1), None, Some(left), heard, &Page::default());
        assert_eq!(explanation.verdict, "kept_out");
        assert!(explanation.heard.is_empty(), "{explanation:?}");
        assert_eq!(explanation.advice, [advice_on("opted_out")]);
    }
}
