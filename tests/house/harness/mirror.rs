//! What a client shows that knows the rules of protocol 1 and nothing else.

use std::collections::BTreeMap;

use serde_json::{Value, json};

#[derive(Default)]
pub(crate) struct Mirror {
    /// What it shows, by id.
    pub(crate) nodes: BTreeMap<String, Value>,
    pub(crate) messages: Vec<Value>,
    pub(crate) revision: u64,
    in_parts: bool,
}

impl Mirror {
    /// The connection is lost, and with it the parts that were missing.
    pub(crate) fn interrupt(&mut self) {
        self.in_parts = false;
    }

    pub(crate) fn apply(&mut self, message: &Value) {
        let list = |name: &str| message[name].as_array().cloned().unwrap_or_default();
        if let Some(revision) = message["revision"].as_u64() {
            assert!(revision >= self.revision, "a revision goes back: {message}");
            self.revision = revision;
        }
        self.messages.extend(list("messages"));
        match message["type"].as_str().unwrap() {
            "snapshot" => {
                if message["full"] == true && !self.in_parts {
                    self.nodes.clear();
                }
                self.in_parts = message["more"] == true;
                self.remove(&list("removed"));
                self.replace(list("nodes"));
            }
            "node_enter" => self.replace(list("nodes")),
            "node_leave" => self.remove(&list("ids")),
            "node_update" | "node_status" => {
                for record in list("nodes") {
                    merge(self.held(&record), &record);
                }
            }
            "telemetry_update" => {
                for record in list("telemetry") {
                    let held = self.held(&record);
                    if held["telemetry"].is_null() {
                        held["telemetry"] = json!({});
                    }
                    merge(&mut held["telemetry"], &record);
                    held["telemetry"].as_object_mut().unwrap().remove("id");
                }
            }
            "position_update" => {
                for mut record in list("positions") {
                    let held = self.held(&record);
                    record.as_object_mut().unwrap().remove("id");
                    held["position"] = record;
                }
            }
            "hello" | "message" | "cell_update" | "pong" | "error" => {}
            other => panic!("protocol 1 has no {other}"),
        }
    }

    fn held(&mut self, record: &Value) -> &mut Value {
        let id = record["id"].as_str().unwrap();
        self.nodes.get_mut(id).unwrap_or_else(|| panic!("an update of {id}, which is not shown"))
    }

    fn replace(&mut self, records: Vec<Value>) {
        for record in records {
            self.nodes.insert(record["id"].as_str().unwrap().to_owned(), record);
        }
    }

    fn remove(&mut self, ids: &[Value]) {
        for id in ids {
            self.nodes.remove(id.as_str().unwrap());
        }
    }
}

fn merge(target: &mut Value, fields: &Value) {
    for (name, value) in fields.as_object().unwrap() {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            target[name] = value.clone();
        }
    }
}
