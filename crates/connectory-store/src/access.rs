//! Who may use the registry: tenants, API clients and the keys that tokens are signed with.

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use connectory_model::access::{Scope, UserLevel};

/// A tenant's key in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TenantId(i64);

impl TenantId {
    /// The largest key. With the number of a revision it fits into one integer of 64 bits.
    pub(crate) const MAX: i64 = (1 << 23) - 2;

    pub(crate) const fn new(id: i64) -> Option<Self> {
        if id > 0 && id <= Self::MAX { Some(Self(id)) } else { None }
    }

    pub(crate) const fn get(self) -> i64 {
        self.0
    }
}

/// A tenant: connectors, clients and everything else belong to exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its key.
    pub id: TenantId,
    /// Its id on the wire.
    pub uuid: String,
    /// Its name, unique.
    pub name: String,
    /// When it was created, in milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
}

/// An API client, which tokens are issued to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiClient {
    /// Its id, unique among all tenants.
    pub id: String,
    /// What it is for, in words.
    pub name: String,
    /// Its tenant.
    pub tenant: Tenant,
    /// The argon2id hash of its secret, in PHC string format.
    pub secret_hash: String,
    /// The user level that its tokens have.
    pub level: UserLevel,
    /// The scopes that its tokens have.
    pub scopes: Vec<Scope>,
    /// When it was created, in milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
}

/// A client to be created.
#[derive(Debug, Clone)]
pub struct NewClient {
    /// Its id.
    pub id: String,
    /// What it is for, in words.
    pub name: String,
    /// The hash of its secret.
    pub secret_hash: String,
    /// Its user level.
    pub level: UserLevel,
    /// Its scopes.
    pub scopes: Vec<Scope>,
}

impl NewClient {
    /// A client with a random id, and its secret, which only the client keeps. Hashing takes tens of milliseconds.
    pub fn generate(name: String, level: UserLevel, scopes: Vec<Scope>) -> (Self, String) {
        let secret = new_secret();
        (Self::with_secret(new_id(), &secret, name, level, scopes), secret)
    }

    /// A client with a given id and secret.
    pub fn with_secret(id: String, secret: &str, name: String, level: UserLevel, scopes: Vec<Scope>) -> Self {
        Self { id, name, secret_hash: hash_secret(secret), level, scopes }
    }
}

/// A new client id: 128 random bits in hexadecimal.
pub fn new_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// A new secret: 256 random bits in hexadecimal.
pub fn new_secret() -> String {
    format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>())
}

/// The argon2id hash of a secret, in PHC string format with a salt of its own.
pub fn hash_secret(secret: &str) -> String {
    Argon2::default().hash_password(secret.as_bytes()).expect("any secret can be hashed").to_string()
}

/// A key that tokens are signed with.
#[derive(Clone)]
pub struct SigningKey {
    /// The `kid` of its tokens.
    pub id: String,
    /// The private key, PKCS #8 in PEM.
    pub pem: String,
}
