//! Values of a context as values of the declared types. Each answer is SpiceDB 1.54's own.

use serde_json::Value as Json;

use super::declared;
use crate::cel::{Outcome, Program, Value};

/// The type, the value as JSON, and what then holds of the parameter `p`.
const TAKEN: &[(&str, &str, &str)] = &[
    ("int", "5", "p == 5"),
    ("int", "5.0", "p == 5"),
    ("int", "-42", "p == -42"),
    ("int", r#""5""#, "p == 5"),
    ("int", r#""5.0""#, "p == 5"),
    ("int", r#""+5""#, "p == 5"),
    ("int", r#""05""#, "p == 5"),
    ("int", r#""5e3""#, "p == 5000"),
    ("int", r#""50e-1""#, "p == 5"),
    ("int", r#""-0""#, "p == 0"),
    ("int", "1e+20", "p == 9223372036854775807"),
    ("int", r#""1e400""#, "p == 9223372036854775807"),
    ("int", r#""-1e19""#, "p == -9223372036854775808"),
    ("int", r#""9223372036854775807""#, "p == 9223372036854775807"),
    ("int", r#""9223372036854775808""#, "p == 9223372036854775807"),
    ("int", "9007199254740993", "p == 9007199254740992"),
    ("uint", "5", "p == 5"),
    ("uint", r#""5""#, "p == 5"),
    ("uint", r#""18446744073709551615""#, "p == 9223372036854775807"),
    ("double", "5", "p == 5.0"),
    ("double", r#""5.5""#, "p == 5.5"),
    ("double", r#"".5""#, "p == 0.5"),
    ("double", r#""5.""#, "p == 5.0"),
    ("double", r#""Inf""#, "p == 1.0 / 0.0"),
    ("double", r#""-inf""#, "p == -1.0 / 0.0"),
    ("double", r#""1e400""#, "p == 1.0 / 0.0"),
    ("bool", "true", "p"),
    ("string", r#""""#, r#"p == """#),
    ("string", r#""日本""#, "size(p) == 2"),
    ("bytes", r#""aGVsbG8=""#, r#"p == b"hello""#),
    ("bytes", r#""aGVs\nbG8=""#, r#"p == b"hello""#),
    ("bytes", r#""aGVsbG9=""#, r#"p == b"hello""#),
    ("bytes", r#""""#, r#"p == b"""#),
    ("duration", r#""1h30m""#, r#"p == duration("90m")"#),
    ("duration", r#""-1.5s""#, r#"string(p) == "-1.5s""#),
    ("duration", r#""0""#, r#"string(p) == "0s""#),
    ("duration", r#"".5s""#, r#"string(p) == "0.5s""#),
    ("duration", r#""1.h""#, r#"string(p) == "3600s""#),
    ("duration", r#""1µs""#, r#"string(p) == "0.000001s""#),
    ("duration", r#""-2562047h47m16.854775808s""#, r#"p < duration("0")"#),
    ("timestamp", r#""2023-01-22T01:13:00Z""#, r#"p == timestamp("2023-01-22T01:13:00Z")"#),
    ("timestamp", r#""2023-01-22T01:13:00,5Z""#, r#"string(p) == "2023-01-22T01:13:00.5Z""#),
    ("timestamp", r#""2023-01-22T01:13:00.123456789123Z""#, "p.getMilliseconds() == 123"),
    ("timestamp", r#""2023-01-22T1:13:00Z""#, "p.getHours() == 1"),
    ("timestamp", r#""2023-01-22T01:13:00+24:60""#, "int(p) == 1674259980"),
    ("timestamp", r#""0000-01-01T00:00:00Z""#, "p.getFullYear() == 0"),
    ("timestamp", r#""2023-01-22T01:13:00-00:00""#, r#"string(p) == "2023-01-22T01:13:00Z""#),
    ("ipaddress", r#""1.2.3.4""#, r#"p.in_cidr("1.2.0.0/16")"#),
    ("ipaddress", r#""fe80::1%eth0""#, r#"!p.in_cidr("fe80::/10")"#),
    ("ipaddress", r#""::ffff:1.2.3.4""#, r#"!p.in_cidr("1.2.3.4/32") && p.in_cidr("::ffff:0:0/96")"#),
    ("ipaddress", r#""1:2:3:4:5:6:1.2.3.4""#, r#"p.in_cidr("1::/16")"#),
    ("any", "null", "p == null"),
    ("any", "5", "type(p) == double"),
    ("any", r#"{"a": [1, "x"]}"#, r#"p.a[1] == "x""#),
    ("list<int>", r#"[1, "2"]"#, "p == [1, 2]"),
    ("list<any>", "[]", "p == []"),
    ("map<uint>", r#"{"a": "1"}"#, "p.a == 1"),
    ("map<map<any>>", r#"{"a": {"b": null}}"#, "p.a.b == null"),
    ("list<list<int>>", "[[1], []]", "p[0][0] == 1"),
];

/// The type, the value as JSON, and why it is refused.
const REFUSED: &[(&str, &str, &str)] = &[
    ("int", "5.5", "for int: a int value is required, but found numeric value `5.5`"),
    ("int", r#""5.5""#, "for int: a int value is required, but found numeric value `5.5`"),
    ("int", r#""a""#, "for int: a int64 value is required, but found invalid string value `a`"),
    ("int", r#""""#, "for int: a int64 value is required, but found invalid string value ``"),
    ("int", r#"" 5""#, "for int: a int64 value is required, but found invalid string value ` 5`"),
    ("int", r#""0x10""#, "for int: a int64 value is required, but found invalid string value `0x10`"),
    ("int", r#""1_000""#, "for int: a int64 value is required, but found invalid string value `1_000`"),
    ("int", r#""NaN""#, "for int: a int64 value is required, but found invalid string value `NaN`"),
    ("int", r#""Inf""#, "for int: a int value is required, but found numeric value `+Inf`"),
    ("int", "true", "for int: a int64 value is required, but found bool `true`"),
    ("int", "null", "for int: a int64 value is required, but found <nil> `<nil>`"),
    ("int", "[1]", "for int: a int64 value is required, but found []interface {} `[1 items]`"),
    ("uint", "-1", "for uint: a uint value is required, but found int64 value `-1`"),
    ("uint", r#""-1""#, "for uint: a uint value is required, but found int64 value `-1`"),
    ("uint", "1.5", "for uint: a uint value is required, but found numeric value `1.5`"),
    ("double", r#""NaN""#, "for double: a float64 value is required, but found invalid string value `NaN`"),
    ("double", r#""0x1p1""#, "for double: a float64 value is required, but found invalid string value `0x1p1`"),
    ("double", "false", "for double: a float64 value is required, but found bool `false`"),
    ("bool", r#""true""#, "for bool: a bool value is required, but found string `true`"),
    ("bool", "1", "for bool: a bool value is required, but found float64 `1`"),
    ("string", "1", "for string: a string value is required, but found float64 `1`"),
    ("string", "null", "for string: a string value is required, but found <nil> `<nil>`"),
    ("string", "{}", "for string: a string value is required, but found map[string]interface {} `map[0 entries]`"),
    ("bytes", r#""aGVsbG8""#, "for bytes: bytes requires a base64 encoded string: illegal base64 data at input byte 7"),
    (
        "bytes",
        r#""aGV=bG8=""#,
        "for bytes: bytes requires a base64 encoded string: illegal base64 data at input byte 4",
    ),
    ("bytes", r#""-_8=""#, "for bytes: bytes requires a base64 encoded string: illegal base64 data at input byte 0"),
    ("bytes", "1", "for bytes: bytes requires a base64 unicode string, found: float64 `1`"),
    ("duration", r#""5""#, r#"for duration: could not parse duration string `5`: time: missing unit in duration "5""#),
    (
        "duration",
        r#""1d""#,
        r#"for duration: could not parse duration string `1d`: time: unknown unit "d" in duration "1d""#,
    ),
    (
        "duration",
        r#""1h1""#,
        r#"for duration: could not parse duration string `1h1`: time: missing unit in duration "1h1""#,
    ),
    (
        "duration",
        r#""9223372037s""#,
        r#"for duration: could not parse duration string `9223372037s`: time: invalid duration "9223372037s""#,
    ),
    ("duration", r#""""#, r#"for duration: could not parse duration string ``: time: invalid duration """#),
    ("duration", "5", "for duration: durations requires a duration string, found: float64"),
    (
        "timestamp",
        r#""2023-02-29T00:00:00Z""#,
        "for timestamp: could not parse RFC 3339 formatted timestamp string `2023-02-29T00:00:00Z`",
    ),
    (
        "timestamp",
        r#""2023-01-22T24:00:00Z""#,
        "for timestamp: could not parse RFC 3339 formatted timestamp string `2023-01-22T24:00:00Z`",
    ),
    (
        "timestamp",
        r#""2023-01-22T01:13:60Z""#,
        "for timestamp: could not parse RFC 3339 formatted timestamp string `2023-01-22T01:13:60Z`",
    ),
    (
        "timestamp",
        r#""2023-01-22 01:13:00Z""#,
        "for timestamp: could not parse RFC 3339 formatted timestamp string `2023-01-22 01:13:00Z`",
    ),
    (
        "timestamp",
        r#""2023-01-22T01:13:00""#,
        "for timestamp: could not parse RFC 3339 formatted timestamp string `2023-01-22T01:13:00`",
    ),
    (
        "timestamp",
        r#""2023-01-22T01:13:00+25:00""#,
        "for timestamp: could not parse RFC 3339 formatted timestamp string `2023-01-22T01:13:00+25:00`",
    ),
    (
        "timestamp",
        r#""2023-01-22t01:13:00z""#,
        "for timestamp: could not parse RFC 3339 formatted timestamp string `2023-01-22t01:13:00z`",
    ),
    (
        "timestamp",
        "42",
        "for timestamp: timestamps requires a RFC 3339 formatted timestamp string, found: float64 `42`",
    ),
    (
        "ipaddress",
        r#""1.2.3""#,
        r#"for ipaddress: could not parse ip address string `1.2.3`: ParseAddr("1.2.3"): invalid IPv4 address"#,
    ),
    (
        "ipaddress",
        r#""01.2.3.4""#,
        r#"for ipaddress: could not parse ip address string `01.2.3.4`: ParseAddr("01.2.3.4"): invalid IPv4 address"#,
    ),
    (
        "ipaddress",
        r#""1.2.3.4/8""#,
        r#"for ipaddress: could not parse ip address string `1.2.3.4/8`: ParseAddr("1.2.3.4/8"): invalid IPv4 address"#,
    ),
    (
        "ipaddress",
        r#""fe80::1%""#,
        r#"for ipaddress: could not parse ip address string `fe80::1%`: ParseAddr("fe80::1%"): zone must be a non-empty string"#,
    ),
    ("ipaddress", "42", "for ipaddress: ipaddress requires an ipaddress string, found: float64 `42`"),
    (
        "list<int>",
        r#"[1, "x"]"#,
        "for list<int>: found an invalid value for item at index 1: for int: a int64 value is required, but found invalid string value `x`",
    ),
    ("list<int>", r#""x""#, "for list<int>: list requires a list, found: string"),
    ("list<int>", "{}", "for list<int>: list requires a list, found: map[string]interface {}"),
    (
        "map<uint>",
        r#"{"foo": "a1"}"#,
        "for map<uint>: found an invalid value for key `foo`: for uint: a uint64 value is required, but found invalid string value `a1`",
    ),
    ("map<uint>", "[]", "for map<uint>: map requires a map, found: []interface {}"),
    (
        "map<list<uint>>",
        r#"{"foo": ["-1"]}"#,
        "for map<list<uint>>: found an invalid value for key `foo`: for list<uint>: found an invalid value for item at index 0: for uint: a uint value is required, but found int64 value `-1`",
    ),
    (
        "map<map<string>>",
        r#"{"foo": {"bar": 42}}"#,
        "for map<map<string>>: found an invalid value for key `foo`: for map<string>: found an invalid value for key `bar`: for string: a string value is required, but found float64 `42`",
    ),
];

#[test]
fn values_are_converted() {
    for (of, json, holds) in TAKEN {
        let parameters = [("p".to_owned(), declared(of))];
        let program = Program::compile(holds, &parameters).unwrap_or_else(|error| panic!("{holds}: {error}"));
        let json: Json = serde_json::from_str(json).expect("the table holds JSON");
        let value = Value::from_json(&json, &parameters[0].1).unwrap_or_else(|why| panic!("{of} from {json}: {why}"));
        let outcome = program.evaluate(&[("p".to_owned(), value)].into());
        assert_eq!(outcome, Outcome::True, "{holds}, with {json} as {of}");
    }
}

#[test]
fn values_of_other_types_are_refused() {
    for (of, json, why) in REFUSED {
        let json: Json = serde_json::from_str(json).expect("the table holds JSON");
        let refused = Value::from_json(&json, &declared(of)).map(|value| format!("{value:?}"));
        assert_eq!(refused.as_ref().map_err(String::as_str), Err(*why), "{json} as {of}");
    }
}
