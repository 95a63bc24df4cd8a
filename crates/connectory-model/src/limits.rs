//! Every limit of connectory, on one page: what it bounds, and why it is this number.
//!
//! A limit that an operator may want to change is the default of an option of `connectory serve`; its comment names the
//! option. All others are fixed. They are our decisions (docs/API.md) where no specification is named.

use std::ops::RangeInclusive;
use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

// A document.

/// Bytes of a document, or of a locale's texts. Real source configs have up to 300 KB. Option `--max-document`.
pub const DOCUMENT_BYTES: usize = 5 * MIB;
/// Levels of elements in an XML document. Real documents have about ten; a parser recurses for each.
pub const XML_DEPTH: usize = 100;
/// Elements of an XML document. Each costs the tree about 100 bytes.
pub const XML_ELEMENTS: usize = 100_000;
/// Nodes of an XML document: elements, attributes, texts, comments and instructions. Each costs the tree about 100 bytes,
/// and a comment has as few as 7.
pub const XML_NODES: usize = 600_000;
/// Attributes of one element. The tree's parser compares each with every other.
pub const XML_ATTRIBUTES: usize = 100;
/// Namespace declarations of an XML document. The tree's parser compares each with every other.
pub const XML_NAMESPACES: usize = 256;
/// Bytes of a source config whose keys are replaced by texts. A key may be used in every element, so that a short form
/// with one long text would become gigabytes. The keys of a form that would be longer stay.
pub const LOCALIZED_BYTES: usize = 16 * MIB;

// A connector.

/// Bytes of a whole connector as JSON, which is the most that a revision stores. Option `--max-connector`.
pub const CONNECTOR_BYTES: usize = 16 * MIB;
/// The largest value of that option: a backup has a part of a connector in one record, and a reader has that in memory.
pub const MOST_CONNECTOR_BYTES: usize = 24 * MIB;
/// Characters of a name, type or class name. The vendor's forms take as many.
pub const MEMBER_CHARS: usize = 255;
/// Characters of a script name. It is part of paths and file names.
pub const SCRIPT_NAME_CHARS: usize = 100;
/// Bytes of a script name that was made elsewhere: as many as a file name has on most systems.
pub const FOUND_SCRIPT_NAME_BYTES: usize = 255;
/// Bytes of the name of a connector's folder: as many as a file name has on most systems. It has up to three for each byte
/// of a script name.
pub const FOLDER_NAME_BYTES: usize = 255;
/// Keys of a locale's texts. Real connectors have up to a few hundred.
pub const KEYS_PER_LOCALE: usize = 10_000;
/// Bytes of a short description, in the metadata or in a locale. Every list has it.
pub const SHORT_DESCRIPTION_BYTES: usize = 4 * KIB;
/// Features of a source template. Every list has them; real ones have up to 40.
pub const FEATURES: usize = 200;
/// Bytes of one feature.
pub const FEATURE_BYTES: usize = 255;
/// Labels in the metadata. The console counts the connectors of each.
pub const LABELS: usize = 100;
/// Bytes of one label, or of the category.
pub const LABEL_BYTES: usize = 1020;
/// Bytes of the metadata as JSON. Every list has it.
pub const METADATA_BYTES: usize = 64 * KIB;
/// Levels of the metadata.
pub const METADATA_DEPTH: usize = 32;

// A tenant.

/// Connectors of a tenant: its quota, unless an operator sets another one. Lists in memory take about 1 KB for each.
pub const CONNECTORS_PER_TENANT: u64 = 1_000_000;
/// API clients of a tenant. A platform has some for each of its systems; a list and rate windows are kept for each.
pub const CLIENTS_PER_TENANT: usize = 1000;
/// Verified tokens that are remembered, so that their signatures are not verified again for each request. Each takes
/// about 1 KB.
pub const TOKENS: usize = 10_000;
/// Verified tokens of one tenant that are remembered. Beyond that, the oldest of the client with the most is forgotten.
pub const TOKENS_PER_TENANT: usize = TOKENS / 4;
/// Verified tokens of one client that are remembered. Beyond that, its oldest is forgotten.
pub const TOKENS_PER_CLIENT: usize = TOKENS_PER_TENANT / 4;
/// Clients and people of one tenant whose requests are counted for the rate limit: as many as it may have clients,
/// and twice as many people. Each takes about 500 bytes. Beyond that, those who have not been seen for the longest time begin
/// a new count.
pub const COUNTED_PER_TENANT: usize = 3 * CLIENTS_PER_TENANT;
/// Time that a request waits for a permit of the rate limit, if several servers share a database: as long as a fresh read.
pub const PERMIT_TIMEOUT: Duration = Duration::from_secs(1);
/// Time after a failure to get permits in which a server counts requests by itself, so that they do not wait one after the
/// other while the database is gone.
pub const PERMITS_ALONE: Duration = Duration::from_secs(1);
/// The part of the requests that a server has admitted in a window which it may take as permits for later ones. So what lies
/// unused on all servers is a tenth of what was used, and of 90 requests of 100 all are admitted, wherever they are sent.
pub const SPARE_PERMITS: u64 = 10;
/// Time without a request after which a tenant leaves its part of the caches to others.
pub const CACHE_IDLE: Duration = Duration::from_mins(1);
/// The part of the caches that a tenant has at most while others ask too.
pub const CACHE_PART: u64 = 4;
/// Sessions of one client or person. A person has a few browsers.
pub const SESSIONS_PER_AUTHOR: u32 = 20;
/// Sessions of a tenant. A new one then replaces the one of the same tenant that was unused for the longest time.
pub const SESSIONS_PER_TENANT: u32 = 1000;
/// Time without a request after which a session ends (D30).
pub const SESSION_IDLE: Duration = Duration::from_hours(1);
/// Longest time that a session lasts (D30): a working day.
pub const SESSION_LIFETIME: Duration = Duration::from_hours(12);
/// Time between two writes of the last use of a session. A shorter one would write for every page.
pub const SESSION_TOUCH: Duration = Duration::from_mins(1);
/// Sessions that are kept in memory beside the database, for the next few seconds. Each takes some 500 bytes.
pub const SESSIONS_CACHED: usize = 10_000;
/// Time for signing in at an OpenID provider (D31).
pub const OPENID_TIME: Duration = Duration::from_mins(10);
/// Sign-ins and sign-outs of a tenant that are kept: more than a year of 20 people.
pub const SIGN_INS: u32 = 10_000;
/// Sign-ins and sign-outs of one client or person that are kept, so that nobody makes those of others go.
pub const SIGN_INS_PER_AUTHOR: u32 = 1000;
/// Refused sign-ins of one client or person that are kept, so that wrong secrets for one do not make those for others go.
pub const REFUSED_SIGN_INS_PER_CLIENT: u32 = 1000;
/// Refused sign-ins of a tenant that are kept, one for each address, client and minute.
pub const REFUSED_SIGN_INS: u32 = 10_000;
/// Time for which an `Idempotency-Key` is kept (D44). Clients repeat within minutes; a job that failed at night is started
/// again on the next day.
pub const ONCE_KEPT: Duration = Duration::from_hours(24);
/// Newest revisions of a tenant whose keys are kept. Each key belongs to a commit, so this bounds the keys of a tenant too:
/// they take about 150 bytes each, much less than the revisions, which stay. A client that makes ten changes a second, as
/// many as the default rate limit allows, has its keys for a day.
pub const ONCE_REVISIONS: i64 = 1_000_000;
/// Characters of an `Idempotency-Key`: as many as other services take.
pub const IDEMPOTENCY_KEY_CHARS: usize = 255;
/// Entity tags in the conditions of a request. A client has a few answers of one address; a head would hold thousands of tags,
/// which are read before the client is known.
pub const CONDITION_TAGS: usize = 100;

// A request.

/// Bytes of a request's head. Tokens have about 1 KB, filters up to 8 KiB, which percent-encoding may triple.
pub const HEAD_BYTES: usize = 32 * KIB;
/// Bytes of a request's body. Option `--max-request`.
pub const REQUEST_BYTES: usize = 10 * MIB;
/// Bytes of a body that is read before its sender is known: a token request, or the form for signing in.
pub const ANONYMOUS_BYTES: usize = 16 * KIB;
/// Bytes of a form whose session has ended, with which its answer can send it again. Most documents have less.
pub const HELD_FORM_BYTES: usize = MIB;
/// Such forms that are read at a time while nobody knows who sends them.
pub const HELD_FORMS: usize = 4;
/// Fields of a form. The console's largest has 19 locales and a few more.
pub const FORM_FIELDS: usize = 64;
/// Fields of a form that is read before its sender is known.
pub const ANONYMOUS_FIELDS: usize = 16;
/// Values in a JSON body: a byte pair such as `0,` becomes 32 bytes in memory.
pub const JSON_VALUES: usize = 100_000;
/// Operations of a JSON Patch.
pub const PATCH_OPERATIONS: usize = 1000;
/// Bytes that the `copy` operations of one patch may copy, all together.
pub const PATCH_COPIED_BYTES: usize = 32 * MIB;
/// Bytes of a filter.
pub const FILTER_BYTES: usize = 8 * KIB;
/// Levels of parentheses and `not` in a filter.
pub const FILTER_DEPTH: usize = 50;
/// Comparisons of a filter: each is a search through the names of the whole catalog.
pub const FILTER_COMPARISONS: usize = 100;
/// Bytes of the changes that are applied at once, before compression. Option `--max-apply`. They are checked line by line,
/// and wait compressed.
pub const APPLY_BYTES: usize = 256 * MIB;
/// Changes that are applied at once. They are one transaction, for which all other changes wait: less than a second.
pub const APPLY_LINES: usize = 10_000;
/// Bytes of one of these changes, as a part of `--max-connector`: JSON has up to two bytes for one of most documents.
pub const APPLY_LINE_TIMES: usize = 2;
/// Refused changes that an answer lists. Nobody reads more.
pub const APPLY_REFUSALS: usize = 1000;
/// Revisions of a change that is taken back. Each needs reads of its own, and whoever changed more has an export.
pub const UNDO_REVISIONS: usize = 1000;
/// Time to read what is imported, and to check it: what 64 MiB of hostile files take, and no more.
pub const IMPORT_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for these changes to arrive.
pub const APPLY_TIMEOUT: Duration = Duration::from_mins(2);
/// Time that these changes may be late, beside what [`APPLY_BYTES_PER_SECOND`] allows.
pub const APPLY_PAUSE: Duration = Duration::from_secs(10);
/// Bytes of these changes that arrive in a second at least, as they are sent. So one that does not arrive holds up others for
/// seconds only.
pub const APPLY_BYTES_PER_SECOND: u64 = 64 * KIB as u64;
/// Applies at a time. Each takes a processor, and the memory for its changes.
pub const APPLIES: usize = 2;
/// Applies of one tenant at a time. Two of them would mostly be refused for each other's changes.
pub const APPLIES_PER_TENANT: usize = 1;
/// Exports at a time. Each takes a processor while its reader is fast, and the memory for its largest connector.
pub const EXPORTS: usize = 6;
/// Exports of one tenant at a time, so that three tenants can export.
pub const EXPORTS_PER_TENANT: usize = 2;
/// Exports of one client at a time.
pub const EXPORTS_PER_CLIENT: usize = 1;
/// Time for an export to be read.
pub const EXPORT_TIMEOUT: Duration = Duration::from_mins(5);
/// Bytes of a part of an export on its way to the connection.
pub const EXPORT_PART_BYTES: usize = 64 * KIB;
/// The largest window of compressed lines, as a power of two: 8 MiB (RFC 9659). A decoder keeps as many bytes.
pub const ZSTD_WINDOW_LOG: u32 = 23;
/// Script names in the query of an export. More do not fit into an address.
pub const EXPORT_NAMES: usize = 250;
/// Connectors in a zip file. The names in it, up to 23 of a connector, are kept in memory for its end.
pub const ZIP_CONNECTORS: usize = 10_000;
/// Files and folders that are imported at once: a thousand connectors. Each name takes some hundred bytes.
pub const IMPORT_FILES: usize = 10_000;
/// Bytes of the files that are imported at once, as they are when they are decompressed. All are in memory, for one request at
/// a time.
pub const IMPORT_BYTES: usize = 64 * MIB;
/// Values in an array of connectors that is imported: a thousand for each connector. A byte pair such as `0,` becomes 32 bytes in
/// memory.
pub const IMPORT_VALUES: usize = 1_000_000;
/// Connectors that are imported at once. A page has a row for each.
pub const IMPORT_CONNECTORS: usize = 1000;
/// Changed connectors of an import whose differences a page shows. Nobody looks through more, and each is read for it.
pub const IMPORT_DIFFERENCES: usize = 50;
/// Findings of the linter that a page shows for one connector of an import.
pub const IMPORT_FINDINGS: usize = 20;
/// Time for a request's body to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_mins(1);
/// Time for a body to arrive that is read before its sender is known.
pub const ANONYMOUS_BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a refused body that are read and dropped, so that its sender reads the answer instead of losing the connection.
pub const DRAINED_BYTES: usize = 32 * MIB;
/// Time to wait for more of them.
pub const DRAIN_PAUSE: Duration = Duration::from_secs(1);
/// Time in which they are.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

// A message.

/// Characters of a name or a value that a message quotes: enough to find it.
pub const QUOTED_CHARS: usize = 100;
/// Characters of an error that a library made: it may quote all that a client sent. The longest that quote little have
/// some lines of YAML.
pub const REASON_CHARS: usize = 1000;

// A connection.

/// Connections at a time. Each costs 10 to 30 KB and a descriptor. Option `--max-connections`; never more than the
/// descriptors that the system grants, less those that the server needs itself. If all are in use, a client that uses
/// more than half of them makes room for others.
pub const CONNECTIONS: usize = 4096;
/// Connections of one peer at a time, so that one machine cannot hold all. Option `--max-connections-per-peer`; it does
/// not hold for the addresses of `--trusted-proxy`.
pub const CONNECTIONS_PER_PEER: usize = 512;
/// Connections to the address of the metrics, at a time.
pub const METRICS_CONNECTIONS: usize = 16;
/// Descriptors that the server needs itself: the database, its readers, the listeners, standard streams.
pub const OWN_DESCRIPTORS: usize = 64;
/// Time from the begin of a connection to the end of its first request's head, the preface of HTTP/2 included.
pub const FIRST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Time from the end of a request to the end of the next one's head. Clients close idle connections sooner.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Time in which a reader must have taken [`WRITE_BYTES`] of an answer that waits for it.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes that a reader must have taken in [`WRITE_TIMEOUT`]: 3 KB a second.
pub const WRITE_BYTES: usize = 64 * KIB;
/// Requests of one HTTP/2 connection at a time.
pub const HTTP2_STREAMS: u32 = 64;
/// Bytes of bodies that one HTTP/2 stream, and one connection, may have on the way. Their buffers hold no more.
pub const HTTP2_STREAM_BYTES: u32 = 256 * 1024;
/// See [`HTTP2_STREAM_BYTES`].
pub const HTTP2_CONNECTION_BYTES: u32 = 1024 * 1024;
/// Bytes of an answer that one HTTP/2 stream buffers.
pub const HTTP2_SEND_BYTES: usize = 64 * KIB;
/// Answers of HTTP/2 of all connections that wait for their readers. Beyond that, connections with more than
/// [`HTTP2_ANSWERS_PER_CONNECTION`] of them end: those of unknown callers, and then those of the client with the most
/// answers. Beyond twice as many, every such connection ends. Each answer takes some 8 KB, however short it is.
pub const HTTP2_ANSWERS: usize = 2048;
/// See [`HTTP2_ANSWERS`].
pub const HTTP2_ANSWERS_PER_CONNECTION: usize = 4;
/// Bytes of requests that have not got their responses yet, of all connections together: their heads, the first
/// [`UNCOUNTED_BYTES`] of their bodies, and [`REQUEST_OVERHEAD`] for each. Beyond that, connections of unknown callers end,
/// those with the most bytes first.
pub const REQUESTS_BYTES: usize = 48 * MIB;
/// Bytes that the server keeps for a request besides what was sent.
pub const REQUEST_OVERHEAD: usize = 8 * KIB;
/// Time after SIGTERM in which the server answers as before, but is not ready, so that a load balancer takes it out first.
/// Option `--drain`.
pub const DRAIN: Duration = Duration::from_secs(5);
/// The longest such time. The rest of [`STOP_TIMEOUT`] is for requests in flight.
pub const MOST_DRAIN: Duration = Duration::from_secs(8);
/// Time from the signal to the end of the process. Container runtimes kill after 10 seconds.
pub const STOP_TIMEOUT: Duration = Duration::from_millis(9500);
/// The last part of [`STOP_TIMEOUT`]: connections are dropped, and the database is closed.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

// The process.

/// Bytes of the lists of all tenants in memory, as they are counted: those of some 700,000 connectors. Option
/// `--catalog-memory`.
pub const CATALOG_BYTES: usize = 1024 * MIB;
/// Bytes of request bodies in memory at a time. One never counts for more than half of them, and passes if so many are
/// free. Option `--max-bodies`.
pub const BODIES_BYTES: usize = 24 * MIB;
/// Bytes of answers that are on the way to their readers at a time. One never counts for more than half of them, and passes
/// if so many are free. Option `--max-answers`.
pub const ANSWERS_BYTES: usize = 24 * MIB;
/// The part of each of these two budgets that the requests of one client may hold together: a quarter. The requests of a
/// tenant may hold twice as much. Beyond that, a request has to leave this part to others. So a hostile tenant and a hostile
/// client of another leave enough for a large document.
pub const BUDGET_PART: usize = 4;
/// The part of each of these two budgets that a small request has at most: 384 KiB. Most details are smaller. Those of a
/// client pass beside its large ones, which may be read slowly.
pub const BUDGET_SMALL_PART: usize = 64;
/// The part of [`ANSWERS_BYTES`] that is for callers who are not known, beside it: the console's files, the reference page.
pub const ANONYMOUS_PART: usize = 4;
/// Bytes of a body or answer that are not counted: so small ones pass while large ones are refused. Of the answers that
/// wait on one connection, only the first has them; so all connections together hold no more than this times
/// [`CONNECTIONS`]. Those of bodies are bounded by [`REQUESTS_BYTES`].
pub const UNCOUNTED_BYTES: usize = 16 * KIB;
/// Bytes of documents that are worked on at once on an async worker: less than a millisecond's work.
pub const INLINE_BYTES: usize = 64 * KIB;
/// Bytes of an answer from which on it is compressed for clients that ask for that (D80). A smaller one is one packet anyway.
pub const CODED_BYTES: usize = KIB;
/// Bytes of a request's body that are decoded at once on an async worker: some ten microseconds' work.
pub const CODED_STEP_BYTES: usize = 16 * KIB;
/// Bytes of large connectors that requests work on at a time: one of the largest, or four smaller ones. What is made
/// of a connector while it is worked on takes several times its size.
pub const LARGE_BYTES: usize = CONNECTOR_BYTES;
/// Bytes that hashing a new secret counts as, among the work on large connectors: two at a time for a client.
pub const HASHING_BYTES: usize = LARGE_BYTES / 4;
/// Requests of one client that have their turn to work on something large, or are the next to get it. The client's other
/// requests wait behind these, and not in front of those of others.
pub const TURNS_PER_CLIENT: usize = 2;
/// The same for a tenant: one of the four turns is left to others, and one of the tenant's own to another client.
pub const TURNS_PER_TENANT: usize = 3;
/// How far the clock of a server for tests may be off. Tokens live for minutes.
pub const MOST_CLOCK_OFFSET: Duration = Duration::from_hours(8760);
/// Time between two looks of a request that waits because of a fault whether the server stops.
pub const FAULT_LOOK: Duration = Duration::from_millis(100);
/// Resets of a server for tests that wait. Each takes milliseconds.
pub const RESETS_WAITING: usize = 8;
/// Time that a request waits for a reset. Longer means that something is wrong.
pub const RESET_TIMEOUT: Duration = Duration::from_secs(10);
/// Time that a request waits for its turn to work on something large.
pub const TURN_TIMEOUT: Duration = Duration::from_secs(5);
/// Time that a request waits for what other processes committed. A query takes some milliseconds.
pub const FRESH_TIMEOUT: Duration = Duration::from_secs(1);
/// Time between two looks whether the revision that a request asks for is there.
pub const REVISION_LOOK: Duration = Duration::from_millis(50);
/// Time for which the lists of a tenant are kept up to date after its last request, with `--reads local`.
pub const KEPT_CURRENT: Duration = Duration::from_mins(1);
/// Default of `--max-staleness`.
pub const STALENESS: Duration = Duration::from_secs(1);
/// Least and most that `--max-staleness` may be. Less would be a query for each read; with more, nobody could follow
/// what happened.
pub const STALENESS_BOUNDS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_mins(1));
/// Times that a change is tried while another change of the same connector is committed first each time. More means
/// that other servers change it all the time.
pub const EDIT_ATTEMPTS: u32 = 20;
/// Changes of one connector that wait for each other. Each of them is a request, and takes some milliseconds.
pub const EDITS_WAITING: usize = 256;
/// Time that a change waits for those of the same connector before it.
pub const EDIT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time that long work may take: a filter over the whole catalog, a preview, a difference.
pub const WORK_TIMEOUT: Duration = Duration::from_secs(2);
/// Time that a list may be looked through on an async worker. A search that takes longer begins again on a thread of its
/// own; 100,000 names take less than a tenth of this.
pub const INLINE_TIME: Duration = Duration::from_millis(1);
/// Bytes of a page of a list that is made on an async worker: less than a millisecond's copying.
pub const INLINE_LIST_BYTES: usize = MIB;
/// Long searches at a time. Each takes a processor. One more than a tenant may have, so that the search of another tenant
/// begins at once.
pub const SEARCHES: usize = 3;
/// Long searches of one client at a time: a person looks at one list.
pub const SEARCHES_PER_CLIENT: usize = 1;
/// Long searches of one tenant at a time, so that two clients do not wait for each other.
pub const SEARCHES_PER_TENANT: usize = 2;
/// Bytes of a page of a list: 250 connectors with the largest metadata have 22 MiB.
pub const LIST_BYTES: usize = 32 * MIB;
/// By how much long work gives way to everything else (`nice`): it gets a tenth of a busy processor.
pub const NICENESS: i32 = 10;
/// Threads that may block: the readers of the database, secrets that are verified.
pub const BLOCKING_THREADS: usize = 32;
/// Verifications of secrets that wait for their turn, of known ids and of unknown ids each. One takes up to 50 ms.
pub const VERIFICATIONS_WAITING: usize = 64;
/// Verifications of one client's secrets that run or wait at a time. One of them has a place in the queue of all, so wrong
/// secrets for some clients leave room for the others.
pub const VERIFICATIONS_PER_CLIENT: usize = 32;
/// Time for which a right secret is not verified again. A client that asks for each token anew takes no processor time.
pub const RECENT_SECRET: Duration = Duration::from_mins(5);
/// Clients whose right secrets are remembered for that time.
pub const RECENT_SECRETS: usize = 10_000;
/// Requests to the OpenID provider at a time. Strangers can begin sign-ins, and each request has a connection.
pub const PROVIDER_REQUESTS: usize = 8;
/// Wrong secrets for a client from one address that delay nothing. A person who mistypes needs a few.
pub const FREE_FAILURES: u32 = 5;
/// Time from the next wrong secret until another one is verified. Each further one doubles it.
pub const FAILURE_DELAY: Duration = Duration::from_secs(1);
/// The longest such time: 1,440 guesses a day from one address.
pub const LONGEST_DELAY: Duration = Duration::from_mins(1);
/// Time after which wrong secrets are forgotten.
pub const FAILURES_FORGOTTEN: Duration = Duration::from_mins(15);
/// Addresses of one client whose wrong secrets are remembered. The oldest of the same client makes room.
pub const ADDRESSES_PER_CLIENT: usize = 100;
/// Lines of the log that wait to be written. More are dropped and counted.
pub const LOG_LINES: usize = 4096;
/// Bytes of a path, and of the reason of an error, in the log.
pub const LOG_TEXT_BYTES: usize = 200;
/// Characters of an error's text, of which a part may be the client's own.
pub const ERROR_CHARS: usize = 2000;
/// Errors of one status that are logged in a second. More are counted, and the next line has their number.
pub const LOGGED_REFUSALS: u32 = 20;
/// Bytes of one body that `--record` records. Larger documents are rare in tests, and their beginning shows which one it is.
pub const RECORDED_BODY_BYTES: usize = MIB;
/// Bytes that requests and answers take until `--record` has written them: 16 with the longest bodies. A disk writes as
/// much in less than a second. Requests beyond it are not recorded, but counted.
pub const RECORD_QUEUE_BYTES: usize = 32 * MIB;
/// Bytes that a recorded request takes beside its address, headers and bodies: the head of its answer, and what belongs to it.
pub const RECORD_HEAD_BYTES: usize = 2 * KIB;
/// Bytes of the file of `--record`. Browsers and editors still open one of this size.
pub const RECORD_FILE_BYTES: u64 = 256 * MIB as u64;
/// Time in which the last entries of `--record` are written at the end, after [`CLOSE_TIMEOUT`]. Container runtimes kill soon
/// after that.
pub const RECORD_CLOSE_TIMEOUT: Duration = Duration::from_millis(300);
/// Seconds after which a client should repeat what could not be done for the moment (`Retry-After`).
pub const RETRY_AFTER: u64 = 2;

// Faults that an operator asks for.

/// Statuses of faults: those that clients take for errors.
pub const FAULT_STATUSES: RangeInclusive<u16> = 400..=599;
/// The longest latency: clients give up sooner.
pub const FAULT_LATENCY: Duration = Duration::from_mins(1);
/// The most seconds of a fault's `Retry-After`: a test that waits longer is not run.
pub const FAULT_RETRY_AFTER: u64 = 60;
/// Time for the first half of a truncated answer to go out before the connection ends: a reader on the same machine needs
/// less than a millisecond.
pub const FAULT_PAUSE: Duration = Duration::from_millis(20);

// A backup.

/// Bytes of the first line of a backup. It has some 150.
pub const BACKUP_HEADER_BYTES: usize = 4 * KIB;
/// Bytes of a record of a backup, with its line feed. The largest record has one part of [`MOST_CONNECTOR_BYTES`], which LZ4 makes
/// longer by 1/255 at most, as base64: four bytes for three. Whoever reads a backup has one record in memory.
pub const BACKUP_LINE_BYTES: usize = MOST_CONNECTOR_BYTES / 3 * 4 + 2 * BACKUP_TEXT_BYTES;
/// Bytes of the members of a record beside its body. The largest is the summary of a connector, whose parts have bounds of their
/// own.
pub const BACKUP_TEXT_BYTES: usize = MIB;
/// Bytes of a stored body without the parts that are stored by themselves: those have the rest if there is more than
/// [`INLINE_BYTES`], and metadata have [`METADATA_BYTES`].
pub const BODY_BYTES: usize = MIB;
/// Bytes of what a stored part says for the summary. [`FEATURES`] of [`FEATURE_BYTES`] have less, and a short description too. A
/// check has them in memory for each connector.
pub const SUMMARY_PART_BYTES: usize = 64 * KIB;
/// The largest window of zstd that is read, as a power of two: 8 MiB of memory. Backups are written with 2 MiB.
pub const BACKUP_WINDOW_LOG: u32 = 23;

/// Time from one backup of a server to the next. Option `--backup-every`.
pub const BACKUP_EVERY: Duration = Duration::from_hours(24);
/// Least and most that `--backup-every` may be. A backup reads the whole database; one a month is not one that anybody counts on.
pub const BACKUP_EVERY_BOUNDS: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(31 * 24));
/// Backups that a server keeps: those of a week. Option `--backup-keep`.
pub const BACKUPS_KEPT: usize = 7;
/// Time after a backup that failed until the next attempt.
pub const BACKUP_RETRY: Duration = Duration::from_mins(5);
/// Time after which a server looks again whether a backup is due: clocks are set, and machines sleep.
pub const BACKUP_LOOK: Duration = Duration::from_mins(1);
/// How far in the future the time of a backup may be that counts: the clocks of other servers may be ahead by as much. Later
/// ones were made when a clock was wrong.
pub const BACKUP_AHEAD: Duration = Duration::from_mins(10);
/// Time without a write after which a part of a backup is what a process left that ended. The slowest disk writes more often.
pub const BACKUP_ABANDONED: Duration = Duration::from_hours(1);
/// Time in which a backup ends that is being made when the server stops. It looks for that with each write.
pub const BACKUP_CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

// Retention.

/// Least and most that the age of `--keep-revisions` may be. A shorter one removes what somebody just looked at.
pub const RETENTION_AGE: (Duration, Duration) = (Duration::from_hours(1), Duration::from_hours(100 * 365 * 24));
/// Most newest revisions of each connector that `--keep-revisions` may name. Whoever wants more keeps everything.
pub const RETENTION_MIN: usize = 1_000_000;
/// Time for which a body stays after the next revision of its connector: requests that began before may still read it, and
/// none of them takes so long.
pub const RETENTION_RECENT: Duration = Duration::from_hours(1);
/// Connectors whose newest revisions a step reads at once.
pub const RETENTION_CONNECTORS: u32 = 256;
/// Revisions that a step looks at: some milliseconds of reads.
pub const RETENTION_LOOK: u32 = 1000;
/// Revisions of a connector that may wait to lose their bodies, as numbers in memory. If there are more, the history is walked
/// again when these are done.
pub const RETENTION_WINDOW: usize = 10_000;
/// Bodies that are removed in one transaction: it takes a few milliseconds, for which commits of the tenant wait.
pub const RETENTION_BODIES: usize = 32;
/// Bytes of parts that are removed in one transaction, before compression, unless a single revision has more.
pub const RETENTION_BYTES: usize = 8 * MIB;
/// Time from one step to the next, in which the disk belongs to others.
pub const RETENTION_PAUSE: Duration = Duration::from_millis(50);
/// The same for the removal of what deleted tenants had.
pub const REMOVAL_PAUSE: Duration = Duration::from_millis(50);
/// Time between two looks for such tenants.
pub const REMOVAL_EVERY: Duration = Duration::from_mins(1);
/// Time from the deletion of a tenant until the command begins to remove what it has: servers serve it for 5 seconds more.
pub const REMOVAL_DELAY: Duration = Duration::from_secs(6);
/// Time from the end of a pass to the next one.
pub const RETENTION_EVERY: Duration = Duration::from_hours(1);
/// Time after a step that failed until the next attempt.
pub const RETENTION_RETRY: Duration = Duration::from_mins(1);

// Several servers.

/// Time for which a new signing key is published before it signs, so that every server and every reader of the published keys
/// knows it by then.
pub const KEY_PUBLISHED: Duration = Duration::from_mins(1);
/// Time between two reads of the signing keys because of a token of an unknown key. Anybody can send such tokens.
pub const KEYS_READ_EVERY: Duration = Duration::from_secs(1);
/// Time between two comparisons of the clock with that of the database.
pub const CLOCK_LOOK: Duration = Duration::from_mins(1);
/// Difference of the two from which on a server warns.
pub const CLOCK_DIFFERENCE: Duration = Duration::from_secs(5);

// Work that one of several servers does.

/// Time for which a server has the lease of such work. It renews the lease when a third of this has passed, so two failures to
/// renew it are no loss. When a server is gone, another one begins its work after this time.
pub const LEASE: Duration = Duration::from_secs(30);
/// Time between two removals of rows that nothing needs any more: they are few.
pub const CLEAN_UP_EVERY: Duration = Duration::from_hours(1);
/// Time after a removal that failed, or was not due to this server, until the next attempt.
pub const CLEAN_UP_RETRY: Duration = Duration::from_mins(1);

// A page of the console.

/// Bytes of the address that a page repeats, so that its reader comes back to it. The longest list has some filters.
pub const BACK_BYTES: usize = 4 * KIB;
/// Bytes of the address of a list to which a change to its connectors leads back. Each row of the list has it twice. A longer
/// one leads to the list without its filters.
pub const LIST_BACK_BYTES: usize = KIB;
/// Bytes of the address of a page in the cookie of a sign-in at an OpenID provider. Browsers drop cookies of more than 4096 bytes;
/// encoding makes up to three times as many of it.
pub const OPENID_BACK_BYTES: usize = KIB;
/// API clients on a page: as many as a reader looks through.
pub const CLIENTS_PER_PAGE: usize = 100;
/// Characters of the other members of the metadata in the form: the text there has more white space than
/// [`METADATA_BYTES`] count.
pub const METADATA_CHARS: usize = 4 * METADATA_BYTES;
/// How many times the largest document a page with the text of one may have. Real documents take less than half: HTML
/// has up to six bytes for a character of the text.
pub const EDITOR_TIMES: usize = 2;
/// Connectors that the page for a status of several looks into, to say what is unfinished before a release: as many as its
/// reader goes through.
pub const RELEASES_LOOKED: usize = 50;
/// Bytes of these connectors together. The linter takes longer than other work on as many.
pub const RELEASES_BYTES: usize = 2 * MIB;
/// Keys on a page of the translations.
pub const KEYS_PER_PAGE: usize = 100;
/// Bytes of texts on a page of the translations. What is beyond is shown by its beginning.
pub const GRID_BYTES: usize = MIB;
/// Bytes of a text whose markup a preview shows; a longer one is shown as it is written. Reading markup that nests takes
/// the square of its length.
pub const MARKUP_BYTES: usize = 10_000;
/// Characters of one text that the translations page saves.
pub const TEXT_CHARS: usize = 10_000;
/// Fields and options that a preview shows.
pub const PREVIEW_PARTS: usize = 2000;
/// Bytes of texts that a preview shows.
pub const PREVIEW_BYTES: usize = MIB;
/// Connectors that a field proposes while a script name is typed: as many as a list below a field shows.
pub const COMPARE_NAMES: usize = 20;
/// Bytes of texts that a page of differences compares, both sides together.
pub const DIFF_BYTES: usize = 512 * KIB;
/// Lines of texts that a page of differences compares, both sides together. Each may be a row of its tables.
pub const DIFF_LINES: usize = 20_000;
/// Time in which a page looks for the smallest differences; after that, larger ones have to do.
pub const DIFF_TIMEOUT: Duration = Duration::from_millis(200);
/// Deleted connectors that a search reads at once.
pub const DELETED_READ: usize = 250;
/// Deleted connectors that a search looks at. Then the answer says where to go on.
pub const DELETED_SCANNED: usize = 2000;
/// Deleted connectors that a page counts. Then it says that there are more.
pub const DELETED_COUNTED: usize = 1000;
/// Revisions that a request reads at once.
pub const REVISIONS_READ: usize = 1000;
/// Revisions that a request looks at to find those that it wants. Then the answer says where to go on.
pub const REVISIONS_SCANNED: usize = 20_000;
/// Revisions and access events that a page of the activity looks at to find those that it wants: some milliseconds' worth.
/// Then the page says where to go on.
pub const ACTIVITY_SCANNED: usize = 5000;
/// Revisions of one change that the activity names. A reader sees what it was about; the change has a page of its own.
pub const ACTIVITY_PARTS: usize = 5;
/// Reads that a page of the activity makes at most. One is enough unless many changes are of several connectors.
pub const ACTIVITY_READS: usize = 16;
/// Rows of a file with the activity.
pub const ACTIVITY_FILE_ROWS: usize = 10_000;
/// Bytes of a file with the activity. A row has a few hundred.
pub const ACTIVITY_FILE_BYTES: usize = 8 * MIB;
/// Pages of the activity that a file is made of, and the items of each.
pub const ACTIVITY_FILE_PAGES: usize = 40;
/// Items of the activity that a file reads at once.
pub const ACTIVITY_FILE_PAGE: usize = 250;
/// Time in which the smallest difference of two states of a connector is looked for; after that, a larger one has to do.
pub const PLAIN_DIFF_TIMEOUT: Duration = Duration::from_secs(2);
/// Streams of events at a time. Each costs a task, and a read for each batch of changes.
pub const EVENT_STREAMS: usize = 1000;
/// Streams of events of one tenant at a time.
pub const EVENT_STREAMS_PER_TENANT: usize = 100;
/// Streams of events of one client at a time.
pub const EVENT_STREAMS_PER_CLIENT: usize = 10;
/// Events that a stream reads at once. It has no more in memory, however slowly its client reads.
pub const EVENTS_READ: u32 = 100;
/// How often a stream of events looks whether its client may still read, and whether others committed something.
pub const EVENTS_LOOK: Duration = Duration::from_secs(1);
/// How often a stream of events looks whether its client is there, so that it ends at most five seconds after the client.
pub const CLIENT_LOOK: Duration = Duration::from_secs(3);
/// How often a stream of events that has nothing to send sends a comment, so that proxies keep the connection.
pub const EVENTS_HEARTBEAT: Duration = Duration::from_secs(15);
/// Findings that the check of a document answers.
pub const FINDINGS: usize = 500;
/// Translation keys, and attributes of a schema, that an editor proposes.
pub const COMPLETION_KEYS: usize = 2000;
/// Bytes of these and their texts. An editor asks for them with each page.
pub const COMPLETION_BYTES: usize = 100 * 1000;
/// Characters of the text beside a key that an editor proposes.
pub const COMPLETION_TEXT_CHARS: usize = 200;
