//! Positional CBOR (RFC 8949, section 4.2.1: shortest form, definite lengths), four kinds only:
//! unsigned integers, byte strings, arrays and booleans. Whatever else comes is refused.

use bytes::Bytes;

use crate::message::DecodeError;

const UINT: u8 = 0;
const BYTES: u8 = 2;
const ARRAY: u8 = 4;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;

/// Writes.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Writer(Vec::with_capacity(bytes))
    }

    fn head(&mut self, major: u8, value: u64) {
        let major = major << 5;
        match value {
            0..=23 => self.0.push(major | value as u8),
            24..=0xff => self.0.extend([major | 24, value as u8]),
            0x100..=0xffff => {
                self.0.push(major | 25);
                self.0.extend((value as u16).to_be_bytes());
            }
            0x1_0000..=0xffff_ffff => {
                self.0.push(major | 26);
                self.0.extend((value as u32).to_be_bytes());
            }
            _ => {
                self.0.push(major | 27);
                self.0.extend(value.to_be_bytes());
            }
        }
    }

    pub(crate) fn uint(&mut self, value: u64) -> &mut Self {
        self.head(UINT, value);
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.head(BYTES, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn array(&mut self, len: usize) -> &mut Self {
        self.head(ARRAY, len as u64);
        self
    }

    pub(crate) fn flag(&mut self, value: bool) -> &mut Self {
        self.0.push(if value { TRUE } else { FALSE });
        self
    }

    pub(crate) fn finish(self) -> Bytes {
        self.0.into()
    }
}

/// Reads, without copying byte strings.
pub(crate) struct Reader {
    all: Bytes,
    at: usize,
}

impl Reader {
    pub(crate) fn new(all: Bytes) -> Self {
        Reader { all, at: 0 }
    }

    fn take(&mut self, len: usize) -> Result<Bytes, DecodeError> {
        let end = self.at.checked_add(len).filter(|&end| end <= self.all.len()).ok_or(DecodeError::Truncated)?;
        let taken = self.all.slice(self.at..end);
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        let byte = *self.all.get(self.at).ok_or(DecodeError::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    fn head(&mut self, major: u8) -> Result<u64, DecodeError> {
        let first = self.byte()?;
        if first >> 5 != major {
            return Err(DecodeError::Malformed);
        }
        let (value, least) = match first & 0x1f {
            small @ 0..=23 => return Ok(u64::from(small)),
            24 => (u64::from(self.byte()?), 24),
            25 => (self.number(2)?, 0x100),
            26 => (self.number(4)?, 0x1_0000),
            27 => (self.number(8)?, 0x1_0000_0000),
            _ => return Err(DecodeError::Malformed),
        };
        if value < least { Err(DecodeError::NotCanonical) } else { Ok(value) }
    }

    fn number(&mut self, len: usize) -> Result<u64, DecodeError> {
        Ok(self.take(len)?.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    pub(crate) fn uint(&mut self) -> Result<u64, DecodeError> {
        self.head(UINT)
    }

    pub(crate) fn bytes(&mut self, most: usize) -> Result<Bytes, DecodeError> {
        let len = usize::try_from(self.head(BYTES)?).ok().filter(|&len| len <= most).ok_or(DecodeError::TooLarge)?;
        self.take(len)
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.bytes(N)?.as_ref().try_into().map_err(|_| DecodeError::Malformed)
    }

    /// The length of an array of at most `most` elements. A length that the rest of the message
    /// cannot hold is refused here, before anything is allocated for it.
    pub(crate) fn array(&mut self, most: usize) -> Result<usize, DecodeError> {
        let len = usize::try_from(self.head(ARRAY)?).ok().filter(|&len| len <= most).ok_or(DecodeError::TooLarge)?;
        if len > self.all.len() - self.at { Err(DecodeError::Truncated) } else { Ok(len) }
    }

    pub(crate) fn exact_array(&mut self, len: usize) -> Result<(), DecodeError> {
        if self.head(ARRAY)? == len as u64 { Ok(()) } else { Err(DecodeError::Malformed) }
    }

    pub(crate) fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.byte()? {
            FALSE => Ok(false),
            TRUE => Ok(true),
            _ => Err(DecodeError::Malformed),
        }
    }

    pub(crate) fn end(&self) -> Result<(), DecodeError> {
        if self.at == self.all.len() { Ok(()) } else { Err(DecodeError::Trailing) }
    }
}
