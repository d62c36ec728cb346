//! What a hostile or broken server answers: each ends as an error with a reason, in bounded memory, and no key goes
//! astray.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use rstest::rstest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use wavepin::omni::{Limiter, OmniClient, OmniOptions};
use wavepin::ports::{Failure, Omni as _, OmniError};
use wavepin::resources::reasons::Reason;

const KEY: &str = "omni_osk_hunter2hunter2";

/// What is written into a connection until its reader goes.
#[derive(Clone)]
struct Answer {
    head: String,
    body: Vec<u8>,
    /// The body again and again.
    endless: bool,
}

impl Answer {
    fn of(status: &str, headers: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
        Self {
            head,
            body,
            endless: false,
        }
    }
}

/// A server, and how many bytes it got rid of.
struct Server {
    address: SocketAddr,
    sent: Arc<AtomicU64>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start(answer: Option<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sent, connections) = (Arc::<AtomicU64>::default(), Arc::<AtomicUsize>::default());
        let server = Self {
            address,
            sent: Arc::clone(&sent),
            connections: Arc::clone(&connections),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, answer.clone(), Arc::clone(&sent)));
            }
        });
        server
    }

    fn client(&self, options: &OmniOptions) -> OmniClient {
        client(&format!("http://{}", self.address), options)
    }
}

fn client(base_url: &str, options: &OmniOptions) -> OmniClient {
    let limiter = Limiter::new(1000, Duration::from_secs(1));
    OmniClient::new(base_url, KEY.into(), limiter, options).unwrap()
}

async fn serve(mut stream: TcpStream, answer: Option<Answer>, sent: Arc<AtomicU64>) {
    let mut asked = [0; 4096];
    let _ = stream.read(&mut asked).await;
    let Some(answer) = answer else {
        // Neither an answer nor an end: the other side has to give up.
        std::future::pending::<()>().await;
        return;
    };
    if stream.write_all(answer.head.as_bytes()).await.is_err() {
        return;
    }
    loop {
        for piece in answer.body.chunks(64 * 1024) {
            if stream.write_all(piece).await.is_err() {
                return;
            }
            sent.fetch_add(piece.len() as u64, Ordering::SeqCst);
        }
        if !answer.endless {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

fn short() -> OmniOptions {
    OmniOptions {
        request_timeout: Duration::from_millis(500),
        ..OmniOptions::default()
    }
}

/// What is said of it; the key is in none of it.
#[track_caller]
fn told(error: &OmniError) -> (Reason, String) {
    let failure = Failure::from(error);
    let all = format!("{failure:?} {error:?}");
    assert!(!all.contains("hunter2"), "{all}");
    (failure.reason, failure.message)
}

#[rstest]
#[case::a_page(
    "200 OK",
    "content-type: text/html\r\n",
    "<html>log in</html>",
    "no whole JSON: <html>log in</html>"
)]
#[case::no_utf8("200 OK", "", &b"{\"keyScope\": \"\xff\xfe\"}"[..], "no whole JSON")]
#[case::deep("200 OK", "", "[".repeat(1_000_000), "no whole JSON: [[[[")]
#[case::a_key_in_the_answer("200 OK", "", format!("{{\"scope\": \"{KEY}\"}}"), "keyScope: {\"scope\": \"[redacted]\"}")]
#[case::a_key_in_escapes("404 X", "", format!("<b>{}</b>", KEY.replace('_', "%5F")), "in JSON")]
#[tokio::test]
async fn an_answer_that_is_none_is_drift(
    #[case] status: &str,
    #[case] headers: &str,
    #[case] body: impl Into<Vec<u8>>,
    #[case] says: &str,
) {
    let server = Server::start(Some(Answer::of(status, headers, body))).await;
    let error = server.client(&short()).identity().await.unwrap_err();
    let (reason, message) = told(&error);
    assert_eq!(reason, Reason::ContractDrift, "{message}");
    assert!(message.contains(says) && message.len() < 1024, "{message}");
    assert!(message.contains("GET /v1/whoami"), "{message}");
}

const MIB: u64 = 1024 * 1024;

#[rstest]
#[case::of_an_ordinary_call(8 * MIB, false)]
#[case::of_an_export(64 * MIB, true)]
#[tokio::test]
async fn an_endless_answer_is_read_to_its_limit_and_no_further(#[case] limit: u64, #[case] export: bool) {
    let piece = vec![b' '; 1024 * 1024 - 8];
    let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
    chunk.extend(&piece);
    chunk.extend(b"\r\n");
    let server = Server::start(Some(Answer {
        head: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
        body: chunk,
        endless: true,
    }))
    .await;
    let client = server.client(&OmniOptions::default());
    let error = if export {
        client.export("12db1a0a").await.map(drop).unwrap_err()
    } else {
        client.identity().await.map(drop).unwrap_err()
    };
    let (reason, message) = told(&error);
    assert_eq!(reason, Reason::ContractDrift);
    assert!(message.contains(&format!("longer than {limit} bytes")), "{message}");
    let sent = server.sent.load(Ordering::SeqCst);
    println!("{sent} bytes were sent before the client went, of which it keeps {limit} at most");
    // What the sockets hold on both sides is not the client's.
    assert!(sent >= limit - MIB && sent < limit + 16 * MIB, "{sent}");
}

#[tokio::test]
async fn an_answer_that_is_announced_as_too_long_is_not_begun() {
    let answer = Answer::of("200 OK", "", vec![b' '; 100 * 1024 * 1024]);
    let server = Server::start(Some(answer)).await;
    let error = server
        .client(&OmniOptions::default())
        .export("12db1a0a")
        .await
        .unwrap_err();
    let (reason, message) = told(&error);
    assert_eq!(reason, Reason::ContractDrift);
    assert!(message.contains("longer than 67108864 bytes"), "{message}");
    let sent = server.sent.load(Ordering::SeqCst);
    assert!(sent < 16 * MIB, "{sent}");
}

#[tokio::test]
async fn headers_without_end_are_given_up() {
    let server = Server::start(Some(Answer {
        head: "HTTP/1.1 200 OK\r\n".to_owned(),
        body: b"x-more: and more and more and more\r\n".repeat(1000),
        endless: true,
    }))
    .await;
    let error = server.client(&OmniOptions::default()).identity().await.unwrap_err();
    assert_eq!(told(&error).0, Reason::OmniUnreachable);
    assert!(server.sent.load(Ordering::SeqCst) < 16 * MIB);
}

#[rstest]
#[case::found("302 Found")]
#[case::moved_with_method_and_body("308 Permanent Redirect")]
#[tokio::test]
async fn a_redirect_is_told_and_the_key_does_not_follow_it(#[case] status: &str) {
    let thief = Server::start(None).await;
    let to = format!(
        "location: http://localhost:{}/api/v1/whoami?token=secret\r\n",
        thief.address.port()
    );
    let server = Server::start(Some(Answer::of(status, &to, ""))).await;
    let (reason, message) = told(&server.client(&short()).identity().await.unwrap_err());
    assert_eq!(reason, Reason::OmniRefused);
    assert!(
        message.contains("redirects to localhost") && !message.contains("token"),
        "{message}"
    );
    assert_eq!(thief.connections.load(Ordering::SeqCst), 0, "nobody came");
}

#[tokio::test]
async fn a_connection_that_never_answers_ends_with_its_time() {
    let server = Server::start(None).await;
    let error = server.client(&short()).identity().await.unwrap_err();
    let failure = Failure::from(&error);
    assert_eq!(told(&error).0, Reason::OmniUnreachable);
    assert!(failure.unseen && !failure.stalled);
    assert_eq!(
        server.connections.load(Ordering::SeqCst),
        1,
        "a time-out is not tried again at once"
    );
}

/// The handshake fails, so that not a byte of the request, and with it the key, leaves the client.
#[tokio::test]
async fn a_certificate_of_somebody_else_gets_no_request() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let certified = rcgen::generate_simple_self_signed(vec!["elsewhere.example".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let read = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&read);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let mut request = Vec::new();
                let _ = stream.read_to_end(&mut request).await;
                seen.fetch_add(request.len(), Ordering::SeqCst);
            }
        }
    });
    let client = client(&format!("https://{address}"), &short());
    let (reason, message) = told(&client.identity().await.unwrap_err());
    assert_eq!(reason, Reason::OmniUnreachable);
    assert!(message.contains("certificate"), "{message}");
    assert_eq!(read.load(Ordering::SeqCst), 0);
}
