//! What somebody opened who was signed in as a person, and ends with what ends all their sessions.

use policy_core::{Timestamp, UserId};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, Set};

use super::tables::{code, credential, grant, token, waiting};

/// The kind of a credential that is an app password.
pub(super) const APP_PASSWORD: &str = "app_password";

/// Ends codes that sign in alone, devices that were let in, and app passwords. Codes for data end with their grant; the
/// grants of app passwords, which nothing opens any more, are taken back after that.
pub(super) async fn end_opened(db: &impl ConnectionTrait, user: UserId) -> Result<(), DbErr> {
    let own = user.as_bytes().to_vec();
    waiting::Entity::delete_many().filter(waiting::Column::User.eq(own.clone())).exec(db).await?;
    let alone =
        Condition::all().add(code::Column::User.eq(own.clone())).add(code::Column::GrantId.eq(Vec::<u8>::new()));
    code::Entity::delete_many().filter(alone).exec(db).await?;
    // The tokens first, as whoever ends one grant does.
    token::Entity::delete_many().filter(of_app_passwords().add(token::Column::User.eq(own.clone()))).exec(db).await?;
    end_credentials(db, Condition::all().add(credential::Column::User.eq(own))).await
}

/// The tokens of app passwords: an app's have a family, and a link's have no client.
pub(super) fn of_app_passwords() -> Condition {
    Condition::all()
        .add(token::Column::Client.is_not_null())
        .add(token::Column::GrantId.is_not_null())
        .add(token::Column::Family.is_null())
}

/// Ends the app password that holds this grant, if one does; its token is ended by whoever ends the grant.
pub(super) async fn end_holder(db: &impl ConnectionTrait, grant: &grant::Model) -> Result<(), DbErr> {
    end_credentials(db, Condition::all().add(credential::Column::Id.eq(grant.client.clone()))).await
}

async fn end_credentials(db: &impl ConnectionTrait, which: Condition) -> Result<(), DbErr> {
    let all = credential::Entity::delete_many().filter(which.add(credential::Column::Kind.eq(APP_PASSWORD)));
    all.exec(db).await?;
    Ok(())
}

/// What an app password opens lasts as long as the grant that takes the place of its own.
pub(super) async fn follow(db: &impl ConnectionTrait, grant: Vec<u8>, end: Timestamp) -> Result<(), DbErr> {
    token::Entity::update_many()
        .set(token::ActiveModel { expires: Set(end.0), ..Default::default() })
        .filter(of_app_passwords().add(token::Column::GrantId.eq(grant)))
        .exec(db)
        .await?;
    Ok(())
}
