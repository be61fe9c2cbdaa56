//! Frames in, messages out: RFC 6455's receiving side as a state machine over byte slices.
//!
//! Takes whatever pieces the network makes. Between messages it holds nothing; in the middle of one,
//! what has arrived of it and at most as much again, never what a header merely announces. Knows no
//! socket and no clock.

use bytes::Bytes;

use super::frame::MAX_CONTROL;
use super::header::{self, Header, MAX_HEADER, OpCode, Parsed};
use super::inflate;
use super::mask::Mask;
use super::message::Incoming;
use super::violation::Violation;

#[derive(Debug)]
pub struct Decoder {
    rules: Rules,
    /// What has begun and not ended. Boxed: most connections are between messages most of the time.
    begun: Option<Box<Begun>>,
}

/// What came of a piece of input.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes of the input that were taken; all of it if there is no message.
    pub used: usize,
    pub message: Option<Incoming>,
}

#[derive(Debug, Clone, Copy)]
struct Rules {
    /// Most bytes of one message, its fragments together, decompressed.
    limit: usize,
    /// Messages may be compressed.
    inflates: bool,
}

#[derive(Debug, Default)]
struct Begun {
    head: [u8; MAX_HEADER],
    head_length: usize,
    frame: Option<Frame>,
    message: Option<Message>,
    control: Vec<u8>,
}

/// A frame whose header was read and whose payload was not, or not all of it.
#[derive(Debug)]
struct Frame {
    opcode: OpCode,
    fin: bool,
    remaining: usize,
    mask: Mask,
}

/// A message's payload so far, fragments joined.
#[derive(Debug)]
struct Message {
    text: bool,
    compressed: bool,
    payload: Vec<u8>,
    /// Most bytes that the payload may get, as it comes over the wire.
    most: usize,
    /// So much of a text is known to be UTF-8; what follows is the start of one character.
    checked: usize,
}

impl Decoder {
    pub fn new(limit: usize) -> Self {
        let rules = Rules {
            limit,
            inflates: false,
        };
        Self { rules, begun: None }
    }

    /// Whether compression was agreed on. Without that a compressed message is a violation.
    #[must_use]
    pub fn inflating(mut self, agreed: bool) -> Self {
        self.rules.inflates = agreed;
        self
    }

    /// Takes bytes, in order, up to the end of the first message or control frame. Unmasks in place.
    ///
    /// After a violation nothing more may be decoded: where the next frame starts is unknown.
    pub fn decode(&mut self, input: &mut [u8]) -> Result<Decoded, Violation> {
        let mut fresh = None;
        let begun = match &mut self.begun {
            Some(begun) => &mut **begun,
            None => fresh.insert(Begun::default()),
        };
        let decoded = begun.advance(input, self.rules)?;
        if begun.is_nothing() {
            self.begun = None;
        } else if let Some(begun) = fresh {
            self.begun = Some(Box::new(begun));
        }
        Ok(decoded)
    }

    /// Whether a message or frame has begun and not ended.
    pub fn is_inside(&self) -> bool {
        self.begun.is_some()
    }

    /// Forgets what has begun.
    pub fn clear(&mut self) {
        self.begun = None;
    }

    /// Bytes on the heap.
    pub fn held(&self) -> usize {
        self.begun.as_ref().map_or(0, |begun| {
            let message = begun
                .message
                .as_ref()
                .map_or(0, |message| message.payload.capacity());
            size_of::<Begun>() + begun.control.capacity() + message
        })
    }
}

impl Begun {
    fn advance(&mut self, input: &mut [u8], rules: Rules) -> Result<Decoded, Violation> {
        let mut used = 0;
        loop {
            let mut frame = if let Some(frame) = self.frame.take() {
                frame
            } else {
                let (taken, header) = self.read_header(&input[used..])?;
                used += taken;
                let Some(header) = header else {
                    return Ok(Decoded { used, message: None });
                };
                self.begin(&header, rules)?
            };
            let end = used + frame.remaining.min(input.len() - used);
            let piece = &mut input[used..end];
            frame.mask.apply(piece);
            frame.remaining -= piece.len();
            self.append(&frame, piece)?;
            used = end;
            if frame.remaining > 0 {
                self.frame = Some(frame);
                return Ok(Decoded { used, message: None });
            }
            if let Some(message) = self.end(&frame, rules)? {
                return Ok(Decoded {
                    used,
                    message: Some(message),
                });
            }
        }
    }

    /// The next header, if it is all there, and how many bytes of the input it took. What there is of
    /// a cut one is kept.
    fn read_header(&mut self, input: &[u8]) -> Result<(usize, Option<Header>), Violation> {
        if self.head_length == 0
            && let Parsed::Whole(header, length) = header::parse(input)?
        {
            return Ok((length, Some(header)));
        }
        let mut taken = 0;
        loop {
            match header::parse(&self.head[..self.head_length])? {
                Parsed::Whole(header, _) => {
                    self.head_length = 0;
                    return Ok((taken, Some(header)));
                }
                Parsed::Needs(length) => {
                    let missing = length - self.head_length;
                    let more = &input[taken..input.len().min(taken + missing)];
                    if more.is_empty() {
                        return Ok((taken, None));
                    }
                    self.head[self.head_length..][..more.len()].copy_from_slice(more);
                    self.head_length += more.len();
                    taken += more.len();
                }
            }
        }
    }

    /// Everything that can be said against a frame before its payload.
    fn begin(&mut self, header: &Header, rules: Rules) -> Result<Frame, Violation> {
        let starts = matches!(header.opcode, OpCode::Text | OpCode::Binary);
        if header.compressed && !(starts && rules.inflates) {
            return Err(Violation::ReservedBits);
        }
        let too_big = Violation::TooBig { limit: rules.limit };
        let remaining = usize::try_from(header.length).map_err(|_| too_big)?;
        match (header.opcode, &self.message) {
            (OpCode::Continuation, None) => return Err(Violation::NothingToContinue),
            (OpCode::Text | OpCode::Binary, Some(_)) => return Err(Violation::MessageInMessage),
            _ => {}
        }
        if starts {
            self.message = Some(Message {
                text: header.opcode == OpCode::Text,
                compressed: header.compressed,
                payload: Vec::new(),
                most: if header.compressed {
                    inflate::most_compressed(rules.limit)
                } else {
                    rules.limit
                },
                checked: 0,
            });
        }
        if !header.opcode.is_control()
            && let Some(message) = &self.message
            && remaining > message.most - message.payload.len().min(message.most)
        {
            return Err(too_big);
        }
        Ok(Frame {
            opcode: header.opcode,
            fin: header.fin,
            remaining,
            mask: Mask::new(header.mask),
        })
    }

    fn append(&mut self, frame: &Frame, piece: &[u8]) -> Result<(), Violation> {
        if frame.opcode.is_control() {
            debug_assert!(self.control.len() + piece.len() <= MAX_CONTROL);
            self.control.reserve_exact(piece.len());
            self.control.extend_from_slice(piece);
        } else if let Some(message) = &mut self.message {
            // As much as the message can still become: nothing past its last frame, else the limit.
            let length = message.payload.len() + piece.len();
            let most = if frame.fin {
                length + frame.remaining
            } else {
                message.most
            };
            message.append(piece, most, frame.fin && frame.remaining == 0)?;
        }
        Ok(())
    }

    /// The frame is whole: it is a message, the end of one, or the middle (`None`).
    fn end(&mut self, frame: &Frame, rules: Rules) -> Result<Option<Incoming>, Violation> {
        let message = match frame.opcode {
            OpCode::Ping => Incoming::Ping(self.take_control()),
            OpCode::Pong => Incoming::Pong(self.take_control()),
            OpCode::Close => Incoming::Close(closing(&self.take_control())?),
            _ if !frame.fin => return Ok(None),
            _ => match self.message.take() {
                Some(message) => message.finish(rules)?,
                None => return Ok(None),
            },
        };
        Ok(Some(message))
    }

    fn take_control(&mut self) -> Bytes {
        std::mem::take(&mut self.control).into()
    }

    fn is_nothing(&self) -> bool {
        self.head_length == 0 && self.frame.is_none() && self.message.is_none()
    }
}

impl Message {
    /// Room doubles, so that many small pieces cost few copies, up to `most` and never ahead of what
    /// has arrived: a header that lies costs no memory.
    fn append(&mut self, piece: &[u8], most: usize, last: bool) -> Result<(), Violation> {
        let needed = self.payload.len() + piece.len();
        if needed > self.payload.capacity() {
            let wanted = (self.payload.len() * 2).clamp(needed, most.max(needed));
            self.payload.reserve_exact(wanted - self.payload.len());
        }
        self.payload.extend_from_slice(piece);
        if !self.text || self.compressed {
            return Ok(());
        }
        match std::str::from_utf8(&self.payload[self.checked..]) {
            Ok(_) => self.checked = self.payload.len(),
            // The input ends inside a character, of which nothing is wrong so far.
            Err(error) if error.error_len().is_none() && !last => self.checked += error.valid_up_to(),
            Err(_) => return Err(Violation::NotUtf8),
        }
        Ok(())
    }

    fn finish(self, rules: Rules) -> Result<Incoming, Violation> {
        let mut payload = self.payload;
        if self.compressed {
            payload = inflate::message(&payload, rules.limit)?;
            if self.text && std::str::from_utf8(&payload).is_err() {
                return Err(Violation::NotUtf8);
            }
        }
        Ok(if self.text {
            Incoming::Text(payload.into())
        } else {
            Incoming::Binary(payload.into())
        })
    }
}

/// A close frame's payload: nothing, or a code that may be sent (RFC 6455 §7.4) and a reason.
fn closing(payload: &Bytes) -> Result<Option<(u16, Bytes)>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() {
            Ok(None)
        } else {
            Err(Violation::CloseOfOneByte)
        };
    };
    let code = u16::from_be_bytes(*code);
    // 1004–1006 and 1015 never go over the wire; 1012–1014 were registered after the RFC.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::CloseCode(code));
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(Violation::NotUtf8);
    }
    Ok(Some((code, payload.slice(2..))))
}

#[cfg(test)]
mod compressed;
#[cfg(test)]
mod tests;
