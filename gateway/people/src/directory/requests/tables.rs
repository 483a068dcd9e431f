//! Where requests for access lie.

/// An app asks for more than it was granted.
pub mod request {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_access_request")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Vec<u8>,
        pub user: Vec<u8>,
        pub client: Vec<u8>,
        /// The grant that it is to come beside, whichever takes its place.
        pub grant_id: Vec<u8>,
        /// JSON.
        pub access: String,
        pub purpose: Option<String>,
        /// `waiting`, `deciding`, `approved` or `declined`.
        pub state: String,
        pub created: i64,
        pub expires: i64,
        /// When its person began to decide, or did.
        pub decided: Option<i64>,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
