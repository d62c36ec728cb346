//! A line to PostgreSQL that knows where a statement begins and where its answer ends.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::trap::{Met, Moment, Point, Trap};

/// The requests for encryption that come before the start-up packet.
const ENCRYPTION: [u32; 2] = [80_877_103, 80_877_104];

/// Which answer is not given, counted from the start's, and to what.
type Withheld = Mutex<Option<(u64, Point)>>;

/// Listens on the loopback and carries to the server's port.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) port: u16,
    _server: JoinSet<()>,
}

impl Line {
    pub(super) async fn to(port: u16, trap: Arc<Trap>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = listener.local_addr().unwrap().port();
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let trap = Arc::clone(&trap);
                // An end that goes away ends it, which is no fault here.
                connections.spawn(async move { carry(near, port, &trap).await.unwrap_or_default() });
            }
        });
        Self {
            port: near,
            _server: server,
        }
    }
}

/// One connection, as long as it lasts: what is not answered to a process that is dead is not done by the server either.
async fn carry(mut near: TcpStream, port: u16, trap: &Trap) -> io::Result<()> {
    let mut far = TcpStream::connect(("127.0.0.1", port)).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    start(&mut near, &mut far).await?;
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    let withheld = Withheld::default();
    let ended = tokio::select! {
        ended = forth(near_in, far_out, trap, &withheld) => ended,
        ended = back(far_in, near_out, &withheld) => ended,
    };
    // Where the server hung up, or the process did, nobody waits for the answer, and the process dies all the same.
    let withheld = withheld.into_inner().unwrap();
    if let Some((_, point)) = withheld {
        trap.hold(point).await;
    }
    ended
}

/// The packets before the first message, which have no tag.
async fn start(near: &mut TcpStream, far: &mut TcpStream) -> io::Result<()> {
    loop {
        let length = near.read_u32().await?;
        let mut packet = vec![0; length as usize - 4];
        near.read_exact(&mut packet).await?;
        far.write_u32(length).await?;
        far.write_all(&packet).await?;
        let (code, _) = packet.split_first_chunk::<4>().expect("each has a code");
        if !ENCRYPTION.contains(&u32::from_be_bytes(*code)) {
            return Ok(());
        }
        let answer = far.read_u8().await?;
        assert_ne!(answer, b'S', "the server of the tests speaks in the clear");
        near.write_u8(answer).await?;
    }
}

/// A message: its tag, and all of it.
async fn message(from: &mut OwnedReadHalf) -> io::Result<(u8, Vec<u8>)> {
    let tag = from.read_u8().await?;
    let length = from.read_u32().await?;
    let mut whole = vec![0; length as usize + 1];
    whole[0] = tag;
    whole[1..5].copy_from_slice(&length.to_be_bytes());
    from.read_exact(&mut whole[5..]).await?;
    Ok((tag, whole))
}

/// The texts, each ended by a zero byte, at the start of a message's body.
fn texts<const N: usize>(message: &[u8]) -> [String; N] {
    let mut texts = message[5..].split(|byte| *byte == 0);
    std::array::from_fn(|_| String::from_utf8_lossy(texts.next().unwrap_or_default()).into_owned())
}

/// What the process says. The parts of one statement go on together, with the Sync that makes the server answer.
async fn forth(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, trap: &Trap, withheld: &Withheld) -> io::Result<()> {
    let mut parsed: HashMap<String, String> = HashMap::new();
    let (mut bound, mut executed) = (String::new(), None);
    let (mut together, mut asked) = (Vec::new(), 0);
    loop {
        let (tag, message) = message(&mut from).await?;
        let mut statement = None;
        match tag {
            b'P' => {
                let [name, text] = texts(&message);
                parsed.insert(name, text);
            }
            b'B' => {
                let [_, name] = texts(&message);
                bound = parsed.get(&name).cloned().unwrap_or_default();
            }
            b'E' => executed = Some(bound.clone()),
            // One that is only prepared does nothing: to die at it is to die before it.
            b'S' => statement = executed.take(),
            b'Q' => {
                let [text] = texts(&message);
                statement = Some(text);
            }
            _ => {}
        }
        together.extend(message);
        if b"PBEDC".contains(&tag) {
            continue;
        }
        if b"SQ".contains(&tag) {
            asked += 1;
        }
        match statement.map_or(Met::Goes, |statement| trap.meets(&statement)) {
            Met::Goes => {}
            Met::Dies(point) if point.moment == Moment::After => *withheld.lock().unwrap() = Some((asked, point)),
            Met::Dies(point) => {
                trap.hold(point).await;
                return Ok(());
            }
            Met::Dead => {
                trap.burial().await;
                return Ok(());
            }
        }
        to.write_all(&together).await?;
        together.clear();
    }
}

/// What the server says; each answer ends with ReadyForQuery, and so does the start.
async fn back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, withheld: &Withheld) -> io::Result<()> {
    let mut answered = 0;
    loop {
        let (tag, message) = message(&mut from).await?;
        let held = withheld.lock().unwrap().as_ref().map(|(number, _)| *number);
        let is_held = held == Some(answered);
        if !is_held {
            to.write_all(&message).await?;
        }
        if tag == b'Z' {
            if is_held {
                // What was asked is done: the end of the line has the process die.
                return Ok(());
            }
            answered += 1;
        }
    }
}
