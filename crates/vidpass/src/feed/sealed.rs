//! A file that nobody reads or alters but who has the credential: AES-256-GCM, piece by piece, so that it is never in memory
//! as a whole.
//!
//! Its key comes from the credential and from a random salt of its own (HKDF, RFC 5869), so a counter does for the nonces.
//! The last piece says that it is: a file that was cut is refused, as is one whose pieces changed places.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};

/// What a file of this form begins with; the number is the form's.
const MAGIC: [u8; 8] = *b"vidpass1";
const SALT_LEN: usize = 32;
const TAG_LEN: usize = 16;

/// How many bytes of text one piece has; the last has less, or none.
const PIECE: usize = 64 * 1024;

/// What a file is for. One cannot be put in the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// What a gate decides from.
    Snapshot,
    /// When that was last confirmed.
    LastWord,
}

/// Tells one file from another, and is no secret.
pub(crate) type FileSalt = [u8; SALT_LEN];

/// Why a sealed file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("it was altered or cut, or sealed with another credential")]
pub(crate) struct SealedError;

/// Writes a file anew, for its owner alone: whoever reads it finds the old one or the new one.
pub(crate) fn write(
    file: &Path,
    (credential, purpose): (&str, Purpose),
    text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<FileSalt> {
    let mut fresh = file.as_os_str().to_owned();
    fresh.push(".new");
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    let mut salt = [0; SALT_LEN];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    let mut inner = BufWriter::new(opened);
    inner.write_all(&MAGIC)?;
    inner.write_all(&salt)?;
    let mut sealed = Sealed { inner, pieces: Pieces::new(credential, purpose, &salt), text: Vec::with_capacity(PIECE) };
    text(&mut sealed)?;
    sealed.finish()?.sync_all()?;
    std::fs::rename(&fresh, file)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    Ok(salt)
}

/// Opens a file for reading. What it gives is certain piece by piece; that it is whole, only its end tells.
pub(crate) fn open(file: &Path, credential: &str, purpose: Purpose) -> io::Result<(impl Read + use<>, FileSalt)> {
    let mut inner = BufReader::new(File::open(file)?);
    let (mut magic, mut salt) = ([0; MAGIC.len()], [0; SALT_LEN]);
    inner.read_exact(&mut magic).and_then(|()| inner.read_exact(&mut salt)).map_err(|_| refused())?;
    if magic != MAGIC {
        return Err(refused());
    }
    let pieces = Pieces::new(credential, purpose, &salt);
    Ok((Opened { inner, pieces, next: None, text: Vec::new(), given: 0, is_over: false }, salt))
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, SealedError)
}

/// The key of one file, and the number of its next piece.
struct Pieces {
    key: LessSafeKey,
    next: u64,
}

impl Pieces {
    fn new(credential: &str, purpose: Purpose, salt: &FileSalt) -> Self {
        let info: [&[u8]; 1] = [match purpose {
            Purpose::Snapshot => b"vidpass gate snapshot",
            Purpose::LastWord => b"vidpass gate last word",
        }];
        let secret = Salt::new(HKDF_SHA256, salt).extract(credential.as_bytes());
        let key = secret.expand(&info, &AES_256_GCM).expect("32 bytes are fewer than HKDF can give");
        Self { key: LessSafeKey::new(UnboundKey::from(key)), next: 0 }
    }

    fn nonce(&mut self, is_last: bool) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        nonce[..8].copy_from_slice(&self.next.to_be_bytes());
        nonce[NONCE_LEN - 1] = u8::from(is_last);
        self.next += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

struct Sealed<W> {
    inner: W,
    pieces: Pieces,
    text: Vec<u8>,
}

impl<W: Write> Sealed<W> {
    fn seal(&mut self, is_last: bool) -> io::Result<()> {
        let nonce = self.pieces.nonce(is_last);
        let sealed = self.pieces.key.seal_in_place_append_tag(nonce, Aad::from(MAGIC), &mut self.text);
        sealed.expect("a piece is far below 64 GiB");
        self.inner.write_all(&self.text)?;
        self.text.clear();
        Ok(())
    }
}

impl Sealed<BufWriter<File>> {
    fn finish(mut self) -> io::Result<File> {
        self.seal(true)?;
        self.inner.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

impl<W: Write> Write for Sealed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.text.len());
        self.text.extend_from_slice(&bytes[..taken]);
        if self.text.len() == PIECE {
            self.seal(false)?;
        }
        Ok(taken)
    }

    /// Nothing is handed on before a piece is full.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Opened<R> {
    inner: R,
    pieces: Pieces,
    /// The piece after the one that is given.
    next: Option<Vec<u8>>,
    text: Vec<u8>,
    given: usize,
    is_over: bool,
}

impl<R: Read> Opened<R> {
    fn open_next(&mut self) -> io::Result<()> {
        let mut piece = match self.next.take() {
            Some(piece) => piece,
            None => self.read_piece()?,
        };
        let following = self.read_piece()?;
        let is_last = following.is_empty();
        let nonce = self.pieces.nonce(is_last);
        let length = self.pieces.key.open_in_place(nonce, Aad::from(MAGIC), &mut piece).map_err(|_| refused())?.len();
        piece.truncate(length);
        (self.text, self.given, self.is_over) = (piece, 0, is_last);
        self.next = Some(following);
        Ok(())
    }

    fn read_piece(&mut self) -> io::Result<Vec<u8>> {
        let mut piece = Vec::with_capacity(PIECE + TAG_LEN);
        let limit = u64::try_from(PIECE + TAG_LEN).expect("a small number");
        (&mut self.inner).take(limit).read_to_end(&mut piece)?;
        Ok(piece)
    }
}

impl<R: Read> Read for Opened<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            if self.is_over {
                return Ok(0);
            }
            self.open_next()?;
        }
        let given = into.len().min(self.text.len() - self.given);
        into[..given].copy_from_slice(&self.text[self.given..self.given + given]);
        self.given += given;
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_gives_back_what_was_written_and_is_its_owners_alone() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            let (folder, text) = (tempfile::tempdir().unwrap(), text(length));
            let file = folder.path().join("f");
            write(&file, ("secret", Purpose::Snapshot), |to| to.write_all(&text)).unwrap();
            assert_eq!(read(&file, "secret", Purpose::Snapshot).unwrap(), text, "{length}");
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        }
    }

    #[test]
    fn every_altered_byte_every_cut_and_every_other_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        write(&file, ("secret", Purpose::Snapshot), |to| to.write_all(&text(2 * PIECE + 5))).unwrap();
        assert!(read(&file, "secrets", Purpose::Snapshot).is_err());
        assert!(read(&file, "secret", Purpose::LastWord).is_err());
        let whole = std::fs::read(&file).unwrap();
        let (head, piece) = (MAGIC.len() + SALT_LEN, PIECE + TAG_LEN);
        for at in [0, 7, 8, 39, 40, head + piece - 1, head + piece, whole.len() - 1] {
            let mut altered = whole.clone();
            altered[at] ^= 1;
            check(&file, &altered);
        }
        for length in [0, 8, head, head + 1, head + TAG_LEN, head + piece, head + 2 * piece, whole.len() - 1] {
            check(&file, &whole[..length]);
        }
        let (first, second) = (&whole[head..head + piece], &whole[head + piece..head + 2 * piece]);
        check(&file, &[&whole[..head], second, first, &whole[head + 2 * piece..]].concat());
        check(&file, &[&whole[..], &whole[head..]].concat());
    }

    #[track_caller]
    fn check(file: &Path, altered: &[u8]) {
        std::fs::write(file, altered).unwrap();
        assert_eq!(read(file, "secret", Purpose::Snapshot).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    fn read(file: &Path, credential: &str, purpose: Purpose) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        open(file, credential, purpose)?.0.read_to_end(&mut text)?;
        Ok(text)
    }

    fn text(length: usize) -> Vec<u8> {
        (0..=250).cycle().take(length).collect()
    }
}
