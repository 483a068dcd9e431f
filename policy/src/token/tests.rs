use proptest::prelude::*;

use super::*;

const STORE: Uuid = Uuid::from_u128(7);
const OTHER: Uuid = Uuid::from_u128(8);

proptest! {
    #[test]
    fn tokens_say_their_sequence_to_their_store_only(sequence: u64, schema: [u8; 8]) {
        let token = encode(STORE, sequence, SchemaHash(schema));
        prop_assert_eq!(decode(&token, STORE).unwrap(), Point::At(sequence));
        prop_assert_eq!(decode(&token, OTHER).unwrap(), Point::Foreign);
    }

    #[test]
    fn cursors_say_their_position_to_their_request_only(sequence: u64, text in "\\PC{0,40}") {
        let (own, other) = (Request::of("read", &(1, "a")), Request::of("read", &(2, "a")));
        let made = cursor(STORE, sequence, own, &text);
        prop_assert_eq!(position(&made, STORE, own).unwrap(), (sequence, text));
        prop_assert_eq!(position(&made, STORE, other).unwrap_err().reason, Reason::InvalidCursor);
        prop_assert_eq!(position(&made, OTHER, own).unwrap_err().reason, Reason::InvalidCursor);
    }

    #[test]
    fn whatever_else_is_no_token_and_no_cursor(text in "\\PC{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        for text in [text, BASE64.encode(&bytes)] {
            if let Ok(point) = decode(&Token(text.clone()), STORE) {
                prop_assert_eq!(point, Point::Foreign);
            }
            prop_assert!(position(&Cursor(text), STORE, Request::of("read", &())).is_err());
        }
    }
}

#[test]
fn tokens_of_spicedb_are_of_another_store() {
    let token = Token("Gh8KEzE3OTU1MDAzNjE3Mjc1Mjc0NzASCDQ5ODI5NjM4".to_owned());
    assert_eq!(decode(&token, STORE).unwrap(), Point::Foreign);
    for garbage in ["", "zzz", "AAAA", "Gh8K"] {
        assert_eq!(decode(&Token(garbage.to_owned()), STORE).unwrap_err().reason, Reason::InvalidToken, "{garbage}");
    }
}
