//! Access to the registry: tenants, API clients, and the keys that sign tokens.

use argon2::password_hash::PasswordHasher;
use argon2::{Argon2, Params};
use connectory_model::access::{Scopes, UserLevel};

/// A tenant's key in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TenantId(i64);

impl TenantId {
    /// The largest key. A key and a revision number together fit into one 64-bit integer.
    pub(crate) const MAX: i64 = (1 << 23) - 2;

    /// Makes the key of a tenant.
    pub const fn new(id: i64) -> Option<Self> {
        if id > 0 && id <= Self::MAX { Some(Self(id)) } else { None }
    }

    pub(crate) const fn get(self) -> i64 {
        self.0
    }
}

/// A tenant. Every connector and every client belongs to exactly one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// The tenant's key in the database.
    pub id: TenantId,
    /// The id that the API shows.
    pub uuid: String,
    /// The name, unique among all tenants.
    pub name: String,
    /// The time of creation, in milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// The limits on what the tenant stores.
    pub quotas: Quotas,
    /// Since when the tenant can do nothing, in milliseconds since 1970-01-01 UTC. None if it can.
    pub suspended_at: Option<i64>,
}

/// What a step removed of a deleted tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemovedRows {
    /// The rows.
    pub rows: u64,
    /// Whether that was all of the tenant.
    pub is_all: bool,
}

/// How many rows of each table a step removes: milliseconds, so that nobody who commits waits for long.
pub(crate) const REMOVED_ROWS: u32 = 500;

/// The name of a deleted tenant, which no tenant can be given.
pub(crate) fn name_of_deleted(uuid: &str) -> String {
    format!("deleted {uuid}")
}

/// The limits on what a tenant stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// The largest number of connectors.
    pub connectors: u64,
    /// The largest size of all revisions together, in bytes as they are stored. None means no limit.
    pub bytes: Option<u64>,
}

/// A quota that a commit would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuotaExceeded {
    /// The commit would create too many connectors.
    #[error(
        "the tenant may have {0} connectors (its quota `connectors`); delete what is not used, or ask the operator of this server for a larger quota"
    )]
    Connectors(u64),
    /// The revisions of the commit would need too many bytes.
    #[error(
        "the tenant may store {0} bytes of revisions (its quota `bytes`), the history included, so a deletion frees nothing; ask the operator of this server for a larger quota"
    )]
    Bytes(u64),
}

/// An API client. Tokens are issued to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiClient {
    /// The id, unique among the clients of all tenants.
    pub id: String,
    /// The client's purpose, as free text.
    pub name: String,
    /// The tenant that the client's tokens are valid for.
    pub tenant: Tenant,
    /// The argon2id hash of the secret, in PHC string format.
    pub secret_hash: String,
    /// The user level of the client's tokens.
    pub level: UserLevel,
    /// The scopes of the client's tokens.
    pub scopes: Scopes,
    /// The time of creation, in milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
}

/// A client to create.
#[derive(Debug, Clone)]
pub struct NewClient {
    /// The id, unique among the clients of all tenants.
    pub id: String,
    /// The client's purpose, as free text.
    pub name: String,
    /// The argon2id hash of the secret, in PHC string format.
    pub secret_hash: String,
    /// The user level of the client's tokens.
    pub level: UserLevel,
    /// The scopes of the client's tokens.
    pub scopes: Scopes,
}

impl NewClient {
    /// Creates a client with a random id, and returns it with its new secret. The store has only the hash of the
    /// secret. Hashing takes tens of milliseconds.
    pub fn generate(name: String, level: UserLevel, scopes: Scopes) -> (Self, String) {
        let secret = new_secret();
        (Self::with_secret(new_id(), &secret, name, level, scopes), secret)
    }

    /// Creates a client with a given id and secret.
    pub fn with_secret(id: String, secret: &str, name: String, level: UserLevel, scopes: Scopes) -> Self {
        Self { id, name, secret_hash: hash_secret(secret), level, scopes }
    }

    /// Creates a client whose secret needs no protection, for tests: hashing and verifying it takes microseconds.
    pub fn with_known_secret(id: String, secret: &str, name: String, level: UserLevel, scopes: Scopes) -> Self {
        let least = Params::new(Params::MIN_M_COST, Params::MIN_T_COST, Params::MIN_P_COST, None);
        let hasher = Argon2::from(least.expect("the least costs are costs"));
        let hash = hasher.hash_password(secret.as_bytes()).expect("any secret can be hashed");
        Self { id, name, secret_hash: hash.to_string(), level, scopes }
    }
}

/// Makes a new client id: 128 random bits in hexadecimal.
pub fn new_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Makes a new secret: 256 random bits in hexadecimal.
pub fn new_secret() -> String {
    format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>())
}

/// Hashes a secret with argon2id and a new random salt. Returns the hash in PHC string format.
pub fn hash_secret(secret: &str) -> String {
    Argon2::default().hash_password(secret.as_bytes()).expect("any secret can be hashed").to_string()
}

/// A key that signs tokens.
#[derive(Clone)]
pub struct SigningKey {
    /// The id of the key: the `kid` of the tokens that it signs.
    pub id: String,
    /// The private key, PKCS #8 in PEM.
    pub pem: String,
    /// Whether the key was made so short a time ago ([`KEY_PUBLISHED`](connectory_model::limits::KEY_PUBLISHED)) that others may
    /// not know it.
    pub is_new: bool,
}
