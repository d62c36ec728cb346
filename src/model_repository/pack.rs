//! Packs: how objects travel (gitformat-pack). Deltas are read against their base's id alone, since no other is asked
//! for; none are written.

use std::io::{Read, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::bufread::ZlibDecoder;
use flate2::write::ZlibEncoder;
use sha1::{Digest, Sha1};

use super::answer::{Kind, not_git};
use super::objects::{Id, ObjectKind, Objects};

/// What is kept of a pack.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    /// Files too; otherwise commits and trees alone.
    pub(super) blobs: bool,
    /// How many bytes of objects may come out of it.
    pub(super) limit: usize,
}

/// A delta that waits for its base.
struct Delta {
    base: Id,
    instructions: Vec<u8>,
}

/// Adds the objects of a pack.
pub(super) fn read(pack: &[u8], keep: Keep, objects: &mut Objects) -> Result<(), Kind> {
    let broken = || not_git("the pack in it is broken");
    let (body, sum) = pack.split_last_chunk::<20>().ok_or_else(broken)?;
    if Sha1::digest(body)[..] != sum[..] {
        return Err(broken());
    }
    let header = body.get(..12).ok_or_else(broken)?;
    if &header[..4] != b"PACK" || !matches!(header[4..8], [0, 0, 0, 2 | 3]) {
        return Err(broken());
    }
    let count = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
    let mut reading = Reading {
        rest: &body[12..],
        keep,
        taken: 0,
        objects,
    };
    let mut deltas = Vec::new();
    for _ in 0..count {
        deltas.extend(reading.object()?);
    }
    reading.resolve(deltas)
}

struct Reading<'a> {
    rest: &'a [u8],
    keep: Keep,
    /// How many bytes came out of it so far.
    taken: usize,
    objects: &'a mut Objects,
}

impl Reading<'_> {
    /// Reads one object, and keeps it if it is whole and wanted.
    fn object(&mut self) -> Result<Option<Delta>, Kind> {
        let (kind, size) = self.head()?;
        let base = match kind {
            1..=4 => None,
            7 => Some(self.base()?),
            _ => return Err(not_git("its pack has an object of a kind that was not asked for")),
        };
        let data = self.inflate(size)?;
        if let Some(base) = base {
            let instructions = data;
            return Ok(Some(Delta { base, instructions }));
        }
        let kind = match kind {
            1 => ObjectKind::Commit,
            2 => ObjectKind::Tree,
            3 if self.keep.blobs => ObjectKind::Blob,
            // A tag's, or a file that nobody asked for.
            _ => {
                self.taken -= data.len();
                return Ok(None);
            }
        };
        self.put(kind, data);
        Ok(None)
    }

    /// The kind and the size that stand before an object: three bits of the one, then seven bits a byte of the other.
    fn head(&mut self) -> Result<(u8, usize), Kind> {
        let first = self.byte()?;
        let kind = first >> 4 & 7;
        let mut size = usize::from(first & 15);
        let mut shift = 4;
        let mut more = first & 128 != 0;
        while more {
            let next = self.byte()?;
            size |= shifted(next & 127, shift)?;
            shift += 7;
            more = next & 128 != 0;
        }
        Ok((kind, size))
    }

    fn base(&mut self) -> Result<Id, Kind> {
        let (id, rest) = self
            .rest
            .split_at_checked(20)
            .ok_or_else(|| not_git("its pack breaks off"))?;
        self.rest = rest;
        Id::from_bytes(id).ok_or_else(|| not_git("its pack breaks off"))
    }

    fn byte(&mut self) -> Result<u8, Kind> {
        let (byte, rest) = self.rest.split_first().ok_or_else(|| not_git("its pack breaks off"))?;
        self.rest = rest;
        Ok(*byte)
    }

    /// Takes the next compressed piece, of which `size` bytes come out.
    fn inflate(&mut self, size: usize) -> Result<Vec<u8>, Kind> {
        self.take(size)?;
        let mut data = Vec::new();
        let mut decoder = ZlibDecoder::new(self.rest);
        // One more than announced, so that a piece which holds more is noticed.
        let read = decoder.by_ref().take(size as u64 + 1).read_to_end(&mut data);
        if read.is_err() || data.len() != size {
            return Err(not_git("an object of its pack is broken"));
        }
        self.rest = decoder.into_inner();
        Ok(data)
    }

    fn take(&mut self, size: usize) -> Result<(), Kind> {
        self.taken = self.taken.saturating_add(size);
        if self.taken > self.keep.limit {
            return Err(too_large(self.keep.limit));
        }
        Ok(())
    }

    fn put(&mut self, kind: ObjectKind, data: Vec<u8>) -> Id {
        let id = Id::of(kind, &data);
        self.objects.insert(id, (kind, Arc::from(data)));
        id
    }

    /// Applies deltas as their bases become known. Those whose base was not kept are deltas of files that are not kept.
    fn resolve(&mut self, mut deltas: Vec<Delta>) -> Result<(), Kind> {
        loop {
            let before = deltas.len();
            let mut waiting = Vec::new();
            for delta in deltas {
                let Some((kind, base)) = self.objects.get(&delta.base).cloned() else {
                    waiting.push(delta);
                    continue;
                };
                let data = self.apply(&base, &delta.instructions)?;
                self.put(kind, data);
            }
            if waiting.len() == before {
                return Ok(());
            }
            deltas = waiting;
        }
    }

    /// Makes an object of its base and a delta's instructions: copy from the base, or take what follows.
    fn apply(&mut self, base: &[u8], instructions: &[u8]) -> Result<Vec<u8>, Kind> {
        let mut rest = instructions;
        let (from, to) = (number(&mut rest)?, number(&mut rest)?);
        if from != base.len() {
            return Err(not_git("a delta of its pack is of another object"));
        }
        self.take(to)?;
        let mut data = Vec::new();
        while let Some((&instruction, after)) = rest.split_first() {
            rest = after;
            let piece = if instruction & 128 != 0 {
                let offset = bytes_named(&mut rest, instruction, 4)?;
                let size = match bytes_named(&mut rest, instruction >> 4, 3)? {
                    0 => 0x1_0000,
                    size => size,
                };
                base.get(offset..offset.saturating_add(size))
            } else {
                let piece = rest.get(..usize::from(instruction)).filter(|piece| !piece.is_empty());
                rest = rest.get(usize::from(instruction)..).unwrap_or_default();
                piece
            };
            data.extend_from_slice(piece.ok_or_else(|| not_git("a delta of its pack is broken"))?);
            if data.len() > to {
                break;
            }
        }
        if data.len() == to {
            Ok(data)
        } else {
            Err(not_git("a delta of its pack makes another object than it says"))
        }
    }
}

/// The little-endian number whose bytes are there where `which` has a bit, from the lowest.
fn bytes_named(rest: &mut &[u8], which: u8, most: u32) -> Result<usize, Kind> {
    let mut number = 0;
    for place in 0..most {
        if which & 1 << place != 0 {
            let (byte, after) = rest
                .split_first()
                .ok_or_else(|| not_git("a delta of its pack breaks off"))?;
            *rest = after;
            number |= usize::from(*byte) << (8 * place);
        }
    }
    Ok(number)
}

/// A number of seven bits a byte, the lowest first.
fn number(rest: &mut &[u8]) -> Result<usize, Kind> {
    let mut number = 0;
    let mut shift = 0;
    loop {
        let (byte, after) = rest
            .split_first()
            .ok_or_else(|| not_git("a delta of its pack breaks off"))?;
        *rest = after;
        number |= shifted(byte & 127, shift)?;
        shift += 7;
        if byte & 128 == 0 {
            return Ok(number);
        }
    }
}

fn shifted(bits: u8, by: u32) -> Result<usize, Kind> {
    let shifted = (by < usize::BITS - 8).then(|| usize::from(bits) << by);
    shifted.ok_or_else(|| not_git("its pack has an object of an impossible size"))
}

/// More came than is taken.
pub(super) fn too_large(limit: usize) -> Kind {
    Kind::TooLarge {
        what: "what the server sends".to_owned(),
        limit: format!("{limit} bytes"),
        remedy: "If the server sends files that were not asked for, let it offer partial clones (uploadpack.allowFilter); \
                 otherwise keep the model in a smaller repository",
    }
}

/// A pack of these objects.
pub(super) fn write(objects: &[(ObjectKind, Vec<u8>)]) -> Vec<u8> {
    let count = u32::try_from(objects.len()).expect("a commit and the trees of one path are few");
    let mut pack = b"PACK\0\0\0\x02".to_vec();
    pack.extend_from_slice(&count.to_be_bytes());
    for (kind, data) in objects {
        let number = match kind {
            ObjectKind::Commit => 1,
            ObjectKind::Tree => 2,
            ObjectKind::Blob => 3,
        };
        let mut size = data.len();
        let mut byte = number << 4 | (size & 15) as u8;
        size >>= 4;
        while size > 0 {
            pack.push(byte | 128);
            byte = (size & 127) as u8;
            size >>= 7;
        }
        pack.push(byte);
        let mut encoder = ZlibEncoder::new(pack, Compression::default());
        encoder.write_all(data).expect("memory takes it");
        pack = encoder.finish().expect("memory takes it");
    }
    let sum = Sha1::digest(&pack);
    pack.extend_from_slice(&sum);
    pack
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Keep = Keep {
        blobs: true,
        limit: 1_000_000,
    };

    /// A pack with one object in which these bytes stand before the compressed ones.
    fn with(head: &[u8], data: &[u8], count: u8) -> Vec<u8> {
        let mut pack = b"PACK\0\0\0\x02\0\0\0".to_vec();
        pack.push(count);
        pack.extend_from_slice(head);
        let mut encoder = ZlibEncoder::new(pack, Compression::default());
        encoder.write_all(data).unwrap();
        let mut pack = encoder.finish().unwrap();
        let sum = Sha1::digest(&pack);
        pack.extend_from_slice(&sum);
        pack
    }

    /// The head of a delta of less than 16 bytes.
    fn delta(base: Id, size: u8) -> Vec<u8> {
        [&[7 << 4 | size], &base.bytes()[..]].concat()
    }

    #[test]
    fn what_is_written_is_read() {
        let objects = [
            (ObjectKind::Commit, b"tree 1".to_vec()),
            (ObjectKind::Tree, Vec::new()),
            (ObjectKind::Blob, b"a long text ".repeat(5_000)),
        ];
        let mut read_back = Objects::new();
        read(&write(&objects), KEEP, &mut read_back).unwrap();
        for (kind, data) in &objects {
            let (read_kind, read_data) = &read_back[&Id::of(*kind, data)];
            assert_eq!((read_kind, &read_data[..]), (kind, &data[..]));
        }
        let without = Keep { blobs: false, ..KEEP };
        let mut read_back = Objects::new();
        read(&write(&objects), without, &mut read_back).unwrap();
        assert_eq!(read_back.len(), 2);
    }

    #[test]
    fn a_delta_is_applied_to_its_base() {
        let base = b"label: Patients";
        let mut objects = Objects::new();
        read(&write(&[(ObjectKind::Blob, base.to_vec())]), KEEP, &mut objects).unwrap();
        let id = Id::of(ObjectKind::Blob, base);
        // Of 15 bytes to 10: copy 7 from 0, then take three that follow.
        let instructions = [15, 10, 0b1001_0000, 7, 3, b'A', b'B', b'C'];
        read(&with(&delta(id, 8), &instructions, 1), KEEP, &mut objects).unwrap();
        let (kind, data) = &objects[&Id::of(ObjectKind::Blob, b"label: ABC")];
        assert_eq!((*kind, &data[..]), (ObjectKind::Blob, &b"label: ABC"[..]));
        // Of a base that was not kept, it is of no use.
        let before = objects.len();
        read(&with(&delta(Id::NONE, 8), &instructions, 1), KEEP, &mut objects).unwrap();
        assert_eq!(objects.len(), before);
        for broken in [
            // Of another size; from behind the end; an instruction that is none; more than was said.
            &[14, 10, 0b1001_0000, 7][..],
            &[15, 10, 0b1001_0001, 9, 7],
            &[15, 10, 0],
            &[15, 2, 0b1001_0000, 7],
            &[15, 10, 0b1001_0000],
        ] {
            let size = u8::try_from(broken.len()).unwrap();
            read(&with(&delta(id, size), broken, 1), KEEP, &mut objects).unwrap_err();
        }
    }

    #[test]
    fn a_pack_that_is_broken_or_too_large_is_refused() {
        let mut objects = Objects::new();
        let good = write(&[(ObjectKind::Tree, Vec::new())]);
        for cut in 0..good.len() {
            read(&good[..cut], KEEP, &mut objects).unwrap_err();
        }
        // More or less than it says, of another kind, more objects than there are, a size beyond all bounds.
        for pack in [
            with(&[3 << 4 | 1], b"ab", 1),
            with(&[3 << 4 | 3], b"ab", 1),
            with(&[6 << 4 | 2], b"ab", 1),
            with(&[3 << 4 | 2], b"ab", 2),
            with(&[[0xb0].as_slice(), &[0xff; 12], &[1]].concat(), b"ab", 1),
        ] {
            let error = read(&pack, KEEP, &mut objects).unwrap_err();
            assert!(matches!(error, Kind::NotGit { .. }), "{error}");
        }
        let bomb = write(&[(ObjectKind::Blob, vec![0; 2_000_000])]);
        let error = read(&bomb, KEEP, &mut objects).unwrap_err();
        assert!(bomb.len() < 5_000 && matches!(error, Kind::TooLarge { .. }), "{error}");
    }
}
