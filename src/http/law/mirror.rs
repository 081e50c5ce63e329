//! What clients do hold.

use std::collections::BTreeMap;

use serde_json::Value;

/// A client that knows the rules of the protocol and nothing else.
#[derive(Clone, Default)]
pub(super) struct Mirror {
    pub(super) held: BTreeMap<String, Value>,
    /// How many nodes are in each cell, and how many online.
    pub(super) cells: BTreeMap<String, (u64, u64)>,
    /// The revision of which every frame was applied; none while a picture is incomplete.
    pub(super) revision: Option<u64>,
    /// Subscriptions that were sent and not answered yet: until they are, nobody can tell which
    /// filter the cursor belongs to.
    pub(super) unanswered: usize,
    pub(super) in_parts: bool,
    /// Nothing that is held counts before the next full picture.
    pub(super) lost: bool,
    pub(super) newest: u64,
}

impl Mirror {
    pub(super) fn hear(&mut self, message: &Value) {
        let list = |name: &str| message[name].as_array().cloned().unwrap_or_default();
        let id = |record: &Value| record["id"].as_str().unwrap().to_owned();
        let revision = message["revision"].as_u64().unwrap();
        let more = message["more"] == true;
        assert!(revision >= self.newest, "revisions never go back: {message}");
        self.newest = revision;
        if self.lost && message["full"] != true {
            if message["type"] == "snapshot" {
                self.in_parts = more;
                self.unanswered = self.unanswered.saturating_sub(usize::from(!more));
            }
            return;
        }
        match message["type"].as_str().unwrap() {
            "snapshot" => {
                if message["full"] == true && !self.in_parts {
                    self.held.clear();
                    self.cells.clear();
                    self.lost = false;
                }
                self.in_parts = more;
                self.revision = None;
                for gone in list("removed") {
                    self.held.remove(gone.as_str().unwrap());
                }
                self.held.extend(list("nodes").into_iter().map(|record| (id(&record), record)));
                self.count(&list("cells"));
                self.unanswered = self.unanswered.saturating_sub(usize::from(!more));
            }
            "node_enter" => {
                self.held.extend(list("nodes").into_iter().map(|record| (id(&record), record)));
            }
            "node_leave" => {
                for gone in list("ids") {
                    self.held.remove(gone.as_str().unwrap());
                }
            }
            "node_update" | "node_status" => {
                for record in &list("nodes") {
                    self.merge(&id(record), None, record);
                }
            }
            "telemetry_update" => {
                for record in &list("telemetry") {
                    self.merge(&id(record), Some("telemetry"), record);
                }
            }
            "position_update" => {
                for mut record in list("positions") {
                    let id = id(&record);
                    record.as_object_mut().unwrap().remove("id");
                    self.record(&id)["position"] = record;
                }
            }
            "cell_update" => self.count(&list("cells")),
            "message" => {}
            other => panic!("a client is not told {other}"),
        }
        if !more {
            self.revision = Some(revision);
        }
    }

    fn count(&mut self, cells: &[Value]) {
        for cell in cells {
            let name = cell["cell"].as_str().unwrap().to_owned();
            let [total, online] = ["total", "online"].map(|field| cell[field].as_u64().unwrap());
            if total == 0 {
                self.cells.remove(&name);
            } else {
                self.cells.insert(name, (total, online));
            }
        }
    }

    fn record(&mut self, id: &str) -> &mut Value {
        self.held.get_mut(id).unwrap_or_else(|| panic!("an update of {id}, which is not held"))
    }

    fn merge(&mut self, id: &str, group: Option<&str>, fields: &Value) {
        let record = self.record(id);
        let target = match group {
            Some(group) => &mut record[group],
            None => record,
        };
        if target.is_null() {
            *target = Value::Object(serde_json::Map::new());
        }
        for (name, value) in fields.as_object().unwrap() {
            if name != "id" {
                target[name] = value.clone();
            }
        }
    }
}
