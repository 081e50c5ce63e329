//! One thing that can be asked.

use serde_json::{Map, Value, json};

use super::{
    super::error::{PROBLEM, Problem},
    Types,
};

/// What every request can meet: somebody who may not, another method, a limit, a database in trouble, a server that stops.
const ALWAYS: [&str; 7] = ["400", "401", "403", "405", "429", "500", "503"];

/// What is said before a request is understood, and without a body.
const TOO_LONG: [(&str, &str); 2] =
    [("414", "The URL is too long"), ("431", "The headers are too long")];

/// A method of a path.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    id: &'static str,
    summary: &'static str,
    tag: &'static str,
    parameters: Vec<Value>,
    body: Option<Value>,
    status: &'static str,
    answer: Value,
    others: Vec<(&'static str, Value)>,
}

impl Operation {
    /// `GET` of a path.
    pub(super) fn get(
        path: &'static str,
        id: &'static str,
        tag: &'static str,
        summary: &'static str,
    ) -> Self {
        let answer = json!({ "description": "The answer", "content": {} });
        let (parameters, others) = (Vec::new(), Vec::new());
        Self {
            method: "get",
            path,
            id,
            summary,
            tag,
            parameters,
            body: None,
            status: "200",
            answer,
            others,
        }
    }

    /// The same by `POST`.
    pub(super) fn posted(mut self) -> Self {
        self.method = "post";
        self
    }

    /// The same by `DELETE`.
    pub(super) fn deleted(mut self) -> Self {
        self.method = "delete";
        self
    }

    /// What is posted, as JSON.
    pub(super) fn with(mut self, schema: &Value) -> Self {
        self.body = Some(json!({
            "required": true,
            "content": { "application/json": { "schema": schema } },
        }));
        self.or("413", problem()).or("415", problem())
    }

    /// Answered without a body.
    pub(super) fn silent(mut self) -> Self {
        self.status = "204";
        self.answer = json!({ "description": "It is done" });
        self
    }

    /// A part of the path.
    pub(super) fn part(mut self, name: &str, description: &str, schema: &Value) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "path", "required": true,
            "description": description, "schema": schema,
        }));
        if !self.others.iter().any(|(status, _)| *status == "404") {
            self.others.push(("404", problem()));
        }
        self
    }

    /// Parts of the query.
    pub(super) fn asks(mut self, parameters: impl IntoIterator<Item = Value>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// One way in which it is answered.
    pub(super) fn says(mut self, media_type: &str, schema: Value) -> Self {
        self.answer["content"][media_type] = Map::from_iter([("schema".to_owned(), schema)]).into();
        self
    }

    /// The same as JSON.
    pub(super) fn json(self, schema: Value) -> Self {
        self.says("application/json", schema)
    }

    /// Another status, with what it means.
    pub(super) fn or(mut self, status: &'static str, answer: Value) -> Self {
        self.others.push((status, answer));
        self
    }

    /// Answered with a tag of the map's revision.
    pub(super) fn tagged(mut self) -> Self {
        self.parameters.push(json!({
            "name": "If-None-Match", "in": "header", "required": false,
            "description": "The ETag of an answer that is held",
            "schema": { "type": "string" },
        }));
        self.answer["headers"] = json!({ "ETag": {
            "description": "The revision of the map", "schema": { "type": "string" },
        }});
        self.or("304", json!({ "description": "What is held is still so" }))
    }

    /// As the document has it.
    pub(super) fn written(self) -> Value {
        let mut responses = json!({ self.status: self.answer });
        for status in ALWAYS {
            responses[status] = problem();
        }
        for (status, description) in TOO_LONG {
            responses[status] = json!({ "description": description });
        }
        for (status, answer) in self.others {
            responses[status] = answer;
        }
        let mut written = json!({
            "operationId": self.id,
            "summary": self.summary,
            "tags": [self.tag],
            "parameters": self.parameters,
            "responses": responses,
        });
        if let Some(body) = self.body {
            written["requestBody"] = body;
        }
        written
    }
}

fn problem() -> Value {
    json!({ "$ref": "#/components/responses/Problem" })
}

/// What [`problem`] refers to.
pub(super) fn problem_response(types: &mut Types) -> Value {
    json!({
        "description": "What is wrong, as problem details (RFC 9457)",
        "content": { PROBLEM: { "schema": types.said::<Problem>() } },
    })
}
