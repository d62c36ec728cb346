//! A line between two parts that can be cut, or fall silent as a half-open connection does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What the line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// It carries.
    Carries,
    /// Every connection is closed, and every new one at once.
    Cut,
    /// Connections stay open and are taken, and nothing goes through.
    Silent,
}

/// Listens on the loopback and carries to another address.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    line: watch::Sender<Line>,
    taken: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Proxy {
    /// To this port of the loopback.
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("the loopback has a free port");
        let address = listener.local_addr().expect("it listens");
        let (line, state) = watch::channel(Line::Carries);
        let taken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&taken);
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                connections.spawn(carry(near, port, state.clone()));
            }
        });
        Self {
            address,
            line,
            taken,
            server,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Changes the line. Returns how many connections were made since it was changed last.
    pub(crate) fn turn(&self, line: Line) -> usize {
        self.line.send_replace(line);
        self.taken.swap(0, Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// One connection, as long as it lasts.
async fn carry(mut near: TcpStream, port: u16, mut line: watch::Receiver<Line>) {
    if *line.borrow_and_update() == Line::Carries {
        let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else {
            return;
        };
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => return,
            _ = line.wait_for(|line| *line != Line::Carries) => {}
        }
        // Held open at both ends while it is silent.
        let _ = line.wait_for(|line| *line != Line::Silent).await;
        return;
    }
    // What was taken in silence is of no use once the line carries again.
    let _ = line.wait_for(|line| *line != Line::Silent).await;
}
