//! Git over HTTPS (gitprotocol-http, "smart clients").

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Certificate, Client, RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::answer::{Kind, Secrets, not_git, unreachable, words};
use super::line::Service;
use super::pack::too_large;
use super::pkt_line::{Packet, Packets, line};

/// The user where none is named: most hosts take a token with any; GitHub's own apps have this one.
const USER: &str = "x-access-token";

/// How requests are bounded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// How long one request may take, from connecting to the last byte of the answer.
    pub(super) timeout: Duration,
    /// The longest answer that is taken, in bytes.
    pub(super) answer: usize,
}

/// A repository behind HTTPS, with the token that opens it.
#[derive(Clone)]
pub(super) struct Http {
    client: Client,
    base: Url,
    secrets: Secrets,
    bounds: Bounds,
}

impl Http {
    /// Sends nothing yet. `authorities` are certificates in PEM that are trusted besides the public ones.
    pub(super) fn new(
        base: Url,
        user: Option<&str>,
        token: &SecretString,
        authorities: Option<&str>,
        bounds: Bounds,
    ) -> Result<Self, Kind> {
        let invalid = |why: &str| Kind::CredentialInvalid { why: why.to_owned() };
        let pair = SecretString::from(format!("{}:{}", user.unwrap_or(USER), token.expose_secret()));
        let basic = SecretString::from(format!("Basic {}", STANDARD.encode(pair.expose_secret())));
        let mut authorization = HeaderValue::from_str(basic.expose_secret()).map_err(|_| {
            invalid("the token holds characters that cannot be sent; it must be the token's text alone")
        })?;
        authorization.set_sensitive(true);
        let mut builder = Client::builder()
            .user_agent(concat!("git/wavepin-", env!("CARGO_PKG_VERSION")))
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, authorization)]))
            // A token goes nowhere but where its owner sends it.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .timeout(bounds.timeout)
            .connect_timeout(bounds.timeout.min(Duration::from_secs(10)));
        // Plain HTTP is for this machine alone, where neither a proxy nor certificates have a place.
        if base.scheme() == "http" {
            builder = builder.no_proxy().tls_certs_only([]);
        }
        if let Some(pem) = authorities {
            let certificates = Certificate::from_pem_bundle(pem.as_bytes())
                .ok()
                .filter(|list| !list.is_empty());
            let why = "the certificates of authorities cannot be read; write them as PEM, one below the other";
            builder = builder.tls_certs_merge(certificates.ok_or_else(|| invalid(why))?);
        }
        let client = builder.build().map_err(unreachable)?;
        let secrets = Secrets::of(token, &pair);
        Ok(Self {
            client,
            base,
            secrets,
            bounds,
        })
    }

    /// What its errors may not hold.
    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Asks for the service's greeting.
    pub(super) async fn open(&self, service: Service) -> Result<(HttpLine<'_>, Vec<u8>), Kind> {
        let url = format!("{}/info/refs?service={}", self.base, service.name());
        let mut request = self.client.get(url);
        if service == Service::UploadPack {
            request = request.header("Git-Protocol", "version=2");
        }
        let answer = self.answer(request, service, "advertisement").await?;
        Ok((HttpLine { http: self, service }, without_banner(answer)?))
    }

    /// The body of a successful answer of the right type.
    async fn answer(&self, request: RequestBuilder, service: Service, part: &str) -> Result<Vec<u8>, Kind> {
        let response = request.send().await.map_err(|error| self.broken(error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(self.refusal(response, service).await);
        }
        let expected = format!("application/x-{}-{part}", service.name());
        let content_type = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        // Parameters may follow the type.
        let plain = content_type.and_then(|value| value.split(';').next()).map(str::trim);
        if plain != Some(expected.as_str()) {
            let content_type = content_type.unwrap_or("nothing").to_owned();
            return Err(not_git(format!("it is {content_type:?} in place of {expected:?}")));
        }
        self.body(response, self.bounds.answer).await
    }

    async fn body(&self, mut response: Response, limit: usize) -> Result<Vec<u8>, Kind> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(error))? {
            if body.len() + chunk.len() > limit {
                return Err(too_large(limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn broken(&self, error: reqwest::Error) -> Kind {
        if error.is_timeout() {
            return Kind::TimedOut {
                limit: self.bounds.timeout,
            };
        }
        // The error's address says what request it was, which is no use without its query.
        unreachable(error.without_url())
    }

    /// What an answer without success means.
    async fn refusal(&self, mut response: Response, service: Service) -> Kind {
        let status = response.status();
        if status.is_redirection() {
            let to = response
                .headers()
                .get(LOCATION)
                .and_then(|value| value.to_str().ok())
                .unwrap_or("elsewhere");
            let to = words(to.split('?').next().unwrap_or_default().as_bytes());
            let to = to.trim_end_matches("/info/refs").to_owned();
            return Kind::Address {
                why: format!(
                    "the server says that the repository is at {to:?}, where the token is not sent unasked. Correct the address"
                ),
            };
        }
        // The first piece says why; what does not come any more is no matter.
        let said = response.chunk().await.ok().flatten().unwrap_or_default();
        let said = words(&said);
        let words = format!("{status}: {said}");
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Kind::CredentialRefused {
                words,
                credential: "token",
                right: service.right(),
            },
            StatusCode::NOT_FOUND | StatusCode::GONE => Kind::NoRepository { words },
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => unreachable(words),
            status if status.is_server_error() => unreachable(words),
            _ => Kind::Refused { words },
        }
    }
}

/// A conversation over HTTPS, a request at a time.
pub(super) struct HttpLine<'a> {
    http: &'a Http,
    service: Service,
}

impl HttpLine<'_> {
    /// Sends a message and returns the answer to it.
    pub(super) async fn exchange(&mut self, message: Vec<u8>) -> Result<Vec<u8>, Kind> {
        let name = self.service.name();
        let mut request = self.http.client.post(format!("{}/{name}", self.http.base));
        request = request.header(CONTENT_TYPE, format!("application/x-{name}-request"));
        if self.service == Service::UploadPack {
            request = request.header("Git-Protocol", "version=2");
        }
        self.http.answer(request.body(message), self.service, "result").await
    }
}

/// A greeting without `# service=…` and its flush, which older servers put before it.
fn without_banner(greeting: Vec<u8>) -> Result<Vec<u8>, Kind> {
    let mut packets = Packets::of(&greeting);
    match packets.next().transpose()? {
        Some(Packet::Data(data)) if line(data).starts_with(b"# service=") => {}
        _ => return Ok(greeting),
    }
    match packets.next().transpose()? {
        Some(Packet::Flush) => Ok(packets.rest().to_vec()),
        _ => Err(not_git("its greeting is not ended")),
    }
}
