//! Orders: nulls first ascending, as SQLite has them, and the document id last.

use policy_core::Verb;
use vault_core::query::{OrderKey, OrderOperand};
use vault_core::schema::FieldType;

use super::aggregate::Around;
use super::{COLUMNS, Compiler, all_of};
use crate::view::ReadError;
use crate::view::column::column_name;
use crate::view::parameters::Parameters;

impl Compiler<'_> {
    /// The keys of `ORDER BY`, ending with `last`.
    pub(super) fn order(
        &mut self,
        p: &mut Parameters,
        around: &Around<'_, '_>,
        keys: &[OrderKey],
        last: &str,
    ) -> Result<String, ReadError> {
        let mut all = String::new();
        // A key that stood before orders nothing more.
        let mut seen: Vec<&OrderOperand> = Vec::new();
        self.spend(keys.len())?;
        for key in keys {
            if seen.contains(&&key.operand) {
                continue;
            }
            seen.push(&key.operand);
            if seen.len() > COLUMNS {
                return Err(ReadError::Wide);
            }
            let expression = self.order_operand(p, around, &key.operand)?;
            all.push_str(&expression);
            all.push_str(if key.descending { " DESC," } else { "," });
        }
        all.push_str(last);
        Ok(all)
    }

    fn order_operand(
        &mut self,
        p: &mut Parameters,
        around: &Around<'_, '_>,
        operand: &OrderOperand,
    ) -> Result<String, ReadError> {
        let (field, target, operand) = match operand {
            OrderOperand::Own(operand) => return self.operand(p, around, operand).map(|(sql, _)| sql),
            OrderOperand::Related { field, target, operand } => (*field, *target, operand),
        };
        let scope = around.document()?;
        let kind = scope.collection.field(field).map(|field| &field.kind).ok_or(ReadError::Hidden)?;
        self.expect_visible(scope, field, Verb::Search)?;
        let mut there = self.scope(target)?;
        there.looked_up = true;
        let mut conditions = vec![format!("{}.deleted=0", there.alias)];
        self.restrict(p, &mut there, Verb::Search, &mut conditions);
        conditions.extend(self.visible_when(p, scope, field, Verb::Search));
        match kind {
            FieldType::ToOne { target: of, .. } if *of == target => {
                conditions.push(format!("{}.doc={}.{}", there.alias, scope.alias, column_name(field)));
            }
            FieldType::Inverse { target: of, via, many: false, .. } if *of == target => {
                self.expect_visible(&there, *via, Verb::Search)?;
                conditions.extend(self.visible_when(p, &there, *via, Verb::Search));
                conditions.push(format!("{}.{}={}.doc", there.alias, column_name(*via), scope.alias));
            }
            _ => return Err(ReadError::Hidden),
        }
        let value = self.order_operand(p, &Around::Document(&there), operand)?;
        let (table, alias) = (there.table(), &there.alias);
        Ok(format!("(SELECT {value} FROM {table} WHERE {} ORDER BY {alias}.doc LIMIT 1)", all_of(&conditions)))
    }
}
