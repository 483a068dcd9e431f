//! Changes that are gone on with beside requests that make others, or the same.

use std::sync::Arc;

use futures::FutureExt as _;
use policy_core::{AssignmentId, DocId, FolderId, UserId};
use serde_json::Value;

use super::*;
use crate::directory::{Directory, GrantRow, Group};
use crate::front::{data, sharing};
use crate::grants::{Changed, GrantRequest, HeldBy, change, issue};
use crate::node::served;

/// What the operator, who acts as the owner, is answered.
async fn posted(app: &Arc<App>, path: &str, body: &Value) -> Value {
    let (status, read) = served::posted(app, &[data::FRONT, sharing::FRONT], path, body).await;
    assert!((200..300).contains(&status), "{path}: {status}: {read}");
    read
}

async fn noted(app: &App) -> Vec<String> {
    app.vault.accounts().settings_under(CHANGING).await.unwrap()
}

/// Finds a change noted, waits for its turn, and meanwhile whoever has that crosses it out, as of what policy refused.
async fn refused_meanwhile(app: &App, change: &Change) {
    let held = app.sharing.of([change.turn()]).await;
    app.begin_change(change).await.unwrap();
    let mut waits = Box::pin(app.finish(change));
    assert!((&mut waits).now_or_never().is_none(), "{change}: it is another's turn");
    app.end_change(change).await.unwrap();
    drop(held);
    waits.await.unwrap();
}

/// Goes on with a change that nobody crosses out.
async fn broken_off(app: &App, change: &Change) {
    app.begin_change(change).await.unwrap();
    app.finish_rights().await.unwrap();
    assert_eq!(noted(app).await, [""; 0], "{change}");
}

#[actix_web::test]
async fn what_was_refused_while_its_turn_was_waited_for_is_not_gone_on_with() {
    let root = tempfile::tempdir().unwrap();
    let (app, made) = served::opened(&root, |engine| engine).await;
    let group =
        Group { id: GroupId::from_bytes([1; 16]), tenant: made.tenant, name: "friends".to_owned(), created: app.now() };
    app.directory.add_group(&group, made.user).await.unwrap();
    let bob = Party::User(UserId::from_bytes([9; 16]));
    let member = Membership { group: group.id, role: Role::Member, party: bob, until: None, giver: Some(made.user) };
    app.directory.put_membership(&member, app.now()).await.unwrap();
    let right = Assignment {
        id: Directory::new_assignment_id(),
        space: made.space,
        resource: Resource::Space(made.space),
        relation: "viewer".to_owned(),
        party: Some(bob),
        until: None,
        giver: made.user,
        created: app.now(),
    };
    app.directory.add_assignment(&right).await.unwrap();
    let reads = async || app.access.may(UserId::from_bytes([9; 16]), right.resource, "view").await.unwrap();

    refused_meanwhile(&app, &Change::Begins(made.space, right.id)).await;
    assert!(!reads().await, "it was not given");
    broken_off(&app, &Change::Begins(made.space, right.id)).await;
    assert!(reads().await, "control");
    refused_meanwhile(&app, &Change::Ends(made.space, right.id)).await;
    assert!(reads().await && app.directory.assignment(right.id).await.unwrap().is_some(), "it was not taken");
    broken_off(&app, &Change::Ends(made.space, right.id)).await;
    assert!(!reads().await && app.directory.assignment(right.id).await.unwrap().is_none(), "control");

    let members = async || app.directory.memberships(group.id).await.unwrap().len();
    refused_meanwhile(&app, &Change::leaves(&member)).await;
    assert_eq!(members().await, 2, "nobody left");
    broken_off(&app, &Change::leaves(&member)).await;
    assert_eq!(members().await, 1, "control");
    refused_meanwhile(&app, &Change::GroupEnds(group.id)).await;
    assert!(app.directory.group(group.id).await.unwrap().is_some(), "it was not removed");
    broken_off(&app, &Change::GroupEnds(group.id)).await;
    assert!(app.directory.group(group.id).await.unwrap().is_none(), "control");
    app.shutdown().await;
}

#[actix_web::test]
async fn what_was_broken_off_is_done_before_what_is_asked_for_later() {
    let root = tempfile::tempdir().unwrap();
    let (app, made) = served::opened(&root, |engine| engine).await;
    let bob = UserId::from_bytes([9; 16]);
    let right = Assignment {
        id: Directory::new_assignment_id(),
        space: made.space,
        resource: Resource::Space(made.space),
        relation: "viewer".to_owned(),
        party: Some(Party::User(bob)),
        until: None,
        giver: made.user,
        created: app.now(),
    };
    let reads = async || app.access.may(bob, right.resource, "view").await.unwrap();
    let here = Turn::Space(made.space);
    app.directory.add_assignment(&right).await.unwrap();
    broken_off(&app, &Change::Begins(made.space, right.id)).await;
    assert!(reads().await);

    // Taken away, and broken off; then given once more, under the same id, by somebody who is told so.
    let ends = Change::Ends(made.space, right.id);
    app.begin_change(&ends).await.unwrap();
    let elsewhere = app.turns([Turn::Space(SpaceId::from_bytes([7; 16]))]).await.unwrap();
    assert_eq!(noted(&app).await, [ends.to_string()], "control: it is not of that turn");
    drop(elsewhere);
    let alone = app.turns([here]).await.unwrap();
    assert!(!reads().await && app.directory.assignment(right.id).await.unwrap().is_none());
    let begins = Change::Begins(made.space, right.id);
    app.begin_change(&begins).await.unwrap();
    app.directory.add_assignment(&right).await.unwrap();
    let (put, remove) = right.begun();
    let _ = app.policy.write(put, remove).await.unwrap();
    app.end_change(&begins).await.unwrap();
    drop(alone);
    app.finish_rights().await.unwrap();
    assert!(reads().await, "what was acknowledged stays");
    app.shutdown().await;
}

#[actix_web::test]
async fn a_note_before_which_nothing_is_written_yet_is_crossed_out_by_nobody_else() {
    let root = tempfile::tempdir().unwrap();
    let (app, made) = served::opened(&root, |engine| engine).await;
    let (right, folder) = (AssignmentId::from_bytes([1; 16]), FolderId::from_bytes([2; 16]));
    for change in [Change::Begins(made.space, right), Change::FolderBegins(made.space, folder)] {
        let held = app.sharing.of([change.turn()]).await;
        app.begin_change(&change).await.unwrap();
        let beside = async {
            // It has nothing to wait for but the turn.
            for _ in 0..1_000 {
                assert_eq!(noted(&app).await, [change.to_string()]);
            }
        };
        let mut waits = Box::pin(app.finish_rights());
        tokio::select! {
            biased;
            done = &mut waits => panic!("{change}: it is another's turn: {done:?}"),
            () = beside => {}
        }
        drop(held);
        waits.await.unwrap();
        assert_eq!(noted(&app).await, [""; 0], "control: it was broken off");
    }
    app.shutdown().await;
}

#[actix_web::test]
async fn documents_whose_filing_was_broken_off_are_told_though_others_were_filed_since() {
    let root = tempfile::tempdir().unwrap();
    let (app, made) = served::opened(&root, |engine| engine).await;
    posted(&app, "/api/v1/collections", &json!({ "sdl": "type Note { n: Int }" })).await;
    let mut documents = Vec::new();
    for n in [1, 2] {
        let add = json!({ "query": format!("mutation {{ add_Note(input: {{n: {n}}}) {{ _docID }} }}") });
        let added = posted(&app, "/api/v1/graphql", &add).await;
        documents.push(added["data"]["add_Note"][0]["_docID"].as_str().unwrap().parse::<DocId>().unwrap());
    }
    let shown = posted(&app, "/api/v1/folders", &json!({ "collection": "Note", "name": "family" })).await;
    let id: FolderId = shown["folder"].as_str().unwrap().parse().unwrap();
    let folder = app.directory.folder(id).await.unwrap().unwrap();
    let bob = UserId::from_bytes([9; 16]);
    let given = Resource::Folder(folder.collection, id).to("viewer", Party::User(bob), None);
    let _ = app.policy.write(vec![given], Vec::new()).await.unwrap();
    let reads = async |document: DocId| {
        app.access.may(bob, Resource::Document(folder.collection, document), "view").await.unwrap()
    };

    // As a request leaves it whose client goes away between the rows and policy.
    app.begin_change(&Change::Files(made.space, id, "0a".to_owned())).await.unwrap();
    app.directory.file(&folder, &documents[..1], app.now()).await.unwrap();
    assert!(!reads(documents[0]).await, "control");
    posted(&app, &format!("/api/v1/folders/{id}/documents"), &json!({ "documents": [documents[1]] })).await;
    assert!(reads(documents[0]).await && reads(documents[1]).await);
    assert_eq!(noted(&app).await, [""; 0]);
    app.shutdown().await;
}

#[actix_web::test]
async fn of_a_change_of_a_grant_that_was_broken_off_only_that_stays_which_tokens_open() {
    let root = tempfile::tempdir().unwrap();
    let (app, made) = served::opened(&root, |engine| engine).await;
    posted(&app, "/api/v1/collections", &json!({ "sdl": "type Note { n: Int }" })).await;
    let access =
        json!({ "type": "allod_doc", "datatypes": ["Note"], "actions": ["read"], "fields": { "allow": ["n"] } });
    let manifest = json!({ "name": "Notes", "redirect_uris": ["https://a.example/cb"], "access": access });
    let manifest = crate::grants::Manifest::parse(&manifest).unwrap();
    let (client, _) = app.directory.add_app(&manifest, app.now()).await.unwrap();
    let registered = app.directory.app(client).await.unwrap().unwrap();
    let access = crate::grants::parse_value(&access).unwrap();
    let request = GrantRequest {
        grantor: made.user,
        to: HeldBy::App(&registered),
        access: &access,
        until: None,
        actor: Actor::Operator,
    };
    let issued = issue(&*app, request).await.unwrap();
    let first = issued.row.clone();
    issued.given(&*app).await.unwrap();
    let there = async || -> Vec<GrantId> {
        app.grants(made.space).await.unwrap().iter().map(|record| record.grant.id).collect()
    };
    let extended = async |id: GrantId| {
        let node: Arc<dyn crate::node::Node> = Arc::clone(&app) as Arc<dyn crate::node::Node>;
        change(node, (made.space, id), Changed::Extended(None), Act::new(Actor::Operator)).await
    };
    let (row, _) = extended(first.id).await.unwrap();
    assert_eq!(there().await, [row.id]);

    // Before the row: the one before stays.
    let new = Directory::new_grant_id();
    broken_off(&app, &Change::Replaces(made.space, row.id, new)).await;
    assert_eq!(there().await, [row.id], "control");
    // After it: the new one stays, and it is told.
    let record = app.grants(made.space).await.unwrap().remove(0);
    let beside = GrantRow { id: new, ..row.clone() };
    let mut second = record.clone();
    second.grant.id = new;
    let act = Act::new(Actor::Operator).metadata(made.user, "grant.extended");
    app.put_grant(second, act).await.unwrap();
    assert!(app.directory.replace_grant(row.id, &beside).await.unwrap());
    broken_off(&app, &Change::Replaces(made.space, row.id, new)).await;
    assert_eq!(there().await, [new]);
    let told = app.directory.audit_before(made.user, None, 100).await.unwrap();
    let told = told.iter().find(|one| one.action == "grant.replaced").unwrap();
    assert_eq!((&told.detail["finished"], &told.detail["grant"]), (&json!(true), &json!(new)));
    // Neither has a row: nothing opens either.
    app.directory.end_grant(new).await.unwrap();
    broken_off(&app, &Change::Replaces(made.space, new, Directory::new_grant_id())).await;
    assert_eq!(there().await, []);

    // An app that is not registered any more gets nothing in the place of what it had.
    let issued = issue(&*app, request).await.unwrap();
    let last = issued.row.clone();
    issued.given(&*app).await.unwrap();
    app.directory.remove_app(client).await.unwrap();
    let refused = extended(last.id).await;
    assert!(matches!(refused, Err(IssueError::Node(NodeError::NotFound))), "{refused:?}");
    assert_eq!((there().await, noted(&app).await), (vec![last.id], vec![]));
    let refused = issue(&*app, request).await.err();
    assert!(matches!(refused, Some(IssueError::Node(NodeError::NotFound))), "{refused:?}");
    assert_eq!((there().await, noted(&app).await), (vec![last.id], vec![]));
    app.shutdown().await;
}
