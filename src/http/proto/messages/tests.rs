//! Every message of the published description, written by it, read and written again by the
//! structs.

use prost::Message;
use protox::prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value,
};

use super::*;
use crate::domain::Metric;

fn description() -> DescriptorPool {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http");
    let files = protox::compile(["geocast.v1.proto"], [folder]).unwrap();
    DescriptorPool::from_file_descriptor_set(files).unwrap()
}

/// A value that no other field of its message has: texts and bytes are the field's own name.
fn value(field: &FieldDescriptor) -> Value {
    let number = field.number();
    let one = match field.kind() {
        Kind::String => Value::String(field.name().to_owned()),
        Kind::Bytes => Value::Bytes(field.name().to_owned().into()),
        Kind::Bool => Value::Bool(true),
        Kind::Uint32 => Value::U32(100 + number),
        Kind::Uint64 => Value::U64(100 + u64::from(number)),
        Kind::Sint32 => Value::I32(-100 - number.cast_signed()),
        Kind::Int64 => Value::I64(-100 - i64::from(number)),
        Kind::Double => Value::F64(f64::from(number) + 0.5),
        Kind::Enum(_) => Value::EnumNumber(1),
        Kind::Message(message) => Value::Message(filled(&message)),
        other => panic!("{} is {other:?}, which nobody thought of", field.full_name()),
    };
    if field.is_list() { Value::List(vec![one]) } else { one }
}

/// A message with every field; of alternatives, the last.
fn filled(message: &MessageDescriptor) -> DynamicMessage {
    let mut filled = DynamicMessage::new(message.clone());
    for field in message.fields() {
        filled.set_field(&field, value(&field));
    }
    filled
}

/// Messages that together have every field and every alternative.
fn examples(message: &MessageDescriptor) -> Vec<DynamicMessage> {
    let alternatives = message.oneofs().filter(|oneof| !oneof.is_synthetic());
    let alternatives: Vec<_> =
        alternatives.flat_map(|oneof| oneof.fields().collect::<Vec<_>>()).collect();
    if alternatives.is_empty() {
        return vec![filled(message)];
    }
    let with = |field| {
        let mut example = filled(message);
        example.set_field(field, value(field));
        example
    };
    alternatives.iter().map(with).collect()
}

/// Whether `text`, which shows a struct, has this field with the value of the example.
fn shows(text: &str, field: &FieldDescriptor) -> bool {
    let shown = match value(field) {
        Value::List(list) if matches!(list[0], Value::Message(_)) => return true,
        Value::Message(_) => return true,
        Value::List(list) => match &list[0] {
            // Metrics stay numbers, which the next test is about.
            Value::EnumNumber(number) if field.name() == "metrics" => format!("[{number}]"),
            Value::EnumNumber(_) => "[Node]".to_owned(),
            Value::String(text) => format!("[{text:?}]"),
            Value::U32(number) => format!("[{number}]"),
            Value::F64(number) => format!("[{number}]"),
            other => panic!("a list of {other:?}"),
        },
        Value::String(text) => format!("{text:?}"),
        Value::Bytes(bytes) => format!("{bytes:?}"),
        Value::Bool(flag) => flag.to_string(),
        Value::U32(number) => number.to_string(),
        Value::U64(number) => number.to_string(),
        Value::I32(number) | Value::EnumNumber(number) => number.to_string(),
        Value::I64(number) => number.to_string(),
        Value::F64(number) => number.to_string(),
        other => panic!("a field with {other:?}"),
    };
    let name = field.name();
    text.contains(&format!("{name}: {shown}")) || text.contains(&format!("{name}: Some({shown})"))
}

fn agrees<M: Message + Default + std::fmt::Debug>(pool: &DescriptorPool, name: &str) -> String {
    let message = pool.get_message_by_name(&format!("geocast.v1.{name}")).unwrap();
    for example in examples(&message) {
        let read = M::decode(&*example.encode_to_vec()).unwrap();
        let again = DynamicMessage::decode(message.clone(), &*read.encode_to_vec()).unwrap();
        assert_eq!(again, example, "{name} as {read:?}");
        let text = format!("{read:?}");
        for field in message
            .fields()
            .filter(|field| field.containing_oneof().is_none_or(|oneof| oneof.is_synthetic()))
        {
            assert!(shows(&text, &field), "{} in {text}", field.full_name());
        }
    }
    name.to_owned()
}

#[test]
fn the_structs_are_those_of_the_published_description() {
    let pool = &description();
    let mut checked = vec![
        agrees::<ClientMessage>(pool, "ClientMessage"),
        agrees::<Subscribe>(pool, "Subscribe"),
        agrees::<Empty>(pool, "Unsubscribe"),
        agrees::<Empty>(pool, "RequestSnapshot"),
        agrees::<Ping>(pool, "Ping"),
        agrees::<Filter>(pool, "Filter"),
        agrees::<Area>(pool, "Area"),
        agrees::<Bounds>(pool, "Bounds"),
        agrees::<NodeIds>(pool, "NodeIds"),
        agrees::<MessageTypes>(pool, "MessageTypes"),
        agrees::<Cells>(pool, "Cells"),
        agrees::<Resume>(pool, "Resume"),
        agrees::<ServerMessage>(pool, "ServerMessage"),
        agrees::<Hello>(pool, "Hello"),
        agrees::<Snapshot>(pool, "Snapshot"),
        agrees::<NodeList>(pool, "NodeEnter"),
        agrees::<NodeList>(pool, "NodeUpdate"),
        agrees::<PositionUpdate>(pool, "PositionUpdate"),
        agrees::<TelemetryUpdate>(pool, "TelemetryUpdate"),
        agrees::<NodeTelemetry>(pool, "NodeTelemetry"),
        agrees::<NodeStatus>(pool, "NodeStatus"),
        agrees::<NodeLeave>(pool, "NodeLeave"),
        agrees::<MessageList>(pool, "MessageList"),
        agrees::<CellUpdate>(pool, "CellUpdate"),
        agrees::<Pong>(pool, "Pong"),
        agrees::<Error>(pool, "Error"),
        agrees::<Column>(pool, "Column"),
        agrees::<Decimals>(pool, "Decimals"),
        agrees::<Node>(pool, "Node"),
        agrees::<Position>(pool, "Position"),
        agrees::<Telemetry>(pool, "Telemetry"),
        agrees::<Links>(pool, "Links"),
        agrees::<Link>(pool, "Link"),
        agrees::<TextMessage>(pool, "Message"),
        agrees::<Waypoint>(pool, "Waypoint"),
        agrees::<Cell>(pool, "Cell"),
        agrees::<NodeColumns>(pool, "NodeColumns"),
        agrees::<TelemetryColumns>(pool, "TelemetryColumns"),
        agrees::<MetricColumn>(pool, "MetricColumn"),
        agrees::<Texts>(pool, "Texts"),
    ];
    let mut described: Vec<_> =
        pool.all_messages().map(|message| message.name().to_owned()).collect();
    checked.sort();
    described.sort();
    assert_eq!(checked, described, "every message is checked");
}

#[test]
fn the_types_of_messages_are_those_of_the_published_description() {
    let pool = description();
    let types = pool.get_enum_by_name("geocast.v1.MessageType").unwrap();
    assert_eq!(types.values().len(), 6);
    for described in types.values() {
        let ours = MessageType::try_from(described.number()).unwrap();
        assert_eq!(format!("MESSAGE_TYPE_{ours:?}").to_uppercase(), described.name());
    }
}

#[test]
fn the_description_has_every_metric_by_its_number_and_name() {
    let described = description().get_enum_by_name("geocast.v1.Metric").unwrap();
    let described: Vec<_> = described
        .values()
        .filter(|value| value.number() != 0)
        .map(|value| (value.number().cast_unsigned(), in_camel_case(value.name())))
        .collect();
    let metrics = Metric::ALL.iter();
    let known: Vec<_> = metrics.map(|metric| (metric.number(), metric.name().to_owned())).collect();
    assert_eq!(described, known);
    for metric in Metric::ALL {
        assert_eq!(Metric::numbered(metric.number()), Some(*metric));
    }
    assert_eq!([0, u32::MAX].map(Metric::numbered), [None, None]);
}

/// The name in JSON of what is called `METRIC_BATTERY_LEVEL`.
fn in_camel_case(name: &str) -> String {
    let mut words = name.strip_prefix("METRIC_").unwrap().split('_').map(str::to_lowercase);
    let mut camel = words.next().unwrap();
    for word in words {
        let (first, rest) = word.split_at(1);
        camel.push_str(&first.to_uppercase());
        camel.push_str(rest);
    }
    camel
}
