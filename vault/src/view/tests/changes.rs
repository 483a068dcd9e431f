//! Changes, folded, are what a read shows; and nothing of what it does not show is told by them.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::super::changes::{Change, Changes, ChangesError, Position, Reset};
use super::*;

const LOOK: [Verb; 2] = [Verb::Read, Verb::Search];
const DOCS: u8 = 5;

fn page(fixture: &Fixture, masks: &Masked, after: Option<&Position>, limit: usize) -> Result<Changes, ChangesError> {
    let (limits, mut room) = (Limits::default(), Room::free(1 << 20));
    let lookup = |id| masks.get(&id).cloned();
    fixture.reader.changes_masked(&lookup, &fixture.schema, after, limit, (&limits, &mut room), || Ok(()))
}

/// What somebody holds who reads changes.
#[derive(Debug, Default, PartialEq)]
struct Folded {
    documents: BTreeMap<(CollectionId, DocId), Vec<(FieldId, Value)>>,
    position: Option<Position>,
    told: Vec<Change>,
}

impl Folded {
    /// Reads one page; whether there are more.
    fn read(&mut self, fixture: &Fixture, masks: &Masked, limit: usize) -> bool {
        let Changes { changes, position, more } = page(fixture, masks, self.position.as_ref(), limit).unwrap();
        assert!(changes.len() <= limit);
        for change in &changes {
            match change {
                Change::Set { collection, document, fields } => {
                    self.documents.insert((*collection, *document), fields.clone());
                }
                Change::Gone { collection, document } => {
                    self.documents.remove(&(*collection, *document));
                }
            }
        }
        self.told.extend(changes);
        self.position = Some(position);
        more
    }
}

/// What a read shows: titles, pages and authors of all books.
fn shown(fixture: &Fixture, masks: &Masked, fields: &[FieldId]) -> BTreeMap<DocId, Vec<(FieldId, Value)>> {
    let mut items = vec![item("id", ItemKind::DocId)];
    items.extend(fields.iter().map(|field| {
        let kind = if *field == BY { ItemKind::RelationId(BY) } else { ItemKind::Field(*field) };
        item(&field.to_string(), kind)
    }));
    let rows = fixture.cells(masks, select(BOOK, SelectArgs::default(), items)).unwrap();
    let value = |cell: &Cell| match cell {
        Cell::Null => Value::NULL,
        Cell::Int(n) => int(*n),
        Cell::Text(of) => text(of),
        Cell::Document(id) => link(*id),
        other => panic!("{other:?}"),
    };
    let row = |row: &Cell| {
        let Cell::Row(cells) = row else { panic!("{row:?}") };
        let Cell::Document(id) = cells[0].1 else { panic!("{cells:?}") };
        (id, fields.iter().copied().zip(cells[1..].iter().map(|(_, cell)| value(cell))).collect())
    };
    let Cell::List(rows) = rows else { panic!("{rows:?}") };
    rows.iter().map(row).collect()
}

fn titled(pages: i64) -> Vec<Entry> {
    vec![entry(&LOOK, &[TITLE, BY], vec![(PAGES, Comparison::Eq(Scalar::Int(pages)))])]
}

/// The owner; one who sees titles of books with one page; one who sees all but one book; one for whom titles come by
/// one entry and pages by another.
fn callers() -> Vec<(Masked, Vec<FieldId>)> {
    let except = Entry { documents: Documents::Except([doc(2)].into()), ..entry(&LOOK, &[TITLE, PAGES], vec![]) };
    let mut narrow = with(owner(), BOOK, titled(1));
    narrow.remove(&AUTHOR);
    let both = vec![
        entry(&LOOK, &[TITLE, PAGES], vec![(PAGES, Comparison::Eq(Scalar::Int(1)))]),
        entry(&LOOK, &[PAGES], vec![(PAGES, Comparison::Gt(Scalar::Int(0)))]),
    ];
    vec![
        (owner(), vec![TITLE, PAGES, BY]),
        (with(owner(), BOOK, titled(1)), vec![TITLE, BY]),
        (narrow, vec![TITLE]),
        (with(Masked::new(), BOOK, vec![except]), vec![TITLE, PAGES]),
        (with(Masked::new(), BOOK, both), vec![TITLE, PAGES]),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    /// A commit to a book: beside the last one of it, or after.
    Write {
        doc: u8,
        title: Option<u8>,
        pages: Option<u8>,
        by: Option<bool>,
        fork: bool,
    },
    Mark {
        doc: u8,
        deleted: bool,
    },
    /// One of the callers reads a page.
    Read {
        who: usize,
        limit: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let write = (
        0..DOCS,
        proptest::option::of(0u8..4),
        proptest::option::of(0u8..3),
        proptest::option::of(any::<bool>()),
        any::<bool>(),
    );
    prop_oneof![
        4 => write.prop_map(|(doc, title, pages, by, fork)| Step::Write { doc, title, pages, by, fork }),
        1 => (0..DOCS, any::<bool>()).prop_map(|(doc, deleted)| Step::Mark { doc, deleted }),
        4 => (0usize..5, 1usize..4).prop_map(|(who, limit)| Step::Read { who, limit }),
    ]
}

/// Commits of books, each with what it follows.
#[derive(Default)]
struct Writer {
    names: HashMap<u8, Vec<String>>,
    count: u8,
}

impl Writer {
    fn commit(&mut self, of: u8, fork: bool, values: Vec<(FieldId, Value)>, status: Option<Status>) -> DocumentCommit {
        self.count += 1;
        let names = self.names.entry(of).or_default();
        let name = format!("{of}-{:03}", self.count);
        let parent = if fork { names.first() } else { names.last() };
        let parents: Vec<&str> = parent.map(String::as_str).into_iter().collect();
        let mut made = commit(BOOK, doc(of), &name, &parents, values);
        made.root = cid(names.first().unwrap_or(&name));
        made.height = names.len() as u64 + 1;
        made.hlc = Hlc(u64::from(self.count));
        made.status = status;
        names.push(name);
        made
    }

    fn take(&mut self, fixture: &mut Fixture, step: &Step) {
        let made = match step {
            Step::Write { doc: of, title, pages, by, fork } => {
                let mut values = Vec::new();
                values.extend(title.map(|n| (TITLE, text(&n.to_string()))));
                values.extend(pages.map(|n| (PAGES, int(i64::from(n)))));
                values.extend(by.map(|some| (BY, if some { link(doc(101)) } else { Value::NULL })));
                self.commit(*of, *fork, values, None)
            }
            Step::Mark { doc: of, deleted } if self.names.contains_key(of) => {
                let status = if *deleted { Status::Deleted } else { Status::Undeleted };
                self.commit(*of, false, vec![], Some(status))
            }
            _ => return,
        };
        fixture.apply(&[made]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn changes_folded_are_what_a_read_shows(steps in proptest::collection::vec(step(), 1..50)) {
        let mut fixture = Fixture::empty();
        fixture.apply(&[commit(AUTHOR, doc(101), "author", &[], vec![(NAME, text("Ann"))])]);
        let callers = callers();
        let mut folded: Vec<Folded> = callers.iter().map(|_| Folded::default()).collect();
        let mut writer = Writer::default();
        for step in &steps {
            match step {
                Step::Read { who, limit } => {
                    folded[*who].read(&fixture, &callers[*who].0, *limit);
                }
                step => writer.take(&mut fixture, step),
            }
        }
        for ((masks, fields), folded) in callers.iter().zip(&mut folded) {
            while folded.read(&fixture, masks, 3) {}
            let books = folded.documents.iter().filter(|((collection, _), _)| *collection == BOOK);
            let of = |all: &[(FieldId, Value)]| -> Vec<(FieldId, Value)> {
                all.iter().filter(|(field, _)| fields.contains(field)).cloned().collect()
            };
            let held: BTreeMap<DocId, Vec<(FieldId, Value)>> = books.map(|((_, doc), all)| (*doc, of(all))).collect();
            prop_assert_eq!(held, shown(&fixture, masks, fields));
            prop_assert!(page(&fixture, masks, folded.position.as_ref(), 3).unwrap().changes.is_empty());
        }
    }

    /// The same to who sees the titles of books of one page, whatever happens to books of other pages, to pages as long
    /// as they stay other, and to other fields: told alike, page by page.
    #[test]
    fn what_does_not_show_is_not_told(
        steps in proptest::collection::vec((0u8..4, 0u8..3, 1usize..3), 1..25),
        hidden in proptest::collection::vec((0u8..3, 0u8..3), 25),
    ) {
        let masks = with(owner(), BOOK, titled(1));
        let run = |with_hidden: bool| {
            let mut fixture = Fixture::empty();
            let (mut writer, mut folded, mut all) = (Writer::default(), Folded::default(), Vec::new());
            for (n, (of, kind, limit)) in steps.iter().enumerate() {
                let values = match kind {
                    0 => vec![(TITLE, text(&n.to_string())), (PAGES, int(1))],
                    1 => vec![(TITLE, text(&n.to_string()))],
                    _ => vec![(PAGES, int(2))],
                };
                let made = writer.commit(*of, false, values, None);
                fixture.apply(&[made]);
                if with_hidden {
                    let (of, pages) = hidden[n];
                    let pages = if pages == 1 { 2 } else { i64::from(pages) };
                    let title = text(&format!("hidden {n}"));
                    let status = (of == 2).then_some(Status::Deleted);
                    let values = vec![(TITLE, title), (PAGES, int(pages)), (RATING, float(0.5))];
                    let made = writer.commit(200 + of, false, values, status);
                    fixture.apply(&[made]);
                }
                let more = folded.read(&fixture, &masks, *limit);
                all.push((more, folded.told.clone(), folded.position.as_ref().unwrap().as_bytes().len()));
            }
            all
        };
        prop_assert_eq!(run(true), run(false));
    }
}

#[test]
fn a_position_begins_anew_where_rights_or_definitions_do_and_tells_nothing() {
    let mut fixture = Fixture::library();
    let masks = with(owner(), BOOK, titled(100));
    let first = page(&fixture, &masks, None, 1).unwrap();
    assert!(first.more && first.changes.len() == 1);
    let again = page(&fixture, &masks, Some(&first.position), 1_000).unwrap();
    let both = again.changes.iter().filter(|change| matches!(change, Change::Set { collection: BOOK, .. })).count();
    assert!(!again.more && again.changes.len() == 3 && both == 2, "{again:?}");
    // Two positions of one place are different, and as long as any.
    let same = page(&fixture, &masks, Some(&again.position), 1).unwrap();
    assert!(same.changes.is_empty() && !same.more);
    assert_ne!(same.position, again.position);
    assert_eq!(same.position.as_bytes().len(), first.position.as_bytes().len());
    let reset = |fixture: &Fixture, masks: &Masked, position: &Position| match page(fixture, masks, Some(position), 1) {
        Err(ChangesError::Reset(reset)) => Some(reset),
        Ok(_) => None,
        Err(error) => panic!("{error}"),
    };
    for other in [owner(), with(owner(), BOOK, titled(200)), with(owner(), AUTHOR, vec![])] {
        assert_eq!(reset(&fixture, &other, &first.position), Some(Reset::Rights));
    }
    let mut sorted = masks.clone();
    let twice = [titled(100), titled(100)].concat();
    sorted.insert(BOOK, mask(twice));
    assert_eq!(reset(&fixture, &sorted, &first.position), Some(Reset::Rights));
    // Of another view, cut, or made up.
    let other = Fixture::library();
    assert_eq!(reset(&other, &masks, &first.position), Some(Reset::Definitions), "the same key, another order");
    let mut wrong = first.position.as_bytes().to_vec();
    wrong[30] ^= 1;
    for bytes in [wrong, vec![], vec![0; 24], first.position.as_bytes()[..80].to_vec()] {
        assert_eq!(reset(&fixture, &masks, &Position::from_bytes(bytes)), Some(Reset::Unknown));
    }
    assert_eq!(reset(&fixture, &masks, &first.position), None, "control");
    // A type more changes nothing of what was read; a field more does: parts of it may have waited in the log.
    let (mut more, mut fuller) = (fixture.schema.clone(), fixture.schema.clone());
    let new = Collection { id: CollectionId::from_bytes([7; 16]), name: "New".into(), ..more.collections[0].clone() };
    more.version = SchemaVersion(2);
    more.collections.push(Collection { fields: vec![], indexes: vec![], ..new });
    fixture.view.set_schema(&more).unwrap();
    assert_eq!(reset(&fixture, &masks, &first.position), None);
    fuller.version = SchemaVersion(3);
    let field = Field { id: field(60), name: "more".into(), ..fuller.collections[1].fields[0].clone() };
    fuller.collections[1].fields.push(field);
    fixture.view.set_schema(&fuller).unwrap();
    assert_eq!(reset(&fixture, &masks, &first.position), Some(Reset::Definitions));
}

#[test]
fn a_document_whose_time_was_before_the_reader_is_never_told_of() {
    let mut fixture = Fixture::empty();
    let masks = with(owner(), BOOK, titled(1));
    let mut writer = Writer::default();
    let mut apply = |fixture: &mut Fixture, of: u8, pages: i64| {
        let made = writer.commit(of, false, vec![(PAGES, int(pages))], None);
        fixture.apply(&[made]);
    };
    // Book 1 showed once, book 2 shows, book 3 will.
    apply(&mut fixture, 1, 1);
    apply(&mut fixture, 2, 1);
    apply(&mut fixture, 3, 2);
    apply(&mut fixture, 1, 2);
    let first = page(&fixture, &masks, None, 10).unwrap();
    assert!(matches!(&first.changes[..], [Change::Set { document, .. }] if *document == doc(2)), "{first:?}");
    apply(&mut fixture, 1, 3);
    apply(&mut fixture, 2, 3);
    apply(&mut fixture, 3, 1);
    apply(&mut fixture, 3, 4);
    let then = page(&fixture, &masks, Some(&first.position), 10).unwrap().changes;
    let gone = |n| Change::Gone { collection: BOOK, document: doc(n) };
    // Book 3 showed while the reader was there, whether they asked or not.
    assert_eq!(then, [gone(2), gone(3)]);
    // Who begins now hears of none.
    assert!(page(&fixture, &masks, None, 10).unwrap().changes.is_empty());
}

#[test]
fn an_answer_is_bounded_in_changes_bytes_and_time() {
    let mut fixture = Fixture::empty();
    let large = "x".repeat(900_000);
    let all = (1..=9u8).map(|n| commit(BOOK, doc(n), &format!("c{n}"), &[], vec![(TITLE, text(&large))]));
    fixture.apply(&all.collect::<Vec<_>>());
    let masks = owner();
    let lookup = |id| masks.get(&id).cloned();
    let read = |after: Option<&Position>, limit, time, most| {
        let (limits, mut room) = (Limits { time, ..Limits::default() }, Room::free(most));
        fixture.reader.changes_masked(&lookup, &fixture.schema, after, limit, (&limits, &mut room), || Ok(()))
    };
    let long = Duration::from_secs(60);
    let changes = read(None, usize::MAX, long, 32 << 20).unwrap();
    assert!(changes.more && (2..=4).contains(&changes.changes.len()), "{}", changes.changes.len());
    let one = read(None, 0, long, 32 << 20).unwrap();
    assert!(one.more && one.changes.len() == 1);
    // What does not fit into the room of the caller waits; what never fits is said.
    let some = read(None, 10, long, 1 << 20).unwrap();
    assert!(some.more && some.changes.len() == 1);
    assert!(matches!(read(None, 10, long, 1 << 10), Err(ChangesError::Read(ReadError::Bytes(_)))));
    // Without time the place stays: it goes on where there is some.
    let none = read(Some(&one.position), 10, Duration::ZERO, 32 << 20).unwrap();
    assert!(none.more && none.changes.is_empty());
    assert_eq!(read(Some(&none.position), 1, long, 32 << 20).unwrap().changes.len(), 1);
    let refused = fixture.reader.changes_masked(
        &lookup,
        &fixture.schema,
        None,
        1,
        (&Limits::default(), &mut Room::free(1 << 20)),
        || Err(policy_core::SealRefusal::Moved),
    );
    assert!(matches!(refused, Err(ChangesError::Read(ReadError::Seal(policy_core::SealRefusal::Moved)))));
}
