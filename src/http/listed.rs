//! Pages of a history as JSON: a list by its name, and where the next page begins.

use std::{borrow::Cow, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{json as value, to_writer};

use super::{
    geojson::Visit as VisitRecord,
    history::ObservationRecord,
    readings::TelemetryRecord,
    records::{MessageRecord, PositionRecord},
    streamed::Form,
};
use crate::{
    domain::{Message, Position},
    storage::{LinkRow, TelemetryRow, Visit},
};

/// Rows of a history that are listed, the newest first.
pub(super) trait Listed: Send + 'static {
    /// What the list is called.
    const NAME: &'static str;
    /// What a page is called where it is described.
    const PAGE: &'static str;
    /// What is listed.
    const ABOUT: &'static str;
    /// What is said of the cursor.
    const NEXT: &'static str = "The cursor of the next page; null on the last.";

    /// How a row is written.
    type Record<'a>: Serialize + JsonSchema;

    /// A row as it is written.
    fn record(&self) -> Self::Record<'_>;
}

impl Listed for Position {
    const NAME: &'static str = "positions";
    const PAGE: &'static str = "PositionsPage";
    const ABOUT: &'static str = "Where a node was, the newest first.";

    type Record<'a> = PositionRecord;

    fn record(&self) -> PositionRecord {
        self.into()
    }
}

impl Listed for Visit {
    const NAME: &'static str = "positions";
    const PAGE: &'static str = "VisitsPage";
    const ABOUT: &'static str = "Who was where, the newest first.";
    const NEXT: &'static str = "The cursor of the next page; null on the last. A page may be empty \
                                and still have one.";

    type Record<'a> = VisitRecord<'a>;

    fn record(&self) -> VisitRecord<'_> {
        self.into()
    }
}

impl Listed for TelemetryRow {
    const NAME: &'static str = "telemetry";
    const PAGE: &'static str = "TelemetryPage";
    const ABOUT: &'static str = "What a node measured, the newest first.";

    type Record<'a> = TelemetryRecord<'a>;

    fn record(&self) -> TelemetryRecord<'_> {
        TelemetryRecord::row(self.time, &self.values)
    }
}

impl Listed for Message {
    const NAME: &'static str = "messages";
    const PAGE: &'static str = "MessagesPage";
    const ABOUT: &'static str = "What was said, the newest first.";

    type Record<'a> = MessageRecord<'a>;

    fn record(&self) -> MessageRecord<'_> {
        self.into()
    }
}

impl Listed for LinkRow {
    const NAME: &'static str = "links";
    const PAGE: &'static str = "LinksPage";
    const ABOUT: &'static str = "Who heard whom, the newest first.";

    type Record<'a> = ObservationRecord<'a>;

    fn record(&self) -> ObservationRecord<'_> {
        self.into()
    }
}

/// A page of them: `{"NAME": [...], "next": ...}`.
pub(super) struct PageOf<T>(PhantomData<fn(T)>);

impl<T> PageOf<T> {
    /// The page.
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: Listed> Form<T> for PageOf<T> {
    const KIND: &'static str = "application/json";
    const BETWEEN: &'static str = ",";

    fn begin(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(b"{\"");
        text.extend_from_slice(T::NAME.as_bytes());
        text.extend_from_slice(b"\":[");
    }

    fn row(&mut self, row: &T, text: &mut Vec<u8>) {
        json(&row.record(), text);
    }

    fn end(&self, next: Option<&str>, text: &mut Vec<u8>) {
        end_of_list(next, text);
    }
}

/// The end of a list, and of what it stands in.
pub(super) fn end_of_list(next: Option<&str>, text: &mut Vec<u8>) {
    text.extend_from_slice(b"],\"next\":");
    json(&next, text);
    text.push(b'}');
}

/// Writes a value as JSON.
pub(super) fn json(value: &impl Serialize, text: &mut Vec<u8>) {
    to_writer(text, value).expect("records have text keys and no maps that fail");
}

impl<T: Listed> JsonSchema for PageOf<T> {
    fn schema_name() -> Cow<'static, str> {
        T::PAGE.into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let row = generator.subschema_for::<T::Record<'static>>();
        let list = value!({ "type": "array", "items": row });
        let next = value!({ "type": ["string", "null"], "description": T::NEXT });
        json_schema!({
            "type": "object",
            "description": T::ABOUT,
            "properties": { T::NAME: list, "next": next },
            "required": [T::NAME, "next"],
        })
    }
}
