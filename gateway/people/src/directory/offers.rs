//! What somebody offers a person by name who is not known to them: of another tenant, or nobody at all. Which of the two
//! it is shows to nobody, until the person comes for it.

use policy_core::{AssignmentId, SpaceId, Timestamp, UserId};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::tables::offer::{self, Column, Entity};
use super::{Directory, DirectoryError, id};

const TABLE: &str = "dir_offer";
/// Offers of one person that nobody has taken up.
const MAX_PER_PERSON: u64 = 1_000;
/// Offers of one giver that somebody is shown at a time.
const EACH: u64 = 32;
/// After so long one that nobody takes up lapses.
const LASTS_US: i64 = 30 * 86_400 * 1_000_000;

/// What is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offered {
    /// The body of a request to share, as it was sent, and the space that it is about.
    Share(SpaceId, String),
}

/// An offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub id: AssignmentId,
    pub what: Offered,
    /// Small, as names of users are kept.
    pub name: String,
    pub giver: UserId,
    pub created: Timestamp,
}

impl TryFrom<offer::Model> for Offer {
    type Error = DirectoryError;
    fn try_from(row: offer::Model) -> Result<Self, DirectoryError> {
        let what = match row.kind.as_str() {
            "share" => Offered::Share(id(&row.object, SpaceId::from_bytes, TABLE)?, row.body),
            _ => return Err(DirectoryError::Damaged(TABLE)),
        };
        Ok(Offer {
            id: id(&row.id, AssignmentId::from_bytes, TABLE)?,
            what,
            name: row.name,
            giver: id(&row.giver, UserId::from_bytes, TABLE)?,
            created: Timestamp(row.created),
        })
    }
}

fn parts(what: &Offered) -> (&'static str, Vec<u8>, &str) {
    let Offered::Share(space, body) = what;
    ("share", space.as_bytes().to_vec(), body)
}

impl Directory {
    /// Notes an offer; one that is there already is that one. Its id, and whether it is new.
    pub async fn add_offer(&self, new: &Offer) -> Result<(AssignmentId, bool), DirectoryError> {
        let (kind, object, body) = parts(&new.what);
        let giver = new.giver.as_bytes().to_vec();
        let own = Entity::find().filter(Column::Giver.eq(giver.clone()));
        let same = own
            .clone()
            .filter(Column::Kind.eq(kind))
            .filter(Column::Object.eq(object.clone()))
            .filter(Column::Name.eq(new.name.clone()))
            .filter(Column::Body.eq(body));
        if let Some(known) = same.one(&self.db).await? {
            return Ok((id(&known.id, AssignmentId::from_bytes, TABLE)?, false));
        }
        if own.count(&self.db).await? >= MAX_PER_PERSON {
            return Err(DirectoryError::Unfit("At most 1,000 offers of one person wait to be taken up."));
        }
        let row = offer::ActiveModel {
            id: Set(new.id.as_bytes().to_vec()),
            kind: Set(kind.to_owned()),
            object: Set(object),
            body: Set(body.to_owned()),
            name: Set(new.name.clone()),
            giver: Set(giver),
            created: Set(new.created.0),
        };
        Entity::insert(row).exec_without_returning(&self.db).await?;
        Ok((new.id, true))
    }

    pub async fn offer(&self, offer: AssignmentId) -> Result<Option<Offer>, DirectoryError> {
        Entity::find_by_id(offer.as_bytes().to_vec()).one(&self.db).await?.map(Offer::try_from).transpose()
    }

    /// What is offered to a name, oldest first: of each giver at most `EACH` at a time, so that whoever offers much
    /// keeps back nobody else's; what lies behind comes when those are taken up.
    pub async fn offers_to(&self, name: &str) -> Result<Vec<Offer>, DirectoryError> {
        self.offers_in(name, None).await
    }

    /// As [`Directory::offers_to`], in one space.
    pub async fn offers_in(&self, name: &str, space: Option<SpaceId>) -> Result<Vec<Offer>, DirectoryError> {
        let mut to = Entity::find().filter(Column::Name.eq(name));
        if let Some(space) = space {
            to = to.filter(Column::Kind.eq("share")).filter(Column::Object.eq(space.as_bytes().to_vec()));
        }
        let givers =
            to.clone().select_only().column(Column::Giver).distinct().order_by_asc(Column::Giver).limit(MAX_PER_PERSON);
        let mut all = Vec::new();
        for giver in givers.into_tuple::<Vec<u8>>().all(&self.db).await? {
            let own = to.clone().filter(Column::Giver.eq(giver));
            let rows = own.order_by_asc(Column::Created).order_by_asc(Column::Id).limit(EACH).all(&self.db).await?;
            all.extend(rows.into_iter().map(Offer::try_from).collect::<Result<Vec<_>, _>>()?);
        }
        all.sort_by_key(|offer| (offer.created, offer.id));
        Ok(all)
    }

    /// What a person offers, oldest first.
    pub async fn offers_by(&self, giver: UserId) -> Result<Vec<Offer>, DirectoryError> {
        let rows = Entity::find().filter(Column::Giver.eq(giver.as_bytes().to_vec())).order_by_asc(Column::Created);
        rows.all(&self.db).await?.into_iter().map(Offer::try_from).collect()
    }

    /// Whether it was there.
    pub async fn remove_offer(&self, offer: AssignmentId) -> Result<bool, DirectoryError> {
        Ok(Entity::delete_by_id(offer.as_bytes().to_vec()).exec(&self.db).await?.rows_affected > 0)
    }

    /// Forgets what nobody has taken up.
    pub async fn forget_offers(&self, now: Timestamp) -> Result<(), DirectoryError> {
        let old = Column::Created.lte(now.0.saturating_sub(LASTS_US));
        Entity::delete_many().filter(old).exec(&self.db).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::on_each_backend;
    use super::*;

    #[tokio::test]
    async fn who_offers_much_keeps_back_nobody_elses_offer() {
        for directory in on_each_backend().await {
            let (many, few) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
            let (first, second) = (SpaceId::from_bytes([3; 16]), SpaceId::from_bytes([4; 16]));
            let offer = |n: u8, giver, space| Offer {
                id: AssignmentId::from_bytes([n; 16]),
                what: Offered::Share(space, format!("{n}")),
                name: "carol".into(),
                giver,
                created: Timestamp(i64::from(n)),
            };
            for n in 0..100 {
                directory.add_offer(&offer(n, many, first)).await.unwrap();
            }
            directory.add_offer(&offer(200, few, second)).await.unwrap();
            let shown = directory.offers_to("carol").await.unwrap();
            assert_eq!(shown.len() as u64, EACH + 1);
            assert_eq!((&shown[0], &shown[shown.len() - 1]), (&offer(0, many, first), &offer(200, few, second)));
            assert_eq!(directory.offers_in("carol", Some(second)).await.unwrap(), [offer(200, few, second)]);
            assert_eq!(directory.offers_in("carol", Some(first)).await.unwrap().len() as u64, EACH);
            assert_eq!(directory.offers_to("joe").await.unwrap(), []);
            // What is taken up makes room for what lies behind.
            directory.remove_offer(shown[0].id).await.unwrap();
            assert!(directory.offers_to("carol").await.unwrap().contains(&offer(EACH as u8, many, first)));
        }
    }
}
