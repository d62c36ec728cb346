//! A server on the loopback that says what a test tells it to.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::Uri;
use serde_json::Value;

/// A server that answers every request alike, until it is told to answer otherwise.
pub(crate) struct Site {
    pub(crate) url: String,
    says: Arc<Mutex<Value>>,
    asked: Arc<Mutex<Vec<(String, String)>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Site {
    pub(crate) async fn saying(says: Value) -> Self {
        let says = Arc::new(Mutex::new(says));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (reply, kept) = (Arc::clone(&says), Arc::clone(&asked));
        let app = Router::new().fallback(move |uri: Uri, body: Bytes| {
            let body = String::from_utf8_lossy(&body).into_owned();
            kept.lock().unwrap().push((uri.to_string(), body));
            let said = reply.lock().unwrap().to_string();
            async move { said }
        });
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            url,
            says,
            asked,
            serving,
        }
    }

    pub(crate) fn says(&self, what: Value) {
        *self.says.lock().unwrap() = what;
    }

    pub(crate) fn asked(&self) -> Vec<(String, String)> {
        self.asked.lock().unwrap().clone()
    }
}
