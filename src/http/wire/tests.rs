//! What is written, whoever says something meanwhile.

use futures_util::{FutureExt, SinkExt, StreamExt};
use proptest::prelude::*;
use tokio::{
    io::{DuplexStream, duplex},
    runtime,
};
use tokio_tungstenite::WebSocketStream;

use super::*;
use crate::http::line::Line;

/// What a client does next.
#[derive(Clone, Debug)]
enum Step {
    /// Sends a ping with so much in it.
    Ping(usize),
    /// Says something that is answered.
    Say,
    /// Asks for a frame.
    Ask(Bytes),
    /// Asks for one that is written at once if it can be.
    Hurry(Bytes),
    /// Reads one message.
    Take,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let length = prop_oneof![0_usize..300, 65_400..65_700_usize];
    let frame = (length, b'a'..=b'z').prop_map(|(length, byte)| vec![byte; length].into());
    let step = prop_oneof![
        (0_usize..=125).prop_map(Step::Ping),
        Just(Step::Say),
        frame.clone().prop_map(Step::Ask),
        frame.prop_map(Step::Hurry),
        Just(Step::Take)
    ];
    prop::collection::vec(step, 0..60)
}

/// The server's side, to the client's goodbye: answers, and writes `frames` as they are asked
/// for.
async fn serve(wire: Line<impl AsyncRead + AsyncWrite + Unpin>, frames: &[Bytes]) {
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
            Event::Heard(Message::Text(text)) => {
                let Some(mut rest) = frames.next().cloned() else { continue };
                let lead = rest.split_to(rest.len() / 3);
                let frame = Frame { kind: "any", lead, rest };
                let is_in_a_hurry = text.as_str() == "hurry" && !is_delivering;
                let written = if is_in_a_hurry {
                    wire.write_at_once(std::slice::from_ref(&frame))
                } else {
                    Written::Nothing
                };
                if written == Written::Nothing {
                    asked.push_back([frame.lead, frame.rest]);
                }
                is_delivering |= written != Written::All;
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
            Some(Step::Hurry(_)) => Message::text("hurry"),
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
            .filter_map(|step| match step {
                Step::Ask(frame) | Step::Hurry(frame) => Some(frame.clone()),
                Step::Ping(_) | Step::Say | Step::Take => None,
            })
            .collect();
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        let told = runtime.block_on(async {
            let (near, far) = duplex(pipe_bytes);
            let wire = Line::new(Wire::new(near, FrameKind::Text, 1024, budget_bytes));
            tokio::join!(serve(wire, &frames), talk(far, steps)).1
        });
        prop_assert!(frames == told, "{} of {}", told.len(), frames.len());
    }
}

/// A line, and its other end, of which one end holds `pipe_bytes` that the other has not read.
fn line(pipe_bytes: usize) -> (Line<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(pipe_bytes);
    (Line::new(Wire::new(near, FrameKind::Text, 1024, 1024)), far)
}

#[tokio::test]
async fn a_client_is_heard_after_so_many_bytes_as_it_may_be_written_at_most() {
    const FRAME_BYTES: usize = 1000;
    let (near, far) = duplex(1 << 20);
    let wire = Wire::new(near, FrameKind::Text, 1024, 4 * FRAME_BYTES);
    let line = Line::new(wire);
    let frame = || [Bytes::new(), vec![b'a'; FRAME_BYTES].into()];
    let mut frames = std::iter::repeat_with(frame).take(20);
    let mut turns = 0;
    loop {
        match line.event(Some(&mut frames)).await {
            Event::Flushed => turns += 1,
            Event::Delivered => break,
            event => panic!("{event:?}"),
        }
    }
    assert_eq!(turns, 5);
    drop(far);
}

#[tokio::test]
async fn what_the_socket_does_not_take_at_once_is_written_by_who_waits_for_the_next_event() {
    let (line, far) = line(100);
    let frame = Frame::new("any", vec![b'a'; 1000].into());
    assert_eq!(line.write_at_once(std::slice::from_ref(&frame)), Written::Begun);
    assert_eq!(line.write_at_once(std::slice::from_ref(&frame)), Written::Nothing);
    let mut none = std::iter::empty();
    let rest: &mut Rest<'_> = &mut none;
    assert!(line.event(Some(rest)).now_or_never().is_none(), "the client has read nothing");
    let mut client = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
    let (event, message) = tokio::join!(line.event(Some(rest)), client.next());
    assert!(matches!(event, Event::Delivered));
    assert_eq!(message.unwrap().unwrap().into_data(), frame.rest);
    let few = Frame::new("any", "few".into());
    assert_eq!(line.write_at_once(std::slice::from_ref(&few)), Written::All);
    assert_eq!(client.next().await.unwrap().unwrap().into_data(), few.rest);
}

#[tokio::test]
async fn nothing_is_written_at_once_behind_a_goodbye_or_before_an_answer_that_waits() {
    let frame = [Frame::new("any", "moved".into())];
    let (said, _far) = line(1000);
    said.answer(Bytes::from_static(ANSWER));
    assert_eq!(said.write_at_once(&frame), Written::Nothing);
    let (left, _far) = line(1000);
    let goodbye = CloseFrame { code: 1001.into(), reason: "going away".into() };
    left.say_goodbye(goodbye).await.unwrap();
    assert_eq!(left.write_at_once(&frame), Written::Nothing);
    let (heard, far) = line(1000);
    let mut client = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
    client.close(None).await.unwrap();
    assert!(matches!(heard.event(None).await, Event::Heard(Message::Close(_))));
    assert_eq!(heard.write_at_once(&frame), Written::Nothing);
    let ((), goodbye) = tokio::join!(heard.see_off(), client.next());
    assert!(goodbye.unwrap().unwrap().is_close());
    assert_eq!(heard.write_at_once(&frame), Written::Nothing);
}

#[tokio::test]
async fn a_socket_that_is_gone_is_found_out_by_who_waits_for_the_next_event() {
    let (line, far) = line(1000);
    drop(far);
    let frame = Frame::new("any", "moved".into());
    assert_eq!(line.write_at_once(std::slice::from_ref(&frame)), Written::Begun);
    let mut none = std::iter::empty();
    assert!(matches!(line.event(Some(&mut none)).await, Event::Gone));
}
