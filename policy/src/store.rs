//! Rows to relationships and back, and the one transaction of a change.

use policy_core::{GrantId, Object, Subject, Timestamp, Tuple};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseConnection, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, TransactionTrait,
};

use crate::PolicyError;
use crate::audit::{AuditRow, hash_of, verify};
use crate::table::{audit, revoked, tuple};

/// Rows of one statement: eight variables each, far below what a database takes.
const ROWS: usize = 500;
/// Audit rows that are read at a time.
const PAGE: u64 = 1_000;

/// What one change does to the tables.
#[derive(Debug, Default, Clone)]
pub(crate) struct Change {
    pub(crate) action: &'static str,
    pub(crate) put: Vec<Tuple>,
    pub(crate) remove: Vec<Tuple>,
    /// The grant that the relationships follow from.
    pub(crate) source: Option<GrantId>,
    /// Whether `source` is revoked by this change.
    pub(crate) revoke: bool,
}

/// The end of the audit chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tip {
    pub(crate) seq: i64,
    pub(crate) hash: [u8; 32],
}

/// Everything that is stored.
pub(crate) struct Stored {
    pub(crate) tuples: Vec<(Tuple, Option<GrantId>)>,
    pub(crate) revoked: Vec<GrantId>,
    pub(crate) tip: Tip,
}

fn grant_id(bytes: &[u8]) -> Result<GrantId, PolicyError> {
    GrantId::from_slice(bytes).ok_or_else(|| PolicyError::Damaged("a grant id has not sixteen bytes".to_owned()))
}

fn tuple_of(row: tuple::Model) -> Result<(Tuple, Option<GrantId>), PolicyError> {
    let source = row.source.as_deref().map(grant_id).transpose()?;
    let relation = Some(row.subject_relation).filter(|relation| !relation.is_empty());
    let tuple = Tuple {
        resource: Object { kind: row.resource_kind, id: row.resource_id },
        relation: row.relation,
        subject: Subject { object: Object { kind: row.subject_kind, id: row.subject_id }, relation },
        caveat: None,
        until: row.until.map(Timestamp),
    };
    Ok((tuple, source))
}

fn row_of(tuple: &Tuple, source: Option<GrantId>) -> tuple::ActiveModel {
    tuple::ActiveModel {
        resource_kind: Set(tuple.resource.kind.clone()),
        resource_id: Set(tuple.resource.id.clone()),
        relation: Set(tuple.relation.clone()),
        subject_kind: Set(tuple.subject.object.kind.clone()),
        subject_id: Set(tuple.subject.object.id.clone()),
        subject_relation: Set(tuple.subject.relation.clone().unwrap_or_default()),
        until: Set(tuple.until.map(|until| until.0)),
        source: Set(source.map(|id| id.as_bytes().to_vec())),
    }
}

/// Reads everything. The last audit row is checked against the one before it; the whole chain is what
/// [`audit_rows`] checks.
pub(crate) async fn load(db: &DatabaseConnection) -> Result<Stored, PolicyError> {
    // One transaction, so that tuples and the end of the chain belong together.
    let db = db.begin().await?;
    let tip = tip(&db).await?;
    let rows = tuple::Entity::find().all(&db).await?;
    let tuples = rows.into_iter().map(tuple_of).collect::<Result<_, _>>()?;
    let revoked = revoked::Entity::find().all(&db).await?;
    let revoked = revoked.iter().map(|row| grant_id(&row.grant_id)).collect::<Result<_, _>>()?;
    db.commit().await?;
    Ok(Stored { tuples, revoked, tip })
}

async fn tip(db: &DatabaseTransaction) -> Result<Tip, PolicyError> {
    let last = audit::Entity::find().order_by_desc(audit::Column::Seq).limit(2).all(db).await?;
    let mut last = last.into_iter();
    let Some(newest) = last.next() else { return Ok(Tip::default()) };
    let before = match last.next() {
        Some(row) => Tip { seq: row.seq, hash: hash_bytes(&row.hash)? },
        None => Tip::default(),
    };
    let (row, hash) = verify(&before.hash, before.seq, newest)?;
    Ok(Tip { seq: row.seq, hash })
}

fn hash_bytes(bytes: &[u8]) -> Result<[u8; 32], PolicyError> {
    bytes.try_into().map_err(|_| PolicyError::Damaged("an audit hash has not thirty-two bytes".to_owned()))
}

/// The audit rows after `after`, at most `limit`; the chain is checked from its beginning.
pub(crate) async fn audit_rows(
    db: &DatabaseConnection,
    after: i64,
    limit: usize,
) -> Result<Vec<AuditRow>, PolicyError> {
    let (mut at, mut found) = (Tip::default(), Vec::new());
    loop {
        let page = audit::Entity::find()
            .filter(audit::Column::Seq.gt(at.seq))
            .order_by_asc(audit::Column::Seq)
            .limit(PAGE)
            .all(db)
            .await?;
        if page.is_empty() {
            return Ok(found);
        }
        for row in page {
            let (row, hash) = verify(&at.hash, at.seq, row)?;
            at = Tip { seq: row.seq, hash };
            if row.seq > after && found.len() < limit {
                found.push(row);
            }
        }
    }
}

/// Writes a change and its audit row in one transaction; the new end of the chain.
pub(crate) async fn commit(
    db: &DatabaseConnection,
    change: &Change,
    tip: Tip,
    now: Timestamp,
) -> Result<Tip, PolicyError> {
    let row = AuditRow { seq: tip.seq + 1, at: now, action: change.action.to_owned(), detail: detail(change) };
    let tip = Tip { seq: row.seq, hash: hash_of(&tip.hash, &row) };
    let transaction = db.begin().await?;
    // The audit row first: it takes the write lock at once, and a second writer collides on its number.
    audit::Entity::insert(audit::ActiveModel {
        seq: Set(row.seq),
        at: Set(row.at.0),
        action: Set(row.action),
        detail: Set(row.detail),
        hash: Set(tip.hash.to_vec()),
    })
    .exec_without_returning(&transaction)
    .await?;
    if let Some(source) = change.source {
        let source = source.as_bytes().to_vec();
        if change.revoke {
            tuple::Entity::delete_many().filter(tuple::Column::Source.eq(source.clone())).exec(&transaction).await?;
            revoked::Entity::insert(revoked::ActiveModel { grant_id: Set(source) })
                .on_conflict(OnConflict::column(revoked::Column::GrantId).do_nothing().to_owned())
                .exec_without_returning(&transaction)
                .await?;
        }
    }
    if !change.revoke {
        for tuple in &change.remove {
            let key = (
                tuple.resource.kind.clone(),
                tuple.resource.id.clone(),
                tuple.relation.clone(),
                tuple.subject.object.kind.clone(),
                tuple.subject.object.id.clone(),
                tuple.subject.relation.clone().unwrap_or_default(),
            );
            tuple::Entity::delete_by_id(key).exec(&transaction).await?;
        }
    }
    for rows in change.put.chunks(ROWS) {
        let replace = OnConflict::columns([
            tuple::Column::ResourceKind,
            tuple::Column::ResourceId,
            tuple::Column::Relation,
            tuple::Column::SubjectKind,
            tuple::Column::SubjectId,
            tuple::Column::SubjectRelation,
        ])
        .update_columns([tuple::Column::Until, tuple::Column::Source])
        .to_owned();
        tuple::Entity::insert_many(rows.iter().map(|tuple| row_of(tuple, change.source)))
            .on_conflict(replace)
            .exec_without_returning(&transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(tip)
}

/// What the audit row says: ids only, as everything in the tables.
fn detail(change: &Change) -> String {
    let lines = |tuples: &[Tuple]| -> Vec<String> {
        let line = |tuple: &Tuple| match tuple.until {
            None => tuple.to_string(),
            Some(until) => format!("{tuple} until {}", until.0),
        };
        tuples.iter().map(line).collect()
    };
    let grant = change.source.map(|grant| grant.to_string());
    serde_json::json!({ "grant": grant, "put": lines(&change.put), "remove": lines(&change.remove) }).to_string()
}
