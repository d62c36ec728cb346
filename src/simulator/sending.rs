//! A request through the faults to Omni, and the answer through them back.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::{Stream, StreamExt};
use serde_json::{Value, json};

use super::Shared;
use super::faults::FaultKind;
use super::http::{Answer, Call};
use super::line::Scissors;
use super::world;

/// How much of a large body is sent at once.
const CHUNK: usize = 64 * 1024;

/// Answers one request to Omni, or what a fault makes of it.
pub(super) async fn through_faults(shared: &Shared, scissors: &Scissors, call: &Call) -> Response {
    let (n, fault) = shared.world().arrive(call);
    let sent = |answer: Answer| {
        shared.world().answered(n, &answer);
        send(answer)
    };
    let Some(fault) = fault else {
        let answer = shared.world().serve(call);
        return sent(answer);
    };
    if let Some(answer) = world::instead(&fault, call) {
        return sent(answer);
    }
    match fault {
        FaultKind::DropBefore => {
            scissors.cut();
            return send(Answer::refusal(500, "never sent"));
        }
        FaultKind::Hang => {
            shared.stop.cancelled().await;
            scissors.cut();
            return send(Answer::refusal(500, "never sent"));
        }
        FaultKind::Slow { millis } => tokio::time::sleep(Duration::from_millis(millis)).await,
        FaultKind::Doubled => {
            shared.world().serve(call);
        }
        _ => {}
    }
    let answer = shared.world().serve(call);
    match fault {
        FaultKind::LostAnswer => {
            scissors.cut();
            send(answer)
        }
        FaultKind::Status500After => sent(Answer::refusal(500, "Internal Server Error")),
        FaultKind::WrongJson => sent(Answer::ok(json!({"unexpected": true}))),
        FaultKind::RenamedField { from, to } => sent(changed(answer, &|fields| rename(fields, &from, &to))),
        FaultKind::ChangedField { name, to } => sent(changed(answer, &|fields| {
            if let Some(value) = fields.get_mut(&name) {
                value.clone_from(&to);
            }
        })),
        FaultKind::Truncated => cut_short(&answer),
        hostile => {
            shared.world().answered(n, &answer);
            hostile_answer(shared, hostile, answer)
        }
    }
}

/// An answer that no client should have to read, instead of a right one.
fn hostile_answer(shared: &Shared, fault: FaultKind, answer: Answer) -> Response {
    match fault {
        FaultKind::SlowBody { millis } => {
            let bytes = answer.body.clone().into_bytes();
            let pause = Duration::from_millis(millis);
            let bytes = futures::stream::iter(bytes).then(move |byte| async move {
                tokio::time::sleep(pause).await;
                Ok::<_, Infallible>(Bytes::copy_from_slice(&[byte]))
            });
            respond(&answer, Body::from_stream(bytes))
        }
        FaultKind::Huge { bytes } => respond(&Answer::ok(Value::Null), Body::from_stream(huge(bytes))),
        FaultKind::Endless => {
            let chunks = futures::stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[b' '; CHUNK])));
            let ended = shared.stop.clone().cancelled_owned();
            respond(&Answer::ok(Value::Null), Body::from_stream(chunks.take_until(ended)))
        }
        FaultKind::Nested { depth } => {
            let depth = depth as usize;
            let body = "[".repeat(depth) + &"]".repeat(depth);
            send(Answer { body, ..answer })
        }
        FaultKind::InvalidUtf8 => {
            let mut bytes = answer.body.clone().into_bytes();
            // Into the first text that is a value, so that nothing else of the answer is wrong.
            let text = answer.body.find(":\"").map_or(0, |at| at + 2);
            bytes.splice(text..text, [0xC3, 0x28, 0xFF]);
            respond(&answer, Body::from(bytes))
        }
        _ => send(answer),
    }
}

/// JSON of so many bytes: an object with one text, or a number where that is too short for it.
fn huge(bytes: u64) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let (head, filling, tail) = match bytes {
        14.. => ("{\"records\":\"", b'a', "\"}"),
        _ => ("", b'1', ""),
    };
    let filled = bytes - (head.len() + tail.len()) as u64;
    let chunk = Bytes::from(vec![filling; CHUNK]);
    let chunks = (0..filled.div_ceil(CHUNK as u64)).map(move |number| {
        let left = usize::try_from(filled - number * CHUNK as u64).unwrap_or(CHUNK);
        chunk.slice(..left.min(CHUNK))
    });
    let all = std::iter::once(Bytes::from(head))
        .chain(chunks)
        .chain([Bytes::from(tail)]);
    futures::stream::iter(all.map(Ok))
}

/// An answer with each of its objects changed, whether it is one JSON value or one a line.
fn changed(mut answer: Answer, change: &impl Fn(&mut serde_json::Map<String, Value>)) -> Answer {
    if let Ok(mut body) = serde_json::from_str(&answer.body) {
        in_every_object(&mut body, change);
        answer.body = body.to_string();
        return answer;
    }
    let lines = answer.body.lines().map(|line| match serde_json::from_str(line) {
        Ok(mut body) => {
            in_every_object(&mut body, change);
            format!("{body}\n")
        }
        Err(_) => format!("{line}\n"),
    });
    answer.body = lines.collect();
    answer
}

fn in_every_object(value: &mut Value, change: &impl Fn(&mut serde_json::Map<String, Value>)) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(|field| in_every_object(field, change));
            change(fields);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| in_every_object(item, change)),
        _ => {}
    }
}

fn rename(fields: &mut serde_json::Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = fields.remove(from) {
        fields.insert(to.to_owned(), value);
    }
}

/// Sends an answer as it is.
pub(super) fn send(answer: Answer) -> Response {
    let body = Body::from(answer.body.clone());
    respond(&answer, body)
}

/// The status and the headers of an answer with this body.
fn respond(answer: &Answer, body: Body) -> Response {
    let mut response = Response::builder()
        .status(answer.status)
        .header("content-type", answer.content_type);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    response
        .body(body)
        .expect("statuses and header values are written in this file's neighbours, or checked when a fault is armed")
}

/// Half of an answer that promised to be whole.
fn cut_short(answer: &Answer) -> Response {
    let length = answer.body.len();
    let half = Bytes::copy_from_slice(&answer.body.as_bytes()[..length / 2]);
    let body = futures::stream::unfold(Some(half), |half| async {
        match half {
            Some(half) => Some((Ok(half), None)),
            None => {
                // The first half leaves before the line is cut.
                tokio::task::yield_now().await;
                Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), None))
            }
        }
    });
    let mut response = respond(answer, Body::from_stream(body));
    response.headers_mut().insert("content-length", length.into());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_huge_answer_is_json_of_exactly_its_size() {
        for bytes in [1, 12, 13, 14, 20, CHUNK as u64, 3 * CHUNK as u64 + 7] {
            let sent: Vec<u8> = huge(bytes)
                .flat_map(|chunk| futures::stream::iter(chunk.unwrap()))
                .collect()
                .await;
            assert_eq!(sent.len() as u64, bytes);
            assert!(serde_json::from_slice::<Value>(&sent).is_ok(), "{bytes}");
        }
    }

    #[test]
    fn fields_are_changed_at_any_depth_and_in_lines() {
        let renamed = |body: &str| {
            changed(
                Answer {
                    body: body.to_owned(),
                    ..Answer::ok(Value::Null)
                },
                &|fields| rename(fields, "id", "key"),
            )
            .body
        };
        assert_eq!(
            renamed(r#"{"records":[{"id":{"id":1}}]}"#),
            r#"{"records":[{"key":{"key":1}}]}"#
        );
        assert_eq!(renamed("{\"id\":1}\n{\"a\":2}\n"), "{\"key\":1}\n{\"a\":2}\n");
    }
}
