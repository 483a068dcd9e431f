//! Removing a person to the end.
//!
//! They are marked first ([`Directory::begin_removal`]): from then on nothing of theirs counts and nobody finds them. Then
//! their keys are destroyed, and what hangs on them is undone; last they are forgotten. Each step can be done twice, and
//! what was broken off is gone on with by the next start, and by whoever tends the node.
//!
//! What others own stays as it is, with what the person wrote there. Of what they gave in spaces of others, what opens
//! something ends; what keeps something from somebody stays, since its end would open it.
//!
//! [`Directory::begin_removal`]: crate::directory::Directory::begin_removal

use std::collections::BTreeSet;

use gateway_people::realm::Realm as _;
use policy::PolicyError;
use policy::facts::{Party, Resource};
use policy_core::{Context, GrantId, GroupId, Object, SpaceId, TenantId, Tuple, UserId};

use crate::app::App;
use crate::directory::removals::RemovedPerson;
use crate::directory::{Act, Actor, Assignment, DirectoryError, Membership, Role};
use crate::rights;
use crate::rights::finish::UnfinishedRights;
use crate::turns::Turn;

/// Relationships in one change of policy.
const CHANGES: usize = 5_000;

/// Why somebody is not removed to the end yet.
#[derive(Debug, thiserror::Error)]
pub enum RemovalError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Vault(#[from] vault::VaultError),
    #[error(transparent)]
    Accounts(#[from] vault::accounts::AccountsError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Rights(#[from] UnfinishedRights),
    #[error("somebody is in the tenant still")]
    Peopled,
    #[error("what sync keeps of them was not forgotten: {0}")]
    Sync(String),
}

/// Whether a right opens something to somebody. Others keep something from somebody, or from everybody.
fn opens(right: &Assignment) -> bool {
    right.party.is_some() && !matches!(right.relation.as_str(), "blocked" | "hidden")
}

/// What the audit of policy says of what ends with a person.
fn because(person: UserId) -> Context {
    Act::new(Actor::Node).metadata(person, "user.removed")
}

impl App {
    /// Goes on with everybody who is being removed. One who cannot be keeps no other from it.
    ///
    /// # Errors
    /// The last that somebody is still here for.
    pub async fn finish_removals(&self) -> Result<(), RemovalError> {
        let mut failed = Ok(());
        for person in self.directory.being_removed().await? {
            if let Err(error) = self.finish_removal(&person).await {
                tracing::warn!(user = %person.id, %error, "somebody who was removed is not forgotten to the end yet");
                failed = Err(error);
            }
        }
        for tenant in self.directory.tenants_being_removed().await? {
            if let Err(error) = self.finish_tenant_removal(tenant).await {
                tracing::warn!(%tenant, %error, "a tenant that was removed is not forgotten to the end yet");
                failed = Err(error);
            }
        }
        failed
    }

    /// Removes the people of a tenant that is marked as being removed, and forgets it.
    pub(crate) async fn finish_tenant_removal(&self, tenant: TenantId) -> Result<(), RemovalError> {
        let Some(owner) = self.directory.owner() else { return Ok(()) };
        for person in self.directory.people_of(tenant).await? {
            // Whoever else removes them goes on with that.
            let _ = self.directory.begin_removal(&person, (owner, Actor::Node), self.now()).await?;
        }
        self.policy.advance_epoch();
        for person in self.directory.being_removed().await? {
            self.finish_removal(&person).await?;
        }
        let object = [Object::new("tenant", tenant)];
        self.remove_relationships(self.policy.resting_on(&object)).await?;
        if !self.directory.end_tenant_removal(tenant).await? {
            return Err(RemovalError::Peopled);
        }
        Ok(())
    }

    /// Undoes what hangs on somebody who is marked as being removed, and forgets them.
    pub(crate) async fn finish_removal(&self, person: &RemovedPerson) -> Result<(), RemovalError> {
        let _alone = self.removing.lock().await;
        if !self.directory.being_removed().await?.contains(person) {
            return Ok(());
        }
        let spaces: BTreeSet<SpaceId> = self.vault.space_ids(person.id).into_iter().chain([person.space]).collect();
        let spaces: Vec<SpaceId> = spaces.into_iter().collect();
        self.vault.shred(person.id).await?;
        self.vault.sharing_moved();
        self.access.forget_person(person.id, &spaces);
        for space in &spaces {
            self.end_space(person.id, *space).await?;
        }
        self.leave_spaces(person.id, &spaces).await?;
        self.leave_groups(person.id).await?;
        self.forget_in_policy(person.id, &spaces).await?;
        if let Some(sync) = self.sync.get() {
            sync.forget_account(person.id).await.map_err(|error| RemovalError::Sync(error.to_string()))?;
        }
        self.end_enrolling(person.id).await?;
        self.directory.end_removal(person.id, &spaces, self.now()).await?;
        self.policy.advance_epoch();
        Ok(())
    }

    /// What was shared of a space that is gone, its folders and its grants.
    async fn end_space(&self, person: UserId, space: SpaceId) -> Result<(), RemovalError> {
        let _alone = self.sharing.of([Turn::Space(space)]).await;
        self.forget_changes(Turn::Space(space)).await?;
        let mut gone: Vec<Tuple> = Vec::new();
        let mut shares = self.directory.assignments_in(space, None).await?;
        for folder in self.directory.folders_in(space, None).await? {
            let (of_folder, on_folder) = self.rests_on_folder(&folder).await?;
            gone.extend(of_folder);
            shares.extend(on_folder);
        }
        gone.extend(shares.iter().flat_map(|one| one.begun().0));
        self.remove_relationships(gone).await?;
        let mut grants: BTreeSet<GrantId> =
            self.directory.grant_rows_in(Some(space)).await?.iter().map(|row| row.id).collect();
        grants.extend(self.directory.links_on(space).await?.iter().map(|row| row.grant));
        for grant in grants {
            let _ = self.policy.revoke_grant(grant, because(person)).await?;
            self.directory.end_grant(grant).await?;
        }
        self.policy.declare_collections(space, &[]);
        Ok(())
    }

    /// What they had in spaces of others, and what they gave there.
    async fn leave_spaces(&self, person: UserId, own: &[SpaceId]) -> Result<(), RemovalError> {
        let mut rights = self.directory.assignments_to(&[Party::User(person)]).await?;
        rights.extend(self.directory.assignments_by(person).await?.into_iter().filter(opens));
        rights.retain(|right| !own.contains(&right.space));
        let spaces: BTreeSet<SpaceId> = rights.iter().map(|right| right.space).collect();
        for space in spaces {
            let _alone = self.sharing.of([Turn::Space(space)]).await;
            for right in rights.iter().filter(|right| right.space == space) {
                // What was renewed meanwhile has another giver.
                let Some(right) = self.directory.assignment(right.id).await? else { continue };
                let theirs = right.party == Some(Party::User(person)) || right.giver == person;
                if theirs {
                    self.remove_relationships(right.begun().0).await?;
                    self.directory.remove_assignment(right.id).await?;
                }
            }
        }
        Ok(())
    }

    /// Their memberships; and the groups that nobody manages without them, since nobody could end those.
    async fn leave_groups(&self, person: UserId) -> Result<(), RemovalError> {
        let of = self.directory.memberships_of(Party::User(person)).await?;
        let groups: BTreeSet<GroupId> = of.iter().map(|one| one.group).collect();
        for group in groups {
            let _alone = self.sharing.of([Turn::Group(group)]).await;
            let all = self.directory.memberships(group).await?;
            let (theirs, others): (Vec<Membership>, Vec<Membership>) =
                all.into_iter().partition(|one| one.party == Party::User(person));
            let managed = theirs.iter().any(|one| one.role == Role::Manager);
            if managed && others.iter().all(|one| one.role != Role::Manager) {
                let (gone, given) = self.rests_on_group(group).await?;
                self.remove_relationships(gone).await?;
                for one in &given {
                    self.directory.remove_assignment(one.id).await?;
                }
                self.directory.remove_group(group).await?;
                self.forget_changes(Turn::Group(group)).await?;
                continue;
            }
            self.remove_relationships(theirs.iter().map(rights::tuple).collect()).await?;
            for one in &theirs {
                self.directory.remove_membership(one).await?;
            }
        }
        Ok(())
    }

    /// Whatever relationship names them or their spaces still: what operators wrote by SpiceDB's API too.
    async fn forget_in_policy(&self, person: UserId, spaces: &[SpaceId]) -> Result<(), RemovalError> {
        let mut objects = vec![Object::new("user", person)];
        objects.extend(spaces.iter().map(|space| Resource::Space(*space).object()));
        let left = self.policy.resting_on(&objects);
        // A grant that another node of theirs has given is known by its grantor alone.
        let grants = left.iter().filter(|tuple| tuple.resource.kind == "grant" && tuple.relation == "grantor");
        let grants: BTreeSet<GrantId> =
            grants.filter_map(|tuple| tuple.resource.id.split('/').next()?.parse().ok()).collect();
        for grant in grants {
            let _ = self.policy.revoke_grant(grant, because(person)).await?;
        }
        self.remove_relationships(self.policy.resting_on(&objects)).await
    }

    async fn remove_relationships(&self, gone: Vec<Tuple>) -> Result<(), RemovalError> {
        for some in gone.chunks(CHANGES) {
            let _ = self.policy.write(Vec::new(), some.to_vec()).await?;
        }
        Ok(())
    }
}
