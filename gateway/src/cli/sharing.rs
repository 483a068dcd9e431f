//! Groups of people, what is shared with them, and rules for fields.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::Common;
use super::output::{Exit, Failure, lines, print};
use super::remote::segment;
use crate::grants::unreadable;

#[derive(Debug, Subcommand)]
pub enum Group {
    /// Make a group; you manage it
    Add { name: String },
    /// List the groups that you manage or are in
    List,
    /// Show one group, and who is in it
    Show { id: String },
    /// Remove a group, and every right that was given to it
    Remove { id: String },
    /// Who is in a group
    #[command(subcommand)]
    Member(Member),
}

#[derive(Debug, Subcommand)]
pub enum Member {
    /// Put a person or a group into a group
    Add {
        id: String,
        #[command(flatten)]
        party: Party,
        /// Let the person manage the group instead
        #[arg(long, conflicts_with_all = ["group", "until"])]
        manager: bool,
        /// Until when: 2030-01-31T00:00:00Z, or a duration such as P30D
        #[arg(long)]
        until: Option<String>,
    },
    /// Take a person or a group out of a group; their next request is refused
    Remove {
        id: String,
        #[command(flatten)]
        party: Party,
        /// The person manages the group no more, and is out of it as far as they put themselves in
        #[arg(long, conflicts_with = "group")]
        manager: bool,
        /// Leave them in
        #[arg(long, requires = "manager")]
        keep: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum Share {
    /// Share a space, or one collection, folder or document of it
    Add {
        #[command(flatten)]
        party: Party,
        /// The space [default: your personal one]
        #[arg(long, value_name = "ID")]
        space: Option<String>,
        /// One collection, by name [default: the whole space]
        #[arg(long, value_name = "NAME")]
        collection: Option<String>,
        /// One folder
        #[arg(long, value_name = "ID", conflicts_with = "document")]
        folder: Option<String>,
        /// One document of the collection
        #[arg(long, value_name = "ID", requires = "collection")]
        document: Option<String>,
        /// What they may do; `blocked` keeps a document from them
        #[arg(long, default_value = "viewer", value_parser = ["viewer", "editor", "owner", "blocked"])]
        role: String,
        /// Until when: 2030-01-31T00:00:00Z, or a duration such as P30D
        #[arg(long)]
        until: Option<String>,
    },
    /// List what you gave and what you got
    List,
    /// Show one share
    Show { id: String },
    /// End a share; the next request is refused. With a manager goes what they gave themselves and their groups, and
    /// the answer says what they still reach
    Remove {
        id: String,
        /// Leave them what they gave themselves
        #[arg(long)]
        keep: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum FieldRule {
    /// Keep a field from a person or a group
    Hide {
        #[command(flatten)]
        field: Field,
        #[command(flatten)]
        party: Party,
    },
    /// Let only its readers, and who manages the collection, see a field
    Seal {
        #[command(flatten)]
        field: Field,
    },
    /// Let a person or a group see a sealed field, as far as they see its collection
    Read {
        #[command(flatten)]
        field: Field,
        #[command(flatten)]
        party: Party,
    },
    /// List the rules of what you manage
    List {
        /// The space [default: your personal one]
        #[arg(long, value_name = "ID")]
        space: Option<String>,
        /// One collection, by name
        #[arg(long, value_name = "NAME")]
        collection: Option<String>,
    },
    /// End a rule
    Remove { id: String },
}

/// A field of a collection.
#[derive(Debug, Args)]
pub struct Field {
    /// COLLECTION.FIELD
    what: String,
    /// The space [default: your personal one]
    #[arg(long, value_name = "ID")]
    space: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Link {
    /// Make a link that shows fields of a collection to whoever has it; its address is told once
    Add {
        /// The collection, by name
        collection: String,
        /// What it shows
        #[arg(long, required = true, value_delimiter = ',', value_name = "FIELD,…")]
        fields: Vec<String>,
        /// Which documents: {"field": {"_eq": value}}, as in a grant [default: all]
        #[arg(long = "where", value_name = "JSON")]
        rows: Option<String>,
        /// Until when: 2030-01-31T00:00:00Z, or a duration such as P30D
        #[arg(long)]
        until: Option<String>,
        /// The space [default: your personal one]
        #[arg(long, value_name = "ID")]
        space: Option<String>,
    },
    /// List links
    List,
    /// Remove a link; the next request by it is refused
    Remove { id: String },
}

#[derive(Debug, Subcommand)]
pub enum Folder {
    /// Make a folder for documents of a collection
    Add {
        /// The collection, by name
        collection: String,
        name: String,
        /// The space [default: your personal one]
        #[arg(long, value_name = "ID")]
        space: Option<String>,
        /// The folder that it lies in
        #[arg(long, value_name = "ID")]
        parent: Option<String>,
    },
    /// List folders
    List {
        /// The space [default: your personal one]
        #[arg(long, value_name = "ID")]
        space: Option<String>,
        /// One collection, by name
        #[arg(long, value_name = "NAME")]
        collection: Option<String>,
    },
    /// Put documents into a folder
    File {
        id: String,
        #[arg(required = true, value_name = "DOCUMENT")]
        documents: Vec<String>,
    },
    /// Take a document out of a folder
    Unfile { id: String, document: String },
    /// List the documents in a folder
    Documents {
        id: String,
        /// Those after this one
        #[arg(long, value_name = "DOCUMENT")]
        after: Option<String>,
    },
    /// Remove a folder; the documents in it stay
    Remove { id: String },
}

/// A person or a group.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Party {
    /// A person, by name; of another tenant, it is theirs once they come for it
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// A group, by id
    #[arg(long, value_name = "ID")]
    group: Option<String>,
}

impl Party {
    /// `{"user": …}` or `{"group": …}`.
    fn json(&self) -> Value {
        match (&self.user, &self.group) {
            (Some(user), _) => json!({ "user": user }),
            (None, group) => json!({ "group": group }),
        }
    }
}

impl Group {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let node = common.node()?;
        let value = match self {
            Group::Add { name } => node.post("/api/v1/groups", &json!({ "name": name })).await?,
            Group::List => node.get("/api/v1/groups").await?,
            Group::Show { id } => node.get(&format!("/api/v1/groups/{}", segment(&id))).await?,
            Group::Remove { id } => {
                let answer = node.call(Method::DELETE, &format!("/api/v1/groups/{}", segment(&id)), None).await?;
                removed(json!({ "group": id, "removed": true }), answer)
            }
            Group::Member(Member::Add { id, party, manager, until }) => {
                let mut body = party.json();
                if manager {
                    body["role"] = json!("manager");
                }
                if let Some(until) = until {
                    body["until"] = json!(until);
                }
                node.post(&format!("/api/v1/groups/{}/members", segment(&id)), &body).await?
            }
            Group::Member(Member::Remove { id, party, manager, keep }) => {
                let (part, name) = match (&party.user, &party.group) {
                    (Some(name), _) if manager => ("managers", name),
                    (Some(name), _) => ("members/users", name),
                    (None, Some(inner)) => ("members/groups", inner),
                    (None, None) => return Err(Failure::usage("usage", "name one user or one group")),
                };
                let path = format!("/api/v1/groups/{}/{part}/{}{}", segment(&id), segment(name), kept(keep));
                removed(json!({ "group": id, "removed": name }), node.call(Method::DELETE, &path, None).await?)
            }
        };
        print(common.json, &value, lines);
        Ok(Exit::Done)
    }
}

impl Share {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let node = common.node()?;
        let value = match self {
            Share::Add { party, space, collection, folder, document, role, until } => {
                let mut body = json!({ "with": party.json(), "role": role });
                let said = [
                    ("space", space),
                    ("collection", collection),
                    ("folder", folder),
                    ("document", document),
                    ("until", until),
                ];
                for (key, value) in said {
                    if let Some(value) = value {
                        body[key] = json!(value);
                    }
                }
                node.post("/api/v1/shares", &body).await?
            }
            Share::List => node.get("/api/v1/shares").await?,
            Share::Show { id } => node.get(&format!("/api/v1/shares/{}", segment(&id))).await?,
            Share::Remove { id, keep } => {
                let path = format!("/api/v1/shares/{}{}", segment(&id), kept(keep));
                removed(json!({ "share": id, "removed": true }), node.call(Method::DELETE, &path, None).await?)
            }
        };
        print(common.json, &value, |value| match (&value["given"], &value["received"]) {
            (Value::Null, Value::Null) => lines(value),
            (given, received) => format!("given:\n{}\nreceived:\n{}", lines(given), lines(received)),
        });
        Ok(Exit::Done)
    }
}

impl FieldRule {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let node = common.node()?;
        let (field, rule, party) = match self {
            FieldRule::Hide { field, party } => (field, "hidden", Some(party)),
            FieldRule::Seal { field } => (field, "sealed", None),
            FieldRule::Read { field, party } => (field, "reader", Some(party)),
            FieldRule::List { space, collection } => {
                let query = query(&[("space", &space), ("collection", &collection)]);
                let value = node.get(&format!("/api/v1/field-rules?{query}")).await?;
                print(common.json, &value, lines);
                return Ok(Exit::Done);
            }
            FieldRule::Remove { id } => {
                let answer = node.call(Method::DELETE, &format!("/api/v1/field-rules/{}", segment(&id)), None).await?;
                print(common.json, &removed(json!({ "field_rule": id, "removed": true }), answer), lines);
                return Ok(Exit::Done);
            }
        };
        let (collection, name) =
            field.what.split_once('.').ok_or_else(|| Failure::usage("usage", "name the field as COLLECTION.FIELD"))?;
        let mut body = json!({ "collection": collection, "field": name, "rule": rule });
        if let Some(party) = party {
            body["who"] = party.json();
        }
        if let Some(space) = field.space {
            body["space"] = json!(space);
        }
        print(common.json, &node.post("/api/v1/field-rules", &body).await?, lines);
        Ok(Exit::Done)
    }
}

/// The query that leaves a manager what they gave themselves.
fn kept(keep: bool) -> &'static str {
    if keep { "?keep=true" } else { "" }
}

/// What a removal is told as: that it is done, and what the node says beside.
fn removed(mut told: Value, answer: Value) -> Value {
    if let Value::Object(said) = answer {
        for (key, value) in said {
            told[key] = value;
        }
    }
    told
}

/// The query of an address, of what is given.
fn query(given: &[(&str, &Option<String>)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (key, value) in given {
        if let Some(value) = value {
            query.append_pair(key, value);
        }
    }
    query.finish()
}

impl Folder {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let node = common.node()?;
        let value = match self {
            Folder::Add { collection, name, space, parent } => {
                let mut body = json!({ "collection": collection, "name": name });
                for (key, value) in [("space", space), ("parent", parent)] {
                    if let Some(value) = value {
                        body[key] = json!(value);
                    }
                }
                node.post("/api/v1/folders", &body).await?
            }
            Folder::List { space, collection } => {
                let query = query(&[("space", &space), ("collection", &collection)]);
                node.get(&format!("/api/v1/folders?{query}")).await?
            }
            Folder::File { id, documents } => {
                let body = json!({ "documents": documents });
                node.post(&format!("/api/v1/folders/{}/documents", segment(&id)), &body).await?
            }
            Folder::Unfile { id, document } => {
                let path = format!("/api/v1/folders/{}/documents/{}", segment(&id), segment(&document));
                removed(json!({ "folder": id, "removed": document }), node.call(Method::DELETE, &path, None).await?)
            }
            Folder::Documents { id, after } => {
                let query = query(&[("after", &after)]);
                node.get(&format!("/api/v1/folders/{}/documents?{query}", segment(&id))).await?
            }
            Folder::Remove { id } => {
                let answer = node.call(Method::DELETE, &format!("/api/v1/folders/{}", segment(&id)), None).await?;
                removed(json!({ "folder": id, "removed": true }), answer)
            }
        };
        print(common.json, &value, lines);
        Ok(Exit::Done)
    }
}

impl Link {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let node = common.node()?;
        let value = match self {
            Link::Add { collection, fields, rows, until, space } => {
                let mut body = json!({ "collection": collection, "fields": fields });
                if let Some(rows) = rows {
                    let unfit = |error: &str| {
                        let message = format!("--where is not JSON that can be read in one way only: {error}");
                        Failure::usage("where_not_json", &message).hint(r#"as in --where '{"tag": {"_eq": "family"}}'"#)
                    };
                    if let Some(error) = unreadable(&rows) {
                        return Err(unfit(&error));
                    }
                    body["where"] = serde_json::from_str(&rows).map_err(|error| unfit(&error.to_string()))?;
                }
                for (key, value) in [("until", until), ("space", space)] {
                    if let Some(value) = value {
                        body[key] = json!(value);
                    }
                }
                node.post("/api/v1/links", &body).await?
            }
            Link::List => node.get("/api/v1/links").await?,
            Link::Remove { id } => {
                let answer = node.call(Method::DELETE, &format!("/api/v1/links/{}", segment(&id)), None).await?;
                removed(json!({ "link": id, "removed": true }), answer)
            }
        };
        print(common.json, &value, lines);
        Ok(Exit::Done)
    }
}
