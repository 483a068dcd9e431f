//! Black-box tests: the `allod` binary, driven as its operators and clients drive it. `ALLOD_BIN` names
//! the binary; without it, the one in this build's target directory is taken.

mod contract;
mod damage;
mod doors;
mod durability;
mod grants;
mod graphql_http;
mod home;
mod hostile;
mod http_rules;
mod isolation;
mod masks;
mod neighbours;
mod oauth;
mod policy;
mod policy_engines;
mod policy_node;
mod policy_testing;
mod queries;
mod rules;
mod sessions;
mod sharing;
mod sharing_access;
mod sharing_documents;
mod sharing_entries;
mod sharing_fields;
mod sharing_groups;
mod sharing_kept;
mod sharing_links;
mod sharing_scopes;
mod sharing_tenants;
mod sharing_told;
mod sync;
mod tidy;
mod told_before;
mod usage;
