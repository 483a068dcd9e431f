//! Which relations and permissions lead to which.

use super::*;

fn schema() -> Schema {
    reads(
        "use self\ndefinition user {}\ndefinition org/team {\n relation member: user | org/team#member\n permission all = member + self\n}\n\
         definition folder {\n relation parent: folder\n relation viewer: org/team#all | user:*\n \
         permission view = viewer + parent->view\n}\n\
         definition doc {\n relation folder: folder | user\n relation owner: user\n relation loose: folder\n \
         permission view = owner + folder->view - folder.all(nowhere)\n permission none = loose->nowhere\n}",
    )
}

fn names(references: Result<Vec<MemberReference>, ReflectError>) -> String {
    match references {
        Ok(all) => {
            let name = |it: &MemberReference| {
                format!("{}#{}{}", it.definition, it.name, if it.is_permission { "!" } else { "" })
            };
            all.iter().map(name).collect::<Vec<_>>().join(" ")
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_a_subject_may_come_to_have() {
    let schema = schema();
    for (definition, relation, filter, expected) in [
        ("user", None, "", "doc#folder doc#owner doc#view! folder#view! folder#viewer org/team#all! org/team#member"),
        ("user", None, "d", "doc#folder doc#owner doc#view!"),
        ("org/team", None, "", "doc#view! folder#view! folder#viewer org/team#all!"),
        ("org/team", Some("member"), "", "doc#view! folder#view! folder#viewer org/team#all!"),
        ("org/team", Some("all"), "", "doc#view! folder#view! folder#viewer"),
        ("folder", Some("view"), "", "doc#view!"),
        ("folder", None, "", "doc#folder doc#loose folder#parent"),
        ("doc", None, "", ""),
        ("user", Some("member"), "", "relation/permission `member` not found under definition `user`"),
        ("nobody", None, "", "object definition `nobody` not found"),
    ] {
        assert_eq!(
            names(schema.computable_permissions(definition, relation, filter)),
            expected,
            "{definition} {relation:?}"
        );
    }
}

#[test]
fn what_a_permission_follows_from() {
    let schema = schema();
    for (definition, permission, expected) in [
        ("doc", "view", "doc#folder doc#owner folder#parent folder#view! folder#viewer org/team#all! org/team#member"),
        ("folder", "view", "folder#parent folder#viewer org/team#all! org/team#member"),
        ("org/team", "all", "org/team#member"),
        // An arrow that leads nowhere does not rest on what it starts from.
        ("doc", "none", ""),
        ("doc", "owner", "the relation `owner` is not a permission"),
        ("doc", "nothing", "relation/permission `nothing` not found under definition `doc`"),
        ("nobody", "view", "object definition `nobody` not found"),
    ] {
        assert_eq!(names(schema.dependent_relations(definition, permission)), expected, "{definition}#{permission}");
    }
}
