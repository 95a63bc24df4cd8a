//! Signs and verifies tokens, with ES256 and a key that is stored in the database.
//!
//! The server fixes the algorithm and never reads it from a token. This prevents `alg: none`, and the use of a public
//! key as an HMAC secret.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use connectory_model::access::{Scopes, UserLevel};
use connectory_model::limits::KEYS_READ_EVERY;
use connectory_store::{SigningKey, Store, StoreError};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use p256::pkcs8::{EncodePrivateKey, LineEnding};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

const EXPIRED: &str = "JWT is expired";
/// The seconds by which the clock of another server may be ahead of this one. Servers of one database follow its clock, so this
/// is for what is left.
const IAT_LEEWAY: u64 = 60;
const ALGORITHM: Algorithm = Algorithm::ES256;

/// The reason why the keys cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored key is not valid.
    #[error("the signing key in the database cannot be read: {0}")]
    Key(jsonwebtoken::errors::Error),
}

/// The claims of a token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// The issuer of the token: the id of the database.
    pub iss: String,
    /// The id of the token.
    pub jti: String,
    /// The id of the client that the token was issued to.
    pub client_id: String,
    /// The id of the client again: the subject claim of RFC 7519.
    pub sub: String,
    /// The name of the client.
    pub user_name: String,
    /// The id of the tenant.
    pub tenant_id: String,
    /// The name of the tenant.
    pub org: String,
    /// The vendor's name for the place that serves the tenant.
    pub pod: String,
    /// The scopes of the token.
    pub scope: Scopes,
    /// The user level of the client, as a list with one item.
    pub authorities: Vec<UserLevel>,
    /// The time of issue, in seconds since 1970-01-01 UTC.
    pub iat: u64,
    /// The time of expiry, in seconds since 1970-01-01 UTC.
    pub exp: u64,
}

/// The signing keys of a server.
pub struct Keys {
    set: ArcSwap<KeySet>,
    issuer: String,
    validation: Validation,
    /// When the keys were last read because of a token of an unknown key.
    read_at: Mutex<Option<Instant>>,
}

/// The keys, as they were read.
struct KeySet {
    signing: (String, EncodingKey),
    /// The oldest key, from which other secrets are derived. It stays when others are added.
    oldest: String,
    verifying: HashMap<String, DecodingKey>,
    published: JwkSet,
}

impl KeySet {
    fn parse(keys: Vec<SigningKey>) -> Result<Self, jsonwebtoken::errors::Error> {
        let Some(oldest) = keys.last() else { return Err(ErrorKind::InvalidEcdsaKey.into()) };
        let (oldest, last) = (oldest.pem.clone(), keys.len() - 1);
        // The newest that the other servers know, or the oldest, which is used already.
        let signs = keys.iter().position(|key| !key.is_new).unwrap_or(last);
        let parse = |SigningKey { id, pem, .. }: SigningKey| {
            let key = EncodingKey::from_ec_pem(pem.as_bytes())?;
            let mut published = Jwk::from_encoding_key(&key, ALGORITHM)?;
            published.common.key_id = Some(id.clone());
            published.common.public_key_use = Some(PublicKeyUse::Signature);
            Ok((id, key, published))
        };
        let mut parsed = keys.into_iter().map(parse).collect::<Result<Vec<_>, jsonwebtoken::errors::Error>>()?;
        let verifying = parsed.iter().map(|(id, _, published)| Ok((id.clone(), DecodingKey::from_jwk(published)?)));
        let verifying = verifying.collect::<Result<_, jsonwebtoken::errors::Error>>()?;
        let published = JwkSet { keys: parsed.iter().map(|(_, _, published)| published.clone()).collect() };
        let (id, key, _) = parsed.swap_remove(signs);
        Ok(Self { signing: (id, key), oldest, verifying, published })
    }
}

impl Keys {
    /// Loads the keys from the database. The first start creates a key.
    pub async fn load(store: &Store) -> Result<Self, KeysError> {
        let keys = store.signing_keys(generate()).await?;
        let issuer = store.issuer().await?;
        let set = ArcSwap::from_pointee(KeySet::parse(keys).map_err(KeysError::Key)?);
        let mut validation = Validation::new(ALGORITHM);
        // The library would compare with the system's clock. `verify` compares with the server's.
        validation.validate_exp = false;
        validation.set_issuer(&[&issuer]);
        Ok(Self { set, issuer, validation, read_at: Mutex::default() })
    }

    /// The issuer of the tokens that this server signs.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Derives a secret for a purpose from the oldest key. Every server on this database derives the same one, also after
    /// a restart. The secret does not reveal the key.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        Sha256::new().chain_update(purpose).chain_update([0]).chain_update(&self.set.load().oldest).finalize().into()
    }

    /// Signs claims and returns the token.
    pub fn sign(&self, claims: &Claims) -> String {
        let set = self.set.load();
        let (id, key) = &set.signing;
        let header = Header { kid: Some(id.clone()), ..Header::new(ALGORITHM) };
        encode(&header, claims, key).expect("the key was used before")
    }

    /// Reads the keys again if a token is of an unknown key, because another server may have begun to use it. Reads once a
    /// second at most.
    pub async fn look_for_key(&self, token: &str, store: &Store, now: Instant) -> Result<(), StoreError> {
        let id = decode_header(token).ok().and_then(|header| header.kid);
        let is_unknown = || id.as_ref().is_some_and(|id| !self.set.load().verifying.contains_key(id));
        if !is_unknown() {
            return Ok(());
        }
        // Whoever comes while the keys are read waits for them.
        let mut read_at = self.read_at.lock().await;
        if !is_unknown() || read_at.is_some_and(|read_at| now.saturating_duration_since(read_at) < KEYS_READ_EVERY) {
            return Ok(());
        }
        *read_at = Some(now);
        match KeySet::parse(store.known_signing_keys().await?) {
            Ok(set) => self.set.store(Arc::new(set)),
            Err(error) => {
                tracing::error!(%error, "the signing keys in the database cannot be read; the old ones are used");
            }
        }
        Ok(())
    }

    /// Verifies a token and returns its claims. The token must be signed and issued by this server. At `now`, in seconds
    /// since 1970-01-01 UTC, it must not have expired, and must have been issued already. Otherwise returns the error
    /// text.
    pub fn verify(&self, token: &str, now: u64) -> Result<Claims, Cow<'static, str>> {
        let header = decode_header(token).map_err(|error| reason(error.kind()))?;
        let set = self.set.load();
        let key = header.kid.as_ref().and_then(|id| set.verifying.get(id)).ok_or("JWT signature is invalid")?;
        let decoded = decode::<Claims>(token, key, &self.validation).map_err(|error| reason(error.kind()))?;
        match decoded.claims {
            Claims { iat, exp, .. } if exp <= now => {
                let lifetime = exp.saturating_sub(iat);
                Err(format!(
                    "{EXPIRED}: it was valid for {lifetime} seconds; get a new one from /oauth/token before that, or start the \
                     server with a longer --token-lifetime"
                )
                .into())
            }
            Claims { iat, .. } if iat > now + IAT_LEEWAY => Err("JWT was issued in the future".into()),
            claims => Ok(claims),
        }
    }

    /// The public keys as JSON, as the server publishes them.
    pub fn published(&self) -> Vec<u8> {
        serde_json::to_vec(&self.set.load().published).expect("keys are JSON")
    }
}

fn reason(error: &ErrorKind) -> &'static str {
    match error {
        ErrorKind::ExpiredSignature => EXPIRED,
        ErrorKind::InvalidIssuer => "JWT issuer is invalid",
        ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => "JWT signature is invalid",
        _ => "JWT is malformed",
    }
}

fn generate() -> SigningKey {
    let key = std::iter::repeat_with(|| p256::SecretKey::from_slice(&rand::random::<[u8; 32]>()))
        .find_map(Result::ok)
        .expect("almost every number is a key");
    let pem = key.to_pkcs8_pem(LineEnding::LF).expect("a key has an encoding");
    SigningKey { id: super::secret::new_id(), pem: pem.to_string(), is_new: true }
}
