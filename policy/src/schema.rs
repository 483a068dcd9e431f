//! The schema of a node: the platform's own definitions, which the node rests on, and what its operator adds for
//! services of their own.

use policy_core::{Difference, Schema, SchemaError};

use crate::{PolicyError, SCHEMA};

/// The platform's definitions.
pub(crate) fn platform() -> Result<Schema, SchemaError> {
    Schema::parse(SCHEMA)
}

/// The platform's definitions and what was added to them.
pub(crate) fn effective(added: &str) -> Result<Schema, SchemaError> {
    if added.is_empty() {
        return platform();
    }
    // Additions are stored without `use`, which stands before everything else.
    let own = SCHEMA.lines().filter(|line| !line.starts_with("use ")).collect::<Vec<_>>().join("\n");
    Schema::parse(&format!("use expiration\nuse self\n{own}\n{added}"))
}

/// What a whole schema adds to the platform's definitions.
///
/// # Errors
/// If the text is wrong, or a definition of the platform is missing in it or is another.
pub(crate) fn added(text: &str) -> Result<String, PolicyError> {
    let (platform, whole) = (platform()?, Schema::parse(text)?);
    let beside = |difference: &Difference| {
        matches!(
            difference,
            Difference::DefinitionAdded(_)
                | Difference::CaveatAdded(_)
                | Difference::DefinitionCommentChanged(_)
                | Difference::RelationCommentChanged(_)
                | Difference::PermissionCommentChanged(_)
                | Difference::CaveatCommentChanged(_)
        )
    };
    let changed = platform.diff(&whole).into_iter().find(|difference| !beside(difference));
    match changed {
        Some(difference) => Err(PolicyError::Platform(difference.to_string())),
        None => Ok(whole.beyond(&platform)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_comes_back_whatever_it_needs() {
        let whole = format!(
            "use self\n{SCHEMA}\ncaveat at_most(limit int, n int) {{ n <= limit }}\n/** A shop. */\ndefinition shop {{\n  \
             relation keeper: user with at_most | user with expiration\n  permission keep = keeper + self\n}}"
        );
        let extra = added(&whole).unwrap();
        assert!(extra.contains("definition shop") && extra.contains("caveat at_most") && !extra.contains("tenant"));
        let again = effective(&extra).unwrap();
        assert_eq!(added(&again.to_source()).unwrap(), extra);
        assert_eq!(added(SCHEMA).unwrap(), "");
        assert_eq!(effective("").unwrap().to_source(), platform().unwrap().to_source());
    }

    #[test]
    fn the_platform_stays_as_it_is() {
        for (from, to) in [
            ("permission view = edit + viewer", "permission view = edit + viewer + tenant->manage"),
            ("definition site {", "definition sites {"),
            ("relation owner: user\n  relation admin", "relation admin"),
        ] {
            assert!(SCHEMA.contains(from), "{from}");
            let changed = SCHEMA.replacen(from, to, 1);
            assert!(added(&changed).is_err(), "{to}");
        }
    }
}
