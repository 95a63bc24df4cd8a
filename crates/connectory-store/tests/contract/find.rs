//! What is found in the history and among the access events: each filter, all of them together, and pages of what is found.

use connectory_model::limits::ACTIVITY_SCANNED;
use connectory_store::{
    AccessAction, AccessEvent, AccessFilter, AccessOrigin, Action, Author, AuthorKind, Change, Edit, Origin,
    RefusedFilter, RefusedSignIns, Revision, RevisionFilter, RevisionNumber, Store, TenantId, Who,
};

use super::Database;
use super::support::{by, client, connector, create, number, origin, tenant};

fn origin_of(id: &str, name: Option<&str>) -> Origin {
    let author = Author { kind: AuthorKind::Person, id: id.to_owned(), name: name.map(str::to_owned) };
    Origin { author, tracking_id: None }
}

/// Makes revisions of all kinds by several authors, some of them with one commit.
async fn make_history(store: &Store, tenant: TenantId) {
    let authors = [origin_of("a1", Some("Ada")), origin_of("b1", Some("Bob")), origin_of("Ada", None), origin()];
    let changed: [&[&str]; 5] = [
        &["connectorMetadata"],
        &["sourceConfigXml", "translations/de"],
        &["translations/de", "translations/en"],
        &["name"],
        &[],
    ];
    let edit = |change, at: usize, changed: &[&str]| {
        let changed: Vec<_> = changed.iter().map(|member| (*member).to_owned()).collect();
        Edit::new(change, &connector(&format!("C {at}")), &changed, None)
    };
    let edits = (0..4).map(|at| edit(Change::Create, at, &[])).collect();
    let mut numbers = store.commit(tenant, edits, authors[0].clone()).await.unwrap();
    for step in 0..24 {
        let (at, origin, changed) = (step % 4, authors[step % authors.len()].clone(), changed[step % changed.len()]);
        let expected = numbers[at];
        let mut edits = vec![edit(Change::Update { expected }, at, changed)];
        if step % 3 == 0 {
            let other = (at + 1) % 4;
            edits.push(edit(Change::Update { expected: numbers[other] }, other, changed).restoring());
        }
        for (edit, number) in [at, (at + 1) % 4].into_iter().zip(store.commit(tenant, edits, origin).await.unwrap()) {
            numbers[edit] = number;
        }
    }
    store
        .commit(tenant, vec![edit(Change::Delete { expected: numbers[2] }, 2, &[])], authors[1].clone())
        .await
        .unwrap();
}

/// Nobody, those of whole texts, and those of parts.
fn who(whole: &[&str], parts: &[&str]) -> Vec<Option<Who>> {
    let whole = whole.iter().map(|text| Who::Exactly((*text).to_owned()));
    let parts = parts.iter().map(|text| Who::Containing(text.parse().unwrap()));
    [None].into_iter().chain(whole.chain(parts).map(Some)).collect()
}

fn is_of(who: &Who, text: &str) -> bool {
    match who {
        Who::Exactly(wanted) => text == wanted,
        Who::Containing(search) => search.is_in(text),
    }
}

async fn found(
    store: &Store,
    tenant: TenantId,
    filter: &RevisionFilter,
    (after, before): (i64, i64),
    limit: u32,
) -> Vec<Revision> {
    store.find_revisions(tenant, filter.clone(), (number(after), number(before)), limit).await.unwrap()
}

pub async fn revisions_are_found_by_what_they_have(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    database.create_tenant("other");
    let theirs = store.tenants().await.unwrap()[1].id;
    make_history(&store, ours).await;
    store.commit(theirs, vec![create("Theirs")], origin_of("a1", Some("Ada"))).await.unwrap();
    let all = store.revisions(ours, None, None, 1000).await.unwrap();
    let end = RevisionNumber::MAX.get();
    let texts = |texts: &[&str]| -> Vec<_> {
        [None].into_iter().chain(texts.iter().map(|text| Some((*text).to_owned()))).collect()
    };
    let authors = who(&["a1", "Ada", "Bob", "me", "nobody", "%", "\0"], &["aDA", "a", "1", "nobody", "%"]);
    let members = texts(&[
        "connectorMetadata",
        "translations",
        "translations/de",
        "translations/d",
        "name",
        "sourceConfigXml",
        "Xml",
    ]);
    let actions: Vec<_> = [None].into_iter().chain(Action::ALL.iter().copied().map(Some)).collect();
    for author in &authors {
        for changed in &members {
            for action in &actions {
                let filter = RevisionFilter { author: author.clone(), action: *action, changed: changed.clone() };
                let expected: Vec<_> = all.iter().filter(|revision| filter.has(revision)).cloned().collect();
                assert_eq!(found(&store, ours, &filter, (0, end), 1000).await, expected, "{filter:?}");
            }
        }
    }
    // Pages have neither gaps nor repetitions, and a part of the numbers has its part of the revisions.
    let filter = RevisionFilter { author: Some(Who::Exactly("Ada".to_owned())), ..RevisionFilter::default() };
    let expected: Vec<_> = all.iter().filter(|revision| filter.has(revision)).cloned().collect();
    let (mut before, mut pages) = (end, Vec::new());
    loop {
        let page = found(&store, ours, &filter, (0, before), 3).await;
        let Some(last) = page.last() else { break };
        before = last.number.get();
        pages.extend(page);
    }
    assert_eq!(pages, expected);
    let between: Vec<_> =
        expected.iter().filter(|revision| (11..20).contains(&revision.number.get())).cloned().collect();
    assert_eq!(found(&store, ours, &filter, (10, 20), 100).await, between);
    // A tenant finds its own revisions only.
    assert_eq!(found(&store, theirs, &RevisionFilter::default(), (0, end), 100).await.len(), 1);
}

pub async fn the_first_revision_of_each_change_is_found(database: impl Database) {
    let store = database.open();
    let tenant = tenant(&store).await;
    let (mut firsts, mut lasts) = (Vec::new(), Vec::new());
    for (at, size) in [1, 3, 1, 40, 2].into_iter().enumerate() {
        let edits = (0..size).map(|edit| create(&format!("{at} {edit}"))).collect();
        let numbers = store.commit(tenant, edits, origin()).await.unwrap();
        firsts.push(numbers[0]);
        lasts.push(numbers[numbers.len() - 1]);
    }
    assert_eq!(store.first_of_changes(tenant, lasts).await.unwrap(), firsts);
    assert_eq!(store.first_of_changes(tenant, Vec::new()).await.unwrap(), []);
}

fn by_author(id: &str, name: Option<&str>) -> AccessOrigin {
    AccessOrigin { origin: origin_of(id, name), ..by() }
}

async fn events(store: &Store, tenant: TenantId, filter: &AccessFilter) -> Vec<AccessEvent> {
    let found = store.access_events(tenant, filter.clone(), None, 1000).await.unwrap();
    assert_eq!(found.rest, None);
    found.events
}

pub async fn access_events_are_found_by_what_they_have(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    database.create_tenant("other");
    let theirs = store.tenants().await.unwrap()[1].id;
    for (id, origin) in [("c1", by_author("a1", Some("Ada"))), ("c2", by_author("Ada", None)), ("c3", by())] {
        store.create_client("default".to_owned(), client(id), origin.clone()).await.unwrap();
        store.delete_client(ours, id.to_owned(), origin).await.unwrap();
    }
    // Many events have one time.
    database.run("UPDATE access_events SET created_at = 1000 * (created_at / 1000000000000)");
    database.run("UPDATE access_events SET created_at = 5 WHERE author_name = 'Ada'");
    let all = events(&store, ours, &AccessFilter::default()).await;
    for author in who(&["a1", "Ada", "Me", "nobody", "%"], &["aDA", "a", "M", "nobody"]) {
        for action in [None, Some(AccessAction::ClientCreated), Some(AccessAction::ClientDeleted)] {
            for (since, until) in
                [(None, None), (Some(6), None), (None, Some(5)), (Some(5), Some(5)), (Some(7), Some(6))]
            {
                let filter = AccessFilter { author: author.clone(), action, since, until };
                let has = |event: &&AccessEvent| {
                    let of = &event.by.origin.author;
                    let mut texts = [Some(&of.id), of.name.as_ref()].into_iter().flatten();
                    author.as_ref().is_none_or(|author| texts.any(|text| is_of(author, text)))
                        && action.is_none_or(|action| event.action == action)
                        && since.is_none_or(|since| event.created_at >= since)
                        && until.is_none_or(|until| event.created_at <= until)
                };
                let expected: Vec<_> = all.iter().filter(has).cloned().collect();
                assert_eq!(events(&store, ours, &filter).await, expected, "{filter:?}");
            }
        }
    }
    let filter = AccessFilter { author: Some(Who::Exactly("Ada".to_owned())), ..AccessFilter::default() };
    let (mut up_to, mut pages) = (None, Vec::new());
    while let Some(event) = store.access_events(ours, filter.clone(), up_to, 1).await.unwrap().events.pop() {
        up_to = Some(event.number - 1);
        pages.push(event);
    }
    assert_eq!(pages, events(&store, ours, &filter).await);
    assert_eq!(pages.len(), 4);
    assert_eq!(events(&store, theirs, &AccessFilter::default()).await.len(), 1);
}

pub async fn a_search_of_access_events_ends_and_says_where(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    let scanned = i64::try_from(ACTIVITY_SCANNED).unwrap();
    let first = events(&store, ours, &AccessFilter::default()).await.len();
    let first = i64::try_from(first).unwrap();
    let columns = "action, subject, author_kind, author_id, author_name, address, created_at";
    let values = "3, 'x', 3, 'root', NULL, NULL, 7";
    let ours_in_sql = "(SELECT id FROM tenants WHERE name = 'default')";
    if store.is_shared() {
        database.run(&format!(
            "INSERT INTO access_events (tenant_id, number, {columns})
                 SELECT {ours_in_sql}, v.* FROM (SELECT n + {first}, {values} FROM generate_series(1, {scanned}) AS n) AS v"
        ));
    } else {
        database.run(&format!(
            "WITH RECURSIVE ns (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM ns WHERE n < {scanned})
             INSERT INTO access_events (key, {columns}) SELECT ({ours_in_sql} << 40) + n + {first}, {values} FROM ns"
        ));
    }
    let filter = AccessFilter { action: Some(AccessAction::TenantCreated), ..AccessFilter::default() };
    let found = store.access_events(ours, filter.clone(), None, 10).await.unwrap();
    assert!(found.events.is_empty());
    let (number, _) = found.rest.unwrap();
    assert_eq!(number, first);
    let found = store.access_events(ours, filter, Some(number), 10).await.unwrap();
    assert_eq!((found.events.len(), found.rest), (1, None));
    // Without a filter, everything that is looked at is found.
    let newest = store.access_events(ours, AccessFilter::default(), None, 10).await.unwrap();
    assert_eq!((newest.events.len(), newest.rest), (10, None));
}

pub async fn refused_sign_ins_are_found_by_what_they_have(database: impl Database) {
    let store = database.open();
    let ours = tenant(&store).await;
    database.create_tenant("other");
    let theirs = store.tenants().await.unwrap()[1].id;
    let refused = |tenant, minute, client: &str, address: &str| RefusedSignIns {
        tenant,
        minute,
        client_id: client.to_owned(),
        address: address.parse().unwrap(),
        count: 1,
    };
    let mut all = Vec::new();
    for minute in [3, 2, 1] {
        for client in ["b", "a"] {
            for address in ["2001:db8::1", "192.0.2.7"] {
                all.push(refused(ours, minute, client, address));
            }
        }
    }
    store.add_refused_sign_ins(all.clone()).await.unwrap();
    store.add_refused_sign_ins(vec![refused(theirs, 2, "a", "192.0.2.7")]).await.unwrap();
    for client in who(&["a", "c"], &["A", "c"]) {
        for (since, until) in [(None, None), (Some(2), None), (None, Some(2)), (Some(2), Some(2)), (Some(3), Some(1))] {
            let filter = RefusedFilter { client: client.clone(), since, until };
            let has = |refused: &&RefusedSignIns| {
                client.as_ref().is_none_or(|client| is_of(client, &refused.client_id))
                    && since.is_none_or(|since| refused.minute >= since)
                    && until.is_none_or(|until| refused.minute <= until)
            };
            let expected: Vec<_> = all.iter().filter(has).cloned().collect();
            // One on a page, and the next one from its place.
            let (mut from, mut pages) = (None, Vec::new());
            loop {
                let mut page = store.refused_sign_ins(ours, filter.clone(), from, 2).await.unwrap();
                from = page.get(1).map(RefusedSignIns::place);
                page.truncate(1);
                pages.extend(page);
                if from.is_none() {
                    break;
                }
            }
            assert_eq!(pages, expected, "{filter:?}");
        }
    }
    assert_eq!(store.refused_sign_ins(theirs, RefusedFilter::default(), None, 9).await.unwrap().len(), 1);
}
