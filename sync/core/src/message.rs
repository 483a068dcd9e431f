//! The messages of `/allod/sync/2` and of `/allod/sync/1`.

use bytes::Bytes;
use policy_core::{DeviceId, UserId};

use crate::limits::Limits;
use crate::tips::{CommitId, Lane, Scope, Tip};
use crate::wire::{Reader, Writer};

/// Which protocol a stream speaks: the number in its name, and the first element of each of its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// Offers say neither which of them is the last nor when everything has been sent.
    One,
    /// The present one.
    Two,
}

impl Version {
    fn code(self) -> u64 {
        match self {
            Version::One => 1,
            Version::Two => 2,
        }
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// What the sender shares with the receiver, and a digest of what it holds of each. Sent when a
    /// session begins, when a scope is new, when the receiver has all of one, and now and then.
    Offers {
        /// At most [`Limits::ENTRIES`].
        offers: Vec<Offer>,
        /// No other scope waits to be offered. Version 1 does not write it: there it is always true.
        last: bool,
    },
    /// "Tell me your tips of this scope": the digest is one that the sender cannot account for.
    AskTips(Scope),
    /// A part of the sender's tips.
    Tips {
        /// Of what.
        scope: Scope,
        /// The number of the part; the first has number 0.
        part: u32,
        /// No part follows.
        last: bool,
        /// Ordered by lane and device, over all parts.
        tips: Vec<Tip>,
    },
    /// Frames as they are stored, in an order in which each can be verified after those before it.
    Data {
        /// Where they belong.
        scope: Scope,
        /// The number of this message among those with data that the sender sent in this session.
        batch: u64,
        /// The bytes of each.
        frames: Vec<Bytes>,
    },
    /// Every frame of a batch is on the receiver's disk.
    Ack {
        /// Where they belong.
        scope: Scope,
        /// The number that the sender gave it.
        batch: u64,
    },
    /// A frame of a batch was not stored, and none after it.
    Nack {
        /// Where they belong.
        scope: Scope,
        /// The number that the sender gave it.
        batch: u64,
        /// So many frames before it are on the receiver's disk.
        stored: u32,
        /// Why it is not.
        reason: Reason,
    },
    /// The sender holds another commit at a number of a chain than the receiver.
    Fork {
        /// Where the chain is.
        scope: Scope,
        /// The receiver's commit, and where it stands.
        tip: Tip,
        /// The sender's.
        other: CommitId,
    },
}

/// A scope that the sender shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// What is shared.
    pub scope: Scope,
    /// The account that owns the scope.
    pub owner: UserId,
    /// [`crate::Tips::digest`] of what the sender holds.
    pub digest: [u8; 32],
    /// The receiver has acknowledged, or told to have, every commit of it. Version 1 does not write it: there it is
    /// always false.
    pub all_sent: bool,
}

/// Why frames were not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Something before it is missing: the sender goes back to the last acknowledged tips.
    Gap,
    /// It does not verify: hash, chain, signature, enrolment or role.
    Invalid,
    /// The receiver does not share that scope with the sender.
    NotShared,
    /// The account's byte quota at the receiver is used up.
    Quota,
    /// The receiver's store failed; later it may not.
    Unavailable,
    /// The device signed two commits with one number.
    Forked,
    /// Its clock reading is further ahead of the receiver's clock than a member takes.
    Ahead,
}

impl Reason {
    const ALL: [Reason; 7] = [
        Reason::Gap,
        Reason::Invalid,
        Reason::NotShared,
        Reason::Quota,
        Reason::Unavailable,
        Reason::Forked,
        Reason::Ahead,
    ];

    fn code(self) -> u64 {
        match self {
            Reason::Gap => 0,
            Reason::Invalid => 1,
            Reason::NotShared => 2,
            Reason::Quota => 3,
            Reason::Unavailable => 4,
            Reason::Forked => 5,
            Reason::Ahead => 6,
        }
    }
}

/// Why bytes are not a message. The peer is cut off: nothing else can be meant after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end before it does.
    #[error("the message is cut short")]
    Truncated,
    /// A number could have been written in fewer bytes.
    #[error("the message is not in canonical form")]
    NotCanonical,
    /// An item is not of the type, or a list not of the length, that its kind has.
    #[error("the message does not have the form of its kind")]
    Malformed,
    /// Written by a later version, or nonsense.
    #[error("the message is of an unknown kind or version")]
    Unknown,
    /// A list, a string or a number is larger than [`Limits`] or its type allow.
    #[error("the message exceeds a limit")]
    TooLarge,
    /// There is more than one message.
    #[error("bytes follow the message")]
    Trailing,
}

impl Message {
    /// The bytes of the message, as this version writes it.
    pub fn encode(&self, version: Version) -> Bytes {
        let mut out = Writer::with_capacity(self.size_hint());
        let head = |out: &mut Writer, kind: u64, fields: usize| {
            out.array(fields + 2).uint(version.code()).uint(kind);
        };
        match self {
            Message::Offers { offers, last } => {
                let says_end = version >= Version::Two;
                head(&mut out, 1, if says_end { 2 } else { 1 });
                out.array(offers.len());
                for offer in offers {
                    let (kind, id) = offer.scope.parts();
                    out.array(if says_end { 5 } else { 4 });
                    out.uint(kind).bytes(id).bytes(offer.owner.as_bytes()).bytes(&offer.digest);
                    if says_end {
                        out.flag(offer.all_sent);
                    }
                }
                if says_end {
                    out.flag(*last);
                }
            }
            Message::AskTips(scope) => {
                head(&mut out, 2, 2);
                write_scope(&mut out, scope);
            }
            Message::Tips { scope, part, last, tips } => {
                head(&mut out, 3, 5);
                write_scope(&mut out, scope);
                out.uint(u64::from(*part)).flag(*last);
                write_tips(&mut out, tips);
            }
            Message::Data { scope, batch, frames } => {
                head(&mut out, 4, 4);
                write_scope(&mut out, scope);
                out.uint(*batch).array(frames.len());
                for frame in frames {
                    out.bytes(frame);
                }
            }
            Message::Ack { scope, batch } => {
                head(&mut out, 5, 3);
                write_scope(&mut out, scope);
                out.uint(*batch);
            }
            Message::Nack { scope, batch, stored, reason } => {
                head(&mut out, 6, 5);
                write_scope(&mut out, scope);
                out.uint(*batch).uint(u64::from(*stored)).uint(reason.code());
            }
            Message::Fork { scope, tip, other } => {
                head(&mut out, 7, 4);
                write_scope(&mut out, scope);
                write_tip(&mut out, tip);
                out.bytes(&other.0);
            }
        }
        out.finish()
    }

    /// Parses a message of a stream of this version. Byte strings are not copied.
    pub fn decode(bytes: Bytes, version: Version) -> Result<Message, DecodeError> {
        if bytes.len() > Limits::MESSAGE_BYTES {
            return Err(DecodeError::TooLarge);
        }
        let mut input = Reader::new(bytes);
        let fields = input.array(7)?;
        if fields < 2 {
            return Err(DecodeError::Malformed);
        }
        if input.uint()? != version.code() {
            return Err(DecodeError::Unknown);
        }
        let kind = input.uint()?;
        let says_end = version >= Version::Two;
        let expected = match kind {
            1 if says_end => 2,
            1 => 1,
            2 => 2,
            5 => 3,
            3 | 6 => 5,
            4 | 7 => 4,
            _ => return Err(DecodeError::Unknown),
        };
        if fields != expected + 2 {
            return Err(DecodeError::Malformed);
        }
        let message = match kind {
            1 => {
                let len = input.array(Limits::ENTRIES)?;
                let mut offers = Vec::with_capacity(len);
                for _ in 0..len {
                    input.exact_array(if says_end { 5 } else { 4 })?;
                    let scope = read_scope(&mut input)?;
                    let owner = UserId::from_bytes(input.fixed()?);
                    let digest = input.fixed()?;
                    offers.push(Offer { scope, owner, digest, all_sent: says_end && input.flag()? });
                }
                Message::Offers { offers, last: !says_end || input.flag()? }
            }
            2 => Message::AskTips(read_scope(&mut input)?),
            3 => {
                let scope = read_scope(&mut input)?;
                let part = u32::try_from(input.uint()?).map_err(|_| DecodeError::TooLarge)?;
                let last = input.flag()?;
                Message::Tips { scope, part, last, tips: read_tips(&mut input)? }
            }
            4 => {
                let scope = read_scope(&mut input)?;
                let batch = input.uint()?;
                let len = input.array(Limits::FRAMES)?;
                let mut frames = Vec::with_capacity(len);
                for _ in 0..len {
                    frames.push(input.bytes(Limits::FRAME_BYTES)?);
                }
                Message::Data { scope, batch, frames }
            }
            5 => {
                let scope = read_scope(&mut input)?;
                Message::Ack { scope, batch: input.uint()? }
            }
            6 => {
                let scope = read_scope(&mut input)?;
                let batch = input.uint()?;
                let stored = u32::try_from(input.uint()?).map_err(|_| DecodeError::TooLarge)?;
                let code = input.uint()?;
                let reason = Reason::ALL.into_iter().find(|reason| reason.code() == code);
                Message::Nack { scope, batch, stored, reason: reason.ok_or(DecodeError::Unknown)? }
            }
            _ => {
                let scope = read_scope(&mut input)?;
                let tip = read_tip(&mut input)?;
                Message::Fork { scope, tip, other: CommitId(input.fixed()?) }
            }
        };
        input.end()?;
        Ok(message)
    }

    /// Bytes that the encoded message takes at most, in any version.
    pub fn size_hint(&self) -> usize {
        32 + match self {
            Message::Offers { offers, .. } => 80 * offers.len(),
            Message::Tips { tips, .. } => 80 * tips.len() + 32,
            Message::Data { frames, .. } => frames.iter().map(|frame| frame.len() + 9).sum::<usize>() + 16,
            Message::AskTips(_) | Message::Ack { .. } | Message::Nack { .. } => 64,
            Message::Fork { .. } => 160,
        }
    }
}

fn write_scope(out: &mut Writer, scope: &Scope) {
    let (kind, id) = scope.parts();
    out.uint(kind).bytes(id);
}

fn read_scope(input: &mut Reader) -> Result<Scope, DecodeError> {
    let kind = input.uint()?;
    Scope::from_parts(kind, input.fixed()?).ok_or(DecodeError::Unknown)
}

fn write_tip(out: &mut Writer, tip: &Tip) {
    out.array(4).bytes(&tip.lane.0).bytes(tip.device.as_bytes()).uint(tip.seq).bytes(&tip.commit.0);
}

fn read_tip(input: &mut Reader) -> Result<Tip, DecodeError> {
    input.exact_array(4)?;
    let lane = Lane(input.fixed()?);
    let device = DeviceId::from_bytes(input.fixed()?);
    let seq = input.uint()?;
    if seq == 0 {
        return Err(DecodeError::Malformed);
    }
    Ok(Tip { lane, device, seq, commit: CommitId(input.fixed()?) })
}

fn write_tips(out: &mut Writer, tips: &[Tip]) {
    out.array(tips.len());
    for tip in tips {
        write_tip(out, tip);
    }
}

fn read_tips(input: &mut Reader) -> Result<Vec<Tip>, DecodeError> {
    let len = input.array(Limits::ENTRIES)?;
    (0..len).map(|_| read_tip(input)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tip() -> impl Strategy<Value = Tip> {
        (any::<[u8; 16]>(), any::<[u8; 16]>(), 1u64.., any::<[u8; 32]>()).prop_map(|(lane, device, seq, commit)| Tip {
            lane: Lane(lane),
            device: DeviceId::from_bytes(device),
            seq,
            commit: CommitId(commit),
        })
    }

    fn scope() -> impl Strategy<Value = Scope> {
        (0u64..2, any::<[u8; 16]>()).prop_map(|(kind, id)| Scope::from_parts(kind, id).unwrap())
    }

    fn message() -> impl Strategy<Value = Message> {
        let tips = || proptest::collection::vec(tip(), 0..30);
        let offer = (scope(), any::<[u8; 16]>(), any::<[u8; 32]>(), any::<bool>()).prop_map(
            |(scope, owner, digest, all_sent)| Offer { scope, owner: UserId::from_bytes(owner), digest, all_sent },
        );
        let frame = proptest::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from);
        prop_oneof![
            (proptest::collection::vec(offer, 0..30), any::<bool>())
                .prop_map(|(offers, last)| Message::Offers { offers, last }),
            scope().prop_map(Message::AskTips),
            (scope(), any::<u32>(), any::<bool>(), tips()).prop_map(|(scope, part, last, tips)| Message::Tips {
                scope,
                part,
                last,
                tips
            }),
            (scope(), any::<u64>(), proptest::collection::vec(frame, 0..5))
                .prop_map(|(scope, batch, frames)| Message::Data { scope, batch, frames }),
            (scope(), any::<u64>()).prop_map(|(scope, batch)| Message::Ack { scope, batch }),
            (scope(), any::<u64>(), any::<u32>(), 0..7usize).prop_map(|(scope, batch, stored, n)| Message::Nack {
                scope,
                batch,
                stored,
                reason: Reason::ALL[n]
            }),
            (scope(), tip(), any::<[u8; 32]>()).prop_map(|(scope, tip, other)| Message::Fork {
                scope,
                tip,
                other: CommitId(other)
            }),
        ]
    }

    fn version() -> impl Strategy<Value = Version> {
        prop_oneof![Just(Version::One), Just(Version::Two)]
    }

    /// The message without what this version does not write.
    fn as_written(mut message: Message, version: Version) -> Message {
        if let (Message::Offers { offers, last }, Version::One) = (&mut message, version) {
            *last = true;
            offers.iter_mut().for_each(|offer| offer.all_sent = false);
        }
        message
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(message in message(), version in version()) {
            let bytes = message.encode(version);
            prop_assert!(bytes.len() <= message.size_hint());
            prop_assert_eq!(Message::decode(bytes, version), Ok(as_written(message, version)));
        }

        #[test]
        fn a_message_of_the_other_version_is_refused(message in message()) {
            let [one, two] = [Version::One, Version::Two];
            prop_assert_eq!(Message::decode(message.encode(one), two), Err(DecodeError::Unknown));
            prop_assert_eq!(Message::decode(message.encode(two), one), Err(DecodeError::Unknown));
        }

        #[test]
        fn a_message_has_one_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..200), version in version()) {
            if let Ok(message) = Message::decode(bytes.clone().into(), version) {
                prop_assert_eq!(message.encode(version).to_vec(), bytes);
            }
        }

        #[test]
        fn mutated_messages_are_refused_or_canonical(
            message in message(), version in version(), at: usize, bit in 0..8u8, cut: usize
        ) {
            let mut bytes = message.encode(version).to_vec();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Ok(decoded) = Message::decode(bytes.clone().into(), version) {
                prop_assert_eq!(decoded.encode(version).to_vec(), bytes);
            }
            let whole = message.encode(version);
            prop_assert!(Message::decode(whole.slice(..cut % whole.len()), version).is_err());
            let mut longer = whole.to_vec();
            longer.push(0);
            prop_assert!(Message::decode(longer.into(), version).is_err());
        }
    }

    #[test]
    fn hostile_lengths_allocate_nothing() {
        // Offers with 2^32 - 1 entries; a byte string of 2^63; arrays in arrays.
        for hostile in [
            vec![0x83, 1, 1, 0x9a, 0xff, 0xff, 0xff, 0xff],
            vec![0x84, 1, 2, 0, 0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            vec![0x81; 1000],
            vec![0x9f, 0xff],
            vec![],
        ] {
            for version in [Version::One, Version::Two] {
                assert!(Message::decode(hostile.clone().into(), version).is_err());
            }
        }
        let [one, two] = [Version::One, Version::Two];
        let decode = |bytes: &[u8], version| Message::decode(Bytes::copy_from_slice(bytes), version);
        assert_eq!(decode(&[0x83, 3, 1, 0x80], two), Err(DecodeError::Unknown));
        assert_eq!(decode(&[0x83, 1, 9, 0x80], one), Err(DecodeError::Unknown));
        let none = |last| Ok(Message::Offers { offers: vec![], last });
        assert_eq!(decode(&[0x83, 1, 1, 0x80], one), none(true));
        assert_eq!(decode(&[0x84, 2, 1, 0x80, 0xf4], two), none(false));
        assert_eq!(decode(&[0x83, 2, 1, 0x80], two), Err(DecodeError::Malformed));
        assert_eq!(decode(&[0x83, 0x18, 1, 1, 0x80], one), Err(DecodeError::NotCanonical));
    }
}
