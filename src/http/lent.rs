//! The body of a request, which is read to its end also where nobody wanted to know it.
//!
//! Who hangs up on a client that is still writing may take away the answer that says why.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes};
use hyper::{
    Request,
    body::{Body as HttpBody, Frame, Incoming, SizeHint},
    header::EXPECT,
};
use tokio::time::timeout;

/// Most that is read of what nobody wants. Who sends more is hung up on.
const MOST_BYTES: usize = 16 << 20;

/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A body that is lent to whoever answers.
struct Lent(Arc<Mutex<Shared>>);

struct Shared {
    body: Incoming,
    is_begun: bool,
}

/// What is left of it afterwards.
pub(super) struct Rest {
    /// None where there was nothing in the first place.
    shared: Option<Arc<Mutex<Shared>>>,
    /// Whether the client sends its body only when it is asked to.
    is_asked_for: bool,
}

/// The request with its body lent.
pub(super) fn lend(request: Request<Incoming>) -> (Request<Body>, Rest) {
    let is_asked_for = request.headers().contains_key(EXPECT);
    if request.body().is_end_stream() {
        return (request.map(Body::new), Rest { shared: None, is_asked_for });
    }
    let (parts, body) = request.into_parts();
    let shared = Arc::new(Mutex::new(Shared { body, is_begun: false }));
    let body = Body::new(Lent(Arc::clone(&shared)));
    (Request::from_parts(parts, body), Rest { shared: Some(shared), is_asked_for })
}

impl Rest {
    /// Reads what is left, within limits.
    pub(super) async fn read(self) {
        let Some(shared) = self.shared else { return };
        if self.is_asked_for && !lock(&shared).is_begun {
            return;
        }
        let reading = async {
            let mut left = MOST_BYTES;
            while let Some(Ok(frame)) = poll_fn(|cx| lock(&shared).poll(cx)).await {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                let Some(rest) = left.checked_sub(bytes) else { return };
                left = rest;
            }
        };
        // Who is not done by then is hung up on.
        drop(timeout(PATIENCE, reading).await);
    }
}

impl Shared {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        self.is_begun = true;
        if self.body.is_end_stream() {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        lock(&self.0).poll(cx)
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.0).body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.0).body.size_hint()
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // One of the two ends is polled at a time, and nothing of ours panics there.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
