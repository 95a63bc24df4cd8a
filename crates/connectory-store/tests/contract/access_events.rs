//! Who changed access, who signed in, and who was refused.

use connectory_model::limits::{REFUSED_SIGN_INS, REFUSED_SIGN_INS_PER_CLIENT, SIGN_INS, SIGN_INS_PER_AUTHOR};
use connectory_store::{
    AccessAction, AccessFilter, AccessOrigin, Ended, NewSession, Quotas, RefusedFilter, RefusedSignIns, Store, TenantId,
};

use super::support::{by, client, tenant};
use super::{Database, all};

async fn sign_in(store: &Store, tenant: TenantId, by: &AccessOrigin) {
    let hash = std::array::from_fn(|_| 1);
    let new = NewSession { hash, tenant, rights: None, created_at: 0, replaces: Some(hash) };
    store.begin_session(new, Ended { created_before: 0, used_before: 0 }, by.clone()).await.unwrap();
}

async fn actions(store: &Store, tenant: TenantId) -> Vec<(AccessAction, Option<String>)> {
    let events = store.access_events(tenant, AccessFilter::default(), None, 100).await.unwrap().events;
    events.into_iter().map(|event| (event.action, event.subject)).collect()
}

pub async fn changes_of_access_and_sign_ins_are_kept_with_who_and_from_where(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    store.create_client("default".to_owned(), client("second"), by()).await.unwrap();
    sign_in(&store, ours, &by()).await;
    store.delete_client(ours, "second".to_owned(), by()).await.unwrap();
    database.set_quotas("default", Quotas { connectors: 7, bytes: None });
    database.create_tenant("other");
    let text = |text: &str| Some(text.to_owned());
    let expected = [
        (AccessAction::QuotasChanged, text("connectors 7, bytes none")),
        (AccessAction::ClientDeleted, text("second")),
        (AccessAction::SignIn, None),
        (AccessAction::ClientCreated, text("second")),
        (AccessAction::ClientCreated, text("first")),
        (AccessAction::TenantCreated, text("default")),
    ];
    assert_eq!(actions(&store, ours).await, expected);
    let theirs = store.tenants().await.unwrap()[1].id;
    assert_eq!(actions(&store, theirs).await, [(AccessAction::TenantCreated, text("other"))]);
    let (mut up_to, mut numbers) = (None, Vec::new());
    while let Some(event) = store.access_events(ours, AccessFilter::default(), up_to, 1).await.unwrap().events.pop() {
        assert_eq!(event.by, by());
        up_to = Some(event.number - 1);
        numbers.push(event.number);
    }
    assert_eq!(numbers, [6, 5, 4, 3, 2, 1]);
}

pub async fn the_oldest_sign_ins_go_and_changes_of_access_stay(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    let person = |number| {
        let mut by = by();
        by.origin.author.id = format!("person {number}");
        by
    };
    let authors: Vec<_> = (0..20).map(person).collect();
    sign_in(&store, ours, &authors[0]).await;
    store.create_client("default".to_owned(), client("second"), by()).await.unwrap();
    let count = usize::try_from(SIGN_INS).unwrap() + 400;
    all((0..count).map(|number| sign_in(&store, ours, &authors[number / 7 % authors.len()]))).await;
    let events = store.access_events(ours, AccessFilter::default(), None, 2 * SIGN_INS).await.unwrap().events;
    let (sign_ins, others): (Vec<_>, Vec<_>) =
        events.into_iter().partition(|event| event.action == AccessAction::SignIn);
    let kept = SIGN_INS..SIGN_INS + 100;
    assert!(kept.contains(&u32::try_from(sign_ins.len()).unwrap()), "{}", sign_ins.len());
    assert!(sign_ins.last().unwrap().number > 100, "the oldest go");
    assert_eq!(others.iter().map(|event| event.number).collect::<Vec<_>>(), [4, 2, 1]);
}

pub async fn one_author_makes_only_their_own_sign_ins_go(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    let (honest, mut hostile) = (by(), by());
    "hostile".clone_into(&mut hostile.origin.author.id);
    sign_in(&store, ours, &honest).await;
    all((0..3 * SIGN_INS_PER_AUTHOR).map(|_| sign_in(&store, ours, &hostile))).await;
    let events = store.access_events(ours, AccessFilter::default(), None, SIGN_INS).await.unwrap().events;
    let of = |by: &AccessOrigin| u32::try_from(events.iter().filter(|event| event.by == *by).count()).unwrap();
    assert!((SIGN_INS_PER_AUTHOR..SIGN_INS_PER_AUTHOR + 100).contains(&of(&hostile)), "{}", of(&hostile));
    assert!(events.iter().any(|event| event.action == AccessAction::SignIn && event.by == honest));
}

pub async fn refused_sign_ins_are_counted_by_minute_and_the_oldest_go(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    database.create_tenant("other");
    let theirs = store.tenants().await.unwrap()[1].id;
    let refused = |tenant, minute, address: &str, count| RefusedSignIns {
        tenant,
        minute,
        client_id: format!("client {}", minute % 20),
        address: address.parse().unwrap(),
        count,
    };
    let read = async |tenant, skip| {
        let all = store.refused_sign_ins(tenant, RefusedFilter::default(), None, 2 * REFUSED_SIGN_INS).await.unwrap();
        all.into_iter().skip(skip as usize).take(10).collect::<Vec<_>>()
    };
    let add = async |refused| store.add_refused_sign_ins(refused).await.unwrap();
    add(vec![refused(ours, 1, "192.0.2.7", 2), refused(theirs, 1, "2001:db8::1", 1)]).await;
    add(vec![refused(ours, 1, "192.0.2.7", 3), refused(ours, 2, "192.0.2.7", 1)]).await;
    assert_eq!(read(ours, 0).await, [refused(ours, 2, "192.0.2.7", 1), refused(ours, 1, "192.0.2.7", 5)]);
    assert_eq!(read(ours, 1).await, [refused(ours, 1, "192.0.2.7", 5)]);
    let many = (0..i64::from(REFUSED_SIGN_INS)).map(|number| refused(ours, 3 + number, "192.0.2.8", 1));
    add(many.collect()).await;
    assert_eq!(read(ours, REFUSED_SIGN_INS - 1).await, [refused(ours, 3, "192.0.2.8", 1)]);
    assert_eq!(read(theirs, 0).await, [refused(theirs, 1, "2001:db8::1", 1)], "another tenant's stay");
    // Those of one client never make those of another go.
    let flood =
        (0..2 * i64::from(REFUSED_SIGN_INS_PER_CLIENT)).map(|number| refused(theirs, 20 * number + 2, "192.0.2.8", 1));
    add(flood.collect()).await;
    assert_eq!(read(theirs, REFUSED_SIGN_INS_PER_CLIENT).await, [refused(theirs, 1, "2001:db8::1", 1)]);
}
