//! Rows of the log, as they lie in a segment.

use vault_core::cbor::{CborError, Reader, Writer};

use crate::manifest::{ScopeName, StoredRange};

/// The longest frame (`vault/docs/format.md`, Limits), with room.
const MAX_BODY_BYTES: usize = 17 << 20;
const MAX_ROWS: usize = 1 << 20;

/// A row of the log, field by field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRow {
    pub scope: ScopeName,
    pub position: u64,
    pub lane: [u8; 16],
    pub device: [u8; 16],
    pub first: u64,
    pub last: u64,
    /// The digest of the last commit.
    pub commit: [u8; 32],
    /// The frame.
    pub body: Vec<u8>,
}

/// Rows of ranges of positions, in the order of scopes and positions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Segment {
    rows: Vec<SegmentRow>,
    bytes: usize,
}

impl Segment {
    /// Adds the row that comes next.
    pub fn push(&mut self, row: SegmentRow) {
        self.bytes += row.body.len();
        self.rows.push(row);
    }

    /// How many bytes its frames have.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn rows(&self) -> &[SegmentRow] {
        &self.rows
    }

    pub fn into_rows(self) -> Vec<SegmentRow> {
        self.rows
    }

    /// What it holds: of each scope the first and the last position.
    pub fn ranges(&self) -> Vec<StoredRange> {
        let mut ranges: Vec<StoredRange> = Vec::new();
        for row in &self.rows {
            match ranges.last_mut().filter(|range| range.scope == row.scope) {
                Some(range) => (range.last, range.rows) = (row.position, range.rows + 1),
                None => {
                    let (first, last) = (row.position, row.position);
                    ranges.push(StoredRange { scope: row.scope, first, last, rows: 1 });
                }
            }
        }
        ranges
    }

    /// The bytes that are sealed.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(self.bytes + 128 * self.rows.len());
        w.array(2).uint(1).array(self.rows.len());
        for row in &self.rows {
            w.array(8).bytes(&row.scope).uint(row.position).bytes(&row.lane).bytes(&row.device);
            w.uint(row.first).uint(row.last).bytes(&row.commit).bytes(&row.body);
        }
        w.into_bytes()
    }

    /// # Errors
    /// If the bytes are no segment.
    pub fn decode(bytes: &[u8]) -> Result<Self, CborError> {
        let mut r = Reader::new(bytes);
        r.array_of(2)?;
        if r.uint()? != 1 {
            return Err(r.error("another version"));
        }
        let mut segment = Segment::default();
        for _ in 0..r.array(MAX_ROWS)? {
            r.array_of(8)?;
            segment.push(SegmentRow {
                scope: r.array_bytes()?,
                position: r.uint()?,
                lane: r.array_bytes()?,
                device: r.array_bytes()?,
                first: r.uint()?,
                last: r.uint()?,
                commit: r.array_bytes()?,
                body: r.bytes(MAX_BODY_BYTES)?.to_vec(),
            });
        }
        r.end()?;
        Ok(segment)
    }
}

#[cfg(test)]
pub(crate) fn row(scope: u8, position: u64) -> SegmentRow {
    SegmentRow {
        scope: [scope; 17],
        position,
        lane: [1; 16],
        device: [2; 16],
        first: position,
        last: position + 1,
        commit: [position as u8; 32],
        body: vec![7; position as usize % 50],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_segment_reads_back_and_a_shorter_one_does_not(rows in proptest::collection::vec((0..4u8, 1..400u64), 0..40)) {
            let mut segment = Segment::default();
            for (scope, position) in rows {
                segment.push(row(scope, position));
            }
            let bytes = segment.encode();
            prop_assert_eq!(&Segment::decode(&bytes).unwrap(), &segment);
            prop_assert!(Segment::decode(&bytes[..bytes.len() - 1]).is_err());
            prop_assert_eq!(segment.ranges().iter().map(|range| range.rows).sum::<u64>() as usize, segment.rows().len());
        }

        #[test]
        fn any_bytes_are_a_segment_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Segment::decode(&bytes);
        }
    }
}
