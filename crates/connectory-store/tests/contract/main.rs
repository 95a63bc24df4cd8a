//! The contract of the store, as the page of its crate says it: one suite, run against every engine.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/cluster.rs"]
#[expect(dead_code, reason = "these tests share a cluster")]
mod cluster;
#[path = "../support/mod.rs"]
mod support;

mod access;
mod access_events;
mod backups;
mod commits;
mod copies;
mod find;
mod once;
mod past;
mod reads;
mod retention;
mod sessions;

use connectory_store::{AccessDb, Address, Quotas, Store};
use futures_util::StreamExt;
use support::by;
use tempfile::TempDir;

/// A database that one test has for itself.
trait Database: Sized {
    /// An empty one. None if tests of this engine are not wanted.
    fn new() -> Option<Self>;
    /// Opens it; again, after everything that had it open was dropped.
    fn open(&self) -> Store;
    /// Opens it for changes of access, beside whoever has it open.
    fn access(&self) -> AccessDb;
    /// Creates a tenant, beside whoever has it open.
    fn create_tenant(&self, name: &str) {
        self.access().create_tenant(name, &by()).unwrap();
    }
    /// Sets the quotas of a tenant, beside whoever has it open.
    fn set_quotas(&self, tenant: &str, quotas: Quotas) {
        self.access().set_quotas(tenant, quotas, &by()).unwrap();
    }
    /// Runs SQL that nobody else runs, beside whoever has it open.
    fn run(&self, sql: &str);
    /// Opens it once more, for another process. None if it is one process's alone.
    fn open_another(&self) -> Option<Store> {
        None
    }
}

struct Sqlite(TempDir);

impl Database for Sqlite {
    fn new() -> Option<Self> {
        Some(Self(TempDir::new().unwrap()))
    }

    fn open(&self) -> Store {
        Store::open(&self.0.path().join("c.db")).unwrap()
    }

    fn access(&self) -> AccessDb {
        AccessDb::open(&self.0.path().join("c.db")).unwrap()
    }

    fn run(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.0.path().join("c.db")).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
        connection.execute_batch(sql).unwrap();
    }
}

/// One whose commits do not wait for the disk. It keeps every other promise.
struct SqliteWithoutSyncs(Sqlite);

impl Database for SqliteWithoutSyncs {
    fn new() -> Option<Self> {
        Sqlite::new().map(Self)
    }

    fn open(&self) -> Store {
        Store::open_without_syncs(&self.0.0.path().join("c.db")).unwrap()
    }

    fn access(&self) -> AccessDb {
        self.0.access()
    }

    fn run(&self, sql: &str) {
        self.0.run(sql);
    }
}

/// Runs many futures, some at a time: not so many that one of them waits too long for a connection if the machine is slow.
async fn all<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    futures_util::stream::iter(futures).buffered(64).collect().await
}

/// One on a PostgreSQL server.
struct Postgres {
    cluster: cluster::Cluster,
    name: String,
}

impl Postgres {
    fn address(&self) -> Address {
        Address::parse(&self.cluster.address(&self.name), |_| None).unwrap()
    }
}

impl Database for Postgres {
    fn new() -> Option<Self> {
        if !cluster::is_wanted() {
            eprintln!("left out: CONNECTORY_TEST_POSTGRES is not set, which `./test` does");
            return None;
        }
        let cluster = cluster::shared();
        let name = cluster.create_database("");
        Some(Self { cluster, name })
    }

    fn open(&self) -> Store {
        let address = self.address();
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(Store::open_postgres(&address)).unwrap()
        })
    }

    fn access(&self) -> AccessDb {
        AccessDb::open_postgres(&self.address()).unwrap()
    }

    fn run(&self, sql: &str) {
        self.cluster.psql(&self.name, sql);
    }

    fn open_another(&self) -> Option<Store> {
        Some(self.open())
    }
}

/// One test for each promise.
macro_rules! promises {
    ($engine:ident: $database:ty; $($module:ident { $($promise:ident,)+ })+) => {
        mod $engine {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    if let Some(database) = <$database as super::Database>::new() {
                        super::$module::$promise(database).await;
                    }
                }
            )+)+
        }
    };
}

/// Runs every promise against every engine.
macro_rules! engines {
    ($($engine:ident: $database:ty),+ $(,)?) => {
        $(promises! { $engine: $database;
            commits {
                several_edits_are_made_whole_under_consecutive_numbers,
                a_refusal_says_which_edit_and_why_and_nothing_is_written,
                edits_that_are_about_the_same_connector_or_name_are_refused,
                a_commit_may_take_the_names_that_it_frees,
                a_connector_that_is_there_again_has_its_new_name,
                names_are_compared_by_their_keys,
                a_connector_gets_another_name_if_nobody_has_it,
                a_commit_of_nothing_has_no_numbers,
                concurrent_commits_are_followed_in_the_order_of_their_numbers_without_gaps,
                a_commit_is_followed_before_it_is_answered,
                of_concurrent_edits_of_one_revision_one_is_made,
                no_commit_exceeds_the_quotas_of_its_tenant,
            }
            once {
                a_commit_with_a_key_is_made_once,
                of_concurrent_commits_with_one_key_one_is_made,
                a_commit_that_is_not_made_leaves_its_key_free,
                a_key_is_one_of_its_tenant_alone,
                a_key_is_free_again_after_a_day,
            }
            past {
                revisions_after_a_number_are_in_the_order_of_commits,
                a_moment_is_found_by_its_number_and_by_its_time,
                what_connectors_were_at_a_revision_is_known,
                revisions_are_read_by_their_numbers,
                deleted_connectors_are_read_from_the_last_deleted_on,
            }
            find {
                revisions_are_found_by_what_they_have,
                the_first_revision_of_each_change_is_found,
                access_events_are_found_by_what_they_have,
                a_search_of_access_events_ends_and_says_where,
                refused_sign_ins_are_found_by_what_they_have,
            }
            reads {
                a_connector_lives_through_revisions_and_a_restart,
                a_load_is_of_one_number_and_in_order,
                changes_are_the_current_state_of_what_changed,
                changes_after_an_unknown_number_tell_the_newest,
                a_revision_is_read_as_one_of_its_tenant_and_connector_only,
                tenants_are_separate,
                large_connectors_are_read_as_they_were_written,
            }
            access {
                clients_belong_to_a_tenant_until_they_are_deleted,
                clients_are_read_a_page_at_a_time,
                a_tenant_is_renamed_beside_whoever_serves_it,
                a_suspended_tenant_changes_nothing_until_it_is_resumed,
                a_deleted_tenant_is_gone_at_once_and_its_rows_go_in_steps,
                a_tenant_has_a_limit_on_clients,
                a_client_that_was_deleted_changes_no_access,
                a_generated_client_has_a_secret_that_is_not_stored,
                the_first_tenant_is_created_once,
                the_first_signing_key_stays,
                a_working_store_passes_its_checks,
                an_issuer_is_one_of_its_database_alone,
            }
            backups {
                what_is_restored_is_what_was_there,
                keys_come_along_if_they_are_wanted,
                a_restore_is_whole_or_not_at_all_and_replaces_nothing,
                a_backup_while_others_write_is_of_one_moment,
                what_is_committed_while_a_backup_is_made_is_not_in_it,
            }
            retention {
                old_bodies_go_and_the_newest_stay,
                a_revision_without_its_body_stays,
                a_part_goes_with_the_last_body_that_names_it,
                deleted_connectors_and_those_made_again_keep_their_newest_bodies,
                every_tenant_keeps_its_own,
                what_is_removed_is_free_for_others,
                edits_beside_retention_lack_nothing,
                an_edit_made_before_a_step_and_committed_after_it_is_whole,
                a_long_history_goes_in_steps_from_its_oldest_on,
            }
            sessions {
                a_session_lives_until_it_ends,
                sessions_of_others_never_make_room,
                a_deleted_client_has_no_sessions,
            }
            access_events {
                changes_of_access_and_sign_ins_are_kept_with_who_and_from_where,
                the_oldest_sign_ins_go_and_changes_of_access_stay,
                one_author_makes_only_their_own_sign_ins_go,
                refused_sign_ins_are_counted_by_minute_and_the_oldest_go,
            }
        })+
    };
}

engines![sqlite: super::Sqlite, sqlite_without_syncs: super::SqliteWithoutSyncs, postgres: super::Postgres];
