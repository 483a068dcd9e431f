//! What a grant shows, in rows: for the person who gave it, and nobody else.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ApiError, Data, grants, person};
use crate::front::described::Id;
use crate::node::{Preview, PreviewContent, TypePreview};

#[derive(utoipa::OpenApi)]
#[openapi(paths(first_rows))]
pub(super) struct Api;

/// What a grant shows first.
#[derive(Debug, Serialize, ToSchema)]
struct GrantPreview {
    types: Vec<TypePreviewed>,
    /// Types that are not among these.
    types_left: usize,
}

/// What it shows of one collection.
#[derive(Debug, Serialize, ToSchema)]
struct TypePreviewed {
    #[schema(examples("Contact"))]
    collection: String,
    /// `rows`; `named`: what is asked for by its id alone, and nothing is listed; `nothing`; `large`: the first rows are too
    /// large to be looked at.
    #[schema(examples("rows"))]
    shows: &'static str,
    /// Whether it shows every version as well.
    versions: bool,
    fields: Vec<String>,
    /// Fields that are not among these.
    fields_left: usize,
    /// The first rows, a value or null for each field; long values are cut.
    rows: Vec<Vec<Option<String>>>,
    /// Whether there are more rows.
    more: bool,
}

impl From<TypePreview> for TypePreviewed {
    fn from(TypePreview { collection, shows, versions }: TypePreview) -> TypePreviewed {
        let (word, shown) = match shows {
            PreviewContent::Nothing => ("nothing", None),
            PreviewContent::Named => ("named", None),
            PreviewContent::Large => ("large", None),
            PreviewContent::Rows { fields, fields_left, rows, more } => {
                ("rows", Some((fields, fields_left, rows, more)))
            }
        };
        let (fields, fields_left, rows, more) = shown.unwrap_or_default();
        TypePreviewed { collection, shows: word, versions, fields, fields_left, rows, more }
    }
}

/// What a grant shows: the first rows
///
/// Read by the masks that are enforced, as the app sees them now. For whoever gave it; no operator sees it for being one.
#[utoipa::path(get, path = "/api/v1/grants/{id}/preview", tag = "grants",
    params(("id" = Id, Path, description = "Its id")), responses(
    (status = 200, description = "The first rows of each collection", body = GrantPreview),
    (status = 404, description = "`not_found`: there is none of this id, or it is another's"),
    (status = 503, description = "`unavailable`: it is looked at already, or takes too long")))]
pub(super) async fn first_rows(node: Data, req: HttpRequest, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let (record, order) = grants::given_by(&**node, &principal, &id).await?;
    let Preview { types, types_left } = node.preview(&record.grant, &order).await?;
    let types = types.into_iter().map(TypePreviewed::from).collect();
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(GrantPreview { types, types_left }))
}
