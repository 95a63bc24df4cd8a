//! A proxy between a server and PostgreSQL, which does what networks do, and does it at chosen moments of a commit.
//!
//! It reads just enough of the frontend protocol to see statements: a packet without a type until the startup, then
//! messages of a type, a length and a content.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// The version in a startup packet. Other packets without a type ask for encryption, or cancel.
const STARTUP: i32 = 196_608;
/// How PostgreSQL says that it has committed.
const COMMITTED: &[u8] = b"COMMIT\0";
/// How long PostgreSQL may take for a commit whose connection is cut.
const LAST_ANSWER: Duration = Duration::from_millis(200);

/// Bytes that arrive within this time after a delay were sent together with those that were delayed.
const TOGETHER: Duration = Duration::from_millis(2);

/// What the network does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules {
    /// Whether bytes wait until this is over.
    pub is_paused: bool,
    /// Whether bytes are lost. A connection that has lost some stays silent, also when this is over.
    pub is_silent: bool,
    /// How long bytes to the database take.
    pub to_database: Duration,
    /// How long bytes to the server take.
    pub to_server: Duration,
}

/// What happens once, at the next moment of this kind.
pub enum Trap {
    /// The connection ends, and its `COMMIT` is lost.
    CutBeforeCommit,
    /// PostgreSQL gets the `COMMIT`, and the connection ends without its answer.
    CutAfterCommit,
    /// PostgreSQL gets the `COMMIT`, the server gets an error of this severity and code as its answer, and the connection
    /// ends: PostgreSQL panics, or a pooler loses its connection.
    AnswerCommit(&'static str, &'static str),
    /// PostgreSQL gets the begin of what is written, and the rest is lost. The connection stays open.
    LoseRest,
    /// The transaction has asked for its lock. The answer waits until the receiver ends, so the server cannot commit.
    HoldLock(oneshot::Sender<oneshot::Sender<()>>),
}

struct State {
    upstream: SocketAddr,
    rules: watch::Sender<Rules>,
    trap: Mutex<Option<Trap>>,
    is_sprung: Notify,
    /// The ports with which PostgreSQL knows the connections.
    ports: Mutex<BTreeSet<u16>>,
}

/// A proxy, which ends with the test.
pub struct Proxy {
    state: Arc<State>,
    port: u16,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Starts a proxy in front of this address.
    pub async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            upstream,
            rules: watch::Sender::new(Rules::default()),
            trap: Mutex::default(),
            is_sprung: Notify::new(),
            ports: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&state)));
        Self { state, port, _tasks: tasks }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sets what the network does from now on.
    pub fn set(&self, rules: Rules) {
        self.state.rules.send_replace(rules);
    }

    /// Sets a trap, and waits until it is sprung. Returns whether it was, in this time.
    pub async fn trap(&self, trap: Trap, within: Duration) -> bool {
        let is_sprung = self.state.is_sprung.notified();
        *self.state.trap.lock().unwrap() = Some(trap);
        // If it springs at the last moment, nobody finds it any more.
        timeout(within, is_sprung).await.is_ok() || self.state.trap.lock().unwrap().take().is_none()
    }

    /// The ports with which PostgreSQL knows the connections of this proxy (`pg_stat_activity.client_port`).
    pub fn ports(&self) -> BTreeSet<u16> {
        self.state.ports.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((server, _)) = listener.accept().await else { continue };
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let Ok(database) = TcpStream::connect(state.upstream).await else { return };
            let port = database.local_addr().unwrap().port();
            state.ports.lock().unwrap().insert(port);
            // A connection ends in both directions at once.
            let _broken = carry(&state, server, database).await;
            state.ports.lock().unwrap().remove(&port);
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Carries bytes both ways until a side ends its connection, or a trap cuts it.
async fn carry(state: &State, server: TcpStream, database: TcpStream) -> io::Result<()> {
    server.set_nodelay(true)?;
    database.set_nodelay(true)?;
    let (mut from_server, mut to_server) = server.into_split();
    let (mut from_database, mut to_database) = database.into_split();
    let is_held = watch::Sender::new(false);
    let instead = Mutex::default();
    let end = tokio::select! {
        end = requests(state, &mut from_server, &mut to_database, &is_held, &instead) => end?,
        end = answers(state, &mut from_database, &mut to_server, is_held.subscribe(), &instead) => return end,
    };
    if end == End::AfterCommit {
        // PostgreSQL must not see the end before it has committed. Its answer is lost.
        let _answered = timeout(LAST_ANSWER, from_database.read(&mut [0; 1024])).await;
    }
    Ok(())
}

/// Why the requests of a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    BeforeCommit,
    AfterCommit,
}

/// A direction of a connection.
struct Wire {
    rules: watch::Receiver<Rules>,
    delay: fn(&Rules) -> Duration,
    is_lost: bool,
    /// The end of the last delay.
    late: Option<Instant>,
}

impl Wire {
    fn new(state: &State, delay: fn(&Rules) -> Duration) -> Self {
        Self { rules: state.rules.subscribe(), delay, is_lost: false, late: None }
    }

    /// Waits as long as bytes of this moment take. Returns whether they arrive.
    async fn pass(&mut self) -> bool {
        let now = *self.rules.wait_for(|rules| !rules.is_paused).await.unwrap();
        self.is_lost |= now.is_silent;
        let delay = (self.delay)(&now);
        // What was sent together arrives together.
        if !self.is_lost && !delay.is_zero() && self.late.is_none_or(|late| late.elapsed() > TOGETHER) {
            sleep(delay).await;
            self.late = Some(Instant::now());
        }
        !self.is_lost
    }
}

async fn requests(
    state: &State,
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    is_held: &watch::Sender<bool>,
    instead: &Mutex<Option<Vec<u8>>>,
) -> io::Result<End> {
    let mut wire = Wire::new(state, |rules| rules.to_database);
    let mut is_started = false;
    loop {
        let Some(message) = message(from, &mut is_started).await? else { return Ok(End::Closed) };
        if !wire.pass().await {
            continue;
        }
        let statement = statement(&message);
        let is = |part: &str| statement.is_some_and(|statement| statement.contains(part));
        let sprung = {
            let mut trap = state.trap.lock().unwrap();
            let springs = match &*trap {
                Some(Trap::CutBeforeCommit | Trap::CutAfterCommit | Trap::AnswerCommit(..)) => {
                    statement.is_some_and(|statement| statement.trim_start().starts_with("COMMIT"))
                }
                Some(Trap::LoseRest) => is("append_revisions"),
                Some(Trap::HoldLock(_)) => is("pg_advisory_xact_lock"),
                None => false,
            };
            if springs { trap.take() } else { None }
        };
        match sprung {
            None => to.write_all(&message).await?,
            Some(Trap::CutBeforeCommit) => {
                state.is_sprung.notify_waiters();
                return Ok(End::BeforeCommit);
            }
            Some(Trap::AnswerCommit(severity, code)) => {
                *instead.lock().unwrap() = Some(error(severity, code));
                to.write_all(&message).await?;
                state.is_sprung.notify_waiters();
            }
            Some(Trap::LoseRest) => {
                to.write_all(&message).await?;
                wire.is_lost = true;
                state.is_sprung.notify_waiters();
            }
            Some(Trap::CutAfterCommit) => {
                // The answer must not be faster than the cut.
                is_held.send_replace(true);
                to.write_all(&message).await?;
                state.is_sprung.notify_waiters();
                return Ok(End::AfterCommit);
            }
            Some(Trap::HoldLock(sender)) => {
                is_held.send_replace(true);
                to.write_all(&message).await?;
                state.is_sprung.notify_waiters();
                let (release, released) = oneshot::channel();
                if sender.send(release).is_ok() {
                    // It is released by a message, or by the end of the one who holds it.
                    let _released = released.await;
                }
                is_held.send_replace(false);
            }
        }
    }
}

async fn answers(
    state: &State,
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut is_held: watch::Receiver<bool>,
    instead: &Mutex<Option<Vec<u8>>>,
) -> io::Result<()> {
    let mut wire = Wire::new(state, |rules| rules.to_server);
    let mut bytes = vec![0; 64 << 10];
    loop {
        let count = from.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        let _waited = is_held.wait_for(|is_held| !is_held).await.map(|_| ());
        // What was written is answered before the commit.
        if bytes[..count].windows(COMMITTED.len()).any(|bytes| bytes == COMMITTED) {
            let instead = instead.lock().unwrap().take();
            if let Some(instead) = instead {
                to.write_all(&instead).await?;
                return Ok(());
            }
        }
        if wire.pass().await {
            to.write_all(&bytes[..count]).await?;
        }
    }
}

/// An error as PostgreSQL sends it, with its severity in German.
fn error(severity: &str, code: &str) -> Vec<u8> {
    let fields = format!("SSCHLIMM\0V{severity}\0C{code}\0Mthis is over\0\0");
    let length = i32::try_from(fields.len() + 4).unwrap();
    [&b"E"[..], &length.to_be_bytes(), fields.as_bytes()].concat()
}

/// Reads a message with its head. None at the end of the connection.
async fn message(from: &mut (impl AsyncRead + Unpin), is_started: &mut bool) -> io::Result<Option<Vec<u8>>> {
    let mut message = vec![0; if *is_started { 5 } else { 4 }];
    match from.read_exact(&mut message).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    };
    let head = message.len();
    let length = usize::try_from(i32::from_be_bytes(message[head - 4..].try_into().unwrap()));
    let length = length.ok().and_then(|length| length.checked_sub(4)).ok_or(io::ErrorKind::InvalidData)?;
    message.resize(head + length, 0);
    from.read_exact(&mut message[head..]).await?;
    if !*is_started {
        *is_started = message.get(4..8) == Some(&STARTUP.to_be_bytes());
    }
    Ok(Some(message))
}

/// The text of a simple query, or of a statement that is parsed.
fn statement(message: &[u8]) -> Option<&str> {
    let text = match message {
        [b'Q', _, _, _, _, text @ ..] => text,
        // The name of the statement is before its text.
        [b'P', _, _, _, _, rest @ ..] => &rest[rest.iter().position(|&byte| byte == 0)? + 1..],
        _ => return None,
    };
    str::from_utf8(&text[..text.iter().position(|&byte| byte == 0)?]).ok()
}

mod tests {
    use tokio_postgres::error::SqlState;
    use tokio_postgres::{Client, Error};

    use super::*;
    use crate::postgres::{Postgres, is_wanted};

    const WITHIN: Duration = Duration::from_secs(5);
    const SHORT: Duration = Duration::from_millis(300);

    struct Setting {
        // It ends after the others.
        proxy: Proxy,
        client: Client,
        admin: Client,
        postgres: Postgres,
    }

    impl Setting {
        async fn new() -> Self {
            let postgres = Postgres::start().await;
            let proxy = Proxy::start(postgres.socket()).await;
            let client = postgres.connect(proxy.port(), "postgres").await;
            let admin = postgres.admin().await;
            admin.batch_execute("CREATE TABLE numbers (number int)").await.unwrap();
            Self { proxy, client, admin, postgres }
        }

        async fn connect(&self) -> Client {
            self.postgres.connect(self.proxy.port(), "postgres").await
        }

        async fn count(&self) -> i64 {
            self.admin.query_one("SELECT count(*) FROM numbers", &[]).await.unwrap().get(0)
        }

        async fn commit(&self) -> Result<(), Error> {
            self.client.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(1, 2)").await?;
            self.client.execute("INSERT INTO numbers VALUES ($1)", &[&7]).await?;
            self.client.batch_execute("COMMIT").await
        }
    }

    async fn answers(client: &Client) -> Result<(), Error> {
        client.query_one("SELECT $1 + 1", &[&7]).await.map(|_| ())
    }

    #[tokio::test]
    async fn bytes_wait_are_late_or_are_lost() {
        if !is_wanted() {
            return;
        }
        let setting = Setting::new().await;
        let (proxy, client) = (&setting.proxy, &setting.client);
        answers(client).await.unwrap();

        proxy.set(Rules { is_paused: true, ..Rules::default() });
        let asked = answers(client);
        tokio::pin!(asked);
        assert!(timeout(SHORT, &mut asked).await.is_err(), "nothing arrives");
        proxy.set(Rules::default());
        timeout(WITHIN, asked).await.unwrap().unwrap();

        for rules in [Rules { to_database: SHORT, ..Rules::default() }, Rules { to_server: SHORT, ..Rules::default() }]
        {
            proxy.set(rules);
            let start = Instant::now();
            answers(client).await.unwrap();
            assert!(start.elapsed() >= SHORT, "{rules:?}: {:?}", start.elapsed());
        }

        proxy.set(Rules { is_silent: true, ..Rules::default() });
        assert!(timeout(SHORT, answers(client)).await.is_err(), "nothing arrives");
        proxy.set(Rules::default());
        assert!(timeout(SHORT, answers(client)).await.is_err(), "what was lost never arrives");
        answers(&setting.connect().await).await.unwrap();
    }

    #[tokio::test]
    async fn a_commit_is_cut_before_or_after_postgresql_gets_it() {
        if !is_wanted() {
            return;
        }
        for (trap, rows) in [(Trap::CutBeforeCommit, 0), (Trap::CutAfterCommit, 1)] {
            let setting = Setting::new().await;
            let (is_sprung, committed) = tokio::join!(setting.proxy.trap(trap, WITHIN), setting.commit());
            assert!(is_sprung);
            assert!(committed.unwrap_err().is_closed(), "the client cannot know");
            // The database may not have finished yet.
            let until = Instant::now() + WITHIN;
            while setting.count().await != rows && Instant::now() < until {
                sleep(SHORT / 10).await;
            }
            sleep(SHORT).await;
            assert_eq!(setting.count().await, rows);
            answers(&setting.connect().await).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_transaction_can_be_held_while_it_has_its_lock() {
        if !is_wanted() {
            return;
        }
        let setting = Setting::new().await;
        let (sender, held) = oneshot::channel();
        let hold = async {
            assert!(setting.proxy.trap(Trap::HoldLock(sender), WITHIN).await);
            let release = held.await.unwrap();
            sleep(SHORT).await;
            let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted";
            let locks: i64 = setting.admin.query_one(locks, &[]).await.unwrap().get(0);
            assert_eq!((locks, setting.count().await), (1, 0));
            drop(release);
        };
        let ((), committed) = tokio::join!(hold, setting.commit());
        committed.unwrap();
        assert_eq!(setting.count().await, 1);
        assert!(!setting.proxy.trap(Trap::CutBeforeCommit, SHORT).await, "no trap is left behind");
        setting.commit().await.unwrap();
    }

    #[tokio::test]
    async fn the_backends_of_a_proxy_are_known() {
        if !is_wanted() {
            return;
        }
        let setting = Setting::new().await;
        let ports = setting.proxy.ports();
        assert_eq!(ports.len(), 1);
        setting.postgres.terminate(&setting.admin, &ports).await;
        let ended = answers(&setting.client).await.unwrap_err();
        assert!(ended.is_closed() || ended.code() == Some(&SqlState::ADMIN_SHUTDOWN), "{ended}");
        answers(&setting.admin).await.unwrap();
        let until = Instant::now() + WITHIN;
        while !setting.proxy.ports().is_empty() && Instant::now() < until {
            sleep(SHORT / 10).await;
        }
        assert!(setting.proxy.ports().is_empty());
    }
}
