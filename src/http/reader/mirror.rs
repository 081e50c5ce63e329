//! What clients do hold.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Broken;

/// A client that knows the rules of the protocol and nothing else.
#[derive(Clone, Debug, Default)]
pub struct Mirror {
    /// The nodes, by id.
    pub held: BTreeMap<String, Value>,
    /// How many nodes are in each cell, and how many online.
    pub cells: BTreeMap<String, (u64, u64)>,
    /// The revision of which every frame was applied; none while a picture is incomplete.
    pub revision: Option<u64>,
    /// Subscriptions that were sent and not answered yet: until they are, nobody can tell which
    /// filter the cursor belongs to.
    pub unanswered: usize,
    /// Whether parts of a picture are still to come.
    pub in_parts: bool,
    /// Nothing that is held counts before the next full picture.
    pub lost: bool,
    /// The last revision that was told.
    pub newest: u64,
}

impl Mirror {
    /// Takes in a message.
    pub fn hear(&mut self, message: &Value) -> Result<(), Broken> {
        let kind = message["type"].as_str().unwrap_or_default();
        if matches!(kind, "hello" | "pong") {
            return Ok(());
        }
        let list = |name: &str| message[name].as_array().map_or(&[][..], Vec::as_slice);
        let wrong = |what: &str| Broken::new(format!("{what}: {message}"));
        let revision = message["revision"].as_u64().ok_or_else(|| wrong("no revision"))?;
        let more = message["more"] == true;
        if revision < self.newest {
            return Err(wrong("revisions never go back"));
        }
        self.newest = revision;
        if self.lost && message["full"] != true {
            if kind == "snapshot" {
                self.in_parts = more;
                self.unanswered = self.unanswered.saturating_sub(usize::from(!more));
            }
            return Ok(());
        }
        match kind {
            "snapshot" => {
                if message["full"] == true && !self.in_parts {
                    self.held.clear();
                    self.cells.clear();
                    self.lost = false;
                }
                self.in_parts = more;
                self.revision = None;
                self.drop_all(list("removed"));
                self.put(list("nodes"))?;
                self.count(list("cells"))?;
                self.unanswered = self.unanswered.saturating_sub(usize::from(!more));
            }
            "node_enter" => self.put(list("nodes"))?,
            "node_leave" => self.drop_all(list("ids")),
            "node_update" | "node_status" => {
                for fields in list("nodes") {
                    merge(self.record(fields)?, fields);
                }
            }
            "telemetry_update" => {
                for fields in list("telemetry") {
                    merge(&mut self.record(fields)?["telemetry"], fields);
                }
            }
            "position_update" => {
                for position in list("positions") {
                    let held = &mut self.record(position)?["position"];
                    *held = Value::Null;
                    merge(held, position);
                }
            }
            "cell_update" => self.count(list("cells"))?,
            "message" => {}
            _ => return Err(wrong("a client is not told this")),
        }
        if !more {
            self.revision = Some(revision);
        }
        Ok(())
    }

    fn put(&mut self, records: &[Value]) -> Result<(), Broken> {
        for record in records {
            self.held.insert(id(record)?.to_owned(), record.clone());
        }
        Ok(())
    }

    fn drop_all(&mut self, ids: &[Value]) {
        for gone in ids.iter().filter_map(Value::as_str) {
            self.held.remove(gone);
        }
    }

    fn count(&mut self, cells: &[Value]) -> Result<(), Broken> {
        for cell in cells {
            let [total, online] = ["total", "online"].map(|field| cell[field].as_u64());
            let (Some(name), Some(total), Some(online)) = (cell["cell"].as_str(), total, online)
            else {
                return Err(Broken::new(format!("no cell: {cell}")));
            };
            if total == 0 {
                self.cells.remove(name);
            } else {
                self.cells.insert(name.to_owned(), (total, online));
            }
        }
        Ok(())
    }

    /// The record that `fields` are about, which must be held.
    fn record(&mut self, fields: &Value) -> Result<&mut Value, Broken> {
        let id = id(fields)?;
        let held = self.held.get_mut(id);
        held.ok_or_else(|| Broken::new(format!("an update of {id}, which is not held")))
    }
}

fn id(record: &Value) -> Result<&str, Broken> {
    record["id"].as_str().ok_or_else(|| Broken::new(format!("a record without an id: {record}")))
}

/// Puts the fields, but for the id, into a record or a group of one.
fn merge(target: &mut Value, fields: &Value) {
    if target.is_null() {
        *target = Value::Object(serde_json::Map::new());
    }
    for (name, value) in fields.as_object().into_iter().flatten() {
        if name != "id" {
            target[name.as_str()] = value.clone();
        }
    }
}
