//! The rows of the directory. Instants are microseconds since the Unix epoch; ids are sixteen bytes.

/// Gives an entity without relations its two obligatory items.
macro_rules! lone {
    () => {
        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}
        impl ActiveModelBehavior for ActiveModel {}
    };
}

pub mod setting {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_setting")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub name: String,
        pub value: String,
    }
    lone!();
}

pub mod tenant {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_tenant")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Vec<u8>,
        pub name: String,
        pub created: i64,
    }
    lone!();
}

pub mod user {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_user")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Vec<u8>,
        pub name: String,
        pub tenant: Vec<u8>,
        /// The personal space.
        pub space: Vec<u8>,
        pub created: i64,
        /// How often all known browsers were forgotten.
        pub browsers: i64,
    }
    lone!();
}

pub mod credential {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_credential")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Vec<u8>,
        pub user: Vec<u8>,
        /// A word of `CredentialKind`.
        pub kind: String,
        /// What it is checked by.
        pub secret: String,
        /// The last that was taken of what counts once, if it counts up.
        pub step: Option<i64>,
        pub created: i64,
    }
    lone!();
}

pub mod token {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_token")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: Vec<u8>,
        pub user: Vec<u8>,
        /// Null: a session of the person.
        pub client: Option<Vec<u8>>,
        pub grant_id: Option<Vec<u8>>,
        pub family: Option<Vec<u8>>,
        pub created: i64,
        pub expires: i64,
        /// When the person of a session last gave their password.
        pub confirmed: Option<i64>,
        /// When a session was last used.
        pub used: Option<i64>,
        /// How long a session of a sign-in may lie unused, in microseconds.
        pub idle: Option<i64>,
        /// From where, and by what, a session was last used.
        pub address: Option<String>,
        pub product: Option<String>,
    }
    lone!();
}

pub mod refresh {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_refresh")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: Vec<u8>,
        pub user: Vec<u8>,
        pub client: Vec<u8>,
        pub grant_id: Vec<u8>,
        pub family: Vec<u8>,
        pub expires: i64,
        /// When it was exchanged: a second exchange is theft.
        pub used: Option<i64>,
    }
    lone!();
}

pub mod code {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_code")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: Vec<u8>,
        pub user: Vec<u8>,
        pub client: Vec<u8>,
        pub grant_id: Vec<u8>,
        pub redirect_uri: String,
        pub challenge: String,
        pub expires: i64,
        pub used: Option<i64>,
    }
    lone!();
}

pub mod app {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_app")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Vec<u8>,
        /// JSON.
        pub manifest: String,
        pub secret: Option<Vec<u8>>,
        pub created: i64,
    }
    lone!();
}

pub mod grant {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_grant")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Vec<u8>,
        pub user: Vec<u8>,
        pub client: Vec<u8>,
        pub space: Vec<u8>,
        /// Field ids, one a line: the order in which the app asked.
        pub field_order: String,
        pub created: i64,
        pub expires: Option<i64>,
        pub last_used: Option<i64>,
    }
    lone!();
}

pub mod audit {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_audit")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Vec<u8>,
        /// Whose slice it is in.
        pub user: Vec<u8>,
        pub at: i64,
        pub actor: String,
        pub action: String,
        pub detail: String,
    }
    lone!();
}

pub mod group {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_group")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Vec<u8>,
        pub tenant: Vec<u8>,
        pub name: String,
        pub created: i64,
        /// Who made it, and in whose quota it counts.
        pub maker: Option<Vec<u8>>,
    }
    lone!();
}

pub mod space {
    use sea_orm::entity::prelude::*;

    /// What a space is called, so that lists need not open it. The space itself says it.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_space")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Vec<u8>,
        pub name: String,
        pub personal: bool,
    }
    lone!();
}

pub mod membership {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_membership")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub group_id: Vec<u8>,
        /// `manager` or `member`.
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub role: String,
        /// `user` or `group`.
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub kind: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub party: Vec<u8>,
        pub until: Option<i64>,
        pub created: i64,
        /// Who put them in; not known of old rows.
        pub giver: Option<Vec<u8>>,
    }
    lone!();
}

pub mod assignment {
    use sea_orm::entity::prelude::*;

    /// Exactly one relationship of policy: everything between `kind` and `party` is its identity.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_assignment")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Vec<u8>,
        pub space: Vec<u8>,
        /// `space`, `collection`, `folder`, `document` or `field`.
        pub kind: String,
        /// Empty for a whole space.
        pub collection: Vec<u8>,
        pub object: Vec<u8>,
        pub relation: String,
        /// `user`, `group`, or empty where it is about nobody in particular.
        pub party_kind: String,
        pub party: Vec<u8>,
        pub until: Option<i64>,
        /// Who made it so.
        pub giver: Vec<u8>,
        pub created: i64,
    }
    lone!();
}

pub mod offer {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_offer")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Vec<u8>,
        /// `share` or `group`.
        pub kind: String,
        /// The space, or the group.
        pub object: Vec<u8>,
        /// The request as it was made.
        pub body: String,
        /// Whom it is offered.
        pub name: String,
        pub giver: Vec<u8>,
        pub created: i64,
    }
    lone!();
}

pub mod folder {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_folder")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Vec<u8>,
        pub space: Vec<u8>,
        pub collection: Vec<u8>,
        /// The folder that it lies in.
        pub parent: Option<Vec<u8>>,
        pub name: String,
        pub created: i64,
    }
    lone!();
}

pub mod filing {
    use sea_orm::entity::prelude::*;

    /// A document lies in a folder.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_filing")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub folder: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub document: Vec<u8>,
        pub collection: Vec<u8>,
        pub created: i64,
    }
    lone!();
}

pub mod link {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_link")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub grant_id: Vec<u8>,
        pub user: Vec<u8>,
        pub space: Vec<u8>,
        pub created: i64,
        pub last_used: Option<i64>,
    }
    lone!();
}
