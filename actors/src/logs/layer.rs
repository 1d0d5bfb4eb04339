//! A process's records on their way out: what its subscriber does with spans and events.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::ThreadId;
use std::time::SystemTime;

use callboard_ipc::RecordSender;
use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::LogRecord;
use crate::failure::Failure;
use crate::peer::encoded;

/// Where the records of this process go.
pub(super) enum Destination {
    File(File),
    Gathered {
        sender: Arc<RecordSender>,
        /// The thread that handles records, if it is in this process. It would wait for itself.
        gatherer: Option<ThreadId>,
    },
}

/// Takes the events of this process.
pub(super) struct LogLayer {
    node: String,
    to: Destination,
    /// How many records nobody took since the last that somebody did. Counted; nothing is ordered by it.
    lost: AtomicU64,
}

impl LogLayer {
    pub(super) fn new(node: &str, to: Destination) -> Self {
        Self { node: node.to_owned(), to, lost: AtomicU64::new(0) }
    }

    fn send(&self, mut record: LogRecord) {
        record.lost = self.lost.swap(0, Ordering::Relaxed);
        let sent = match &self.to {
            Destination::File(file) => {
                let mut file = file;
                file.write_all(format!("{record}\n").as_bytes()).is_ok()
            }
            Destination::Gathered { sender, .. } => sender.send(&encoded(&record)),
        };
        if !sent {
            self.lost.fetch_add(record.lost + 1, Ordering::Relaxed);
        }
    }

    fn is_own_thread(&self) -> bool {
        match &self.to {
            Destination::Gathered { gatherer: Some(thread), .. } => *thread == std::thread::current().id(),
            _ => false,
        }
    }
}

/// A span's fields as text, kept with the span.
struct SpanFields(Fields);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        // Another layer may have done it. Users' code makes the text: nothing is locked over it.
        if span.extensions().get::<SpanFields>().is_none() {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().replace(SpanFields(fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fresh = Fields::default();
        values.record(&mut fresh);
        if let Some(SpanFields(fields)) = span.extensions_mut().get_mut::<SpanFields>() {
            fresh.0.into_iter().for_each(|(name, text)| fields.set(name, text));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if self.is_own_thread() {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = fields.take("message");
        let spans =
            context.event_scope(event).map(|scope| scope.from_root().map(|span| named(&span)).collect());
        let metadata = event.metadata();
        let mut record = LogRecord {
            node: self.node.clone(),
            pid: std::process::id(),
            // A clock that is before all time can't be told.
            time: SystemTime::now().max(SystemTime::UNIX_EPOCH),
            level: *metadata.level(),
            target: metadata.target().to_owned(),
            message: message.unwrap_or_default(),
            fields: fields.0.into_iter().map(|(name, text)| (name.to_owned(), text)).collect(),
            spans: spans.unwrap_or_default(),
            thread: std::thread::current().name().map(str::to_owned),
            file: metadata.file().map(str::to_owned),
            line: metadata.line(),
            lost: 0,
        };
        record.cut();
        self.send(record);
    }
}

/// A span as a record has it: `name`, or `name{field=text}`.
fn named<'a>(span: &SpanRef<'a, impl LookupSpan<'a>>) -> String {
    let mut text = span.name().to_owned();
    if let Some(SpanFields(Fields(fields))) = span.extensions().get::<SpanFields>() {
        for (at, (name, value)) in fields.iter().enumerate() {
            let before = if at == 0 { '{' } else { ' ' };
            // Writing to a string does not fail.
            let _ = write!(text, "{before}{name}={value}");
        }
        text.push_str(if fields.is_empty() { "" } else { "}" });
    }
    text
}

/// Fields and their values as text, in order.
#[derive(Default)]
struct Fields(Vec<(&'static str, String)>);

impl Fields {
    fn set(&mut self, name: &'static str, text: String) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = text,
            None => self.0.push((name, text)),
        }
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.remove(at).1)
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.set(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.set(field.name(), Failure::from(value).to_string());
    }
}
