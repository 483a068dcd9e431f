//! The five warnings.

use super::*;

fn warnings(text: &str) -> Vec<String> {
    reads(text).lint().iter().map(ToString::to_string).collect()
}

const TEXT: &str = "use self\ndefinition user {}\ndefinition team {\n relation member: user\n permission all = member\n}\n\
definition doc {\n relation owndoc: user\n relation team: team | team#member | user\n permission seedoc = owndoc + (nil & seedoc)\n \
permission one = team->member + team.all(all)\n permission two = owndoc.any(nowhere)\n}";

#[test]
fn each_likely_mistake_is_told_with_its_place() {
    assert_eq!(
        warnings(TEXT),
        [
            "line 8, column 2: Relation \"owndoc\" references parent type \"doc\" in its name; it is recommended to drop the suffix (relation-name-references-parent)",
            "line 10, column 2: Permission \"seedoc\" references parent type \"doc\" in its name; it is recommended to drop the suffix (relation-name-references-parent)",
            "line 10, column 38: Permission \"seedoc\" references itself, which will cause an error to be raised due to infinite recursion (permission-references-itself)",
            "line 11, column 19: Arrow `team->member` under permission \"one\" references relation \"member\" on definition \"team\"; it is recommended to point to a permission (arrow-references-relation)",
            "line 11, column 19: Arrow `team->member` under permission \"one\" references relation \"team\" that has relation \"member\" on subject \"team\": *the subject relation will be ignored for the arrow* (arrow-walks-subject-relation)",
            "line 11, column 34: Arrow `team.all(all)` under permission \"one\" references relation \"team\" that has relation \"member\" on subject \"team\": *the subject relation will be ignored for the arrow* (arrow-walks-subject-relation)",
            "line 12, column 19: Arrow `owndoc.any(nowhere)` under permission \"two\" references relation/permission \"nowhere\" that does not exist on any subject types of relation \"owndoc\" (arrow-references-unreachable-relation)",
        ]
    );
    assert_eq!(reads(TEXT).lint()[6].source_code, "owndoc.any(nowhere)");
}

#[test]
fn a_comment_turns_one_off() {
    let all = warnings(TEXT).len();
    for (name, kind, ignored) in [
        ("arrow-walks-subject-relation", LintKind::ArrowWalksSubjectRelation, 2),
        ("arrow-references-relation", LintKind::ArrowReferencesRelation, 1),
        ("permission-references-itself", LintKind::PermissionReferencesItself, 0),
    ] {
        assert_eq!(kind.name(), name);
        let comment = format!("\n //  before\n // spicedb-ignore-warning: {name}  \n permission one");
        assert_eq!(warnings(&TEXT.replace("\n permission one", &comment)).len(), all - ignored, "{name}");
    }
    // Only as a comment of its own, spelled like this.
    let comment = "\n /* spicedb-ignore-warning: arrow-references-relation */ permission one";
    assert_eq!(warnings(&TEXT.replace("\n permission one", comment)).len(), all);
}

#[test]
fn an_arrow_to_a_relation_of_its_own_definition_is_as_it_should_be() {
    assert_eq!(warnings("definition doc {\n relation own: doc | doc:*\n}"), [""; 0]);
    assert_eq!(warnings("definition doc {\n relation own: doc\n permission see = own->own\n}"), [""; 0]);
}
