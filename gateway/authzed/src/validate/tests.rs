use super::names::*;

#[test]
fn names_are_as_long_and_of_such_letters_as_the_patterns_say() {
    let a = |count: usize| "a".repeat(count);
    let cases: [(&Text, &str, bool); 26] = [
        (&MEMBER, "abc", true),
        (&MEMBER, "a_1", true),
        (&MEMBER, &a(64), true),
        (&MEMBER, &a(65), false),
        (&MEMBER, "ab", false),
        (&MEMBER, "", false),
        (&MEMBER, "1ab", false),
        (&MEMBER, "ab_", false),
        (&MEMBER, "Abc", false),
        (&MEMBER, "a-b", false),
        (&MEMBER, "abc\n", false),
        (&MEMBER_OR_NONE, "", true),
        (&TYPE, "abc/def", true),
        (&TYPE, "abc/", false),
        (&TYPE, "/abc", false),
        (&TYPE, "", false),
        (&TYPE, &format!("{}/abc", a(63)), true),
        (&TYPE, &format!("{}/abc", a(64)), false),
        (&WATCHED_TYPE, &format!("{}/abc", a(64)), true),
        (&TYPE_OR_NONE, "", true),
        (&OBJECT_ID, "a/_|-=+Z9", true),
        (&OBJECT_ID, "*", true),
        (&OBJECT_ID, "a*", false),
        (&OBJECT_ID_OR_NONE, "*", false),
        (&SUBJECT_ID_OR_NONE, "*", true),
        (&CAVEAT, "_Some-caveat|x/y", true),
    ];
    for (rule, text, fits) in cases {
        assert_eq!((rule.fits)(text), fits, "{text} {}", rule.pattern);
    }
    for wrong in ["", "-a", "/a", "|a", "a.b", &a(129)] {
        assert!(!(CAVEAT.fits)(wrong), "{wrong}");
    }
    for wrong in ["", "a.b", "ä", " "] {
        assert!(!(OBJECT_ID.fits)(wrong), "{wrong}");
    }
}
