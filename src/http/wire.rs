//! One WebSocket: what is written to it and what is read from it, side by side.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    task::{Context, Poll, ready},
};

use axum::body::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, sink};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        error::ProtocolError,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use super::lane::{FrameKind, Lane};

/// A client reads a lot and says little: the default buffer would cost 128 KiB a connection.
const READ_BUFFER_BYTES: usize = 4 << 10;

/// A message may come in many fragments, each with a head: it may take this many times its
/// greatest length.
const FRAGMENTS_FACTOR: usize = 8;

/// Answers, to pings among others, that may wait for a client to take them. Until it has, nothing
/// more is read from it.
const MAX_ANSWERS: usize = 16;

/// Frames are written in batches of this size, or one by one where they are greater: no more than
/// one batch waits for a client that takes nothing.
const BATCH_BYTES: usize = 16 << 10;

/// What the rest of a delivery is taken from.
pub(super) type Rest<'a> = dyn Iterator<Item = Bytes> + Send + 'a;

/// What happens on a socket.
#[derive(Debug)]
pub(super) enum Event {
    /// The client says something.
    Heard(Message),
    /// A budget's worth has been written.
    Flushed,
    /// All frames have been written.
    Delivered,
    /// What the client sends cannot be read.
    Unreadable(Fault),
    /// The connection is no more.
    Gone,
}

/// What is wrong with what a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A message longer than one may be, or that does not end.
    TooLong,
    /// Text that is no UTF-8.
    NotUtf8,
    /// Anything else that is not as the WebSocket protocol says.
    Protocol,
}

/// A WebSocket, the server's end.
#[derive(Debug)]
pub(super) struct Wire<IO> {
    socket: WebSocketStream<Lane<IO>>,
    /// What frames are sent as.
    kind: FrameKind,
    budget_bytes: usize,
    /// Written since the client's messages had a turn.
    since_turn_bytes: usize,
    answers: VecDeque<(FrameKind, Bytes)>,
    /// Pings that the client has not taken the answers of.
    pings: usize,
    is_writing: bool,
    reads_first: bool,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Wire<IO> {
    /// Goes on with a connection after its upgrade.
    pub(super) async fn new(
        io: IO,
        kind: FrameKind,
        max_message_bytes: usize,
        budget_bytes: usize,
    ) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(max_message_bytes))
            .max_frame_size(Some(max_message_bytes));
        let max_unheard = max_message_bytes.saturating_mul(FRAGMENTS_FACTOR) + READ_BUFFER_BYTES;
        let lane = Lane::new(io, max_unheard);
        let socket = WebSocketStream::from_raw_socket(lane, Role::Server, Some(config)).await;
        Self {
            socket,
            kind,
            budget_bytes,
            since_turn_bytes: 0,
            answers: VecDeque::new(),
            pings: 0,
            is_writing: false,
            reads_first: false,
        }
    }

    /// Says this as soon as the socket takes it, before the frames that are left.
    pub(super) fn answer(&mut self, frame: Bytes) {
        self.answer_as(self.kind, frame);
    }

    /// The same, as a frame of another kind than the rest.
    pub(super) fn answer_as(&mut self, kind: FrameKind, frame: Bytes) {
        self.answers.push_back((kind, frame));
    }

    /// What happens next, while `frames` are written if there are some. Nothing is lost when it
    /// is dropped before.
    pub(super) async fn event(&mut self, mut frames: Option<&mut Rest<'_>>) -> Event {
        poll_fn(|cx| self.poll_event(cx, frames.as_deref_mut())).await
    }

    /// By turns, so that neither a client that talks all the time nor one that takes all the time
    /// keeps the other side waiting.
    fn poll_event(&mut self, cx: &mut Context<'_>, frames: Option<&mut Rest<'_>>) -> Poll<Event> {
        self.reads_first = !self.reads_first;
        if self.reads_first
            && let Poll::Ready(event) = self.poll_read(cx)
        {
            return Poll::Ready(event);
        }
        match self.poll_write(cx, frames) {
            Poll::Ready(event) => Poll::Ready(event.unwrap_or(Event::Gone)),
            Poll::Pending if self.reads_first => Poll::Pending,
            Poll::Pending => self.poll_read(cx),
        }
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        mut frames: Option<&mut Rest<'_>>,
    ) -> Poll<Result<Event, Error>> {
        loop {
            // Without this, a frame could fall into the middle of one that the library writes.
            ready!(self.socket.poll_flush_unpin(cx))?;
            self.pings = 0;
            self.is_writing = false;
            if self.since_turn_bytes >= self.budget_bytes {
                self.since_turn_bytes = 0;
                return Poll::Ready(Ok(Event::Flushed));
            }
            let mut bytes = 0;
            while bytes < BATCH_BYTES {
                let more = || Some((self.kind, frames.as_mut()?.next()?));
                let Some((kind, frame)) = self.answers.pop_front().or_else(more) else { break };
                bytes += frame.len();
                self.socket.get_mut().push(kind, frame);
                self.is_writing = true;
            }
            self.since_turn_bytes += bytes;
            if !self.is_writing {
                self.since_turn_bytes = 0;
                return if frames.is_some() {
                    Poll::Ready(Ok(Event::Delivered))
                } else {
                    Poll::Pending
                };
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if self.pings + self.answers.len() >= MAX_ANSWERS {
            return Poll::Pending;
        }
        Poll::Ready(match ready!(self.socket.poll_next_unpin(cx)) {
            Some(Ok(message)) => {
                self.socket.get_mut().heard();
                self.pings += usize::from(message.is_ping());
                Event::Heard(message)
            }
            Some(Err(error)) => match error {
                Error::Capacity(_) => Event::Unreadable(Fault::TooLong),
                Error::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                    Event::Unreadable(Fault::TooLong)
                }
                Error::Utf8(_) => Event::Unreadable(Fault::NotUtf8),
                Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Event::Gone,
                Error::Protocol(_) => Event::Unreadable(Fault::Protocol),
                _ => Event::Gone,
            },
            None => Event::Gone,
        })
    }

    /// Asks for a sign of life, if the socket has nothing else to do.
    pub(super) fn ping(&mut self) -> Result<(), Error> {
        if self.is_writing {
            return Ok(());
        }
        self.is_writing = true;
        self.socket.start_send_unpin(Message::Ping(Bytes::new()))
    }

    /// Says goodbye behind what the client has got the beginning of, and forgets the rest. Ends
    /// when the socket has taken it.
    pub(super) async fn say_goodbye(&mut self, frame: CloseFrame) -> Result<(), Error> {
        self.answers = VecDeque::new();
        self.socket.get_mut().drop_unbegun();
        self.socket.send(Message::Close(Some(frame))).await
    }

    /// Reads to the end, which is when both sides have said goodbye.
    pub(super) async fn see_off(&mut self) {
        while let Some(Ok(_)) = self.socket.next().await {
            self.socket.get_mut().heard();
        }
    }

    /// Writes no more, and reads to the end without understanding. A connection that is closed
    /// with bytes unread is reset, and the client may lose the goodbye.
    pub(super) async fn swallow(&mut self) {
        let io = self.socket.get_mut().io();
        // A connection that breaks has an end as well.
        drop(io.shutdown().await);
        drop(copy(io, &mut sink()).await);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::{io::duplex, runtime};

    use super::*;

    /// What a client does next.
    #[derive(Clone, Debug)]
    enum Step {
        /// Sends a ping with so much in it.
        Ping(usize),
        /// Says something that is answered.
        Say,
        /// Asks for a frame.
        Ask(Bytes),
        /// Reads one message.
        Take,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let length = prop_oneof![0_usize..300, 65_400..65_700_usize];
        let frame = (length, b'a'..=b'z').prop_map(|(length, byte)| vec![byte; length].into());
        let step = prop_oneof![
            (0_usize..=125).prop_map(Step::Ping),
            Just(Step::Say),
            frame.prop_map(Step::Ask),
            Just(Step::Take)
        ];
        prop::collection::vec(step, 0..60)
    }

    /// The server's side, to the client's goodbye: answers, and writes `frames` as they are asked
    /// for.
    async fn serve(mut wire: Wire<impl AsyncRead + AsyncWrite + Unpin>, frames: &[Bytes]) {
        let mut frames = frames.iter();
        let mut asked = VecDeque::new();
        let mut is_delivering = false;
        loop {
            let mut rest = std::iter::from_fn(|| asked.pop_front());
            let rest: Option<&mut Rest<'_>> = if is_delivering { Some(&mut rest) } else { None };
            match wire.event(rest).await {
                Event::Heard(Message::Text(text)) if text.as_str() == "say" => {
                    wire.answer(Bytes::from_static(ANSWER));
                }
                Event::Heard(Message::Text(_)) => {
                    asked.extend(frames.next().cloned());
                    is_delivering = true;
                }
                Event::Heard(message) if message.is_close() => return wire.see_off().await,
                Event::Heard(_) | Event::Flushed => {}
                Event::Delivered => is_delivering = false,
                event @ (Event::Unreadable(_) | Event::Gone) => panic!("{event:?}"),
            }
        }
    }

    const ANSWER: &[u8] = b"the answer";

    /// The client's side: the frames that it was told.
    async fn talk(io: impl AsyncRead + AsyncWrite + Unpin, steps: Vec<Step>) -> Vec<Bytes> {
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
        let mut told = Vec::new();
        let mut owed = 0;
        let mut steps = steps.into_iter();
        while owed > 0 || steps.len() > 0 {
            // A client that asks and asks and never listens would wait for itself.
            let step = if owed < MAX_ANSWERS / 2 { steps.next() } else { None };
            let message = match step {
                Some(Step::Ping(length)) => Message::Ping(vec![b'?'; length].into()),
                Some(Step::Say) => Message::text("say"),
                Some(Step::Ask(_)) => Message::text("ask"),
                Some(Step::Take) | None if owed == 0 => continue,
                Some(Step::Take) | None => {
                    owed -= 1;
                    match socket.next().await.unwrap().unwrap() {
                        Message::Text(text) if text.as_bytes() == ANSWER => {}
                        Message::Text(text) => told.push(Bytes::from(text)),
                        message => assert!(message.is_pong(), "{message:?}"),
                    }
                    continue;
                }
            };
            owed += 1;
            socket.send(message).await.unwrap();
        }
        socket.close(None).await.unwrap();
        assert!(socket.next().await.unwrap().unwrap().is_close());
        told
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn frames_arrive_whole_and_in_order_whatever_is_said_between(
            steps in steps(),
            pipe_bytes in prop_oneof![32_usize..300, 300..100_000_usize],
            budget_bytes in 1_usize..200_000,
        ) {
            let frames: Vec<Bytes> = steps
                .iter()
                .filter_map(|step| if let Step::Ask(frame) = step { Some(frame.clone()) } else { None })
                .collect();
            let runtime = runtime::Builder::new_current_thread().build().unwrap();
            let told = runtime.block_on(async {
                let (near, far) = duplex(pipe_bytes);
                let wire = Wire::new(near, FrameKind::Text, 1024, budget_bytes).await;
                tokio::join!(serve(wire, &frames), talk(far, steps)).1
            });
            prop_assert!(frames == told, "{} of {}", told.len(), frames.len());
        }
    }
}
