//! Signing and verifying tokens: ES256 with a key that is kept in the database.
//!
//! The algorithm is fixed on our side and never read from a token, which rules out `alg: none` and a public key
//! passed off as an HMAC secret.

use std::collections::HashMap;

use connectory_model::access::{Scope, UserLevel};
use connectory_store::{SigningKey, Store, StoreError};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use p256::pkcs8::{EncodePrivateKey, LineEnding};
use serde::{Deserialize, Serialize};

const EXPIRED: &str = "JWT is expired";
const ALGORITHM: Algorithm = Algorithm::ES256;

/// Why the keys cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key is not what was written.
    #[error("the signing key in the database cannot be read: {0}")]
    Key(jsonwebtoken::errors::Error),
}

/// What a token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// The token's own id.
    pub jti: String,
    /// The client it was issued to.
    pub client_id: String,
    /// The same, under the name that RFC 7519 gives to whom a token speaks of.
    pub sub: String,
    /// The client's name.
    pub user_name: String,
    /// The tenant it is for.
    pub tenant_id: String,
    /// The tenant's name.
    pub org: String,
    /// Where the tenant is served.
    pub pod: String,
    /// What it may be used for.
    pub scope: Vec<Scope>,
    /// The user levels of the client.
    pub authorities: Vec<UserLevel>,
    /// When it was issued, in seconds since 1970-01-01 UTC.
    pub iat: u64,
    /// When it ends, in seconds since 1970-01-01 UTC.
    pub exp: u64,
}

/// The keys of a server.
pub struct Keys {
    signing: (String, EncodingKey),
    verifying: HashMap<String, DecodingKey>,
    published: JwkSet,
    validation: Validation,
}

impl Keys {
    /// The keys in the database; the first start puts one there.
    pub async fn load(store: &Store) -> Result<Self, KeysError> {
        let keys = store.signing_keys(generate()).await?;
        let mut parsed = keys
            .into_iter()
            .map(|SigningKey { id, pem }| {
                let key = EncodingKey::from_ec_pem(pem.as_bytes())?;
                let mut published = Jwk::from_encoding_key(&key, ALGORITHM)?;
                published.common.key_id = Some(id.clone());
                published.common.public_key_use = Some(PublicKeyUse::Signature);
                Ok((id, key, published))
            })
            .collect::<Result<Vec<_>, jsonwebtoken::errors::Error>>()
            .map_err(KeysError::Key)?;
        let verifying = parsed
            .iter()
            .map(|(id, _, published)| Ok((id.clone(), DecodingKey::from_jwk(published)?)))
            .collect::<Result<_, jsonwebtoken::errors::Error>>()
            .map_err(KeysError::Key)?;
        let published = JwkSet { keys: parsed.iter().map(|(_, _, published)| published.clone()).collect() };
        let (id, key, _) = parsed.swap_remove(0);
        let mut validation = Validation::new(ALGORITHM);
        validation.leeway = 0;
        Ok(Self { signing: (id, key), verifying, published, validation })
    }

    /// A signed token.
    pub fn sign(&self, claims: &Claims) -> String {
        let (id, key) = &self.signing;
        let header = Header { kid: Some(id.clone()), ..Header::new(ALGORITHM) };
        encode(&header, claims, key).expect("the key was used before")
    }

    /// What a token says, if it was signed here and has not ended at a time (in seconds since 1970-01-01 UTC); otherwise what is wrong with it.
    pub fn verify(&self, token: &str, now: u64) -> Result<Claims, &'static str> {
        let header = decode_header(token).map_err(|error| reason(error.kind()))?;
        let key = header.kid.as_ref().and_then(|id| self.verifying.get(id)).ok_or("JWT signature is invalid")?;
        let decoded = decode::<Claims>(token, key, &self.validation).map_err(|error| reason(error.kind()))?;
        if decoded.claims.exp > now { Ok(decoded.claims) } else { Err(EXPIRED) }
    }

    /// The public keys.
    pub fn published(&self) -> &JwkSet {
        &self.published
    }
}

fn reason(error: &ErrorKind) -> &'static str {
    match error {
        ErrorKind::ExpiredSignature => EXPIRED,
        ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => "JWT signature is invalid",
        _ => "JWT is malformed",
    }
}

fn generate() -> SigningKey {
    let key = std::iter::repeat_with(|| p256::SecretKey::from_slice(&rand::random::<[u8; 32]>()))
        .find_map(Result::ok)
        .expect("almost every number is a key");
    let pem = key.to_pkcs8_pem(LineEnding::LF).expect("a key has an encoding");
    SigningKey { id: super::secret::new_id(), pem: pem.to_string() }
}
