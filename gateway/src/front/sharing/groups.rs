//! `/api/v1/groups`: groups of people. Who makes one manages it; who manages it says who is in it.

use actix_web::web::{self, Bytes, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use gateway_people::realm::Realm as _;
use policy::Delivery;
use policy::facts::Party;
use policy_core::{GroupId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, IntoResponses, ToSchema};

use super::leaving::selves;
use super::pending::{Pending, Removed, removed};
use super::{
    ApiError, CHANGES, PartyName, PartyView, Sharer, Turn, conflict, end_of, forbidden, in_person, invalid,
    known_group, note, party_view, unchanged,
};
use crate::app::App;
use crate::directory::{Directory, Group, MAX_NESTED_GROUPS, Membership, QuotaKind, Role};
use crate::front::Routes;
use crate::front::account::body;
use crate::front::described::{Id, Instant};
use crate::front::listed::Page;
use crate::front::refusals::RefusedByPolicy;
use crate::grants::rfc3339;
use crate::node::NodeError;
use crate::rights::{Change, tuple};

pub(super) fn routes(routes: &mut Routes) {
    routes
        .post("/api/v1/groups", add)
        .get("/api/v1/groups", list)
        .get("/api/v1/groups/{id}", show)
        .delete("/api/v1/groups/{id}", remove)
        .post("/api/v1/groups/{id}/members", put_member)
        .delete("/api/v1/groups/{id}/members/users/{name}", remove_user)
        .delete("/api/v1/groups/{id}/members/groups/{inner}", remove_inner)
        .delete("/api/v1/groups/{id}/managers/{name}", remove_manager);
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(add, list, show, remove, put_member, remove_user, remove_inner, remove_manager))]
pub(super) struct Api;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewGroup {
    #[schema(examples("Family"))]
    name: String,
}

/// A group of people.
#[derive(Debug, Serialize, ToSchema)]
struct GroupView {
    #[schema(value_type = Id)]
    group: GroupId,
    name: String,
    /// `manager` or `member`: what the person is in it.
    role: &'static str,
    /// Who is in it; for who manages it.
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<MemberView>>,
}

/// Somebody in a group.
#[derive(Debug, Serialize, ToSchema)]
struct MemberView {
    #[serde(flatten)]
    party: PartyView,
    /// `manager` or `member`.
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Instant>)]
    until: Option<String>,
}

fn group_view(group: &Group, role: Role) -> GroupView {
    GroupView { group: group.id, name: group.name.clone(), role: role.word(), members: None }
}

/// Makes a group; whoever does manages it
#[utoipa::path(post, path = "/api/v1/groups", tag = "groups", request_body = NewGroup, responses(
    (status = 201, description = "It is made", body = GroupView),
    RefusedByPolicy))]
async fn add(req: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let NewGroup { name } = body::json(&req, &bytes)?;
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 80 || name.chars().any(char::is_control) {
        return Err(invalid("A group needs a name of one line of 1 to 80 characters."));
    }
    let user = by.user();
    let group =
        Group { id: Directory::new_group_id(), tenant: by.principal.tenant, name: name.to_owned(), created: app.now() };
    let maker = app.directory.making(user).await;
    app.directory.room_for_one(&maker, QuotaKind::Groups).await?;
    let party = Party::User(user);
    let manager = Membership { group: group.id, role: Role::Manager, party, until: None, giver: Some(user) };
    let change = Change::joins(&manager);
    app.begin_change(&change).await?;
    app.directory.add_group(&group, user).await?;
    if let Err(error) = app.policy.write_by(vec![tuple(&manager)], Vec::new(), by.metadata("group.created")).await {
        app.directory.remove_group(group.id).await?;
        app.end_change(&change).await?;
        return Err(unchanged(error));
    }
    note(&app, &by, &[], "group.created", json!({ "group": group.id })).await?;
    app.end_change(&change).await?;
    Ok(HttpResponse::Created().json(group_view(&group, Role::Manager)))
}

/// The groups that the person manages or is in, by whatever way; by name
#[utoipa::path(get, path = "/api/v1/groups", tag = "groups", params(Page), responses(
    (status = 200, description = "All of them", body = Vec<GroupView>)))]
async fn list(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    Page::answer(&req, &listed(&app, by.user()).await?, |one| one.group.to_string())
}

/// The groups that a person manages or is in.
pub(crate) async fn all(app: &App, user: UserId) -> Result<Vec<impl Serialize + use<>>, ApiError> {
    listed(app, user).await
}

async fn listed(app: &App, user: UserId) -> Result<Vec<GroupView>, ApiError> {
    let own = app.directory.memberships_of(Party::User(user)).await?;
    let managed: Vec<_> = own.iter().filter(|one| one.role == Role::Manager).map(|one| one.group).collect();
    let mut ids = app.directory.groups_of(user, app.now()).await?;
    ids.extend(&managed);
    let ids: Vec<_> = ids.into_iter().collect();
    let role = |group: &Group| if managed.contains(&group.id) { Role::Manager } else { Role::Member };
    Ok(app.directory.groups(&ids).await?.iter().map(|group| group_view(group, role(group))).collect())
}

/// One group; who manages it sees who is in it
#[utoipa::path(get, path = "/api/v1/groups/{id}", tag = "groups", params(("id" = Id, Path, description = "Its id")), responses(
    (status = 200, description = "It", body = GroupView),
    (status = 404, description = "`unknown_group`: there is none of this id, or it is none of theirs")))]
async fn show(req: HttpRequest, app: web::Data<App>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let (group, manages) = known_group(&app, &by, &id).await?;
    let mut answer = group_view(&group, if manages { Role::Manager } else { Role::Member });
    if manages {
        let mut members = Vec::new();
        let now = app.now();
        let live = |one: &Membership| one.until.is_none_or(|until| until > now);
        for one in app.directory.memberships(group.id).await?.into_iter().filter(live) {
            members.push(member_view(&app, &one).await?);
        }
        answer.members = Some(members);
    }
    Ok(HttpResponse::Ok().json(answer))
}

async fn member_view(app: &App, one: &Membership) -> Result<MemberView, ApiError> {
    let party = party_view(app, one.party).await?;
    Ok(MemberView { party, role: one.role.word(), until: one.until.map(rfc3339) })
}

/// A group that the person manages.
async fn managed(app: &App, by: &Sharer, id: &str) -> Result<Group, ApiError> {
    match known_group(app, by, id).await? {
        (group, true) => Ok(group),
        _ => Err(forbidden("Only who manages the group may do this.")),
    }
}

/// A person or a group, and what they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewMember {
    #[schema(examples("bob"))]
    user: Option<String>,
    #[schema(value_type = Option<Id>)]
    group: Option<String>,
    /// `member`, or `manager`.
    #[schema(examples("member"))]
    role: Option<String>,
    /// An instant (RFC 3339), or a duration from now (ISO 8601).
    #[schema(examples("P30D"))]
    until: Option<String>,
}

/// Puts somebody into a group
#[utoipa::path(post, path = "/api/v1/groups/{id}/members", tag = "groups", request_body = NewMember, params(("id" = Id, Path, description = "Its id")), responses(
    (status = 201, description = "They are in it", body = MemberView),
    (status = 401, description = "`insufficient_user_authentication`: the password is asked for again; or `unauthenticated`, `invalid_token`"),
    (status = 404, description = "`unknown_group`: there is none of this id, or it is none of theirs; or `unknown_user`"),
    (status = 409, description = "`group_cycle`: the group would contain itself; or `group_depth`, `conflict`")))]
async fn put_member(
    req: HttpRequest,
    app: web::Data<App>,
    id: Path<String>,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let NewMember { user, group: inner, role, until } = body::json(&req, &bytes)?;
    // Whoever joins gets all that the group was given, whole collections too.
    by.confirmed(&app)?;
    let named = PartyName { user, group: inner };
    let group = managed(&app, &by, &id).await?;
    let _alone = app.turns(named.turn().into_iter().chain([Turn::Group(group.id)])).await?;
    let group = managed(&app, &by, &id).await?;
    let party = named.party(&app, &by).await?;
    let until = end_of(until.as_deref(), app.now())?;
    let role = match role.as_deref() {
        None | Some("member") => Role::Member,
        Some("manager") => Role::Manager,
        Some(_) => return Err(invalid("`role` is member or manager.")),
    };
    if (until.is_some() || role == Role::Manager) && matches!(party, Party::Group(_)) {
        return Err(invalid("A group in a group is a member, and until it is removed."));
    }
    if until.is_some() && role == Role::Manager {
        return Err(invalid("A manager is one until removed."));
    }
    let nesting = app.sharing.nesting.lock().await;
    if let Party::Group(inner) = party {
        match app.directory.nested(group.id, inner).await? {
            None => return Err(conflict("group_cycle", "The group would come to contain itself.")),
            Some(depth) if depth > MAX_NESTED_GROUPS => {
                let message = format!("Groups lie in one another at most {MAX_NESTED_GROUPS} deep.");
                return Err(conflict("group_depth", message));
            }
            Some(_) => {}
        }
    }
    let put = Membership { group: group.id, role, party, until, giver: Some(by.user()) };
    let same = |one: &Membership| one.role == role && one.party == party;
    let before = app.directory.memberships(group.id).await?.into_iter().find(same);
    let change = Change::joins(&put);
    app.begin_change(&change).await?;
    app.directory.put_membership(&put, app.now()).await?;
    drop(nesting);
    if let Err(error) = app.policy.write_by(vec![tuple(&put)], Vec::new(), by.metadata("group.member_added")).await {
        match before {
            Some(before) => app.directory.put_membership(&before, app.now()).await?,
            None => {
                app.directory.remove_membership(&put).await?;
            }
        }
        app.end_change(&change).await?;
        return Err(unchanged(error));
    }
    let detail = json!({ "group": group.id, "member": party.subject().to_string(), "role": role.word(),
        "until": until.map(rfc3339) });
    note(&app, &by, &in_person(party), "group.member_added", detail).await?;
    app.end_change(&change).await?;
    Ok(HttpResponse::Created().json(member_view(&app, &put).await?))
}

#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Removal {
    /// Whether a manager who is removed stays in by what they gave themselves.
    #[serde(default)]
    #[param(required = false)]
    keep: bool,
}

/// A group from which the person may take somebody: also by the rows alone, when policy cannot be asked.
async fn managed_to_take(app: &App, by: &Sharer, id: &str) -> Result<Group, ApiError> {
    match managed(app, by, id).await {
        Err(error) if error.code == "policy_unavailable" => {
            let known = id.parse().map_err(|_| ApiError::not_found())?;
            let own = app.directory.memberships_of(Party::User(by.user())).await?;
            match app.directory.group(known).await? {
                Some(group) if own.iter().any(|one| one.group == known && one.role == Role::Manager) => Ok(group),
                _ => Err(error),
            }
        }
        answer => answer,
    }
}

/// Why nobody is taken out of a group.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it carries the description")]
enum NotTakenOut {
    /// `unknown_group`: there is none of this id; or `not_found`: they are not in it
    #[response(status = 404)]
    NotIn,
    /// `last_manager`: a group keeps one manager; or `conflict`
    #[response(status = 409)]
    LastManager,
}

/// Takes a person out of a group
#[utoipa::path(delete, path = "/api/v1/groups/{id}/members/users/{name}", tag = "groups",
    params(("id" = Id, Path, description = "The group's id"), ("name" = String, Path, description = "Their name"), Removal),
    responses((status = 204, description = "They are out"),
    (status = 200, description = "They are out, and had or have more", body = Removed<MemberView>),
    (status = 202, description = "They are out here, and policy elsewhere is being told", body = Removed<MemberView>),
    (status = 401, description = "`insufficient_user_authentication`: the password is asked for again, where something is kept from the group; or `unauthenticated`, `invalid_token`"),
    NotTakenOut))]
async fn remove_user(
    req: HttpRequest,
    app: web::Data<App>,
    path: Path<(String, String)>,
    removal: Query<Removal>,
) -> Result<HttpResponse, ApiError> {
    let (id, name) = path.into_inner();
    take_out(&req, &app, &id, Role::Member, PartyName { user: Some(name), group: None }, &removal).await
}

/// Takes a group out of a group
#[utoipa::path(delete, path = "/api/v1/groups/{id}/members/groups/{inner}", tag = "groups",
    params(("id" = Id, Path, description = "The group's id"), ("inner" = Id, Path, description = "Its id"), Removal),
    responses((status = 204, description = "They are out"),
    (status = 200, description = "They are out, and had or have more", body = Removed<MemberView>),
    (status = 202, description = "They are out here, and policy elsewhere is being told", body = Removed<MemberView>),
    (status = 401, description = "`insufficient_user_authentication`: the password is asked for again, where something is kept from the group; or `unauthenticated`, `invalid_token`"),
    NotTakenOut))]
async fn remove_inner(
    req: HttpRequest,
    app: web::Data<App>,
    path: Path<(String, String)>,
    removal: Query<Removal>,
) -> Result<HttpResponse, ApiError> {
    let (id, inner) = path.into_inner();
    take_out(&req, &app, &id, Role::Member, PartyName { user: None, group: Some(inner) }, &removal).await
}

/// Ends that somebody manages a group
#[utoipa::path(delete, path = "/api/v1/groups/{id}/managers/{name}", tag = "groups",
    params(("id" = Id, Path, description = "The group's id"), ("name" = String, Path, description = "Their name"), Removal),
    responses((status = 204, description = "They are out"),
    (status = 200, description = "They are out, and had or have more", body = Removed<MemberView>),
    (status = 202, description = "They are out here, and policy elsewhere is being told", body = Removed<MemberView>),
    (status = 401, description = "`insufficient_user_authentication`: the password is asked for again, where something is kept from the group; or `unauthenticated`, `invalid_token`"),
    NotTakenOut))]
async fn remove_manager(
    req: HttpRequest,
    app: web::Data<App>,
    path: Path<(String, String)>,
    removal: Query<Removal>,
) -> Result<HttpResponse, ApiError> {
    let (id, name) = path.into_inner();
    take_out(&req, &app, &id, Role::Manager, PartyName { user: Some(name), group: None }, &removal).await
}

/// Acknowledged when no further request is served by what the membership gave. With a manager goes what they gave
/// themselves by it, unless it is kept.
async fn take_out(
    req: &HttpRequest,
    app: &App,
    id: &str,
    role: Role,
    named: PartyName,
    removal: &Removal,
) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(req, app).await?;
    let _alone = app.turns([Turn::Group(managed_to_take(app, &by, id).await?.id)]).await?;
    let group = managed_to_take(app, &by, id).await?;
    let all = app.directory.memberships(group.id).await?;
    // Whoever is not in it answers alike, whether there is somebody of the name or not.
    let party = match (&named.group, &named.user) {
        (Some(inner), _) => Party::Group(inner.parse().map_err(|_| ApiError::not_found())?),
        (None, Some(name)) => Party::User(app.directory.user_named(name).await?.ok_or_else(ApiError::not_found)?.id),
        (None, None) => return Err(invalid("Name one user or one group.")),
    };
    let gone = all.iter().find(|one| one.role == role && one.party == party).ok_or_else(ApiError::not_found)?;
    if role == Role::Manager && all.iter().filter(|one| one.role == Role::Manager).count() == 1 {
        return Err(conflict("last_manager", "A group keeps one manager at least; remove the group instead."));
    }
    if keeps_from(app, group.id).await? {
        by.confirmed(app)?;
    }
    let mut said = Removed::new(Vec::new(), Vec::new());
    let (Role::Manager, Party::User(user)) = (role, party) else {
        return Ok(said.answer(&out(app, &by, gone).await?));
    };
    let change = Change::Dismissed(group.id, user);
    if !removal.keep {
        app.begin_change(&change).await?;
    }
    let taken = out(app, &by, gone).await;
    if taken.is_err() {
        app.end_change(&change).await?;
    }
    let mut delivery = taken?;
    // What fails in between is gone on with: with the management goes what they gave themselves.
    for one in stays_in(app, all, user).await? {
        let took = one.giver == Some(user) && !removal.keep;
        if took {
            delivery = delivery.and(out(app, &by, &one).await?);
        }
        let view = member_view(app, &one).await?;
        if took { said.taken.push(view) } else { said.reaches.push(view) }
    }
    app.end_change(&change).await?;
    Ok(said.answer(&delivery))
}

/// Whether something is kept from who is in the group, also by a group around it: whoever is taken out may see it from then on.
async fn keeps_from(app: &App, group: GroupId) -> Result<bool, ApiError> {
    let parties: Vec<Party> = app.directory.groups_around(group).await?.into_iter().map(Party::Group).collect();
    let given = app.directory.assignments_to(&parties).await?;
    Ok(given.iter().any(|one| matches!(one.relation.as_str(), "hidden" | "blocked")))
}

/// By what somebody who managed a group is in it still.
async fn stays_in(app: &App, all: Vec<Membership>, user: UserId) -> Result<Vec<Membership>, ApiError> {
    let (selves, now) = (selves(app, user).await?, app.now());
    let stays = |one: &Membership| {
        one.role == Role::Member && selves.contains(&one.party) && one.until.is_none_or(|until| until > now)
    };
    Ok(all.into_iter().filter(stays).collect())
}

impl App {
    /// Goes on where it was broken off that somebody manages a group no more.
    pub(crate) async fn go_on_dismissing(&self, group: GroupId, user: UserId) -> Result<(), NodeError> {
        let done = async {
            let by = Sharer::of_node(self, user).await?;
            let all = self.directory.memberships(group).await?;
            let manages = |one: &&Membership| one.role == Role::Manager && one.party == Party::User(user);
            if let Some(gone) = all.iter().find(manages) {
                let _ = out(self, &by, gone).await?;
            }
            for one in stays_in(self, all, user).await?.iter().filter(|one| one.giver == Some(user)) {
                let _ = out(self, &by, one).await?;
            }
            Ok(())
        };
        done.await.map_err(|error: ApiError| NodeError::Failed(error.to_string()))
    }
}

/// Ends a membership: in policy, in the rows, in the audit.
async fn out(app: &App, by: &Sharer, gone: &Membership) -> Result<Delivery, ApiError> {
    let action = "group.member_removed";
    let change = Change::leaves(gone);
    app.begin_change(&change).await?;
    let taken = app.policy.write_by(Vec::new(), vec![tuple(gone)], by.metadata(action)).await;
    if taken.is_ok() {
        app.directory.remove_membership(gone).await?;
        let detail =
            json!({ "group": gone.group, "member": gone.party.subject().to_string(), "role": gone.role.word() });
        note(app, by, &in_person(gone.party), action, detail).await?;
    }
    app.end_change(&change).await?;
    taken.map_err(unchanged)
}

/// Removes a group, and with it every right that was given to it
#[utoipa::path(delete, path = "/api/v1/groups/{id}", tag = "groups", params(("id" = Id, Path, description = "Its id")), responses(
    (status = 204, description = "It is removed"),
    (status = 202, description = "It is removed here, and policy elsewhere is being told", body = Pending),
    (status = 401, description = "`insufficient_user_authentication`: the password is asked for again, where something is kept from the group; or `unauthenticated`, `invalid_token`"),
    (status = 404, description = "`unknown_group`: there is none of this id, or it is none of theirs"),
    (status = 409, description = "`group_in_use`: something is kept from it; or `conflict`")))]
async fn remove(req: HttpRequest, app: web::Data<App>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let _alone = app.turns([Turn::Group(managed_to_take(&app, &by, &id).await?.id)]).await?;
    let group = managed_to_take(&app, &by, &id).await?;
    let (gone, given) = app.rests_on_group(group.id).await?;
    if given.iter().any(|one| matches!(one.relation.as_str(), "hidden" | "blocked")) {
        let message = "Something is kept from this group, which its end would show; let that rule be removed first.";
        return Err(conflict("group_in_use", message));
    }
    // A group around it may have something kept from it.
    if keeps_from(&app, group.id).await? {
        by.confirmed(&app)?;
    }
    // What is broken off by a kill goes on at the next start; what policy refuses can be begun again by a manager.
    let change = Change::GroupEnds(group.id);
    app.begin_change(&change).await?;
    let mut delivery = Delivery::Done;
    for some in gone.chunks(CHANGES) {
        let done = app.policy.write_by(Vec::new(), some.to_vec(), by.metadata("group.removed")).await;
        match done {
            Ok(done) => delivery = delivery.and(done),
            Err(error) => {
                app.end_change(&change).await?;
                return Err(unchanged(error));
            }
        }
    }
    for one in &given {
        app.directory.remove_assignment(one.id).await?;
    }
    app.directory.remove_group(group.id).await?;
    note(&app, &by, &[], "group.removed", json!({ "group": group.id })).await?;
    app.end_change(&change).await?;
    Ok(removed(&delivery))
}
