//! The verified tokens, and how many of them each client and tenant has.
//!
//! A client gets as many tokens as it asks for. Without limits for each client and tenant, one of them would replace the
//! tokens of all others, whose signatures would then be verified for each request.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use connectory_model::limits::{TOKENS, TOKENS_PER_CLIENT, TOKENS_PER_TENANT};
use connectory_store::TenantId;
use quick_cache::sync::Cache;

/// The verified tokens, each with its principal.
pub struct Tokens<P> {
    /// The principals by token. The cache hashes a token with a random key before it compares, so the response time
    /// does not reveal anything about a token. It has twice the room that it needs, so that it never decides by itself
    /// which token to forget.
    principals: Cache<Arc<str>, P>,
    kept: Mutex<Kept>,
}

/// The tokens that are kept.
#[derive(Default)]
struct Kept {
    count: usize,
    tenants: HashMap<TenantId, OfTenant>,
}

#[derive(Default)]
struct OfTenant {
    count: usize,
    /// The tokens of each client, the oldest first, with the time at which they expire.
    clients: HashMap<String, VecDeque<(Arc<str>, u64)>>,
}

impl<P: Clone> Default for Tokens<P> {
    fn default() -> Self {
        Self { principals: Cache::new(2 * TOKENS), kept: Mutex::default() }
    }
}

impl<P: Clone> Tokens<P> {
    /// Returns the principal of a token that was verified.
    pub fn get(&self, token: &str) -> Option<P> {
        self.principals.get(token)
    }

    /// Keeps the principal of a token that was verified at a time. If there are too many tokens, forgets those that have
    /// expired, and then the oldest of the client that has too many.
    pub fn keep(&self, token: &str, (tenant, client): (TenantId, &str), principal: P, expires_at: u64, now: u64) {
        let mut kept = self.kept();
        let token = kept.find(tenant, client, token).unwrap_or_else(|| {
            if kept.too_many(tenant, client).is_some() {
                kept.drop_expired(now, |token| drop(self.principals.remove(token)));
            }
            while let Some((tenant, client)) = kept.too_many(tenant, client)
                && let Some(oldest) = kept.take(tenant, &client, VecDeque::pop_front)
            {
                self.principals.remove(&oldest);
            }
            kept.push(tenant, client, token.into(), expires_at)
        });
        self.principals.insert(token, principal);
    }

    /// Forgets a token of a client.
    pub fn forget(&self, token: &str, client: &str) {
        let mut kept = self.kept();
        self.principals.remove(token);
        let of = kept.tenants.iter().find(|(_, of)| of.clients.contains_key(client)).map(|(tenant, _)| *tenant);
        let of_it = |tokens: &mut VecDeque<(Arc<str>, u64)>| {
            let at = tokens.iter().position(|(kept, _)| **kept == *token)?;
            tokens.remove(at)
        };
        of.and_then(|tenant| kept.take(tenant, client, of_it));
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn find(&self, tenant: TenantId, client: &str, token: &str) -> Option<Arc<str>> {
        let tokens = self.tenants.get(&tenant)?.clients.get(client)?;
        tokens.iter().find(|(kept, _)| **kept == *token).map(|(kept, _)| Arc::clone(kept))
    }

    /// Returns whose token must go before a client gets one more: its own if it has too many, else that of the client
    /// with the most, in its tenant or in the tenant with the most.
    fn too_many(&self, tenant: TenantId, client: &str) -> Option<(TenantId, String)> {
        let own = self.tenants.get(&tenant);
        if own.and_then(|own| own.clients.get(client)).is_some_and(|tokens| tokens.len() >= TOKENS_PER_CLIENT) {
            return Some((tenant, client.to_owned()));
        }
        let (tenant, of) = match own {
            Some(own) if own.count >= TOKENS_PER_TENANT => (tenant, own),
            _ if self.count >= TOKENS => {
                self.tenants.iter().max_by_key(|(_, of)| of.count).map(|(id, of)| (*id, of))?
            }
            _ => return None,
        };
        let (client, _) = of.clients.iter().max_by_key(|(_, tokens)| tokens.len())?;
        Some((tenant, client.clone()))
    }

    fn push(&mut self, tenant: TenantId, client: &str, token: Arc<str>, expires_at: u64) -> Arc<str> {
        let of = self.tenants.entry(tenant).or_default();
        of.clients.entry(client.to_owned()).or_default().push_back((Arc::clone(&token), expires_at));
        of.count += 1;
        self.count += 1;
        token
    }

    /// Takes a token of a client.
    fn take(
        &mut self,
        tenant: TenantId,
        client: &str,
        one: impl FnOnce(&mut VecDeque<(Arc<str>, u64)>) -> Option<(Arc<str>, u64)>,
    ) -> Option<Arc<str>> {
        let of = self.tenants.get_mut(&tenant)?;
        let tokens = of.clients.get_mut(client)?;
        let (token, _) = one(tokens)?;
        if tokens.is_empty() {
            of.clients.remove(client);
        }
        of.count -= 1;
        self.count -= 1;
        Some(token)
    }

    fn drop_expired(&mut self, now: u64, dropped: impl Fn(&str)) {
        for of in self.tenants.values_mut() {
            for tokens in of.clients.values_mut() {
                let before = tokens.len();
                tokens.retain(|(token, expires_at)| {
                    let stays = *expires_at > now;
                    if !stays {
                        dropped(token);
                    }
                    stays
                });
                of.count -= before - tokens.len();
                self.count -= before - tokens.len();
            }
            of.clients.retain(|_, tokens| !tokens.is_empty());
        }
        self.tenants.retain(|_, of| of.count > 0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn tenant(id: i64) -> TenantId {
        TenantId::new(id).unwrap()
    }

    /// Keeps tokens of a client that expire at 10, and counts those of them that are still kept afterwards.
    fn keep(tokens: &Tokens<()>, of: i64, client: &str, count: usize) -> usize {
        for n in 0..count {
            tokens.keep(&format!("{of} {client} {n}"), (tenant(of), client), (), 10, 0);
        }
        kept(tokens, of, client, count)
    }

    fn kept(tokens: &Tokens<()>, of: i64, client: &str, count: usize) -> usize {
        (0..count).filter(|n| tokens.get(&format!("{of} {client} {n}")).is_some()).count()
    }

    #[test]
    fn a_client_or_tenant_of_very_many_tokens_replaces_its_own_and_no_others() {
        let tokens = Tokens::default();
        assert_eq!(keep(&tokens, 1, "few", 3), 3);
        let many = TOKENS_PER_CLIENT + 20;
        assert_eq!(keep(&tokens, 2, "neighbour", 20), 20);
        for n in 0..10 {
            let kept = keep(&tokens, 2, &format!("greedy {n}"), many);
            assert!(if n == 0 { kept == TOKENS_PER_CLIENT } else { kept <= TOKENS_PER_CLIENT }, "{n}: {kept}");
        }
        assert!(tokens.get(&format!("2 greedy 9 {}", many - 1)).is_some(), "the oldest are forgotten");
        assert_eq!(kept(&tokens, 2, "neighbour", 20), 20, "those of another client of the tenant stay");
        for of in 2..8 {
            for n in 0..4 {
                keep(&tokens, of, &format!("greedy {n}"), TOKENS_PER_CLIENT);
            }
            let count = tokens.kept().tenants[&tenant(of)].count;
            assert!(if of == 2 { count == TOKENS_PER_TENANT } else { count <= TOKENS_PER_TENANT }, "{of}: {count}");
        }
        assert_eq!(tokens.kept().count, TOKENS, "more tenants than there is room for");
        assert_eq!(kept(&tokens, 1, "few", 3), 3, "those of the tenant with few stay");
        assert_eq!(tokens.principals.len(), TOKENS);
    }

    #[test]
    fn a_token_counts_once_and_goes_when_it_is_forgotten_or_has_expired_and_others_need_room() {
        let tokens = Tokens::default();
        for _ in 0..3 {
            assert_eq!(keep(&tokens, 1, "client", TOKENS_PER_CLIENT), TOKENS_PER_CLIENT);
        }
        tokens.forget("1 client 7", "client");
        assert!(tokens.get("1 client 7").is_none());
        assert_eq!(tokens.kept().count, TOKENS_PER_CLIENT - 1);
        for token in ["new", "newer"] {
            tokens.keep(token, (tenant(1), "client"), (), 20, 10);
        }
        assert_eq!((tokens.kept().count, tokens.principals.len()), (2, 2), "the others have expired");
    }
}
