use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;
use tempfile::TempDir;
use tokio_postgres::config::SslMode as Driver;

use super::options::{HOSTS, TEXT};
use super::*;

/// A password that no other text has.
const SECRET: &str = "kQ7vZr2x";

fn parse_with(text: &str, variables: &[(&str, &str)]) -> Result<Address, AddressError> {
    Address::parse(text, |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
}

fn parse(text: &str) -> Result<Address, AddressError> {
    parse_with(text, &[("PGUSER", "ann")])
}

fn refusal(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

/// Parses without reading the system's authorities, which takes long for many addresses.
fn parse_fast(text: &str) -> Result<Address, AddressError> {
    parse_with(text, &[("PGUSER", "ann"), ("PGSSLMODE", "disable")])
}

/// The modes that are tried with each host. None means without TLS from the start.
fn modes(address: &Address) -> Vec<(Option<Driver>, Driver, bool)> {
    let protections = address.targets.iter().map(|target| &target.protection);
    protections.map(|protection| (protection.first, protection.last, protection.tls.is_some())).collect()
}

const WITHOUT: (Option<Driver>, Driver, bool) = (None, Driver::Disable, false);
const PREFER: (Option<Driver>, Driver, bool) = (Some(Driver::Prefer), Driver::Disable, true);
const ALLOW: (Option<Driver>, Driver, bool) = (Some(Driver::Disable), Driver::Require, true);
const REQUIRE: (Option<Driver>, Driver, bool) = (None, Driver::Require, true);

#[test]
fn every_form_of_an_address_is_read() {
    for (text, shown) in [
        ("postgres://bob@db.example.com/shop", "postgres://bob@db.example.com:5432/shop"),
        ("postgresql://bob:pw@db.example.com:6432", "postgres://bob@db.example.com:6432/bob"),
        ("postgres://db.example.com", "postgres://ann@db.example.com:5432/ann"),
        ("postgres://a%40b:x%3Ay@h/d%2Fe", "postgres://a%40b@h:5432/d%2Fe"),
        ("postgres://bob:p?w@h/d", ""),
        ("postgres://h1:1,h2,h3:3/d", "postgres://ann@h1:1,h2:5432,h3:3/d"),
        ("postgres://h1,h2/d?port=7", "postgres://ann@h1:7,h2:7/d"),
        ("postgres://h1,h2/d?port=7,8", "postgres://ann@h1:7,h2:8/d"),
        ("postgres://[::1]:6000,[2001:db8::1]/d", "postgres://ann@[::1]:6000,[2001:db8::1]:5432/d"),
        ("postgres:///d?host=/run/postgresql", "postgres://ann@%2Frun%2Fpostgresql:5432/d"),
        ("postgres://%2Frun%2Fpostgresql:6000/d", "postgres://ann@%2Frun%2Fpostgresql:6000/d"),
        ("postgres://h1/d?host=h2&dbname=e&user=eve", "postgres://eve@h2:5432/e"),
        ("postgres://10.0.0.1/d+e", "postgres://ann@10.0.0.1:5432/d%2Be"),
        ("postgres:///d?hostaddr=10.0.0.1", "postgres://ann@10.0.0.1:5432/d"),
        ("postgres://h/d?gssencmode=disable&client_encoding=UTF8&sslsni=1&", "postgres://ann@h:5432/d"),
    ] {
        match parse(text) {
            Ok(address) => {
                assert_eq!(address.to_string(), shown, "{text}");
                assert_eq!(parse(shown).unwrap().to_string(), shown, "what is shown can be read");
            }
            Err(error) => assert!(shown.is_empty(), "{text}: {error}"),
        }
    }
}

#[test]
fn the_parts_of_an_address_get_to_the_driver() {
    let text = "postgres://bob:p%C3%A4ss@h1,h2/d?options=-c%20geqo%3Doff&application_name=x&channel_binding=require\
                &connect_timeout=7&keepalives_idle=3&keepalives_interval=2&keepalives_count=9&tcp_user_timeout=1500\
                &load_balance_hosts=random&target_session_attrs=any";
    let address = parse(text).unwrap();
    assert_eq!((address.timeout, address.is_shuffled), (Duration::from_secs(7), true));
    let config = &address.targets[1].config;
    assert_eq!(config.get_user(), Some("bob"));
    assert_eq!(config.get_password(), Some("päss".as_bytes()));
    assert_eq!(config.get_dbname(), Some("d"));
    assert_eq!(config.get_hosts(), [tokio_postgres::config::Host::Tcp("h2".to_owned())]);
    assert_eq!(config.get_options(), Some("-c geqo=off"));
    assert_eq!(config.get_application_name(), Some("x"));
    assert_eq!(config.get_channel_binding(), ChannelBinding::Require);
    assert_eq!(config.get_keepalives_idle(), Duration::from_secs(3));
    assert_eq!(config.get_keepalives_interval(), Some(Duration::from_secs(2)));
    assert_eq!(config.get_keepalives_retries(), Some(9));
    assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_millis(1500)));
    assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::Any);
}

#[test]
fn an_address_has_deadlines_that_nobody_gave() {
    let address = parse("postgres://h1,h2").unwrap();
    assert_eq!((address.timeout, address.is_shuffled), (Duration::from_secs(5), false));
    let config = &address.targets[0].config;
    assert!(config.get_keepalives());
    assert_eq!(config.get_keepalives_idle(), Duration::from_secs(10));
    assert_eq!(config.get_keepalives_interval(), Some(Duration::from_secs(5)));
    assert_eq!(config.get_keepalives_retries(), Some(3));
    assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_secs(10)));
    assert_eq!(config.get_application_name(), Some("connectory"));
    assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
    let alone = parse("postgres://h1").unwrap();
    assert_eq!(alone.targets[0].config.get_target_session_attrs(), TargetSessionAttrs::Any);
    assert!(refusal("postgres://h1?connect_timeout=0").contains("from 1 to 600"));
}

#[test]
fn variables_say_what_the_text_does_not_say() {
    let variables = [
        ("PGHOST", "h1,h2"),
        ("PGPORT", "7"),
        ("PGUSER", "bob"),
        ("PGPASSWORD", SECRET),
        ("PGDATABASE", "shop"),
        ("PGSSLMODE", "verify-full"),
        ("PGCONNECT_TIMEOUT", "9"),
        ("PGAPPNAME", "shop server"),
    ];
    let address = parse_with("postgres://", &variables).unwrap();
    assert_eq!(address.to_string(), "postgres://bob@h1:7,h2:7/shop");
    assert_eq!(address.timeout, Duration::from_secs(9));
    let config = &address.targets[0].config;
    assert_eq!(config.get_password(), Some(SECRET.as_bytes()));
    assert_eq!(config.get_application_name(), Some("shop server"));

    let address = parse_with("postgres://eve:other@h3:8/club?connect_timeout=2", &variables).unwrap();
    assert_eq!(address.to_string(), "postgres://eve@h3:8/club");
    assert_eq!(address.timeout, Duration::from_secs(2));
    assert_eq!(address.targets[0].config.get_password(), Some(b"other".as_slice()));

    let refused = parse_with("postgres://h", &[("PGSSLCRL", "/crl")]).unwrap_err().to_string();
    assert_eq!(refused, "connectory does not support the variable PGSSLCRL; remove it");
    let refused = parse_with("postgres://h", &[("PGSSLMODE", "on")]).unwrap_err().to_string();
    assert!(refused.starts_with("the variable PGSSLMODE must be disable, allow, "), "{refused}");

    let nothing = parse_with("postgres://", &[]).unwrap();
    let user = whoami::username().unwrap();
    assert!(nothing.to_string().ends_with(&format!("/{user}")), "{nothing}");
    assert!(nothing.targets[0].place.is_local());
}

#[test]
fn what_is_wrong_with_an_address_is_said() {
    for (text, part) in [
        ("sqlite:x", "begins with postgres://"),
        ("postgres://h/d?sslmod=require", "no option of an address is named sslmod; did you mean sslmode?"),
        ("postgres://h/d?colour=red", "is named colour"),
        ("postgres://h/d?sslcrl=/x", "connectory does not support the option sslcrl; remove it"),
        ("postgres://h/d?service=x", "does not support the option service"),
        ("postgres://h/d?gssencmode=require", "the option gssencmode must be disable or prefer"),
        (
            "postgres://h/d?sslmode=on",
            "the option sslmode must be disable, allow, prefer, require, verify-ca or verify-full",
        ),
        ("postgres://h/d?sslmode", "has no value"),
        ("postgres://h/d?user=a&user=b", "the option user twice"),
        ("postgres://h:port/d", "the option port must be a number from 1 to 65535"),
        ("postgres://h:0/d", "the option port must be"),
        ("postgres://h:65536/d", "the option port must be"),
        ("postgres://a,b,c/d?port=1,2", "a list with one for each host"),
        ("postgres://a,b/d?hostaddr=10.0.0.1", "the option hostaddr must be one IP address for each host"),
        ("postgres://a/d?hostaddr=db", "the option hostaddr must be one IP address"),
        ("postgres://[::1/d", "must end with ]"),
        ("postgres://[::1]5/d", "must end with ]"),
        ("postgres://::1/d", "an IPv6 address is in brackets"),
        ("postgres://a%b/d", "a host in the address is not encoded well"),
        ("postgres://a%FFb/d", "a host in the address is not encoded well"),
        ("postgres://a%00b/d", "a host in the address is not encoded well"),
        ("postgres://a b/d", "the option host must be the name of a host"),
        ("postgres://h/d?target_session_attrs=standby", "must be read-write, primary or any"),
        ("postgres://h/d?sslcert=/x", "both sslcert and sslkey"),
        (
            "postgres://h/d?sslrootcert=/does/not/exist",
            "the option sslrootcert is /does/not/exist, which does not exist",
        ),
        ("postgres://h/d?sslrootcert=/tmp", "which is not a file"),
        ("postgres://h/d?passfile=/does/not/exist", "the option passfile is /does/not/exist, which does not exist"),
        ("postgres://h/d?keepalives=2", "a whole number from 0 to 1"),
    ] {
        let refused = refusal(text);
        assert!(refused.contains(part), "{text}: {refused}");
    }
    let long = format!("postgres://h/{}", "x".repeat(TEXT));
    assert!(matches!(parse(&long), Err(AddressError::TooLong(_))));
    assert!(parse(&long[..TEXT]).is_ok());
    assert!(parse(&format!("postgres://{}", vec!["h"; HOSTS].join(","))).is_ok());
    let hosts = format!("postgres://{}", vec!["h"; HOSTS + 1].join(","));
    assert!(matches!(parse(&hosts), Err(AddressError::TooManyHosts(17))));
}

#[test]
fn a_host_that_is_not_local_is_protected_or_the_address_says_that_it_need_not_be() {
    let far = ["db.example.com", "10.0.0.1", "[2001:db8::1]", "localhost.example.com", "126.0.0.1"];
    let near = ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"];
    for host in far {
        assert_eq!(modes(&parse(&format!("postgres://{host}")).unwrap()), [REQUIRE], "{host}");
        for mode in ["disable", "allow", "prefer", "require"] {
            let refused = refusal(&format!("postgres://{host}?sslmode={mode}"));
            let advice = "Use sslmode=verify-full";
            assert!(refused.contains(&format!("sslmode={mode}")) && refused.contains(advice), "{refused}");
            assert!(parse(&format!("postgres://{host}?sslmode={mode}&connectory_insecure=no")).is_err());
        }
    }
    for host in near {
        assert_eq!(modes(&parse(&format!("postgres://{host}")).unwrap()), [PREFER], "{host}");
    }
    for host in far.iter().chain(&near) {
        for (mode, expected) in [("disable", WITHOUT), ("allow", ALLOW), ("prefer", PREFER), ("require", REQUIRE)] {
            let text = format!("postgres://{host}?sslmode={mode}&connectory_insecure=yes");
            assert_eq!(modes(&parse(&text).unwrap()), [expected], "{text}");
        }
    }
    // The word allows less; it does not ask for less.
    assert_eq!(modes(&parse("postgres://h?connectory_insecure=yes").unwrap()), [REQUIRE]);
    assert!(refusal("postgres://h?ssl=true").contains("nothing checks who answers"));
    assert_eq!(modes(&parse("postgres://localhost,h").unwrap()), [PREFER, REQUIRE]);
    assert!(parse("postgres://localhost,h?sslmode=prefer").is_err());
    // The address that is connected to counts, not the name.
    assert_eq!(modes(&parse("postgres://h?hostaddr=127.0.0.1").unwrap()), [PREFER]);
    assert!(parse("postgres://localhost?hostaddr=10.0.0.1&sslmode=prefer").is_err());
    // A socket has no TLS, whatever is asked for.
    assert_eq!(modes(&parse("postgres:///d?host=/tmp&sslmode=verify-full").unwrap()), [WITHOUT]);
}

#[test]
fn authorities_belong_to_modes_that_check() {
    assert!(refusal("postgres://h?sslmode=verify-ca").contains("needs sslrootcert=FILE"));
    assert!(refusal("postgres://h?sslmode=verify-ca&sslrootcert=system").contains("needs sslmode=verify-full"));
    assert!(refusal("postgres://localhost?sslmode=require&sslrootcert=system").contains("needs sslmode=verify-full"));
    assert_eq!(modes(&parse("postgres://h?sslrootcert=system").unwrap()), [REQUIRE]);
    assert_eq!(modes(&parse("postgres://localhost?sslrootcert=system").unwrap()), [REQUIRE]);

    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let certified = rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap();
    let root = write("root.crt", &certified.cert.pem());
    // As in libpq, `require` checks the chain if there is an authority.
    assert_eq!(modes(&parse(&format!("postgres://h?sslmode=require&sslrootcert={root}")).unwrap()), [REQUIRE]);
    assert!(refusal(&format!("postgres://h?sslmode=prefer&sslrootcert={root}")).contains("without TLS"));
    let empty = write("empty.crt", "nothing");
    assert!(refusal(&format!("postgres://h?sslrootcert={empty}")).contains("no certificate in PEM"));
    let huge = write("huge.crt", &"x".repeat((1 << 20) + 1));
    assert!(refusal(&format!("postgres://h?sslrootcert={huge}")).contains("more than 1048576 bytes"));

    let key = write("client.key", &certified.signing_key.serialize_pem());
    let text = format!("postgres://h?sslcert={root}&sslkey={key}");
    std::fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    assert!(refusal(&text).contains("chmod 600"), "{}", refusal(&text));
    std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    parse(&text).unwrap();
    assert!(refusal(&format!("postgres://h?sslcert={root}&sslkey={empty}")).contains("the option sslkey is"));
}

#[test]
fn each_host_has_its_own_password_of_the_password_file() {
    let home = TempDir::new().unwrap();
    let path = home.path().join(".pgpass");
    std::fs::write(&path, "h1:5432:*:ann:one\nh2:*:*:*:two\nlocalhost:*:*:*:local\n").unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let variables = [("PGUSER", "ann"), ("HOME", home.path().to_str().unwrap())];
    let passwords = |text: &str, variables: &[(&str, &str)]| {
        let address = parse_with(text, variables).unwrap();
        let password = |target: &Target| {
            target.config.get_password().map(|password| String::from_utf8(password.to_vec()).unwrap())
        };
        address.targets.iter().map(password).map(Option::unwrap_or_default).collect::<Vec<_>>()
    };
    assert_eq!(passwords("postgres://h1,h2,h3", &variables), ["one", "two", ""]);
    assert_eq!(passwords("postgres://h1:6000", &variables), [""]);
    assert_eq!(passwords("postgres://%2Ftmp,localhost", &variables), ["local", "local"]);
    assert_eq!(passwords("postgres://ann:text@h1", &variables), ["text"]);
    let named = [("PGUSER", "ann"), ("PGPASSFILE", path.to_str().unwrap())];
    assert_eq!(passwords("postgres://h1", &named), ["one"]);

    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let refused = parse_with("postgres://h1", &variables).unwrap_err().to_string();
    assert!(refused.starts_with("the password file is ") && refused.ends_with("chmod 600 on it"), "{refused}");
    // A file that is not needed is not read.
    assert_eq!(passwords("postgres://ann:text@h1", &variables), ["text"]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(passwords("postgres://h1", &variables), [""]);
    assert!(parse_with("postgres://h1", &named).unwrap_err().to_string().contains("does not exist"));
}

#[test]
fn no_password_is_shown() {
    let everything = |text: &str| match parse(text) {
        Ok(address) => {
            format!("{address} {address:?} {:?}", address.targets.iter().map(|t| &t.config).collect::<Vec<_>>())
        }
        Err(error) => format!("{error} {error:?}"),
    };
    for text in [
        format!("postgres://bob:{SECRET}@h/d"),
        format!("postgres://h/d?password={SECRET}"),
        format!("postgres://bob:{SECRET}@h/d?sslmode=disable"),
        format!("postgres://bob:{SECRET}@h:x/d"),
        format!("postgres://bob:{SECRET}@h/d?sslmod=x"),
        // Characters that should have been encoded.
        format!("postgres://bob:a/{SECRET}@h/d"),
        format!("postgres://bob:5432/{SECRET}@h/d"),
        format!("postgres://bob:{SECRET}/a@h/d"),
        format!("postgres://bob:a@{SECRET}@h/d"),
        format!("postgres://bob:a@{SECRET}/d@e"),
        format!("postgres://bob:a?{SECRET}@h/d"),
        format!("postgres://?user=bob&password={SECRET}@h/d"),
        format!("postgres://bob:a#{SECRET}@h/d"),
        format!("postgres://bob:%{SECRET}@h/d"),
        format!("postgres://bob:a%FF{SECRET}@h/d"),
        format!("postgres://h/d?password=a&{SECRET}"),
        format!("postgres://h/d?password=a&{SECRET}=b"),
        format!("postgres://h/d?password=%zz{SECRET}"),
        format!("postgres://bob:{SECRET}@[::1/d"),
        format!("postgres:/bob:{SECRET}@h/d"),
        format!("postgres://h/d?sslpassword={SECRET}"),
        format!("postgres://h/d?passwort={SECRET}"),
    ] {
        let shown = everything(&text);
        assert!(!shown.contains(SECRET), "{text}: {shown}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in ".*", scheme in "postgres(ql)?://") {
        let _ = parse_fast(&text);
        let _ = parse_fast(&format!("{scheme}{text}"));
    }

    #[test]
    fn an_address_in_pieces_is_read_or_refused_without_its_password(
        pieces in proptest::collection::vec(
            prop::sample::select(vec![
                "user", ":", "@", "/", "?", "&", "=", ",", "[", "]", "%", "%2F", "::1", "localhost", "5432", "#", SECRET, "sslmode",
                "password", "disable", "host", "port", "connectory_insecure", "yes",
            ]),
            0..16,
        ),
        before in prop::sample::select(vec!["", "bob:"]),
    ) {
        // Without a user before it, the first word is the user or a host, which may be shown.
        let text = format!("postgres://bob:{SECRET}{}{before}@localhost/d", pieces.concat().replace(SECRET, ""));
        let shown = match parse_fast(&text) {
            Ok(address) => format!("{address} {address:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        prop_assert!(!shown.contains(SECRET), "{text}: {shown}");
        let _ = parse_fast(&format!("postgres://{}", pieces.concat()));
    }

    #[test]
    fn what_is_shown_can_be_read(user in "[^\\x00]{1,9}", database in "[^\\x00]{1,9}", port in 1..=u16::MAX) {
        let encode = |text| utf8_percent_encode(text, PLAIN);
        let text = format!("postgres://{}@localhost:{port},%2Ftmp/{}", encode(&user), encode(&database));
        let address = parse_fast(&text).unwrap();
        prop_assert_eq!(address.targets[0].config.get_user(), Some(user.as_str()));
        prop_assert_eq!(address.targets[0].config.get_dbname(), Some(database.as_str()));
        prop_assert_eq!(parse_fast(&address.to_string()).unwrap().to_string(), address.to_string());
    }
}
