//! What Redis says on a connection in RESP3, and how it is told something. Texts share the bytes that were read.
//!
//! Never panics: what is not RESP3 is an error, after which nothing on the connection can be made sense of.

use std::io::Write;
use std::str;

use bytes::{Buf, Bytes, BytesMut};

/// Replies within replies.
const DEPTH: usize = 16;
/// Redis's own limit of a text, and far above what it says of anything else.
const LONGEST: usize = 512 * 1024 * 1024;
/// Longest line: of an error, of a number.
const LINE: usize = 64 * 1024;
/// What a list is given room for before its parts have come.
const ROOM: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    Text(Bytes),
    Error(Bytes),
    Number(i64),
    /// A number with a fraction, a truth value, or none at all: nothing that is asked for here.
    Other,
    List(Vec<Reply>),
    /// Said without being asked.
    Push(Vec<Reply>),
}

/// This is not RESP3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rubbish;

impl Reply {
    /// Takes the first reply out of what was read, if all of it is there.
    pub(super) fn take(buffer: &mut BytesMut) -> Result<Option<Self>, Rubbish> {
        let Some(end) = end(buffer, 0, DEPTH)? else {
            return Ok(None);
        };
        let mut bytes = buffer.split_to(end).freeze();
        read(&mut bytes).map(Some)
    }
}

/// Puts a command where it is written from.
pub(super) fn command(buffer: &mut Vec<u8>, parts: &[&str]) {
    // A vector takes whatever is written to it.
    let _ = write!(buffer, "*{}\r\n", parts.len());
    for part in parts {
        let _ = write!(buffer, "${}\r\n{part}\r\n", part.len());
    }
}

/// Where the reply ends that begins at `start`, if it has come so far.
fn end(bytes: &[u8], start: usize, depth: usize) -> Result<Option<usize>, Rubbish> {
    let Some((kind, line, next)) = line(bytes, start)? else {
        return Ok(None);
    };
    let parts = match kind {
        b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => return Ok(Some(next)),
        b'$' | b'=' | b'!' => {
            return Ok(match size(line)? {
                None => Some(next),
                Some(length) => Some(next + length + 2).filter(|end| *end <= bytes.len()),
            });
        }
        b'*' | b'~' | b'>' => size(line)?.unwrap_or(0),
        b'%' => 2 * size(line)?.unwrap_or(0),
        _ => return Err(Rubbish),
    };
    if depth == 0 {
        return Err(Rubbish);
    }
    let mut at = next;
    for _ in 0..parts {
        match end(bytes, at, depth - 1)? {
            Some(end) => at = end,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// Kind and rest of a line, and where the next begins.
type Line<'a> = (u8, &'a [u8], usize);

/// The line that begins at `start`, if all of it has come.
fn line(bytes: &[u8], start: usize) -> Result<Option<Line<'_>>, Rubbish> {
    let rest = &bytes[start..];
    let Some(length) = rest.iter().take(LINE).position(|&byte| byte == b'\r') else {
        return if rest.len() < LINE { Ok(None) } else { Err(Rubbish) };
    };
    match (rest.first(), rest.get(length + 1)) {
        (Some(&kind), Some(b'\n')) if length > 0 => Ok(Some((kind, &rest[1..length], start + length + 2))),
        (_, None) => Ok(None),
        _ => Err(Rubbish),
    }
}

/// A length; none is written as -1.
fn size(line: &[u8]) -> Result<Option<usize>, Rubbish> {
    if line == b"-1" {
        return Ok(None);
    }
    let size = str::from_utf8(line).ok().and_then(|line| line.parse().ok());
    size.filter(|size| *size <= LONGEST).map(Some).ok_or(Rubbish)
}

/// Reads a reply of which all is there, and moves on behind it.
fn read(bytes: &mut Bytes) -> Result<Reply, Rubbish> {
    let (kind, rest, next) = line(bytes, 0)?.ok_or(Rubbish)?;
    let rest = 1..1 + rest.len();
    let reply = match kind {
        b'+' => Reply::Text(bytes.slice(rest)),
        b'-' => Reply::Error(bytes.slice(rest)),
        b':' => {
            let number = str::from_utf8(&bytes[rest])
                .ok()
                .and_then(|line| line.parse().ok());
            Reply::Number(number.ok_or(Rubbish)?)
        }
        b'_' | b'#' | b',' | b'(' => Reply::Other,
        b'$' | b'=' | b'!' => {
            let length = size(&bytes[rest])?;
            bytes.advance(next);
            let Some(length) = length else {
                return Ok(Reply::Other);
            };
            let text = bytes.split_to(length);
            bytes.advance(2);
            return Ok(if kind == b'!' {
                Reply::Error(text)
            } else {
                Reply::Text(text)
            });
        }
        _ => {
            let count = size(&bytes[rest])?.unwrap_or(0) * if kind == b'%' { 2 } else { 1 };
            bytes.advance(next);
            let mut parts = Vec::with_capacity(count.min(ROOM));
            for _ in 0..count {
                parts.push(read(bytes)?);
            }
            return Ok(if kind == b'>' {
                Reply::Push(parts)
            } else {
                Reply::List(parts)
            });
        }
    };
    bytes.advance(next);
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Reply {
        Reply::Text(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn replies_are_read_however_they_are_cut() {
        let said = "+PONG\r\n>3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$4\r\na\r\nb\r\n-MOVED 7 h:1\r\n%1\r\n$5\r\nproto\r\n:3\r\n\
                    _\r\n*-1\r\n$-1\r\n*2\r\n,1.5\r\n#t\r\n";
        let expected = [
            text("PONG"),
            Reply::Push(vec![text("smessage"), text("c"), text("a\r\nb")]),
            Reply::Error(Bytes::from("MOVED 7 h:1")),
            Reply::List(vec![text("proto"), Reply::Number(3)]),
            Reply::Other,
            Reply::List(Vec::new()),
            Reply::Other,
            Reply::List(vec![Reply::Other, Reply::Other]),
        ];
        for cut in 1..said.len() {
            let mut buffer = BytesMut::new();
            let mut replies = Vec::new();
            for piece in said.as_bytes().chunks(cut) {
                buffer.extend_from_slice(piece);
                while let Some(reply) = Reply::take(&mut buffer).expect("RESP3") {
                    replies.push(reply);
                }
            }
            assert_eq!(replies, expected, "in pieces of {cut}");
            assert!(buffer.is_empty());
        }
    }

    #[test]
    fn what_is_no_resp3_is_an_error_and_not_waited_for() {
        let deep = "*1\r\n".repeat(DEPTH + 2);
        let endless = format!("+{}", "x".repeat(LINE));
        for said in [
            "HTTP/1.1 400 Bad Request\r\n",
            "\r\n",
            "$x\r\n",
            "$-2\r\n",
            ":1\rx",
            ":\r\n",
            "$536870913\r\n",
            &deep,
            &endless,
        ] {
            let mut buffer = BytesMut::from(said);
            assert_eq!(
                Reply::take(&mut buffer),
                Err(Rubbish),
                "{}",
                &said[..said.len().min(40)]
            );
        }
    }

    #[test]
    fn a_command_is_written_with_its_lengths_in_bytes() {
        let mut buffer = Vec::new();
        command(&mut buffer, &["SSUBSCRIBE", "é"]);
        assert_eq!(buffer, "*2\r\n$10\r\nSSUBSCRIBE\r\n$2\r\né\r\n".as_bytes());
    }
}
