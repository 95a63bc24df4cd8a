//! What help and man pages say beyond the options: examples of every command, exit codes, files and variables.

use std::fmt::Write;

use clap::Command;
use clap_mangen::roff::{Roff, bold, roman};

/// A command line, and what it does.
struct Example {
    does: &'static str,
    line: &'static str,
}

macro_rules! examples {
    ($($command:literal { $($does:literal: $line:literal)+ })+) => {
        /// The examples of each command that runs, under its words.
        const EXAMPLES: &[(&str, &[Example])] = &[
            $(($command, &[$(Example { does: $does, line: concat!("connectory ", $line) }),+])),+
        ];
    };
}

examples! {
    "serve" {
        "Serve on this machine; the first start prints the credentials of an API client": "serve"
        "Serve in a container, with the database in a volume":
            "serve --listen 0.0.0.0:8080 --database sqlite:/data/c.db"
        "Serve for a test: on a free port, with nothing kept at the end":
            "serve --ephemeral --listen 127.0.0.1:0 --port-file port"
        "Serve behind a proxy that ends TLS": "serve --public-url https://connectors.example.com"
    }
    "client create" {
        "Create a client that may only read, for a pipeline":
            "client create 'nightly plan' --scopes idn:connector-config:read"
    }
    "client list" { "List the clients of one tenant": "client list --tenant default" }
    "client delete" { "Delete a client by its id": "client delete 0a1b2c3d" }
    "tenant create" { "Create a tenant for at most 500 connectors": "tenant create sandbox --max-connectors 500" }
    "tenant quota" {
        "Show the quotas of a tenant": "tenant quota sandbox"
        "Let it have 2 GB": "tenant quota sandbox --max-bytes 2000000000"
    }
    "tenant list" { "List the tenants of a database": "tenant list --database sqlite:/data/c.db" }
    "tenant rename" { "Give a tenant another name": "tenant rename sandbox staging" }
    "tenant suspend" { "Refuse the requests of a tenant": "tenant suspend sandbox" }
    "tenant resume" { "Let it go on": "tenant resume sandbox" }
    "tenant delete" { "Delete a tenant with all its connectors": "tenant delete sandbox --yes" }
    "backup create" {
        "Write all of the database to a file, while the server runs": "backup create connectory.backup"
    }
    "backup verify" { "Check that a backup is whole and right": "backup verify connectory.backup" }
    "backup restore" {
        "Make a new database in the place of one that is lost":
            "backup restore connectory.backup --keys keep --database sqlite:/data/c.db"
    }
    "database check" { "Check the database that the server uses": "database check" }
    "database migrate" {
        "Say what a database has": "database migrate --database postgres://app@db.example.com/connectory"
        "When all servers have this version": "database migrate --finish --database postgres://app@db.example.com/app"
    }
    "database copy" {
        "Move from SQLite to PostgreSQL; stop the server first":
            "database copy --from sqlite:/data/c.db --to postgres://app@db.example.com/connectory"
    }
    "login" {
        "Save a service as `sandbox`; the secret is asked for":
            "login sandbox --base-url http://127.0.0.1:8080 --client-id 0a1b2c3d"
        "Replace its credentials, for example in a pipeline: the secret is in SAIL_CLIENT_SECRET":
            "login sandbox --base-url http://127.0.0.1:8080 --client-id 3c4d --force"
    }
    "logout" {
        "Remove the active environment": "logout"
        "Remove another one": "logout sandbox"
    }
    "env list" { "List the environments": "env list" }
    "env use" { "Let commands without --env call `production`": "env use production" }
    "doctor" {
        "Check the service that commands would call": "doctor"
        "Check an environment": "doctor --env production"
    }
    "connector list" {
        "List all custom connectors": "connector list --custom --statuses all"
        "Find connectors by their names": "connector list --filter 'name co \"HR\" and directConnect eq true'"
    }
    "connector get" {
        "Show a connector": "connector get jdbc"
        "Print all of it, with texts in German": "connector get jdbc --locale de --output json"
    }
    "connector create" {
        "Create a connector that nobody sees in lists yet":
            "connector create 'HR system' --class-name com.example.Hr --status development"
    }
    "clone" {
        "Begin a connector with all that a built-in one has": "clone jdbc 'Payroll'"
    }
    "connector delete" { "Delete a connector without a question": "connector delete hr-system --yes" }
    "connector patch" { "Change a connector with the JSON Patch in a file": "connector patch hr-system patch.json" }
    "connector get-source-config" {
        "Write the form of a connector to a file": "connector get-source-config jdbc --file source-config.xml"
    }
    "connector set-source-config" {
        "Upload the form of a connector": "connector set-source-config hr-system source-config.xml"
    }
    "connector get-source-template" {
        "Write the source template of a connector to a file":
            "connector get-source-template jdbc --file source-template.xml"
    }
    "connector set-source-template" {
        "Upload a source template": "connector set-source-template hr-system source-template.xml"
    }
    "connector get-correlation-config" {
        "Print how accounts find their identities": "connector get-correlation-config jdbc"
    }
    "connector set-correlation-config" {
        "Upload a correlation config": "connector set-correlation-config hr-system correlation-config.xml"
    }
    "connector get-translations" {
        "Write the German texts to a file": "connector get-translations jdbc de --file de.properties"
    }
    "connector set-translations" {
        "Upload the German texts": "connector set-translations hr-system de de.properties"
        "Remove them": "connector set-translations hr-system de /dev/null"
    }
    "pull" {
        "Write every custom connector to a folder of its own": "pull connectors"
        "Write two connectors, built-in ones too": "pull connectors jdbc ldap"
        "Remove the folders of connectors that are not on the server any more": "pull connectors --prune"
        "Write what the server had at a time to another folder": "pull yesterday --at '2026-05-04 18:30'"
    }
    "init" {
        "Make a connector folder in `connectors`": "init 'HR system' --dir connectors"
        "Begin with a copy of a built-in connector": "init 'Payroll' --from jdbc --dir connectors"
    }
    "lint" {
        "Check every connector folder": "lint connectors"
        "Check in a pipeline, and fail on warnings too": "lint connectors --strict --format github"
    }
    "plan" {
        "Print what `apply` would change; exit code 2 if there is something": "plan connectors"
        "Print what it would delete too": "plan connectors --prune --env production"
    }
    "apply" {
        "Show the changes, ask, and make them": "apply connectors"
        "Make them in a pipeline": "apply connectors --yes --env production"
    }
    "promote" {
        "Copy a connector from one environment to another": "promote hr-system --from sandbox --to production"
    }
    "diff" {
        "Compare a connector with its folder": "diff hr-system connectors/hr-system"
        "Compare a connector in two environments": "diff sandbox:hr-system production:hr-system"
        "Compare all custom connectors of two environments": "diff sandbox: production:"
    }
    "history" {
        "Print the last changes of a connector": "history hr-system"
        "Print what was deleted since the beginning of May": "history --action delete --since 2026-05-01"
    }
    "show" {
        "Print a connector as it was": "show hr-system --revision 42"
        "Print what a revision changed": "show hr-system --revision 42 --diff"
    }
    "restore" { "Give a connector the state that it had": "restore hr-system --revision 42" }
    "rollback" {
        "Undo all changes after revision 42; the changes are shown first": "rollback --to 42"
        "Go back to the state of an evening": "rollback --to '2026-05-04 18:30'"
    }
    "watch" {
        "Print what changes, until Ctrl-C": "watch"
        "The same for a program, from the last event that it has":
            "watch --output json --after $LAST_EVENT_ID"
    }
    "export" { "Write every custom connector to one file": "export connectors.json" }
    "import" {
        "Create and change the connectors of an exported file": "import connectors.json --env sandbox"
    }
    "fixture" {
        "Print the module for tests with pytest; write it to connectory_server.py beside them": "fixture pytest"
        "Print the one for tests with vitest; write it to connectory-server.ts": "fixture vitest"
    }
    "completions" { "Print the completions of bash; write them where your shell looks for them": "completions bash" }
    "man" { "Write the man pages; read them with `man -l man/connectory.1`": "man man" }
}

/// A list of terms with their meanings, under a heading.
struct Section {
    heading: &'static str,
    /// The heading in man pages.
    man_heading: &'static str,
    terms: &'static [[&'static str; 2]],
}

const SECTIONS: [Section; 3] = [
    Section {
        heading: "Exit codes",
        man_heading: "EXIT STATUS",
        terms: &[
            ["0", "Done. `plan` and `diff` found no difference."],
            ["1", "An error, told on standard error. `lint` found errors, or a check found something wrong."],
            ["2", "`plan` or `diff` found differences."],
        ],
    },
    Section {
        heading: "Files",
        man_heading: "FILES",
        terms: &[
            [
                "~/.sailpoint/config.yaml",
                "Environments with their credentials, as `login` and the official tools write them.",
            ],
            ["./config.json", "A service with credentials; it comes before the active environment."],
            ["lint.toml", "The warnings that `lint` does not report, in the folder of connector folders."],
            [
                "connectory.toml",
                "The settings of `serve`, in the platform's configuration directory (Linux: ~/.config/connectory).",
            ],
            [
                "connectory.db",
                "The database of `serve`, in the platform's data directory (Linux: ~/.local/share/connectory).",
            ],
        ],
    },
    Section {
        heading: "Environment variables",
        man_heading: "ENVIRONMENT",
        terms: &[
            [
                "SAIL_BASE_URL, SAIL_CLIENT_ID, SAIL_CLIENT_SECRET",
                "The service that commands call; they come before both files.",
            ],
            ["CONNECTORY_…", "The options of `serve`, for example CONNECTORY_DATABASE for --database."],
            [
                "CONNECTORY_CLIENT_ID, CONNECTORY_CLIENT_SECRET",
                "The API client that the first start of `serve` creates, and each start of `serve --ephemeral`, instead of a generated one.",
            ],
            ["HTTPS_PROXY, HTTP_PROXY, NO_PROXY", "The proxy on the way to the service."],
            ["SSL_CERT_FILE", "Certificates to trust instead of the platform's (Linux)."],
            ["NO_COLOR", "No colours."],
        ],
    },
];

/// Adds examples to the help of each command, and the sections to that of the program.
pub fn add(command: Command) -> Command {
    let mut sections = String::new();
    for Section { heading, terms, .. } in &SECTIONS {
        writeln!(sections, "{heading}:").expect("a String takes everything");
        for [term, meaning] in *terms {
            let gap = if term.len() == 1 { "  " } else { "\n          " };
            writeln!(sections, "  {term}{gap}{meaning}").expect("a String takes everything");
        }
        sections.push('\n');
    }
    let short = "`connectory COMMAND --help` shows examples, and `connectory --help` exit codes, files and variables.";
    add_examples(command, "").after_help(short).after_long_help(sections.trim_end().to_owned())
}

fn add_examples(command: Command, words: &str) -> Command {
    let command = command.mut_subcommands(|sub| {
        let words = format!("{words} {}", sub.get_name());
        add_examples(sub, words.trim_start())
    });
    let Some(examples) = examples_of(words) else { return command };
    let mut text = "Examples:".to_owned();
    for Example { does, line } in examples {
        write!(text, "\n  # {does}\n  {line}").expect("a String takes everything");
    }
    command.after_help(text)
}

fn examples_of(words: &str) -> Option<&'static [Example]> {
    EXAMPLES.iter().find(|(command, _)| *command == words).map(|(_, examples)| *examples)
}

/// The sections of a man page that clap does not know. `words` are those of the command, without the program's name.
pub fn man_sections(words: &str) -> Roff {
    let mut page = Roff::new();
    if let Some(examples) = examples_of(words) {
        page.control("SH", ["EXAMPLES"]);
        for Example { does, line } in examples {
            page.control("TP", []).text([roman(format!("{does}:"))]).text([bold(*line)]);
        }
    }
    for Section { man_heading, terms, .. } in &SECTIONS {
        page.control("SH", [*man_heading]);
        for [term, meaning] in *terms {
            page.control("TP", []).text([bold(*term)]).text([roman(*meaning)]);
        }
    }
    if !words.is_empty() {
        page.control("SH", ["SEE ALSO"]).text([bold("connectory"), roman("(1)")]);
    }
    page
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    /// The words of every command that runs.
    fn commands(command: &Command, words: &str, found: &mut BTreeSet<String>) {
        if !command.has_subcommands() {
            found.insert(words.to_owned());
        }
        for sub in command.get_subcommands() {
            commands(sub, format!("{words} {}", sub.get_name()).trim_start(), found);
        }
    }

    /// The words of a line, as a shell takes them: a text in quotes is one word.
    fn words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (at, part) in line.split('\'').enumerate() {
            match at % 2 {
                0 => words.extend(part.split_whitespace().map(str::to_owned)),
                _ => words.push(part.to_owned()),
            }
        }
        words
    }

    #[test]
    fn every_command_has_examples_that_can_be_run() {
        let mut expected = BTreeSet::new();
        commands(&Cli::command(), "", &mut expected);
        let given: BTreeSet<_> = EXAMPLES.iter().map(|(command, _)| (*command).to_owned()).collect();
        assert_eq!(given, expected, "one entry for each command");
        assert_eq!(given.len(), EXAMPLES.len(), "and no other");
        for (command, examples) in EXAMPLES {
            for Example { line, .. } in *examples {
                let words = words(line);
                assert!(words[1..].join(" ").starts_with(command), "{line} is no example of {command}");
                if let Err(error) = Cli::command().try_get_matches_from(words) {
                    panic!("{line}: {error}");
                }
            }
        }
    }

    #[test]
    fn the_lines_of_help_fit_a_terminal_of_100_columns() {
        let texts = EXAMPLES.iter().flat_map(|(_, examples)| examples.iter().flat_map(|one| [one.does, one.line]));
        for text in texts {
            assert!(text.chars().count() <= 96, "{text}");
        }
    }
}
