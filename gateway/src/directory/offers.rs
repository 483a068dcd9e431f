//! What somebody offers a person by name who is not known to them: of another tenant, or nobody at all. Which of the two
//! it is shows to nobody, until the person comes for it.

use policy_core::{AssignmentId, SpaceId, Timestamp, UserId};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::tables::offer::{self, Column, Entity};
use super::{Directory, DirectoryError, id};

const TABLE: &str = "dir_offer";
/// Offers of one person that nobody has taken up.
const MOST: u64 = 1_000;
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
        if own.count(&self.db).await? >= MOST {
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

    /// What is offered to a name, oldest first.
    pub async fn offers_to(&self, name: &str) -> Result<Vec<Offer>, DirectoryError> {
        let rows = Entity::find().filter(Column::Name.eq(name)).order_by_asc(Column::Created).limit(MOST);
        rows.all(&self.db).await?.into_iter().map(Offer::try_from).collect()
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
