//! Where addresses and letters lie.

/// Where a person is written to.
pub mod mailbox {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_mailbox")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub user: Vec<u8>,
        /// It gave a code back.
        pub address: Option<String>,
        /// It was sent one.
        pub wished: Option<String>,
        /// By which the code was made.
        pub nonce: Option<Vec<u8>>,
        pub expires: Option<i64>,
        /// Codes that were tried.
        pub tries: i64,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// A letter. One that was sent, or given up, stays for a day: it counts.
pub mod outbox {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_outbox")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Vec<u8>,
        pub user: Vec<u8>,
        pub address: String,
        /// `MailAddress::box_of`.
        pub mail_box: String,
        /// A word of `LetterKind`.
        pub kind: String,
        /// Of a code.
        pub nonce: Option<Vec<u8>>,
        /// `waiting`, `sent`, `left` or `given_up`.
        pub state: String,
        pub attempts: i64,
        /// When it is tried next.
        pub due: i64,
        pub created: i64,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
