//! Where notices lie.

/// What a person was told.
pub mod notice {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_notice")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Vec<u8>,
        pub user: Vec<u8>,
        /// A word of `NoticeKind`.
        pub kind: String,
        /// `About`, as text.
        pub about: Option<String>,
        pub at: i64,
        pub read: Option<i64>,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// What a person does not want to be told.
pub mod muted {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_notice_muted")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub user: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub kind: String,
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub channel: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// What a person was told once, and is not told again.
pub mod told {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_notice_told")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub user: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub mark: String,
        pub at: i64,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Where a person signed in from.
pub mod place {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_sign_in_place")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub user: Vec<u8>,
        /// Network and program, under a key of the node.
        #[sea_orm(primary_key, auto_increment = false)]
        pub mark: Vec<u8>,
        pub seen: i64,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
