//! How much a text of JSON holds, before any of it is made.

/// An upper bound of the values in a text of JSON: none is made without a byte that begins, separates or names one.
pub fn values(json: &[u8]) -> usize {
    let mut count = 1;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' | b',' => count += 1,
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::values;

    fn held(value: &serde_json::Value) -> usize {
        match value {
            serde_json::Value::Array(all) => 1 + all.iter().map(held).sum::<usize>(),
            serde_json::Value::Object(all) => 1 + all.values().map(held).sum::<usize>(),
            _ => 1,
        }
    }

    #[test]
    fn no_fewer_values_are_counted_than_there_are() {
        for text in [r"1", r"[]", r#"{"a":[1,2,{"b":"x,[{\"\\"}],"c":null}"#, r#"[[[[1]]],{},{},"\"","[,,,"]"#] {
            let there = held(&serde_json::from_str(text).unwrap());
            let counted = values(text.as_bytes());
            assert!((there..=2 * there).contains(&counted), "{text}: {there}, counted {counted}");
        }
        assert_eq!(values(br#""[,,,,{""#), 1, "what stands in a text is no value");
    }
}
