//! The spans of the program that are about work from outside, as spans of OpenTelemetry.

use std::{
    fmt::Debug,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rustc_hash::FxHashMap;
use tokio::{sync::mpsc, time::Instant};
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context as Place, registry::LookupSpan};

use super::{
    context::Context,
    counters::{Counters, Fate},
    otlp::{KeyValue, Span, SpanKind, Status, StatusCode, Value},
};
use crate::domain::Clock;

/// What spans are made for that are exported. Fields are named by the semantic conventions, but for
/// `otel.kind` and `traceparent`, which say what the span is and whose.
pub(super) const TARGET: &str = "geocast::otel";

/// Spans of one name a second of what the program does by itself: a commit, a tick.
const MOST_A_SECOND: u32 = 10;

/// Makes spans of those of [`TARGET`], and hands them over when they close. When the queue is full,
/// they are dropped and counted.
pub(super) struct Spans {
    out: mpsc::Sender<Span>,
    clock: Clock,
    counters: Counters,
    /// By name: when its second began, and how many there were in it.
    own: Mutex<FxHashMap<&'static str, (Instant, u32)>>,
}

/// A span that is open.
struct Open {
    span: Span,
    context: Context,
    began: Instant,
}

impl Spans {
    pub(super) fn new(out: mpsc::Sender<Span>, clock: Clock, counters: Counters) -> Self {
        Self { out, clock, counters, own: Mutex::default() }
    }

    /// Whether another one of this name may be made.
    fn has_room(&self, name: &'static str) -> bool {
        // Nothing that is done under this lock panics.
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (since, made) = own.entry(name).or_insert((now, 0));
        if now.duration_since(*since) >= Duration::from_secs(1) {
            (*since, *made) = (now, 0);
        }
        *made += 1;
        *made <= MOST_A_SECOND
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, place: Place<'_, S>) {
        let Some(here) = place.span(id) else { return };
        let mut said = Said::default();
        attributes.record(&mut said);
        let enclosing = here
            .parent()
            .and_then(|parent| parent.extensions().get::<Open>().map(|open| open.context));
        let parent = said.parent.or(enclosing);
        let is_wanted = match (parent, said.kind) {
            (Some(parent), _) => parent.is_sampled,
            (None, SpanKind::Server) => true,
            (None, _) => self.has_room(here.name()),
        };
        let context = Context::below(parent).filter(|_| is_wanted);
        let Some(context) = context else { return };
        let span = Span {
            trace_id: context.trace.into(),
            span_id: context.span.into(),
            parent_span_id: parent.map(|parent| parent.span.into()).unwrap_or_default(),
            name: here.name().to_owned(),
            kind: said.kind.into(),
            start_time_unix_nano: nanos(self.clock.now().as_millis()),
            end_time_unix_nano: 0,
            attributes: said.attributes,
            status: None,
            // Sampled.
            flags: 1,
        };
        here.extensions_mut().insert(Open { span, context, began: Instant::now() });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, place: Place<'_, S>) {
        let Some(here) = place.span(id) else { return };
        if let Some(open) = here.extensions_mut().get_mut::<Open>() {
            let mut said = Said::default();
            values.record(&mut said);
            open.span.attributes.append(&mut said.attributes);
        }
    }

    fn on_close(&self, id: Id, place: Place<'_, S>) {
        let Some(here) = place.span(&id) else { return };
        let Some(Open { mut span, began, .. }) = here.extensions_mut().remove() else { return };
        let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        span.end_time_unix_nano = span.start_time_unix_nano.saturating_add(took);
        if span.kind == i32::from(SpanKind::Server) {
            conclude(&mut span);
        }
        if self.out.try_send(span).is_err() {
            self.counters.count(Fate::Dropped, 1);
        }
    }
}

/// What a request is called, and whether it failed, is known at its end.
fn conclude(span: &mut Span) {
    let find = |name: &str| {
        let found = span.attributes.iter().find(|attribute| attribute.key == name);
        found.and_then(|attribute| attribute.value.as_ref()?.value.clone())
    };
    let text = |name| match find(name) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    };
    let method = text("http.request.method").filter(|method| method != "_OTHER");
    let method = method.unwrap_or_else(|| "HTTP".to_owned());
    let name = match text("http.route") {
        Some(route) => format!("{method} {route}"),
        None => method,
    };
    let status = find("http.response.status_code");
    span.name = name;
    if let Some(Value::Whole(status @ 500..)) = status {
        span.status = Some(Status { code: StatusCode::Error.into() });
        span.attributes.push(KeyValue::new("error.type", Value::Text(status.to_string())));
    }
}

fn nanos(millis: i64) -> u64 {
    u64::try_from(millis).unwrap_or(0).saturating_mul(1_000_000)
}

/// What the fields of a span say.
struct Said {
    kind: SpanKind,
    parent: Option<Context>,
    attributes: Vec<KeyValue>,
}

impl Default for Said {
    fn default() -> Self {
        Self { kind: SpanKind::Internal, parent: None, attributes: Vec::new() }
    }
}

impl Said {
    fn add(&mut self, field: &Field, value: Value) {
        self.attributes.push(KeyValue::new(field.name(), value));
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        match (field.name(), value) {
            ("otel.kind", "server") => self.kind = SpanKind::Server,
            ("otel.kind", _) => {}
            ("traceparent", parent) => self.parent = Context::parse(parent),
            _ => self.add(field, Value::Text(value.to_owned())),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Value::Flag(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Value::Whole(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, Value::Whole(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, Value::Number(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, Value::Text(format!("{value:?}")));
    }
}
