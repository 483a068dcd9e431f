use super::*;

fn yes(id: &str) -> Found {
    Found { id: id.into(), permissionship: Permissionship::Yes, missing: Vec::new() }
}

fn maybe(id: &str, lacks: &[&str]) -> Found {
    let missing = lacks.iter().map(|name| (*name).to_owned()).collect();
    Found { id: id.into(), permissionship: Permissionship::Conditional, missing }
}

fn merged(all: &[Found]) -> Vec<Found> {
    let mut found = BTreeMap::new();
    all.iter().for_each(|one| merge(&mut found, one.clone()));
    found.into_values().collect()
}

#[test]
fn of_two_answers_about_one_id_the_stronger_counts() {
    let (one, two) = (maybe("d", &["b"]), maybe("d", &["a", "b"]));
    assert_eq!(merged(&[one.clone(), yes("c"), yes("d")]), [yes("c"), yes("d")]);
    assert_eq!(merged(&[yes("d"), one.clone()]), [yes("d")]);
    assert_eq!(merged(&[one, two]), [maybe("d", &["a", "b"])]);
}

#[test]
fn everyone_by_two_ways_excludes_whom_both_exclude() {
    let star = |excluded: &[Found]| Everyone::new(yes("*"), excluded.to_vec());
    let both = star(&[yes("ann"), yes("bob"), yes("cid")]).or(star(&[yes("bob"), maybe("cid", &["x"])]));
    let found = both.beside(&BTreeMap::new());
    assert_eq!(found, FoundSubject { found: yes("*"), excluded: vec![yes("bob"), maybe("cid", &["x"])] });

    // One way is conditional: it brings back whom the sure one leaves out, on its condition.
    let conditional = Everyone::new(maybe("*", &["day"]), vec![yes("ann")]);
    let both = star(&[yes("ann"), yes("bob")]).or(conditional);
    let found = both.beside(&BTreeMap::new());
    assert_eq!(found, FoundSubject { found: yes("*"), excluded: vec![yes("ann"), maybe("bob", &["day"])] });
}

#[test]
fn who_is_found_by_name_is_not_excluded() {
    let everyone = Everyone::new(yes("*"), vec![yes("ann"), yes("bob"), maybe("cid", &["x"])]);
    let mut named = BTreeMap::new();
    merge(&mut named, yes("ann"));
    merge(&mut named, maybe("bob", &["y"]));
    let found = everyone.beside(&named);
    let excluded = vec![maybe("bob", &["y"]), maybe("cid", &["x"])];
    assert_eq!(found, FoundSubject { found: yes("*"), excluded });
}
