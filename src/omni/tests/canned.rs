//! A server that answers what it was told, in order, and keeps what it was asked.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;

use crate::omni::{Limiter, OmniClient, OmniOptions};

/// The key that every test uses; it may stand in no error.
pub(super) const KEY: &str = "hunter2-hunter2-hunter2";

/// What the server does with one request.
pub(super) enum Act {
    /// Answers with status, headers and body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Closes the connection without an answer.
    Close,
    /// Promises more bytes than it sends.
    CutShort,
    /// Keeps the connection open without an answer, until the client goes.
    Hang,
}

/// A JSON answer.
pub(super) fn json(status: u16, body: Value) -> Act {
    Act::Answer(status, Vec::new(), body.to_string())
}

/// What the server was asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    /// Method and target with the query: `GET /api/v1/whoami`.
    pub(super) line: String,
    pub(super) headers: Vec<String>,
    pub(super) body: Value,
}

pub(super) struct Canned {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Canned {
    pub(super) fn new(acts: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let acts = Arc::new(Mutex::new(acts.into_iter().collect::<VecDeque<_>>()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (acts, log) = (Arc::clone(&acts), Arc::clone(&log));
                std::thread::spawn(move || serve(&stream, &acts, &log));
            }
        });
        Self { address, asked }
    }

    pub(super) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// A client with a short window and a short time-out.
    pub(super) fn client(&self) -> OmniClient {
        client(&self.base_url())
    }
}

pub(super) fn client(base_url: &str) -> OmniClient {
    let limiter = Limiter::new(1000, Duration::from_millis(24));
    let options = OmniOptions {
        request_timeout: Duration::from_millis(400),
        answer_limit: 4096,
        ..OmniOptions::default()
    };
    OmniClient::new(base_url, SecretString::from(KEY), limiter, &options).unwrap()
}

fn serve(stream: &TcpStream, acts: &Mutex<VecDeque<Act>>, log: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let length = lines.iter().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let line = lines.remove(0);
    log.lock().unwrap().push(Asked {
        line: line.trim_end_matches(" HTTP/1.1").to_owned(),
        headers: lines,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    });
    let act = acts.lock().unwrap().pop_front();
    act_on(
        stream,
        act.unwrap_or(Act::Answer(418, Vec::new(), "nothing more is planned".to_owned())),
    );
}

fn act_on(mut stream: &TcpStream, act: Act) {
    match act {
        Act::Answer(status, headers, body) => {
            let mut head = format!(
                "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n",
                body.len()
            );
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        }
        Act::Close => {}
        Act::CutShort => {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"keyScope\": \"org";
            stream.write_all(answer).unwrap();
        }
        Act::Hang => {
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
        }
    }
}

/// A client of a server with these JSON answers.
pub(super) fn serving<const N: usize>(answers: [Value; N]) -> (Canned, OmniClient) {
    let server = Canned::new(answers.map(|body| json(200, body)));
    let client = server.client();
    (server, client)
}

/// The last request that the server got: its line and its body.
pub(super) fn last(server: &Canned) -> (String, Value) {
    let asked = server.asked().pop().unwrap();
    (asked.line, asked.body)
}

pub(super) fn one_page(records: Value) -> Value {
    page(records, None, 1)
}

pub(super) fn page(records: Value, next: Option<&str>, total: usize) -> Value {
    serde_json::json!({"records": records, "pageInfo": {
        "hasNextPage": next.is_some(), "nextCursor": next, "pageSize": 100, "totalRecords": total,
    }})
}
