//! `git http-backend` behind TLS: the bridge from HTTP to its CGI, and the token that it asks for.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use uuid::Uuid;

/// One request that was answered.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    /// `GET /x.git/info/refs?service=git-upload-pack`.
    pub(crate) line: String,
    /// The length of the answer's body in bytes.
    pub(crate) length: usize,
}

/// The exchanges that a copy makes: what each request ends with.
pub(crate) const EXCHANGES: [&str; 4] = [
    "info/refs?service=git-upload-pack",
    "/git-upload-pack",
    "info/refs?service=git-receive-pack",
    "/git-receive-pack",
];

/// What befalls a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing happened, and the answer is 503.
    Unavailable,
    /// Nothing happened, and the answer is a page to sign in.
    SignIn,
    /// Nothing happened, and the answer is 403.
    Forbidden,
    /// It happened, and the answer is 500.
    FailsAfter,
    /// It happened, and the connection closes in the middle of the answer.
    Cut,
    /// It happened, and the answer ends too early.
    Short,
}

impl Trouble {
    pub(crate) const ALL: [Self; 6] = [
        Self::Unavailable,
        Self::SignIn,
        Self::Forbidden,
        Self::FailsAfter,
        Self::Cut,
        Self::Short,
    ];

    /// The answer of a request that goes no further.
    fn instead(self) -> Option<Response> {
        match self {
            Self::Unavailable => Some((StatusCode::SERVICE_UNAVAILABLE, "down for maintenance").into_response()),
            Self::SignIn => Some(Html("<!DOCTYPE html><title>Sign in</title>").into_response()),
            Self::Forbidden => Some((StatusCode::FORBIDDEN, "not now").into_response()),
            Self::FailsAfter | Self::Cut | Self::Short => None,
        }
    }

    /// What becomes of the answer on its way.
    async fn spoil(self, answer: Response) -> Response {
        let (parts, body) = answer.into_parts();
        let whole = to_bytes(body, usize::MAX).await.expect("it is in memory");
        let half = whole.slice(..whole.len() / 2);
        match self {
            Self::FailsAfter => (StatusCode::INTERNAL_SERVER_ERROR, "something broke").into_response(),
            Self::Cut => {
                let cut = [Ok(half), Err(std::io::Error::other("the line is cut"))];
                Response::from_parts(parts, Body::from_stream(futures::stream::iter(cut)))
            }
            Self::Short => Response::from_parts(parts, Body::from(half)),
            Self::Unavailable | Self::SignIn | Self::Forbidden => Response::from_parts(parts, Body::from(whole)),
        }
    }
}

/// A trouble that is to come, or came.
struct Befalling {
    repository: String,
    exchange: &'static str,
    trouble: Trouble,
    struck: bool,
}

/// What runs before a push is handed to Git.
type BeforePush = Box<dyn FnMut() + Send>;

/// The server, with what opens it.
pub(crate) struct Https {
    pub(crate) port: u16,
    pub(crate) authority: String,
    pub(crate) token: String,
    bridge: Arc<Bridge>,
}

struct Bridge {
    git: PathBuf,
    /// The folder of the repositories.
    root: PathBuf,
    authorization: String,
    answered: Mutex<Vec<Answered>>,
    before_push: Mutex<HashMap<String, BeforePush>>,
    befalling: Mutex<Vec<Befalling>>,
}

impl Https {
    /// Serves the repositories of a folder for as long as the test binary runs.
    pub(crate) fn start(git: &Path, root: &Path) -> Result<Https, String> {
        let token = format!("token-{}", Uuid::new_v4().simple());
        let bridge = Arc::new(Bridge {
            git: git.to_owned(),
            root: root.to_owned(),
            authorization: format!("Basic {}", STANDARD.encode(format!("x-access-token:{token}"))),
            answered: Mutex::default(),
            before_push: Mutex::default(),
            befalling: Mutex::default(),
        });
        let (authority, acceptor) = certified()?;
        let (started, starting) = std::sync::mpsc::channel();
        let served = Arc::clone(&bridge);
        // Each test has a runtime of its own, which ends with it.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build();
            runtime.expect("the machine has threads").block_on(async move {
                let tcp = TcpListener::bind("127.0.0.1:0")
                    .await
                    .expect("the loopback has a free port");
                started
                    .send(tcp.local_addr().expect("it listens").port())
                    .expect("it is waited for");
                let app = axum::Router::new().fallback(answer).with_state(served);
                axum::serve(Tls { tcp, acceptor }, app)
                    .await
                    .expect("it serves without end");
            });
        });
        let port = starting
            .recv()
            .map_err(|source| format!("the HTTPS server does not start: {source}"))?;
        Ok(Https {
            port,
            authority,
            token,
            bridge,
        })
    }

    /// The requests to a repository so far.
    pub(crate) fn answered(&self, repository: &str) -> Vec<Answered> {
        let answered = self.bridge.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered
            .iter()
            .filter(|one| one.line.contains(repository))
            .cloned()
            .collect()
    }

    /// The next request to a repository that ends with this is befallen by a trouble, once.
    pub(crate) fn befall(&self, repository: &str, exchange: &'static str, trouble: Trouble) {
        let mut befalling = self.bridge.befalling.lock().unwrap_or_else(PoisonError::into_inner);
        befalling.push(Befalling {
            repository: repository.to_owned(),
            exchange,
            trouble,
            struck: false,
        });
    }

    /// How many requests to a repository were befallen.
    pub(crate) fn befallen(&self, repository: &str) -> usize {
        let befalling = self.bridge.befalling.lock().unwrap_or_else(PoisonError::into_inner);
        let struck = befalling.iter().filter(|it| it.struck && it.repository == repository);
        struck.count()
    }

    /// Runs this before each push to a repository is handed to Git.
    pub(crate) fn before_push(&self, repository: &str, run: impl FnMut() + Send + 'static) {
        let mut before_push = self.bridge.before_push.lock().unwrap_or_else(PoisonError::into_inner);
        before_push.insert(repository.to_owned(), Box::new(run));
    }
}

impl std::fmt::Debug for Https {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Https")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// An authority's certificate in PEM, and a server's that it vouches for.
fn certified() -> Result<(String, TlsAcceptor), String> {
    let fails = |source: rcgen::Error| format!("no certificate can be made: {source}");
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut params = rcgen::CertificateParams::new(Vec::new()).map_err(fails)?;
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().map_err(fails)?;
    let authority = params.self_signed(&key).map_err(fails)?;
    let authority = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD.encode(authority.der())
    );
    let issuer = rcgen::Issuer::new(params, key);
    let key = rcgen::KeyPair::generate().map_err(fails)?;
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).map_err(fails)?;
    let certificate = params.signed_by(&key, &issuer).map_err(fails)?;
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).map_err(str::to_owned)?;
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .map_err(|source| source.to_string())?;
    Ok((authority, TlsAcceptor::from(Arc::new(config))))
}

struct Tls {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, address)) = self.tcp.accept().await else {
                continue;
            };
            // A client that does not trust it goes away.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

async fn answer(State(bridge): State<Arc<Bridge>>, request: Request) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    if given != Some(&bridge.authorization) {
        // A server may well repeat what it was given.
        let said = format!("no repository for {}", given.unwrap_or("nobody"));
        // Without this the git program does not show what it has.
        let ask = [(header::WWW_AUTHENTICATE, "Basic realm=\"models\"")];
        return (StatusCode::UNAUTHORIZED, ask, said).into_response();
    }
    if let Some(rest) = request.uri().path().strip_prefix("/moved/") {
        let to = format!("https://localhost:1/{rest}");
        return (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, to)]).into_response();
    }
    let trouble = bridge.trouble(&line);
    if let Some(instead) = trouble.and_then(Trouble::instead) {
        return instead;
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX)
        .await
        .expect("the client sends all of its request");
    let run = tokio::task::spawn_blocking(move || {
        bridge.prepare_push(parts.uri.path());
        let method = parts.method.as_str();
        let output = bridge.backend(
            method,
            parts.uri.path(),
            parts.uri.query().unwrap_or_default(),
            &parts.headers,
            &body,
        );
        let length = output
            .windows(4)
            .position(|end| end == b"\r\n\r\n")
            .map_or(0, |at| output.len() - at - 4);
        let mut answered = bridge.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.push(Answered { line, length });
        output
    });
    let answer = response(run.await.expect("the backend runs"));
    match trouble {
        Some(trouble) => trouble.spoil(answer).await,
        None => answer,
    }
}

impl Bridge {
    /// What befalls this request.
    fn trouble(&self, line: &str) -> Option<Trouble> {
        let mut befalling = self.befalling.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = befalling.iter_mut();
        let next = next.find(|it| !it.struck && line.contains(&it.repository) && line.ends_with(it.exchange))?;
        next.struck = true;
        Some(next.trouble)
    }

    fn prepare_push(&self, path: &str) {
        let Some(repository) = path
            .strip_prefix('/')
            .and_then(|path| path.strip_suffix("/git-receive-pack"))
        else {
            return;
        };
        // Taken out meanwhile, so that what it does may push too.
        let taken = self
            .before_push
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(repository);
        if let Some(mut run) = taken {
            run();
            let mut before_push = self.before_push.lock().unwrap_or_else(PoisonError::into_inner);
            before_push.entry(repository.to_owned()).or_insert(run);
        }
    }

    /// Runs `git http-backend` for one request (git-http-backend(1)), and returns all that it prints.
    fn backend(&self, method: &str, path: &str, query: &str, headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
        let mut command = Command::new(&self.git);
        command
            .arg("http-backend")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        command
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1");
        command.env("REQUEST_METHOD", method).env("QUERY_STRING", query);
        command.env("REMOTE_USER", "wavepin").env("REMOTE_ADDR", "127.0.0.1");
        command.env("CONTENT_LENGTH", body.len().to_string());
        // Some hosts of repositories have protocol 0 alone.
        let (path, old) = path.strip_prefix("/old").map_or((path, false), |path| (path, true));
        command.env("PATH_INFO", path);
        let variables = [
            ("content-type", "CONTENT_TYPE"),
            // The git program zips what is long.
            ("content-encoding", "HTTP_CONTENT_ENCODING"),
            ("git-protocol", "GIT_PROTOCOL"),
        ];
        for (name, variable) in variables
            .into_iter()
            .filter(|(name, _)| !old || *name != "git-protocol")
        {
            if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
                command.env(variable, value);
            }
        }
        let mut child = command.spawn().expect("git is there");
        let mut stdin = child.stdin.take().expect("stdin was asked for as a pipe");
        let output = std::thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(body));
            child.wait_with_output()
        });
        output.expect("git prints to a pipe").stdout
    }
}

/// What a CGI program prints, as a response: headers, `Status` among them, an empty line, the body.
fn response(output: Vec<u8>) -> Response {
    let end = output
        .windows(4)
        .position(|end| end == b"\r\n\r\n")
        .expect("a CGI program prints headers");
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let mut response = Response::builder();
    for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
        response = match name {
            "Status" => response.status(value.split(' ').next().expect("a status has a number")),
            _ => response.header(name, value),
        };
    }
    response
        .body(Body::from(output[end + 4..].to_vec()))
        .expect("Git's headers are headers")
}
