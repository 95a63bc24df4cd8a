//! `connectory doctor`: checks that commands can work with a service, step by step, and says what to do where they cannot.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use clap::Args;
use connectory_client::{
    Client, EnvironmentSource, Error, Patch, PatchOperation, ServiceInfo, ServiceLimits, StatusCode, home_file,
};
use connectory_model::visible;
use serde::Serialize;

use crate::environment::{EnvironmentArgument, Patience, client};
use crate::terminal::{self, Format, GREEN, RED, YELLOW, styled};

/// The version of this command.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How far the clocks of this machine and of the server may be apart. The `Date` of an answer has whole seconds, and the
/// answer takes some; tokens live for minutes.
const CLOCKS_APART: Duration = Duration::from_secs(30);
/// A patch of this connector finds out whether the client may change connectors.
const NO_CONNECTOR: &str = "connectory-doctor-no-such-connector";

#[derive(Args)]
pub struct DoctorArguments {
    /// How to print the checks
    #[arg(long, short, value_enum, default_value = "table")]
    output: Format,
    #[command(flatten)]
    environment: EnvironmentArgument,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Ok,
    Warning,
    Failed,
}

/// What one check found.
#[derive(Serialize)]
struct Diagnosis {
    check: &'static str,
    outcome: Outcome,
    text: String,
}

impl Diagnosis {
    fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self { check, outcome: Outcome::Ok, text: text.into() }
    }

    fn warning(check: &'static str, text: impl Into<String>) -> Self {
        Self { check, outcome: Outcome::Warning, text: text.into() }
    }

    fn failed(check: &'static str, text: impl Into<String>) -> Self {
        Self { check, outcome: Outcome::Failed, text: text.into() }
    }
}

/// The checks so far. A table is printed while they are made.
struct Report {
    output: Format,
    checks: Vec<Diagnosis>,
}

impl Report {
    fn add(&mut self, check: Diagnosis) {
        if self.output == Format::Table {
            let (word, style) = match check.outcome {
                Outcome::Ok => ("ok", GREEN),
                Outcome::Warning => ("warning", YELLOW),
                Outcome::Failed => ("failed", RED),
            };
            let word = styled(style, format_args!("{word:<7}"));
            say!("{word}  {:<11}  {}", check.check, visible(&check.text));
        }
        self.checks.push(check);
    }
}

/// Makes the checks. A check that fails is the last one, because the next ones need what it checks.
pub async fn run(DoctorArguments { output, environment }: DoctorArguments) -> Result<ExitCode> {
    let mut report = Report { output, checks: Vec::new() };
    if let Err(failed) = check(&environment, &mut report).await {
        report.add(failed);
    }
    if output != Format::Table {
        terminal::value(output, &report.checks)?;
    }
    let has_failed = report.checks.iter().any(|check| check.outcome == Outcome::Failed);
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Makes the checks until one fails.
async fn check(environment: &EnvironmentArgument, report: &mut Report) -> Result<(), Diagnosis> {
    let (environment, source) =
        environment.find().map_err(|error| Diagnosis::failed("environment", format!("{error:#}")))?;
    report.add(Diagnosis::ok("environment", format!("{source}: {}", environment.base_url)));
    let home = home_file().filter(|path| path.exists());
    let local = match &source {
        EnvironmentSource::LocalFile(path) => Some(path.clone()),
        EnvironmentSource::Variables | EnvironmentSource::HomeFile { .. } => None,
    };
    local.into_iter().chain(home).for_each(|file| report.add(readers_of(&file)));

    let base_url = environment.base_url.clone();
    let client =
        client(environment, Patience::None).map_err(|error| Diagnosis::failed("address", format!("{error:#}")))?;
    let reached = client.reach().await.map_err(|error| {
        Diagnosis::failed("address", format!("{error}; check the address, the network, and that the server runs"))
    })?;
    report.add(Diagnosis::ok("address", format!("{base_url} answers")));
    report.add(version(reached.service.as_ref()));
    report.add(clock(reached.date, SystemTime::now()));

    rights(&client, report).await?;
    report.add(limits(reached.service.map(|service| service.limits)));
    Ok(())
}

/// Checks who can read a file with secrets.
fn readers_of(file: &Path) -> Diagnosis {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata().map(|file| file.permissions().mode() & 0o777);
        if let Ok(mode) = mode
            && mode & 0o077 != 0
        {
            let file = file.display();
            return Diagnosis::warning(
                "file",
                format!("others can read {file} (mode {mode:03o}); run `chmod 600 {file}`"),
            );
        }
    }
    Diagnosis::ok("file", format!("{} is for its owner only", file.display()))
}

/// Compares the versions of the server and of this command.
fn version(service: Option<&ServiceInfo>) -> Diagnosis {
    match service {
        None => {
            Diagnosis::ok("version", format!("a service other than connectory; this command is connectory {VERSION}"))
        }
        Some(ServiceInfo { name, version, .. }) if version == VERSION => {
            Diagnosis::ok("version", format!("the server and this command are {name} {version}"))
        }
        Some(ServiceInfo { name, version, .. }) => Diagnosis::warning(
            "version",
            format!("the server is {name} {version}, this command is {VERSION}; install the version of the server"),
        ),
    }
}

/// Compares the clocks of the server and of this machine.
fn clock(server: Option<SystemTime>, here: SystemTime) -> Diagnosis {
    let Some(server) = server else { return Diagnosis::warning("clock", "the service does not tell its time") };
    let (apart, side) = match here.duration_since(server) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    if apart <= CLOCKS_APART {
        return Diagnosis::ok("clock", format!("at most {} seconds from the server's", CLOCKS_APART.as_secs()));
    }
    let seconds = apart.as_secs();
    Diagnosis::warning(
        "clock",
        format!("this machine's is {seconds} seconds {side} the server's; set the wrong one right"),
    )
}

/// Checks the credentials, and what they allow. Changes nothing.
async fn rights(client: &Client, report: &mut Report) -> Result<(), Diagnosis> {
    let id = &client.environment().client_id;
    let may_not = |what: &str, error: &Error| format!("the API client may not {what} connectors: {error}");
    match client.list().page_size(1).page().await {
        Err(Error::Authentication { reason, .. }) => {
            let text =
                format!("the service did not accept the API client `{id}`: {reason}; log in with a right secret");
            return Err(Diagnosis::failed("credentials", text));
        }
        Err(error) if is_forbidden(&error) => {
            report.add(accepted(id));
            return Err(Diagnosis::failed("rights", may_not("read", &error)));
        }
        Err(error) => return Err(Diagnosis::failed("credentials", format!("they could not be checked: {error}"))),
        Ok(_) => report.add(accepted(id)),
    }
    // A service checks the right first. There is no such connector, and no connector's name is null: so the patch changes
    // nothing, whatever the service has.
    let never =
        serde_json::from_value::<PatchOperation>(serde_json::json!({"op": "test", "path": "/name", "value": null}));
    let never = Patch(vec![never.expect("an operation of JSON Patch")]);
    report.add(match client.patch(NO_CONNECTOR, &never).await {
        Err(error) if is_forbidden(&error) => Diagnosis::warning("rights", may_not("change", &error)),
        Err(Error::Api(error)) if error.status.is_client_error() => {
            Diagnosis::ok("rights", "the API client may read and change connectors")
        }
        Err(error) => Diagnosis::warning(
            "rights",
            format!("the API client may read connectors; whether it may change them could not be checked: {error}"),
        ),
        Ok(_) => Diagnosis::ok("rights", "the API client may read and change connectors"),
    });
    Ok(())
}

fn accepted(id: &str) -> Diagnosis {
    Diagnosis::ok("credentials", format!("the service accepts the API client `{id}`"))
}

fn is_forbidden(error: &Error) -> bool {
    error.api_error().is_some_and(|error| error.status == StatusCode::FORBIDDEN)
}

/// The limits of the service.
fn limits(limits: Option<ServiceLimits>) -> Diagnosis {
    let Some(limits) = limits else {
        return Diagnosis::ok(
            "limits",
            "the service does not tell them; the specification has 100 requests in 10 seconds",
        );
    };
    let [document, request, connector] =
        [limits.max_document_bytes, limits.max_request_bytes, limits.max_connector_bytes].map(size);
    let rate = limits.rate_limit.map_or_else(
        || "any number of requests".to_owned(),
        |rate| format!("{} requests in {} seconds", rate.requests, rate.seconds),
    );
    Diagnosis::ok("limits", format!("a document {document}, a request {request}, a connector {connector}; {rate}"))
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    if bytes >= MIB && bytes.is_multiple_of(MIB) { format!("{} MiB", bytes / MIB) } else { format!("{bytes} bytes") }
}

#[cfg(test)]
mod tests {
    use connectory_client::RequestRate;

    use super::*;

    #[test]
    fn clocks_that_are_far_apart_are_a_warning() {
        let here = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let apart = |seconds: i64| {
            let by = Duration::from_secs(seconds.unsigned_abs());
            let check = clock(Some(if seconds < 0 { here - by } else { here + by }), here);
            (check.outcome, check.text)
        };
        assert_eq!((apart(30).0, apart(-30).0), (Outcome::Ok, Outcome::Ok));
        let text = "this machine's is 31 seconds behind the server's; set the wrong one right";
        assert_eq!(apart(31), (Outcome::Warning, text.to_owned()));
        assert!(apart(-31).1.contains("31 seconds ahead of the server's"));
        assert_eq!(clock(None, here).outcome, Outcome::Warning);
    }

    #[test]
    fn another_version_is_a_warning_and_another_service_is_not() {
        let service = |version: &str| ServiceInfo {
            name: "connectory".to_owned(),
            version: version.to_owned(),
            capabilities: Vec::new(),
            limits: ServiceLimits {
                max_document_bytes: 5 * 1024 * 1024,
                max_request_bytes: 1000,
                max_connector_bytes: 2,
                max_apply_bytes: None,
                max_apply_lines: None,
                rate_limit: Some(RequestRate { requests: 7, seconds: 3 }),
            },
        };
        assert_eq!(version(Some(&service(VERSION))).outcome, Outcome::Ok);
        let other = version(Some(&service("9.0.0")));
        assert_eq!(other.outcome, Outcome::Warning);
        assert!(other.text.starts_with("the server is connectory 9.0.0, this command is "), "{}", other.text);
        assert_eq!(version(None).outcome, Outcome::Ok);
        let text = "a document 5 MiB, a request 1000 bytes, a connector 2 bytes; 7 requests in 3 seconds";
        assert_eq!(limits(Some(service(VERSION).limits)).text, text);
    }
}
