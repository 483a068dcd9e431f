//! History: `_commits`, `latestCommits`, `_version`.

use vault_core::query::{CommitItem, CommitItemKind, CommitOrder, CommitSelect, LinkItem, SignatureItem};

use super::collect::Merged;
use super::error::GraphQlError;
use super::input::Input;
use super::planner::Planner;
use super::select::{cid_of, doc_ids};

impl<'a> Planner<'a> {
    pub(crate) fn commits(&mut self, root: &Merged<'a>, heads_only: bool) -> Result<CommitSelect, GraphQlError> {
        let args = self.walk.arguments(root.field())?;
        let items = self.commit_items(root)?;
        let field = args.get("fieldName").or_else(|| args.get("field"));
        let mut order: Vec<(CommitOrder, bool)> = Vec::new();
        for item in args.get("order").map(Input::items).unwrap_or_default() {
            let Input::Object(keys) = item else { continue };
            let [(key, direction)] = keys.as_slice() else {
                return Err(GraphQlError::invalid("Each object of `order` has one key: give a list for several."));
            };
            let by = match *key {
                "height" => CommitOrder::Height,
                "cid" => CommitOrder::Cid,
                "docID" => CommitOrder::DocId,
                _ => CommitOrder::FieldName,
            };
            // A key is evaluated for each row, as a condition is.
            self.condition()?;
            let descending = matches!(direction, Input::Enum("DESC") | Input::Str("DESC"));
            // One that stood before orders nothing more.
            if order.iter().all(|(known, _)| *known != by) {
                order.push((by, descending));
            }
        }
        Ok(CommitSelect {
            doc_ids: doc_ids(&args, &["docID", "dockey"])?,
            cid: args.get("cid").map(cid_of).transpose()?,
            field: match field {
                Some(Input::Str(name)) => Some((*name).to_owned()),
                _ => None,
            },
            heads_only,
            depth: args.count("depth")?,
            height: args.count("height")?,
            order,
            limit: args.count("limit")?,
            offset: args.count("offset")?.unwrap_or(0),
            items,
        })
    }

    /// What is asked of each commit.
    pub(crate) fn commit_items(&mut self, merged: &Merged<'a>) -> Result<Vec<CommitItem>, GraphQlError> {
        let mut items = Vec::new();
        for child in self.walk.children(merged)? {
            let kind = match child.name() {
                "cid" => CommitItemKind::Cid,
                "delta" => CommitItemKind::Delta,
                "height" => CommitItemKind::Height,
                "docID" | "dockey" => CommitItemKind::DocId,
                "fieldName" => CommitItemKind::FieldName,
                "collectionVersionId" | "schemaVersionId" => CommitItemKind::CollectionVersionId,
                "links" => CommitItemKind::Links(self.links(&child)?),
                "heads" => CommitItemKind::Heads(self.links(&child)?),
                "signature" => {
                    let mut parts = Vec::new();
                    for part in self.walk.children(&child)? {
                        let kind = match part.name() {
                            "type" => SignatureItem::Type,
                            "identity" => SignatureItem::Identity,
                            "value" => SignatureItem::Value,
                            _ => SignatureItem::Constant("_CommitSignature".to_owned()),
                        };
                        parts.push((part.response.to_owned(), kind));
                    }
                    CommitItemKind::Signature(parts)
                }
                "__typename" => CommitItemKind::Constant("_Commit".to_owned()),
                other => return Err(GraphQlError::unknown_field("_Commit", other)),
            };
            items.push(CommitItem { key: child.response.to_owned(), kind });
        }
        Ok(items)
    }

    fn links(&mut self, merged: &Merged<'a>) -> Result<Vec<(String, LinkItem)>, GraphQlError> {
        let mut out = Vec::new();
        for child in self.walk.children(merged)? {
            let kind = match child.name() {
                "cid" => LinkItem::Cid,
                "name" => LinkItem::Name,
                "fieldName" => LinkItem::FieldName,
                _ => LinkItem::Constant("_CommitLink".to_owned()),
            };
            out.push((child.response.to_owned(), kind));
        }
        Ok(out)
    }
}
