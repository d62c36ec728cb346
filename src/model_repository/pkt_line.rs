//! Git's packet lines: how all of its conversations are cut into pieces (gitprotocol-common, "pkt-line format").

use super::answer::{Kind, not_git};

/// The longest piece that one packet carries, in bytes.
const LONGEST: usize = 65_516;

/// One packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    /// A line or a piece of data.
    Data(&'a [u8]),
    /// `0000`: the end of a list or a message.
    Flush,
    /// `0001`: between two parts of a message.
    Delimiter,
    /// `0002`: the end of an answer.
    End,
}

/// Goes through the packets of an answer, without line ends.
pub(super) struct Packets<'a>(&'a [u8]);

impl<'a> Packets<'a> {
    /// All packets of these bytes.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes that were not gone through yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Packet<'a>, Kind>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let length = match length(self.0) {
            Ok(Some(length)) if length <= self.0.len() => length,
            Ok(_) => {
                self.0 = &[];
                return Some(Err(not_git("it breaks off in the middle of a packet")));
            }
            Err(error) => {
                self.0 = &[];
                return Some(Err(error));
            }
        };
        let packet = match length {
            0..=3 => {
                let packet = [Packet::Flush, Packet::Delimiter, Packet::End];
                self.0 = &self.0[4..];
                packet.into_iter().nth(length).unwrap_or(Packet::End)
            }
            _ => {
                let (packet, rest) = self.0.split_at(length);
                self.0 = rest;
                Packet::Data(&packet[4..])
            }
        };
        Some(Ok(packet))
    }
}

/// The length of the packet that starts here, its own four digits included; `None` where these are not here yet.
fn length(bytes: &[u8]) -> Result<Option<usize>, Kind> {
    let Some(digits) = bytes.get(..4) else {
        return Ok(None);
    };
    let number = std::str::from_utf8(digits)
        .ok()
        .filter(|it| it.bytes().all(|byte| byte.is_ascii_hexdigit()));
    match number.and_then(|digits| usize::from_str_radix(digits, 16).ok()) {
        Some(length) if length != 3 => Ok(Some(length)),
        _ => Err(not_git(format!(
            "it starts with {:?}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(40)])
        ))),
    }
}

/// Where the first flush packet ends, looked for from `at`, the start of a packet; otherwise the start of the first
/// packet that is not whole yet, to go on from.
pub(super) fn end_of_message(bytes: &[u8], mut at: usize) -> Result<Result<usize, usize>, Kind> {
    while let Some(length) = length(&bytes[at..])? {
        if length == 0 {
            return Ok(Ok(at + 4));
        }
        let length = length.max(4);
        if bytes.len() < at + length {
            break;
        }
        at += length;
    }
    Ok(Err(at))
}

/// A line without its line end.
pub(super) fn line(data: &[u8]) -> &[u8] {
    data.strip_suffix(b"\n").unwrap_or(data)
}

/// Adds a packet with this text and a line end.
pub(super) fn put_line(message: &mut Vec<u8>, text: impl AsRef<[u8]>) {
    let text = text.as_ref();
    debug_assert!(text.len() < LONGEST, "no line of ours is so long");
    message.extend_from_slice(format!("{:04x}", text.len() + 5).as_bytes());
    message.extend_from_slice(text);
    message.push(b'\n');
}

/// Ends a message or a list.
pub(super) fn put_flush(message: &mut Vec<u8>) {
    message.extend_from_slice(b"0000");
}

/// Goes on to the next part of a message.
pub(super) fn put_delimiter(message: &mut Vec<u8>) {
    message.extend_from_slice(b"0001");
}

/// What a server sent over the three bands of one packet line (gitprotocol-pack, "side-band-64k").
#[derive(Debug, Default)]
pub(super) struct Bands {
    /// The first: what was asked for.
    pub(super) data: Vec<u8>,
    /// The second: words for people, such as a hook's.
    pub(super) words: Vec<u8>,
    /// The third: why the server broke off.
    pub(super) fatal: Option<Vec<u8>>,
}

impl Bands {
    /// Adds what one packet carries.
    pub(super) fn take(&mut self, data: &[u8]) -> Result<(), Kind> {
        match data.split_first() {
            Some((1, data)) => self.data.extend_from_slice(data),
            Some((2, words)) => self.words.extend_from_slice(words),
            Some((3, words)) => self.fatal.get_or_insert_default().extend_from_slice(words),
            _ => return Err(not_git("a packet is on none of the three bands")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_read() {
        let mut message = Vec::new();
        put_line(&mut message, "command=fetch");
        put_delimiter(&mut message);
        put_flush(&mut message);
        assert_eq!(message, b"0012command=fetch\n00010000");
        let packets: Vec<_> = Packets::of(&message).map(Result::unwrap).collect();
        assert_eq!(
            packets,
            [Packet::Data(b"command=fetch\n"), Packet::Delimiter, Packet::Flush]
        );
    }

    #[test]
    fn a_message_ends_with_its_flush_however_it_is_cut() {
        let message = b"0008abcd00010006a\n0000next";
        for cut in 0..message.len() {
            let found = end_of_message(&message[..cut], 0).unwrap();
            assert_eq!(found.is_ok(), cut >= 22, "{cut}: {found:?}");
            if let Err(at) = found {
                assert_eq!(end_of_message(message, at).unwrap(), Ok(22), "{cut}");
            }
        }
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for bytes in [&b"<html>"[..], b"00", b"0003", b"0009abc", b"+00aabcdef"] {
            assert!(Packets::of(bytes).any(|packet| packet.is_err()), "{bytes:?}");
        }
        assert!(end_of_message(b"ssh: no", 0).is_err());
    }
}
