//! Room for what waits of an app: where there is none, the oldest gives way.

use sea_orm::{
    ColumnTrait, DatabaseConnection, EntityTrait, FromQueryResult, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Select,
};

use super::DirectoryError;

/// Of one app that wait, and of them from one network.
const MAX_WAITING_OF_APP: u64 = 1_024;
pub(super) const MAX_WAITING_OF_NETWORK: u64 = 64;

/// Makes room for one more of `own`, what waits of an app, that comes `from` a network. Of the network that has the most
/// the oldest goes, so that nobody is shut out who comes from another. An app that proves itself (`proven`) has the whole
/// of its room wherever it calls from: nobody else takes any. `columns`: hash, network and end.
pub(super) async fn make<E, M>(
    db: &DatabaseConnection,
    own: Select<E>,
    columns: [E::Column; 3],
    from: &str,
    proven: bool,
) -> Result<(), DirectoryError>
where
    E: EntityTrait<Model = M> + Clone,
    M: FromQueryResult + Send + Sync,
{
    let [hash, network, end] = columns;
    let here = own.clone().filter(network.eq(from));
    let crowded = if !proven && here.clone().count(db).await? >= MAX_WAITING_OF_NETWORK {
        here
    } else if own.clone().count(db).await? >= MAX_WAITING_OF_APP {
        let most = own.clone().select_only().column(network).group_by(network).order_by_desc(hash.count());
        let most: Option<String> = most.into_tuple().one(db).await?;
        own.filter(network.eq(most.unwrap_or_default()))
    } else {
        return Ok(());
    };
    let oldest = crowded.select_only().column(hash).order_by_asc(end);
    let oldest: Option<Vec<u8>> = oldest.into_tuple().one(db).await?;
    if let Some(oldest) = oldest {
        E::delete_many().filter(hash.eq(oldest)).exec(db).await?;
    }
    Ok(())
}
