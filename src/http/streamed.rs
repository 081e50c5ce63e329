//! Long answers: read a piece at a time, and written as the client takes them.

use std::{
    future::{Future, ready},
    iter::Peekable,
    sync::Arc,
};

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::{
    future::BoxFuture,
    stream::{self, StreamExt as _},
};
use tracing::{Instrument as _, Span, error};

use crate::storage::{HistoryQuery, Page, Store, StoreError};

/// Rows that are read, written and sent at a time.
pub(super) const PIECE_ROWS: u32 = 1_000;

/// How a page of a history is read.
pub(super) type Read<T> =
    for<'a> fn(&'a dyn Store, &'a HistoryQuery) -> BoxFuture<'a, Result<Page<T>, StoreError>>;

/// The rows of a page, a piece at a time. Between two pieces nothing of the database is held: not a
/// connection, and no state of the data that it would have to keep.
pub(super) struct Rows<T> {
    source: Source<T>,
    /// Where what was read so far ends; at the end, where the next page begins.
    next: Option<String>,
    is_over: bool,
}

enum Source<T> {
    /// Here already.
    Held(Peekable<Box<dyn Iterator<Item = T> + Send>>),
    /// To be asked for: so many at a time, and so many all in all.
    Asked { ask: Ask<T>, at_once: u32, left: u32 },
}

type Ask<T> =
    Box<dyn Fn(u32, Option<String>) -> BoxFuture<'static, Result<Page<T>, StoreError>> + Send>;

impl<T: 'static> Rows<T> {
    /// At most `limit` rows from `cursor` on, of which `ask` reads `at_once`. A piece with fewer rows
    /// than were asked for is the last.
    pub(super) fn asked<F, P>(limit: u32, cursor: Option<String>, at_once: u32, ask: F) -> Self
    where
        F: Fn(u32, Option<String>) -> P + Send + 'static,
        P: Future<Output = Result<Page<T>, StoreError>> + Send + 'static,
    {
        let ask: Ask<T> = Box::new(move |limit, cursor| Box::pin(ask(limit, cursor)));
        Self { source: Source::Asked { ask, at_once, left: limit }, next: cursor, is_over: false }
    }

    /// What a query asks of a history.
    pub(super) fn of(store: &Arc<dyn Store>, query: HistoryQuery, read: Read<T>) -> Self {
        let store = Arc::clone(store);
        Self::asked(query.limit, query.cursor.clone(), PIECE_ROWS, move |limit, cursor| {
            let store = Arc::clone(&store);
            let query = HistoryQuery { limit, cursor, ..query.clone() };
            async move { read(&*store, &query).await }
        })
    }

    /// Rows that had to be read before their page could begin.
    pub(super) fn held<I>(rows: I, next: Option<String>) -> Self
    where
        I: IntoIterator<Item = T, IntoIter: Send + 'static>,
    {
        let rows: Box<dyn Iterator<Item = T> + Send> = Box::new(rows.into_iter());
        Self { source: Source::Held(rows.peekable()), next, is_over: false }
    }

    /// All of them.
    pub(super) async fn whole(mut self) -> Result<Page<T>, StoreError> {
        let mut records = Vec::new();
        while !self.is_over {
            records.append(&mut self.piece().await?);
        }
        Ok(Page { records, next: self.next })
    }

    async fn piece(&mut self) -> Result<Vec<T>, StoreError> {
        match &mut self.source {
            Source::Held(rows) => {
                let piece = rows.by_ref().take(PIECE_ROWS as usize).collect();
                self.is_over = rows.peek().is_none();
                Ok(piece)
            }
            Source::Asked { ask, at_once, left } => {
                let wanted = (*left).min(*at_once);
                let page = ask(wanted, self.next.take()).await?;
                let read = u32::try_from(page.records.len()).unwrap_or(u32::MAX);
                *left = left.saturating_sub(read);
                self.is_over = *left == 0 || read < wanted || page.next.is_none();
                self.next = page.next;
                Ok(page.records)
            }
        }
    }
}

impl<T: Send + 'static> From<Page<T>> for Rows<T> {
    fn from(page: Page<T>) -> Self {
        Self::held(page.records, page.next)
    }
}

/// How the rows of a page are written.
pub(super) trait Form<T>: Send + 'static {
    /// The media type.
    const KIND: &'static str;
    /// What stands between two rows.
    const BETWEEN: &'static str;

    /// What stands before the first row.
    fn begin(&self, text: &mut Vec<u8>);

    /// A row.
    fn row(&mut self, row: &T, text: &mut Vec<u8>);

    /// What stands after the last row, where the next page begins at `next`.
    fn end(&self, next: Option<&str>, text: &mut Vec<u8>);
}

/// A page in the middle of being written.
struct Writing<T, F> {
    rows: Rows<T>,
    form: F,
    has_rows: bool,
    /// The request that is answered, for the log.
    request: Span,
}

/// Answers with a page. One that is over with its first piece is answered whole. Otherwise each
/// further piece is read once the client has taken what was written before; where that fails, the
/// connection breaks off, so that nobody takes a part of an answer for all of it.
pub(super) async fn answer<T, F>(rows: Rows<T>, form: F) -> Result<Response, StoreError>
where
    T: Send + 'static,
    F: Form<T>,
{
    let mut page = Writing { rows, form, has_rows: false, request: Span::current() };
    let mut text = Vec::new();
    page.form.begin(&mut text);
    page.write(&mut text).await?;
    let body = if page.rows.is_over {
        Body::from(text)
    } else {
        let first = stream::once(ready(Ok(Bytes::from(text))));
        Body::from_stream(first.chain(stream::try_unfold(page, Writing::further)))
    };
    Ok(([(header::CONTENT_TYPE, F::KIND)], body).into_response())
}

impl<T: 'static, F: Form<T>> Writing<T, F> {
    /// Writes the next piece, and the end after the last.
    async fn write(&mut self, text: &mut Vec<u8>) -> Result<(), StoreError> {
        for row in self.rows.piece().await? {
            if self.has_rows {
                text.extend_from_slice(F::BETWEEN.as_bytes());
            }
            self.form.row(&row, text);
            self.has_rows = true;
        }
        if self.rows.is_over {
            self.form.end(self.rows.next.as_deref(), text);
        }
        Ok(())
    }

    async fn further(mut self) -> Result<Option<(Bytes, Self)>, StoreError> {
        if self.rows.is_over {
            return Ok(None);
        }
        let request = self.request.clone();
        let mut text = Vec::new();
        let written = self.write(&mut text).instrument(request.clone()).await;
        if let Err(cause) = written {
            request.in_scope(|| error!("an answer breaks off, as the database failed: {cause}"));
            return Err(cause);
        }
        Ok(Some((text.into(), self)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::body::{HttpBody as _, to_bytes};
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        domain::{Metric, Timestamp},
        http::listed::PageOf,
        storage::TelemetryRow,
    };

    /// How many rows were asked for, each time.
    type Asked = Arc<Mutex<Vec<u32>>>;

    /// As many rows as `there` are, of which each piece has at most `most`; the piece that begins with
    /// row `broken` cannot be read.
    fn table(
        there: u32,
        most: u32,
        broken: Option<u32>,
        limit: u32,
    ) -> (Rows<TelemetryRow>, Asked) {
        let asked = Asked::default();
        let notes = Arc::clone(&asked);
        let rows = Rows::asked(limit, None, 10, move |wanted, cursor: Option<String>| {
            notes.lock().unwrap().push(wanted);
            let from = cursor.map_or(0, |cursor| cursor.parse().unwrap());
            let to = there.min(from + wanted.min(most));
            let records = (from..to).map(|row| TelemetryRow {
                time: Timestamp::from_millis(row.into()),
                values: vec![(Metric::BatteryLevel, 50.0)],
            });
            let page =
                Page { records: records.collect(), next: (to < there).then(|| to.to_string()) };
            let broken = broken.filter(|broken| *broken == from);
            ready(broken.map_or(Ok(page), |_| Err(StoreError::Unavailable("gone".to_owned()))))
        });
        (rows, asked)
    }

    async fn body_of(rows: Rows<TelemetryRow>) -> Body {
        answer(rows, PageOf::new()).await.unwrap().into_body()
    }

    async fn said(rows: Rows<TelemetryRow>) -> (Vec<u64>, Value) {
        let text = to_bytes(body_of(rows).await, usize::MAX).await.unwrap();
        let page: Value = serde_json::from_slice(&text).unwrap();
        let rows = page["telemetry"].as_array().unwrap().iter();
        let times = rows.map(|row| row["time"].as_u64().unwrap()).collect();
        (times, page["next"].clone())
    }

    #[tokio::test]
    async fn pieces_make_the_page_that_was_asked_for() {
        for (there, limit) in [(0, 5), (5, 5), (9, 20), (10, 20), (25, 20), (35, 100), (40, 30)] {
            let (rows, asked) = table(there, u32::MAX, None, limit);
            let length = there.min(limit);
            let next = (there > limit).then(|| limit.to_string());
            let expected: Vec<_> = (0..length.into()).collect();
            assert_eq!(said(rows).await, (expected, json!(next)), "{limit} of {there}");
            let asked = asked.lock().unwrap();
            assert!(asked.iter().sum::<u32>() <= limit, "{asked:?}");
        }
    }

    #[tokio::test]
    async fn a_piece_that_ends_early_ends_the_page_and_leads_on() {
        let (rows, asked) = table(100, 7, None, 50);
        let page = said(rows).await;
        assert_eq!(page, ((0..7).collect(), json!("7")));
        assert_eq!(*asked.lock().unwrap(), [10]);
    }

    #[tokio::test]
    async fn what_is_read_at_once_is_answered_whole() {
        let (rows, _) = table(10, 10, None, 50);
        assert!(body_of(rows).await.size_hint().exact().is_some());
        let (rows, _) = table(11, 10, None, 50);
        assert!(body_of(rows).await.size_hint().exact().is_none());
    }

    #[tokio::test]
    async fn nothing_is_read_before_what_was_written_is_taken() {
        let (rows, asked) = table(1_000, 10, None, 100);
        let mut body = body_of(rows).await;
        for pieces in 1..=10 {
            assert!(body.frame().await.unwrap().unwrap().is_data());
            assert_eq!(asked.lock().unwrap().len(), pieces);
        }
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn a_page_that_cannot_be_read_to_its_end_breaks_off() {
        let (rows, _) = table(100, 10, Some(20), 100);
        let mut body = body_of(rows).await;
        let mut text = Vec::new();
        let error = loop {
            match body.frame().await.unwrap() {
                Ok(frame) => text.extend_from_slice(&frame.into_data().unwrap()),
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("gone"), "{error}");
        assert!(body.frame().await.is_none());
        assert!(serde_json::from_slice::<Value>(&text).is_err(), "it is not whole");
    }

    #[tokio::test]
    async fn a_page_that_cannot_be_begun_is_not() {
        let rows: Rows<TelemetryRow> =
            Rows::asked(5, None, 10, |_, _| ready(Err(StoreError::InvalidCursor)));
        let refused = answer(rows, PageOf::new()).await;
        assert!(matches!(refused, Err(StoreError::InvalidCursor)));
    }

    #[tokio::test]
    async fn rows_that_are_here_are_written_in_pieces_too() {
        let (rows, _) = table(2_500, u32::MAX, None, 2_500);
        let Page { records, .. } = rows.whole().await.unwrap();
        let mut body = body_of(Rows::held(records, Some("more".to_owned()))).await;
        let mut pieces = 0;
        while body.frame().await.is_some() {
            pieces += 1;
        }
        assert_eq!(pieces, 3);
    }
}
