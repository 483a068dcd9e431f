//! A part of a list: `?limit=&cursor=`. The list stays an array; `Link: rel="next"` (RFC 8288) leads to the next part.
//!
//! A cursor names the last elements of its part. The next begins behind the last of these that is still there, so what
//! is added or removed meanwhile neither hides nor repeats anything else.

use actix_web::http::header::{HeaderValue, LINK};
use actix_web::{HttpRequest, HttpResponse};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::error::ApiError;

/// Elements of a part at most, and where nothing else is asked.
pub const MAX_PAGE_ELEMENTS: usize = 1_000;
/// How many of the last elements a cursor names.
const NAMED: usize = 4;
/// The longest cursor, in bytes.
const MAX_CURSOR_BYTES: usize = 2_048;

/// Which part of a list is asked.
#[derive(Debug, Default, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// How many at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Where to go on: what `Link` names.
    cursor: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Cursor {
    /// Where the part ended.
    at: usize,
    /// Its last elements, the last one first.
    last: Vec<String>,
}

impl Page {
    /// The part of `list` that the address asks for.
    pub fn answer<T: Serialize>(
        request: &HttpRequest,
        list: &[T],
        id: impl Fn(&T) -> String,
    ) -> Result<HttpResponse, ApiError> {
        let page = actix_web::web::Query::<Page>::from_query(request.query_string());
        let page = page.map_err(|error| ApiError::bad_request(format!("The parameters do not fit: {error}.")))?;
        let (part, next) = page.of(list, id)?;
        Ok(linked(request, HttpResponse::Ok().json(part), next.map(|next| ("cursor", next))))
    }

    /// The same place, for a part that is no longer than this.
    pub fn at_most(&self, most: usize) -> Page {
        Page { limit: Some(self.limit.unwrap_or(MAX_PAGE_ELEMENTS).min(most)), cursor: self.cursor.clone() }
    }

    /// The part, and the cursor of the next if there is one: for lists whose elements cost something to tell.
    pub fn of<'l, T>(&self, list: &'l [T], id: impl Fn(&T) -> String) -> Result<(&'l [T], Option<String>), ApiError> {
        let limit = self.limit.unwrap_or(MAX_PAGE_ELEMENTS);
        if !(1..=MAX_PAGE_ELEMENTS).contains(&limit) {
            return Err(ApiError::bad_request(format!("`limit` lies between 1 and {MAX_PAGE_ELEMENTS}.")));
        }
        let begin = match &self.cursor {
            None => 0,
            Some(text) => {
                let cursor =
                    read(text).ok_or_else(|| ApiError::bad_request("`cursor` is none that was given here."))?;
                let known = cursor.last.iter().find_map(|last| list.iter().position(|one| id(one) == *last));
                // Where all that was told is named, and gone, the list begins anew: nothing of it was told.
                let told = if cursor.at == cursor.last.len() { 0 } else { cursor.at.min(list.len()) };
                known.map_or(told, |at| at + 1)
            }
        };
        let end = (begin + limit).min(list.len());
        let part = &list[begin..end];
        let next = (end < list.len()).then(|| {
            let last = list[..end].iter().rev().take(NAMED).map(&id).collect();
            BASE64URL_NOPAD.encode(&serde_json::to_vec(&Cursor { at: end, last }).unwrap_or_default())
        });
        Ok((part, next))
    }
}

/// Where the list goes on, if it does: at this address, with this parameter.
pub fn linked(request: &HttpRequest, mut answer: HttpResponse, next: Option<(&str, String)>) -> HttpResponse {
    let Some((name, next)) = next else { return answer };
    let others = url::form_urlencoded::parse(request.query_string().as_bytes()).filter(|(key, _)| key != name);
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let query = query.extend_pairs(others).append_pair(name, &next).finish();
    if let Ok(link) = HeaderValue::from_str(&format!("<{}?{query}>; rel=\"next\"", request.path())) {
        answer.headers_mut().insert(LINK, link);
    }
    answer
}

fn read(text: &str) -> Option<Cursor> {
    if text.len() > MAX_CURSOR_BYTES {
        return None;
    }
    let cursor: Cursor = serde_json::from_slice(&BASE64URL_NOPAD.decode(text.as_bytes()).ok()?).ok()?;
    (cursor.last.len() <= NAMED).then_some(cursor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(limit: usize, cursor: Option<String>) -> Page {
        Page { limit: Some(limit), cursor }
    }

    proptest! {
        /// Whatever comes and goes between two parts: what stays is told once, in its order.
        #[test]
        fn what_stays_is_told_once(
            list in proptest::collection::btree_set(0u16..200, 1..60),
            limit in 1usize..9,
            gone in proptest::collection::vec(0u16..200, 0..2),
            new in proptest::collection::vec(200u16..400, 0..5),
        ) {
            let mut list: Vec<u16> = list.into_iter().collect();
            let stays: Vec<u16> = list.iter().copied().filter(|one| !gone.contains(one)).collect();
            let (mut told, mut cursor, mut first) = (Vec::new(), None, true);
            loop {
                let asked = page(limit, cursor);
                let (part, next) = asked.of(&list, ToString::to_string).unwrap();
                prop_assert!(part.len() <= limit);
                told.extend_from_slice(part);
                if first {
                    list.retain(|one| !gone.contains(one));
                    list.extend(&new);
                    list.sort_unstable();
                    list.dedup();
                    first = false;
                }
                match next {
                    None => break,
                    next => cursor = next,
                }
            }
            let once: std::collections::BTreeSet<_> = told.iter().collect();
            prop_assert_eq!(once.len(), told.len());
            prop_assert!(stays.iter().all(|one| told.contains(one)), "{:?} of {:?}", told, stays);
        }

        #[test]
        fn no_text_is_a_cursor_by_chance(text in "[A-Za-z0-9_-]{0,60}") {
            prop_assert!(page(1, Some(text)).of(&[1], ToString::to_string).is_err());
        }
    }

    #[test]
    fn a_list_whose_first_part_is_gone_hides_nothing_of_the_next() {
        let next = page(1, None).of(&[0, 1, 2], ToString::to_string).unwrap().1;
        let of = |list: &[i32]| page(9, next.clone()).of(list, ToString::to_string).unwrap().0.to_vec();
        assert_eq!(of(&[1, 2]), [1, 2]);
        assert_eq!(of(&[0, 1, 2]), [1, 2], "control");
    }

    #[test]
    fn limits_are_kept() {
        let list = [1, 2, 3];
        assert_eq!(Page::default().of(&list, ToString::to_string).unwrap(), (&list[..], None));
        for wrong in [0, MAX_PAGE_ELEMENTS + 1] {
            assert!(page(wrong, None).of(&list, ToString::to_string).is_err());
        }
        let far = BASE64URL_NOPAD.encode(br#"{"at":18446744073709551615,"last":["9"]}"#);
        assert_eq!(page(1, Some(far)).of(&list, ToString::to_string).unwrap().0, &[0; 0]);
    }
}
