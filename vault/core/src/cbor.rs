//! Positional CBOR by hand (RFC 8949, section 4.2 deterministic encoding; dag-cbor links by tag 42).
//!
//! Only what commits and plaintexts need: unsigned and negative integers, byte and text strings,
//! definite arrays, null, booleans, 64-bit floats and links. The reader refuses everything that the
//! writer would not have written, so equal values have equal bytes.

use cid::Cid;

/// Why bytes are not what was expected, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct CborError {
    /// The byte at which reading stopped, from 0 on.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// Appends values to a buffer.
#[derive(Debug, Default, Clone)]
pub struct Writer(Vec<u8>);

const TAG_LINK: u64 = 42;

impl Writer {
    /// Nothing is written yet.
    pub fn new() -> Self {
        Writer(Vec::new())
    }
    /// As [`Writer::new`], with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Writer(Vec::with_capacity(bytes))
    }
    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
    /// What has been written so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn head(&mut self, major: u8, n: u64) -> &mut Self {
        let m = major << 5;
        match n {
            0..=23 => self.0.push(m | n as u8),
            24..=0xff => self.0.extend_from_slice(&[m | 24, n as u8]),
            0x100..=0xffff => {
                self.0.push(m | 25);
                self.0.extend_from_slice(&(n as u16).to_be_bytes());
            }
            0x1_0000..=0xffff_ffff => {
                self.0.push(m | 26);
                self.0.extend_from_slice(&(n as u32).to_be_bytes());
            }
            _ => {
                self.0.push(m | 27);
                self.0.extend_from_slice(&n.to_be_bytes());
            }
        }
        self
    }

    /// The head of an array of `n` values, which the caller then writes.
    pub fn array(&mut self, n: usize) -> &mut Self {
        self.head(4, n as u64)
    }
    /// An unsigned integer, in the fewest bytes.
    pub fn uint(&mut self, n: u64) -> &mut Self {
        self.head(0, n)
    }
    /// A signed integer, in the fewest bytes.
    pub fn int(&mut self, n: i64) -> &mut Self {
        if n >= 0 { self.head(0, n as u64) } else { self.head(1, !(n as u64)) }
    }
    /// A string of bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.head(2, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }
    /// A string of text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.head(3, text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
        self
    }
    /// True or false.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.0.push(if value { 0xf5 } else { 0xf4 });
        self
    }
    /// Null.
    pub fn null(&mut self) -> &mut Self {
        self.0.push(0xf6);
        self
    }
    /// Always 64 bits, as dag-cbor demands. Never NaN or infinite: callers refuse those before.
    pub fn float(&mut self, value: f64) -> &mut Self {
        self.0.push(0xfb);
        self.0.extend_from_slice(&value.to_bits().to_be_bytes());
        self
    }
    /// A CID, under tag 42.
    pub fn link(&mut self, cid: &Cid) -> &mut Self {
        let bytes = cid.to_bytes();
        self.head(6, TAG_LINK).head(2, bytes.len() as u64 + 1);
        self.0.push(0);
        self.0.extend_from_slice(&bytes);
        self
    }
    /// The value, or null.
    pub fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        match value {
            None => {
                self.null();
            }
            Some(value) => write(self, value),
        }
        self
    }
}

/// Reads values in order. Every method refuses another type, a longer spelling or a short buffer.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the first byte on.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    /// An error at the place that has been reached.
    pub fn error(&self, what: &'static str) -> CborError {
        CborError { at: self.at, what }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], CborError> {
        let end = self.at.checked_add(n).filter(|&end| end <= self.bytes.len()).ok_or(self.error("the bytes end"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn head(&mut self, major: u8, what: &'static str) -> Result<u64, CborError> {
        let first = self.peek().ok_or(self.error("the bytes end"))?;
        if first >> 5 != major {
            return Err(self.error(what));
        }
        let at = self.at;
        self.at += 1;
        let (n, least) = match first & 31 {
            n @ 0..=23 => return Ok(u64::from(n)),
            24 => (u64::from(self.take(1)?[0]), 24),
            25 => (u64::from(u16::from_be_bytes(self.fixed()?)), 0x100),
            26 => (u64::from(u32::from_be_bytes(self.fixed()?)), 0x1_0000),
            27 => (u64::from_be_bytes(self.fixed()?), 0x1_0000_0000),
            _ => return Err(CborError { at, what: "an indefinite or reserved length" }),
        };
        if n < least {
            return Err(CborError { at, what: "a number that is longer than it must be" });
        }
        Ok(n)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], CborError> {
        let at = self.at;
        self.take(N)?.try_into().map_err(|_| CborError { at, what: "the bytes end" })
    }

    /// The length of an array, at most `most`.
    pub fn array(&mut self, most: usize) -> Result<usize, CborError> {
        let at = self.at;
        let n = self.head(4, "not an array")?;
        usize::try_from(n).ok().filter(|&n| n <= most).ok_or(CborError { at, what: "an array that is too long" })
    }
    /// The head of an array of exactly `n`.
    pub fn array_of(&mut self, n: usize) -> Result<(), CborError> {
        let at = self.at;
        if self.head(4, "not an array")? == n as u64 {
            Ok(())
        } else {
            Err(CborError { at, what: "an array of another length" })
        }
    }
    /// An unsigned integer.
    pub fn uint(&mut self) -> Result<u64, CborError> {
        self.head(0, "not an unsigned integer")
    }
    /// A signed integer.
    pub fn int(&mut self) -> Result<i64, CborError> {
        let at = self.at;
        let range = CborError { at, what: "an integer beyond 64 bits" };
        if self.peek().is_some_and(|b| b >> 5 == 1) {
            let n = self.head(1, "not an integer")?;
            if n > i64::MAX as u64 {
                return Err(range);
            }
            Ok(!(n as i64))
        } else {
            i64::try_from(self.head(0, "not an integer")?).map_err(|_| range)
        }
    }
    /// A byte string of at most `most`.
    pub fn bytes(&mut self, most: usize) -> Result<&'a [u8], CborError> {
        let at = self.at;
        let n = self.head(2, "not a byte string")?;
        let n = usize::try_from(n).ok().filter(|&n| n <= most);
        self.take(n.ok_or(CborError { at, what: "a byte string that is too long" })?)
    }
    /// A byte string of exactly `N`.
    pub fn array_bytes<const N: usize>(&mut self) -> Result<[u8; N], CborError> {
        let at = self.at;
        self.bytes(N)?.try_into().map_err(|_| CborError { at, what: "a byte string of another length" })
    }
    /// A text of at most so many bytes.
    pub fn text(&mut self, most: usize) -> Result<&'a str, CborError> {
        let at = self.at;
        let n = self.head(3, "not a text")?;
        let n = usize::try_from(n).ok().filter(|&n| n <= most);
        let bytes = self.take(n.ok_or(CborError { at, what: "a text that is too long" })?)?;
        std::str::from_utf8(bytes).map_err(|_| CborError { at, what: "a text that is not UTF-8" })
    }
    /// True or false.
    pub fn bool(&mut self) -> Result<bool, CborError> {
        match self.peek() {
            Some(0xf4) => self.at += 1,
            Some(0xf5) => {
                self.at += 1;
                return Ok(true);
            }
            _ => return Err(self.error("not a boolean")),
        }
        Ok(false)
    }
    /// Whether null comes next; takes it if so.
    pub fn null(&mut self) -> bool {
        let null = self.peek() == Some(0xf6);
        self.at += usize::from(null);
        null
    }
    /// A finite number of 64 bits; no other width is taken.
    pub fn float(&mut self) -> Result<f64, CborError> {
        if self.peek() != Some(0xfb) {
            return Err(self.error("not a float"));
        }
        let at = self.at;
        self.at += 1;
        let value = f64::from_bits(u64::from_be_bytes(self.fixed()?));
        if value.is_finite() { Ok(value) } else { Err(CborError { at, what: "a float that is not finite" }) }
    }
    /// A CID, under tag 42.
    pub fn link(&mut self) -> Result<Cid, CborError> {
        let at = self.at;
        if self.head(6, "not a link")? != TAG_LINK {
            return Err(CborError { at, what: "not a link" });
        }
        let bytes = self.bytes(64)?;
        let cid = match bytes.split_first() {
            Some((0, rest)) => Cid::try_from(rest).ok().filter(|cid| cid.to_bytes() == rest),
            _ => None,
        };
        cid.ok_or(CborError { at, what: "not a CID" })
    }
    /// Null as `None`, anything else by `read`.
    pub fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, CborError>,
    ) -> Result<Option<T>, CborError> {
        if self.null() { Ok(None) } else { read(self).map(Some) }
    }
    /// The major type of what comes next.
    pub fn next_major(&self) -> Option<u8> {
        self.peek().map(|byte| byte >> 5)
    }
    /// Everything has been read.
    pub fn end(&self) -> Result<(), CborError> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.error("bytes after the end")) }
    }
    /// How many bytes have been read.
    pub fn position(&self) -> usize {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(n: u64, i: i64, b: Vec<u8>, t: String, f in -1e300..1e300f64) {
            let mut w = Writer::new();
            w.array(6).uint(n).int(i).bytes(&b).text(&t).float(f).bool(n % 2 == 0);
            let bytes = w.into_bytes();
            let mut r = Reader::new(&bytes);
            r.array_of(6).unwrap();
            prop_assert_eq!(r.uint().unwrap(), n);
            prop_assert_eq!(r.int().unwrap(), i);
            prop_assert_eq!(r.bytes(usize::MAX).unwrap(), &b[..]);
            prop_assert_eq!(r.text(usize::MAX).unwrap(), t);
            prop_assert_eq!(r.float().unwrap(), f);
            prop_assert_eq!(r.bool().unwrap(), n % 2 == 0);
            r.end().unwrap();
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let mut r = Reader::new(&bytes);
            let _ = (r.clone().int(), r.clone().uint(), r.clone().link(), r.clone().text(9), r.clone().float());
            let _ = (r.array(9), r.bytes(9), r.bool(), r.end());
        }
    }

    #[test]
    fn longer_spellings_are_refused() {
        for bytes in [&[0x18, 23][..], &[0x19, 0, 255], &[0x1a, 0, 0, 1, 0], &[0x9f, 0xff], &[0x5f, 0xff]] {
            assert!(Reader::new(bytes).uint().is_err() && Reader::new(bytes).array(99).is_err(), "{bytes:?}");
        }
    }
}
