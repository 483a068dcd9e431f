//! Rows to relationships and back, and the one transaction of a change.

use policy_core::{CaveatUse, Context, GrantId, Object, Schema, Subject, Timestamp, Tuple, Update};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Value};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseConnection, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, TransactionTrait,
};

use crate::PolicyError;
use crate::audit::{AuditRow, verify};
use crate::spicedb::{Effect, Outbox, OutboxError, Put};
use crate::table::{audit, revoked, schema, tuple};

/// Rows of one statement: ten variables each, far below what a database takes.
const ROWS: usize = 500;
/// The one row of the table of the schema.
const SCHEMA_ROW: i32 = 1;
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
    /// What is now added to the schema of the node.
    pub(crate) schema: Option<String>,
    /// Who asked for it, and why: goes into the audit.
    pub(crate) metadata: Context,
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
    /// What was added to the schema of the node.
    pub(crate) schema: String,
    pub(crate) tip: Tip,
}

fn grant_id(bytes: &[u8]) -> Result<GrantId, PolicyError> {
    GrantId::from_slice(bytes).ok_or_else(|| PolicyError::Damaged("a grant id has not sixteen bytes".to_owned()))
}

fn tuple_of(row: tuple::Model) -> Result<(Tuple, Option<GrantId>), PolicyError> {
    let source = row.source.as_deref().map(grant_id).transpose()?;
    let relation = Some(row.subject_relation).filter(|relation| !relation.is_empty());
    let context = |json: Option<String>| match json {
        None => Ok(Context::new()),
        Some(json) => serde_json::from_str(&json)
            .map_err(|_| PolicyError::Damaged("the context of a caveat is no JSON object".to_owned())),
    };
    let caveat = match row.caveat {
        None => None,
        Some(name) => Some(CaveatUse { name, context: context(row.context)? }),
    };
    let tuple = Tuple {
        resource: Object { kind: row.resource_kind, id: row.resource_id },
        relation: row.relation,
        subject: Subject { object: Object { kind: row.subject_kind, id: row.subject_id }, relation },
        caveat,
        until: row.until.map(Timestamp),
    };
    Ok((tuple, source))
}

/// The columns that make a relationship this one and no other.
const IDENTITY: [tuple::Column; 6] = [
    tuple::Column::ResourceKind,
    tuple::Column::ResourceId,
    tuple::Column::Relation,
    tuple::Column::SubjectKind,
    tuple::Column::SubjectId,
    tuple::Column::SubjectRelation,
];

fn identity_of(tuple: &Tuple) -> (Value, Value, Value, Value, Value, Value) {
    let (resource, subject) = (&tuple.resource, &tuple.subject);
    let text = |text: &str| Value::from(text);
    let relation = subject.relation.as_deref().unwrap_or_default();
    (
        text(&resource.kind),
        text(&resource.id),
        text(&tuple.relation),
        text(&subject.object.kind),
        text(&subject.object.id),
        text(relation),
    )
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
        caveat: Set(tuple.caveat.as_ref().map(|caveat| caveat.name.clone())),
        context: Set(tuple.caveat.as_ref().filter(|caveat| !caveat.context.is_empty()).map(|caveat| {
            // Never fails: it came in as JSON.
            serde_json::to_string(&caveat.context).unwrap_or_default()
        })),
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
    let schema = schema::Entity::find_by_id(SCHEMA_ROW).one(&db).await?.map(|row| row.text).unwrap_or_default();
    db.commit().await?;
    Ok(Stored { tuples, revoked, schema, tip })
}

async fn tip(db: &DatabaseTransaction) -> Result<Tip, PolicyError> {
    let last = audit::Entity::find().order_by_desc(audit::Column::Seq).limit(2).all(db).await?;
    let mut last = last.into_iter();
    let Some(newest) = last.next() else { return Ok(Tip::default()) };
    let before = match last.next() {
        Some(row) => Tip { seq: row.seq, hash: hash_bytes(&row.hash)? },
        None => Tip::default(),
    };
    let AuditRow { seq, hash, .. } = verify(&before.hash, before.seq, newest)?;
    Ok(Tip { seq, hash })
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
            let row = verify(&at.hash, at.seq, row)?;
            at = Tip { seq: row.seq, hash: row.hash };
            if row.seq > after && found.len() < limit {
                found.push(row);
            }
        }
    }
}

/// The end of the audit chain, as it is stored.
pub(crate) async fn tip_of(db: &DatabaseConnection) -> Result<Tip, PolicyError> {
    let db = db.begin().await?;
    let found = tip(&db).await?;
    db.commit().await?;
    Ok(found)
}

/// Writes a change and its audit row in one transaction; the new end of the chain.
pub(crate) async fn commit(
    db: &DatabaseConnection,
    change: &Change,
    tip: Tip,
    now: Timestamp,
) -> Result<Tip, PolicyError> {
    let transaction = db.begin().await?;
    let tip = write(&transaction, change, tip, now).await?;
    transaction.commit().await?;
    Ok(tip)
}

/// By these permissions of the platform nobody is allowed anything; they say who is refused.
const REFUSING: [(&str, &str); 2] = [("document", "barred"), ("field", "kept")];

/// As [`commit`], with the change put into the outbox in the same transaction, if there is one.
pub(crate) async fn commit_with<'a>(
    db: &DatabaseConnection,
    change: &Change,
    tip: Tip,
    now: Timestamp,
    outbox: Option<&'a Outbox>,
    schema: &Schema,
) -> Result<(Tip, Option<Put<'a>>), PolicyError> {
    let transaction = db.begin().await?;
    let tip = write(&transaction, change, tip, now).await?;
    let mut put = None;
    if let Some(outbox) = outbox {
        let touched = change.put.iter().cloned().map(Update::Touch);
        let (takes, gives): (Vec<_>, Vec<_>) =
            touched.chain(change.remove.iter().cloned().map(Update::Delete)).partition(|update| {
                let tuple = update.tuple();
                matches!(update, Update::Delete(_))
                    || schema.takes_away(&tuple.resource.kind, &tuple.relation, &REFUSING)
            });
        for (effect, updates) in [(Effect::Takes, takes), (Effect::Gives, gives)] {
            put = Some(outbox.put(&transaction, "node", effect, &updates).await.map_err(undelivered)?);
        }
    }
    transaction.commit().await?;
    Ok((tip, put))
}

/// Puts changes that are not stored here into the outbox.
pub(crate) async fn put_into(db: &DatabaseConnection, outbox: &Outbox, updates: &[Update]) -> Result<(), PolicyError> {
    let transaction = db.begin().await?;
    let (takes, gives): (Vec<Update>, Vec<Update>) =
        updates.iter().cloned().partition(|update| matches!(update, Update::Delete(_)));
    let mut puts = Vec::new();
    for (effect, updates) in [(Effect::Takes, takes), (Effect::Gives, gives)] {
        puts.push(outbox.put(&transaction, "node", effect, &updates).await.map_err(undelivered)?);
    }
    transaction.commit().await?;
    Ok(())
}

fn undelivered(error: OutboxError) -> PolicyError {
    PolicyError::Undelivered(error.to_string())
}

async fn write(
    transaction: &DatabaseTransaction,
    change: &Change,
    tip: Tip,
    now: Timestamp,
) -> Result<Tip, PolicyError> {
    let (seq, detail) = (tip.seq + 1, detail(change));
    let tip = Tip { seq, hash: AuditRow::sealed(&tip.hash, seq, now, change.action, &detail) };
    // The audit row first: it takes the write lock at once, and a second writer collides on its number.
    audit::Entity::insert(audit::ActiveModel {
        seq: Set(seq),
        at: Set(now.0),
        action: Set(change.action.to_owned()),
        detail: Set(detail),
        hash: Set(tip.hash.to_vec()),
    })
    .exec_without_returning(transaction)
    .await?;
    if let Some(source) = change.source {
        let source = source.as_bytes().to_vec();
        if change.revoke {
            tuple::Entity::delete_many().filter(tuple::Column::Source.eq(source.clone())).exec(transaction).await?;
            revoked::Entity::insert(revoked::ActiveModel { grant_id: Set(source) })
                .on_conflict(OnConflict::column(revoked::Column::GrantId).do_nothing().to_owned())
                .exec_without_returning(transaction)
                .await?;
        }
    }
    if !change.revoke {
        for gone in change.remove.chunks(ROWS) {
            let identity = Expr::tuple(IDENTITY.map(Expr::col));
            tuple::Entity::delete_many()
                .filter(identity.in_tuples(gone.iter().map(identity_of)))
                .exec(transaction)
                .await?;
        }
    }
    if let Some(text) = &change.schema {
        let row = schema::ActiveModel { id: Set(SCHEMA_ROW), text: Set(text.clone()) };
        schema::Entity::insert(row)
            .on_conflict(OnConflict::column(schema::Column::Id).update_column(schema::Column::Text).to_owned())
            .exec_without_returning(transaction)
            .await?;
    }
    for rows in change.put.chunks(ROWS) {
        let replace = OnConflict::columns(IDENTITY)
            .update_columns([
                tuple::Column::Until,
                tuple::Column::Source,
                tuple::Column::Caveat,
                tuple::Column::Context,
            ])
            .to_owned();
        tuple::Entity::insert_many(rows.iter().map(|tuple| row_of(tuple, change.source)))
            .on_conflict(replace)
            .exec_without_returning(transaction)
            .await?;
    }
    Ok(tip)
}

/// What the audit row says: ids only, as everything in the tables, and what the caller said of itself.
fn detail(change: &Change) -> String {
    let lines = |tuples: &[Tuple]| -> Vec<String> { tuples.iter().map(Tuple::to_text).collect() };
    let grant = change.source.map(|grant| grant.to_string());
    let mut detail = serde_json::json!({ "grant": grant, "put": lines(&change.put), "remove": lines(&change.remove) });
    if let Some(schema) = &change.schema {
        detail["schema"] = schema.as_str().into();
    }
    if !change.metadata.is_empty() {
        detail["by"] = change.metadata.clone().into();
    }
    detail.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_relation_does_to_what_people_may_do() {
        let schema = crate::schema::platform().expect("the platform's schema");
        let takes = |kind: &str, relation: &str| schema.takes_away(kind, relation, &REFUSING);
        for (kind, relation) in
            [("document", "blocked"), ("field", "hidden"), ("field", "declined"), ("group", "member")]
        {
            assert!(takes(kind, relation), "{kind}#{relation}");
        }
        for (kind, relation) in [
            ("collection", "owner"),
            ("collection", "space"),
            ("space", "owner"),
            ("document", "collection"),
            ("folder", "owner"),
            ("document", "viewer"),
            ("field", "reader"),
            ("tenant", "member"),
        ] {
            assert!(!takes(kind, relation), "{kind}#{relation}");
        }
    }
}
