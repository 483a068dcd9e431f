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
        /// Since when all of its people are suspended.
        pub suspended: Option<i64>,
        /// Since when it is being removed, with its people: the name is gone, and nobody finds it any more.
        pub removing: Option<i64>,
    }
    lone!();
}

pub mod removed {
    use sea_orm::entity::prelude::*;

    /// Somebody who was here once. Nothing else is kept of them.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_removed")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub user: Vec<u8>,
        pub at: i64,
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
        /// Since when they are an operator.
        pub operator: Option<i64>,
        /// Since when they are suspended.
        pub suspended: Option<i64>,
        /// Since when they are being removed: the name is gone, and nobody finds them any more.
        pub removing: Option<i64>,
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
        /// Whom an outside provider knows the person as, hashed: nobody else's is the same.
        #[sea_orm(unique)]
        pub identity: Option<String>,
        /// What the person recognises it by.
        pub label: Option<String>,
        /// Of a passkey: the name that it is for.
        pub relying_party: Option<String>,
        /// As what its device knows the person.
        pub handle: Option<Vec<u8>>,
        /// When it was last used.
        pub used: Option<i64>,
        /// What the maker of the device calls its kind.
        pub model: Option<String>,
        /// How the device is reached: JSON.
        pub transports: Option<String>,
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
        /// The credential that a session was opened by, if it can be taken away by itself.
        pub credential: Option<Vec<u8>>,
        /// What an outside provider calls the session, hashed.
        pub outside_session: Option<String>,
        /// What an app's token tells of who somebody is (OpenID Connect), if anything.
        pub scope: Option<String>,
        /// The thumbprint of the key that it is bound to (RFC 9449), if it is to one.
        pub jkt: Option<Vec<u8>>,
        /// To what it is held within its grant, if it is to less (RFC 8693), as control entries have grants.
        pub within: Option<Vec<u8>>,
        /// The hash of the token for which an app got it.
        pub came_of: Option<Vec<u8>>,
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
        /// As of the access tokens that come of it.
        pub scope: Option<String>,
        /// The key that it is bound to, of an app that holds no secret.
        pub jkt: Option<Vec<u8>>,
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
        /// Empty: it signs in alone, and opens no data.
        pub grant_id: Vec<u8>,
        pub redirect_uri: String,
        pub challenge: String,
        pub expires: i64,
        pub used: Option<i64>,
        /// JSON: what the app is told of the sign-in, if it asked.
        pub openid: Option<String>,
        /// The key that whoever exchanges it holds, if the app named one.
        pub jkt: Option<Vec<u8>>,
    }
    lone!();
}

pub mod sign_in {
    use sea_orm::entity::prelude::*;

    /// A person lets an app know who they are.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_sign_in")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub user: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub client: Vec<u8>,
        pub scope: String,
        pub created: i64,
        /// When the person last signed in there.
        pub last_used: i64,
        /// What the document of the app said then, hashed, if one describes it.
        pub terms: Option<Vec<u8>>,
    }
    lone!();
}

pub mod pushed {
    use sea_orm::entity::prelude::*;

    /// A request that an app sent here itself.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_pushed")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: Vec<u8>,
        pub client: Vec<u8>,
        /// The network that it came from.
        pub origin: String,
        pub request: String,
        pub expires: i64,
    }
    lone!();
}

pub mod waiting {
    use sea_orm::entity::prelude::*;

    /// A device that waits for its person.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_waiting")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: Vec<u8>,
        /// The hash of what it shows.
        #[sea_orm(unique)]
        pub user_code: Vec<u8>,
        pub client: Vec<u8>,
        /// The network that it asks from.
        pub origin: String,
        pub request: String,
        pub expires: i64,
        /// How long it waits between two questions, in seconds.
        pub interval: i64,
        /// When it last asked.
        pub polled: Option<i64>,
        /// `waiting`, `answered`, `allowed` or `denied`.
        pub state: String,
        /// Who let it in, into what, and what it is told of them.
        pub user: Option<Vec<u8>>,
        pub grant_id: Option<Vec<u8>>,
        pub openid: Option<String>,
    }
    lone!();
}

pub mod signing_key {
    use sea_orm::entity::prelude::*;

    /// A key of ID tokens.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_signing_key")]
    pub struct Model {
        /// The span of time in which it signs.
        #[sea_orm(primary_key, auto_increment = false)]
        pub span: i64,
        pub pkcs8: Vec<u8>,
        pub created: i64,
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
        /// The address of the document that describes it, if no operator registered it.
        pub document: Option<String>,
        /// When it is forgotten if nobody lets it anything; null: it stays.
        pub lapses: Option<i64>,
        /// The hash of the token by which it manages its registration, if it registered itself.
        pub managed: Option<Vec<u8>>,
        /// The network that it came from, if it did without a token.
        pub origin: Option<String>,
        /// How it said that it proves itself.
        pub auth: Option<String>,
    }
    lone!();
}

pub mod registration_token {
    use sea_orm::entity::prelude::*;

    /// By which apps may register themselves.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_registration_token")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Vec<u8>,
        pub hash: Vec<u8>,
        pub created: i64,
        pub expires: i64,
        /// How many apps may still come by it.
        pub remaining: i64,
    }
    lone!();
}

pub mod replaced {
    use sea_orm::entity::prelude::*;

    /// A grant in whose place another is, and the one that is there now.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dir_replaced_grant")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub before: Vec<u8>,
        pub grant_id: Vec<u8>,
        pub space: Vec<u8>,
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
        /// What was used of it: null where that was never counted.
        pub requests: Option<i64>,
        pub rows: Option<i64>,
        pub bytes: Option<i64>,
        /// Field ids, one a line.
        pub fields_used: Option<String>,
        /// The day and the rows of each type that were told on it, where they are limited.
        pub rows_today: Option<String>,
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
