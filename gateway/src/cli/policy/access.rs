//! Who can see a field of the running node, and what an app can see.

use clap::Args;
use serde_json::Value;

use crate::cli::output::{Exit, Failure, lines, print};
use crate::cli::remote::segment;
use crate::cli::{Common, logging};

#[derive(Debug, Args)]
pub struct Who {
    /// COLLECTION.FIELD
    what: String,
    /// In one document
    #[arg(long, value_name = "ID")]
    document: Option<String>,
    /// The space [default: your personal one]
    #[arg(long, value_name = "ID")]
    space: Option<String>,
    /// Answers after this: `next` of the page before
    #[arg(long)]
    after: Option<String>,
    /// Answers of one page, at most 1,000; where there are more, stderr says after which
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

#[derive(Debug, Args)]
pub struct Sees {
    /// The app
    client_id: String,
    /// Answers after this: `next` of the page before
    #[arg(long)]
    after: Option<String>,
    /// Answers of one page, at most 1,000; where there are more, stderr says after which
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// Prints a page; whoever reads text is told that there is another.
fn show(common: &Common, page: &Value) {
    print(common.json, page, |page| lines(&page["entries"]));
    if let (false, Some(next)) = (common.json, page["next"].as_str()) {
        logging::line(&format!("there are more: --after {next}"));
    }
}

impl Who {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let (collection, field) =
            self.what.split_once('.').ok_or_else(|| Failure::usage("usage", "name the field as COLLECTION.FIELD"))?;
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("collection", collection).append_pair("field", field);
        query.append_pair("limit", &self.limit.to_string());
        for (key, value) in [("document", &self.document), ("space", &self.space), ("after", &self.after)] {
            if let Some(value) = value {
                query.append_pair(key, value);
            }
        }
        let value = common.node()?.get(&format!("/api/v1/access?{}", query.finish())).await?;
        show(common, &value);
        Ok(Exit::Done)
    }
}

impl Sees {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("limit", &self.limit.to_string());
        if let Some(after) = &self.after {
            query.append_pair("after", after);
        }
        let path = format!("/api/v1/access/apps/{}?{}", segment(&self.client_id), query.finish());
        show(common, &common.node()?.get(&path).await?);
        Ok(Exit::Done)
    }
}
