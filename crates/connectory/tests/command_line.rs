//! The command line as a user types it: help, wrong options, exit codes, settings, lint, and plans against a server.
//! `cargo insta review` shows snapshots that changed.

#![allow(clippy::unwrap_used, reason = "a test fails where something is wrong")]

use std::fmt::Write;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use tempfile::TempDir;

/// A user in an empty home folder, which is also where the commands run.
struct User {
    home: TempDir,
    variables: Vec<(&'static str, String)>,
}

impl User {
    fn new() -> Self {
        Self { home: TempDir::new().unwrap(), variables: Vec::new() }
    }

    /// A user with the credentials of a server's first client.
    fn of(server: &Server) -> Self {
        Self::new().with("SAIL_BASE_URL", &server.url).with("SAIL_CLIENT_ID", "id").with("SAIL_CLIENT_SECRET", "secret")
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Runs a command line, whose arguments are separated by spaces.
    fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_connectory"));
        command.args(line.split_whitespace()).current_dir(self.home.path()).stdin(Stdio::null());
        command.env_clear().env("HOME", self.home.path()).envs(self.variables.iter().cloned());
        command
    }

    /// Command lines with everything that they print, and their exit codes.
    fn transcript(&self, lines: &[&str]) -> String {
        let mut transcript = String::new();
        for line in lines {
            let Output { status, stdout, stderr } = self.run(line);
            let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
            let code = status.code().unwrap();
            writeln!(transcript, "$ connectory {line}\n{stdout}--- stderr, exit code {code}\n{stderr}").unwrap();
        }
        let server = self.variables.iter().find(|(name, _)| *name == "SAIL_BASE_URL");
        // Its port is another one each time.
        let transcript = server.map_or(transcript.clone(), |(_, url)| transcript.replace(url, "SERVER"));
        let transcript = transcript.replace(self.home.path().to_str().unwrap(), "HOME");
        // The name of what was saved has the time.
        let mut saved = transcript.split("connectory/before/");
        let first = saved.next().unwrap().to_owned();
        saved.fold(first, |text, rest| format!("{text}connectory/before/FILE{}", &rest[rest.find(".json").unwrap()..]))
    }

    /// The output of a command line that must succeed.
    fn stdout(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The error of a command line that must fail with exit code 1.
    fn error(&self, line: &str) -> String {
        let output = self.run(line);
        assert_eq!(output.status.code(), Some(1), "{line}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn code(&self, line: &str) -> Option<i32> {
        self.run(line).status.code()
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.home.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.home.path().join(file)).unwrap()
    }

    /// Writes a connector folder without lint findings.
    fn write_connector(&self, folder: &str, name: &str) {
        self.write(&format!("{folder}/connector.yaml"), &format!("name: {name}\nclassName: x.Y\n"));
        self.write(&format!("{folder}/source-config.xml"), &FORM.replace("NAME", name));
        self.write(&format!("{folder}/translations/en.properties"), "menuLabel_Settings=Settings\n");
    }
}

const FORM: &str = r#"<Form xmlns="http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd" connectorName="NAME" name="NAME" type="SourceConfig">
    <Menu name="Settings" label="menuLabel_Settings">
        <Section name="Server">
            <Field name="host" displayName="Host" type="text"/>
        </Section>
    </Menu>
</Form>
"#;

/// The subcommands that a help text lists, without `help`.
fn subcommands(help: &str) -> Vec<String> {
    let listed = help.split("Commands:\n").nth(1).unwrap_or_default().lines().take_while(|line| !line.is_empty());
    let names = listed.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// The help of a command and of everything below it.
fn help_of(user: &User, command: &str, helps: &mut String) {
    let help = user.stdout(&format!("{command} --help"));
    writeln!(helps, "$ connectory{command} --help\n{help}").unwrap();
    for name in subcommands(&help) {
        help_of(user, &format!("{command} {name}"), helps);
    }
}

#[test]
fn every_command_has_help() {
    let mut helps = String::new();
    help_of(&User::new(), "", &mut helps);
    assert_snapshot!("help", helps);
}

#[test]
fn a_wrong_command_line_fails_with_1_and_suggests_the_right_one() {
    let user = User::new();
    let lines = [
        "aply",
        "plan c --prun",
        "promote --from a --to b",
        "serve --database postgres:x",
        "serve --database postgres://app:secret@db/app?sslmode=no",
        "serve --database mysql://app:secret@db/app",
        "tenant list postgres://app:secret@db/app",
        "serve --database z.db",
        "serve --rate-limit 5",
        "serve --max-request 0",
        "serve --token-lifetime 0",
        "serve --listen 7102",
        "serve --log nonsense",
        "serve --public-url example.com",
        "serve --drain 1m",
        "serve --trusted-proxy example.com",
        "serve --oidc-issuer login.example.com",
        "serve --oidc-admin-group admins",
        "tenant create a --max-connectors none",
        "connector list --filter name",
        "apply c --quiet",
    ];
    assert_snapshot!("wrong_command_lines", user.transcript(&lines));
}

#[test]
fn a_command_without_a_service_names_every_way_to_give_one() {
    let user = User::new();
    assert_snapshot!("no_service", user.transcript(&["pull c", "pull c --env production"]));
    let half = User::new().with("SAIL_BASE_URL", "http://127.0.0.1:9").with("SAIL_CLIENT_ID", "id");
    assert_snapshot!("no_secret", half.transcript(&["pull c"]));
}

#[test]
fn an_option_overrides_a_variable_and_a_variable_overrides_the_file() {
    // The commands of clients and tenants create no database, so their error names the one that they looked for.
    let user = User::new();
    user.write("c.toml", "database = \"sqlite:from-file.db\"\n");
    assert!(user.error("tenant list --config c.toml").contains("from-file.db"));
    let user = user.with("CONNECTORY_DATABASE", "sqlite:from-variable.db");
    assert!(user.error("tenant list --config c.toml").contains("from-variable.db"));
    let option = "client list --config c.toml --database sqlite:from-option.db";
    assert!(user.error(option).contains("from-option.db"));

    let user = User::new().with("CONNECTORY_CONFIG", "c.toml");
    user.write("c.toml", "log = \"[from-file\"\n");
    assert!(user.error("serve").contains("`[from-file` is no log filter"));
    assert!(user.error("serve --log [from-option").contains("`[from-option` is no log filter"));
    let user = user.with("CONNECTORY_LOG", "[from-variable");
    user.write("c.toml", "log = \"[from-file\"\n");
    assert!(user.error("serve").contains("`[from-variable` is no log filter"));
}

#[test]
fn a_settings_file_with_an_unknown_or_wrong_value_is_refused() {
    let user = User::new();
    user.write("c.toml", "listen = \"127.0.0.1:0\"\nrate_limt = \"off\"\n");
    let error = user.error("serve --config c.toml");
    assert!(error.contains("c.toml, line 2: `rate_limt` is not a setting; did you mean `rate_limit`?"), "{error}");
    user.write("c.toml", "database = \"c.db\"\n");
    let error = user.error("tenant list --config c.toml");
    assert!(error.contains("`c.db` is not a database; did you mean `sqlite:c.db`?"), "{error}");
    let error = user.error("serve --config none.toml");
    assert!(
        error.contains("cannot read the settings file none.toml (--config or CONNECTORY_CONFIG): No such"),
        "{error}"
    );
    let issuer = "serve --oidc-issuer https://login.example.com";
    assert!(user.error(issuer).contains("--oidc-admin-group or --oidc-reader-group"));
    let group = format!("{issuer} --oidc-admin-group admins");
    assert!(user.error(&group).contains("--oidc-issuer needs --oidc-client-id"));
}

#[test]
fn a_wrong_value_of_a_variable_names_the_variable() {
    for (name, value) in [
        ("CONNECTORY_LOG", "verbose"),
        ("CONNECTORY_LISTEN", "7102"),
        ("CONNECTORY_MAX_BODIES", ""),
        ("CONNECTORY_TRUSTED_PROXY", "10.0.0.1,proxy.example.com"),
        ("CONNECTORY_DATABASE", "z.db"),
    ] {
        let user = User::new().with(name, value);
        let tip = format!("tip: the value is that of the environment variable {name}");
        let error = user.error("serve");
        assert!(error.contains(&tip), "{error}");
        assert_eq!(user.error("client list").contains(&tip), name == "CONNECTORY_DATABASE");
    }
    let user = User::new().with("CONNECTORY_LOG", "info");
    assert!(!user.error("serve --log verbose").contains("tip:"));
    assert!(!user.error("serve --log=verbose").contains("tip:"));
}

#[test]
fn lint_prints_findings_with_their_lines_and_fails_on_errors() {
    let user = User::new();
    user.write_connector("c/good", "Good");
    assert_snapshot!("lint_good", user.transcript(&["lint c"]));
    user.write("c/good/source-config.xml", &FORM.replace("NAME", "Other").replace("</Section>", "</Sektion>"));
    assert_snapshot!("lint_bad", user.transcript(&["lint c/good", "lint c --format github", "plan c", "lint ."]));
}

#[test]
fn lint_fixes_and_is_strict_on_demand() {
    let user = User::new();
    user.write_connector("c/good", "Good");
    user.write("c/good/source-config.xml", &FORM.replace("NAME", "Other"));
    user.write("c/good/source-template.xml", "<Application name=\"Good\"/>\n");
    user.write("c/good/translations/en.properties", "menuLabel_Settings=Settings\nold=Old\n");
    let findings: serde_json::Value = serde_json::from_slice(&user.run("lint c --format json").stdout).unwrap();
    let rules: Vec<_> = findings.as_array().unwrap().iter().map(|finding| &finding["rule"]).collect();
    assert_eq!(rules, ["connector-name", "unused-translation"]);
    assert_eq!(user.code("lint c"), Some(1), "an error");
    let fixed = user.run("lint c --fix");
    assert_eq!(
        String::from_utf8(fixed.stderr).unwrap(),
        "c/good/source-config.xml:1: wrote `Good` for `Other`\n\
         c/good/translations/en.properties:2: removed `old=Old`\n\
         fixed 2 findings\n0 errors and 0 warnings in 1 connector\n"
    );
    assert!(user.read("c/good/source-config.xml").contains(r#"connectorName="Good""#));
    assert_eq!(user.read("c/good/translations/en.properties"), "menuLabel_Settings=Settings\n");
    user.write("c/good/translations/de.properties", "menuLabel_Settings=Settings\n");
    assert_eq!(user.code("lint c"), Some(0), "a warning");
    assert_eq!(user.code("lint c --strict"), Some(1));
}

/// The output of `connectory init`, and its exit code.
fn init(user: &User, name: &str, options: &str) -> (String, Option<i32>) {
    let output = user.command("init").arg(name).args(options.split_whitespace()).output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (String::from_utf8(printed).unwrap(), output.status.code())
}

#[test]
fn a_folder_that_init_makes_has_the_name_everywhere_and_no_finding() {
    let user = User::new();
    assert_snapshot!("init", user.transcript(&["init Payroll --dir c", "lint c", "init Wages --from jdbc --dir c"]));
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog");
    let built_in: Vec<_> =
        fs::read_dir(&catalog).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(built_in.len() > 10);
    for from in built_in.iter().map(String::as_str).chain(["none"]) {
        for name in [r#"Ä & <b> "x""#, "HR system", &"é".repeat(255), "con", "%", "  1  "] {
            let option = if from == "none" { String::new() } else { format!("--from {from}") };
            let (printed, code) = init(&user, name, &format!("{option} --dir all/{from}"));
            assert_eq!(code, Some(0), "{printed}");
        }
        let linted = user.run(&format!("lint --strict all/{from}"));
        assert_eq!(String::from_utf8(linted.stderr).unwrap(), "0 errors and 0 warnings in 6 connectors\n", "{from}");
    }
    let template = user.read("all/openldap/hr-system/source-template.xml");
    assert!(template.contains(r#" name="HR system" type="OpenLDAP - Direct""#), "{template}");
    let correlation = user.read("all/openldap/hr-system/correlation-config.xml");
    assert!(correlation.contains(r#"name="HR system Account Correlation Config""#), "{correlation}");
    // A copy under its own name is the built-in connector.
    init(&user, "JDBC", "--dir own --from JDBC");
    assert_eq!(user.stdout(&format!("diff own/jdbc {}", catalog.join("jdbc").display())), "");
}

#[test]
fn init_refuses_what_it_cannot_make_and_leaves_nothing() {
    let user = User::new();
    user.write("c/hr-system/notes", "");
    for (name, options, expected) in [
        ("HR System", "--dir c", "c/hr-system is there already; choose another name, or another folder with --dir"),
        (" ", "", "`name` is required and must not be blank"),
        ("a\u{7}", "", "`name` holds the control character"),
        (&"é".repeat(256), "", "`name` has 256 characters; it may have at most 255"),
        (
            "HR",
            "--from jdcb",
            "there is no built-in connector `jdcb` (there are active-directory-ldap, delimited-file, ",
        ),
        ("HR", "--from jdcb", "; did you mean `jdbc`?"),
        ("HR", "--from GitHubOrganization", "; did you mean `GitHub Organization`?"),
        ("HR", "--dir c/hr-system/notes", "cannot write c/hr-system/notes/hr: "),
    ] {
        let (error, code) = init(&user, name, options);
        assert!(code == Some(1) && error.contains(expected), "{error}");
    }
    user.write("d/connector.yaml", "name: D\nclassName: x.Y\n");
    assert!(init(&user, "HR", "--dir d").0.contains("d is a connector folder; give the folder that it is in"));
    assert_eq!(user.stdout("lint d --format json"), "[]\n");
    assert_eq!(fs::read_dir(user.home.path()).unwrap().count(), 2, "c and d");
}

#[test]
fn a_link_in_a_folder_is_an_error_and_what_it_points_at_is_not_read() {
    let user = User::new();
    user.write_connector("c/good", "Good");
    user.write("secret", "<Application name=\"secret\"/>\n");
    std::os::unix::fs::symlink("../../secret", user.home.path().join("c/good/source-template.xml")).unwrap();
    assert_snapshot!("link", user.transcript(&["lint c", "lint c --fix", "diff c c", "plan c", "apply c --yes"]));
    assert_eq!(user.read("secret"), "<Application name=\"secret\"/>\n");
}

#[test]
fn prune_refuses_a_folder_that_is_not_recognized() {
    let user = User::new();
    user.write_connector("c/good", "Good");
    user.write("c/docs/notes.md", "notes");
    assert!(
        user.error("plan c --prune").contains("c/docs is not a connector folder; move it out of c, or write this line")
    );
    assert!(user.error("apply c --prune --yes").contains("c/docs is not a connector folder"));
    assert!(user.error("plan c/good --prune").contains("c/good is one connector folder, and --prune would delete"));
    user.write("c/lint.toml", "allow = [\"not-a-connector\"]\n");
    assert!(user.error("plan c --prune").contains("c/docs is not"), "only the folder's own name allows it");
    let line = "folders.\"docs\".allow = [\"not-a-connector\"]";
    assert!(user.error("plan c --prune").contains(line));
    user.write("c/lint.toml", line);
    // With a service, it would go on.
    assert!(user.error("plan c --prune").contains("SAIL_BASE_URL"));
    user.write("c/hr/connector.yml", "name: HR\n");
    assert!(user.error("plan c --prune").contains("the folders have errors"));
}

#[test]
fn a_warning_is_allowed_by_an_option_or_in_a_file() {
    let user = User::new();
    for name in ["a", "b"] {
        user.write_connector(&format!("c/{name}"), name);
        user.write(&format!("c/{name}/translations/de.properties"), "menuLabel_Settings=Settings\nold=Alt\n");
    }
    let summary = |line: &str| String::from_utf8(user.run(line).stderr).unwrap();
    assert_eq!(summary("lint c"), "0 errors and 4 warnings in 2 connectors\n");
    assert_eq!(summary("lint c --allow untranslated"), "0 errors and 2 warnings in 2 connectors\n");
    assert_eq!(user.code("lint c --strict --allow untranslated --allow unused-translation"), Some(0));
    user.write("c/lint.toml", "allow = [\"untranslated\"]\n[folders.a]\nallow = [\"unused-translation\"]\n");
    assert_eq!(summary("lint c"), "0 errors and 1 warning in 2 connectors\n");
    assert_eq!(summary("lint c/a --strict"), "0 errors and 0 warnings in 1 connector\n", "the file beside the folder");
    assert_eq!(user.code("lint c --fix"), Some(0));
    assert!(user.read("c/a/translations/de.properties").contains("old=Alt"), "what is allowed is not fixed");
    assert!(!user.read("c/b/translations/de.properties").contains("old=Alt"));
    for (text, expected) in [
        ("alow = []", "unknown field `alow`"),
        ("allow = [\"untranslatd\"]", "did you mean `untranslated`?"),
        ("allow = [\"symlink\"]", "`symlink` is an error, which cannot be allowed"),
        ("[folders.a]\nalow = []", "unknown field `alow`"),
        ("[folders.hr]\nallow = []", "there is no folder `hr` beside it"),
    ] {
        user.write("c/lint.toml", text);
        for command in ["lint c", "plan c"] {
            let error = user.error(command);
            assert!(error.contains("c/lint.toml is wrong") && error.contains(expected), "{error}");
        }
    }
    for text in ["allow = \"untranslated\"", "[folders.a]\nallow = \"untranslated\""] {
        user.write("c/lint.toml", text);
        let error = user.error("lint c");
        assert!(error.contains("expected a list, such as `allow = [\"untranslated\"]`"), "{error}");
    }
    let path = |name: &str| user.home.path().join("c").join(name);
    for name in ["Lint.toml", "lint.tml"] {
        fs::rename(path("lint.toml"), path(name)).unwrap();
        for command in ["lint c", "lint c/a", "plan c"] {
            let error = user.error(command);
            assert!(error.contains(&format!("{name} is not read; did you mean `lint.toml`?")), "{error}");
        }
        fs::rename(path(name), path("lint.toml")).unwrap();
    }
    fs::rename(path("lint.toml"), path("target")).unwrap();
    std::os::unix::fs::symlink("target", path("lint.toml")).unwrap();
    let error = user.error("lint c");
    assert!(error.contains("it is a symbolic link, and links are not followed"), "{error}");
    fs::remove_file(path("lint.toml")).unwrap();
    let error = user.error("lint c --allow symlnk");
    assert!(error.contains("there is no rule `symlnk` (the warnings are not-a-connector, "), "{error}");
}

#[test]
fn many_findings_of_one_rule_are_printed_as_a_few() {
    let user = User::new();
    user.write_connector("c/hr", "HR");
    let texts = (0..20).map(|n| format!("old{n}=x\n")).collect::<Vec<_>>().concat();
    user.write("c/hr/translations/en.properties", &format!("menuLabel_Settings=Settings\n{texts}"));
    let printed = |line: &str| String::from_utf8(user.run(line).stdout).unwrap();
    let few = printed("lint c");
    assert_eq!(few.matches("warning[unused-translation]").count(), 3, "{few}");
    assert!(
        few.ends_with("… and 17 more of `unused-translation` in c/hr; `connectory lint --all` prints them\n\n"),
        "{few}"
    );
    assert_eq!(printed("lint c --all").matches("warning[unused-translation]").count(), 20);
    assert_eq!(printed("lint c --format github").lines().count(), 20);
}

#[test]
fn a_fix_keeps_the_mode_and_leaves_nothing_else() {
    use std::os::unix::fs::PermissionsExt;
    let user = User::new();
    user.write_connector("c/hr", "HR");
    let path = user.home.path().join("c/hr/translations/en.properties");
    fs::write(&path, "menuLabel_Settings=Settings\nold=Old\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    // A second name of the file would see a change in place.
    fs::hard_link(&path, user.home.path().join("before")).unwrap();
    assert_eq!(user.code("lint c --fix"), Some(0));
    assert_eq!(fs::read_to_string(&path).unwrap(), "menuLabel_Settings=Settings\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(user.read("before").contains("old=Old"), "the file is replaced, not overwritten");
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn completions_and_man_pages_have_every_command() {
    let user = User::new();
    let commands = subcommands(&user.stdout("--help"));
    assert!(commands.iter().any(|command| command == "promote"), "{commands:?}");
    user.stdout("man pages");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = user.stdout(&format!("completions {shell}"));
        for command in &commands {
            assert!(script.contains(command.as_str()), "{shell}: {command}");
            let page = user.read(&format!("pages/connectory-{command}.1"));
            assert!(page.contains(".SH SYNOPSIS"), "{page}");
        }
    }
    let page = user.read("pages/connectory-connector-patch.1");
    assert!(page.contains("\n\\fBconnectory connector patch\\fR [OPTIONS] <SCRIPT_NAME> <FILE>\n"), "{page}");
    let sections: Vec<_> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
    let [.., version, examples, codes, files, variables, also] = sections[..] else { panic!("{sections:?}") };
    assert_eq!(version, "VERSION");
    let others = [examples, codes, files, variables, also];
    assert_eq!(others, ["EXAMPLES", "\"EXIT STATUS\"", "FILES", "ENVIRONMENT", "\"SEE ALSO\""], "{page}");
    assert!(page.contains("\\fBconnectory connector patch hr\\-system patch.json\\fR"), "{page}");
    assert!(user.read("pages/connectory.1").contains(".SH FILES\n.TP\n\\fB~/.sailpoint/config.yaml\\fR"));
}

#[test]
fn a_fixture_is_the_module_of_the_examples() {
    let user = User::new();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for (runner, module) in [("pytest", "pytest/connectory_server.py"), ("vitest", "vitest/connectory-server.ts")] {
        assert_eq!(user.stdout(&format!("fixture {runner}")), fs::read_to_string(examples.join(module)).unwrap());
    }
    assert!(user.error("fixture jest").contains("[possible values: pytest, vitest]"));
}

#[test]
fn a_reader_may_close_the_pipe_early() {
    let user = User::new();
    // More than a pipe holds.
    for line in ["completions bash", "completions zsh", "--help"] {
        let mut command = user.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(command.stdout.take());
        let output = command.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()), "{line}: {output:?}");
    }
}

/// A server on a new database, stopped at the end of the test.
struct Server {
    process: Child,
    url: String,
    database: PathBuf,
}

impl Server {
    /// Starts a server whose first client is `id` with the secret `secret`.
    fn start(folder: &Path) -> Self {
        Self::limited(folder, "off")
    }

    /// The same with a rate limit.
    fn limited(folder: &Path, rate_limit: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_connectory"))
            .args(["serve", "--listen", "127.0.0.1:0", "--rate-limit", rate_limit, "--database", "sqlite:served.db"])
            .current_dir(folder)
            .env_clear()
            .envs([("CONNECTORY_CLIENT_ID", "id"), ("CONNECTORY_CLIENT_SECRET", "secret")])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("http")).unwrap();
        let url = url.trim_end_matches(':').to_owned();
        Self { process, url, database: folder.join("served.db") }
    }
}

impl Server {
    /// A user with a client of their own, which is created with these options.
    fn client(&self, options: &str) -> User {
        let line = format!("client create test --database sqlite:{} {options}", self.database.display());
        let created = User::new().stdout(&line);
        let value = |name: &str| {
            let line = created.lines().find_map(|line| line.strip_prefix(&format!("export {name}=")));
            line.unwrap().to_owned()
        };
        User::new()
            .with("SAIL_BASE_URL", &self.url)
            .with("SAIL_CLIENT_ID", value("SAIL_CLIENT_ID"))
            .with("SAIL_CLIENT_SECRET", value("SAIL_CLIENT_SECRET"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _code = self.process.wait();
    }
}

#[test]
fn exit_codes_say_whether_something_differs() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path());
    let user = User::of(&server);
    user.write_connector("c/a", "A");
    assert_snapshot!("plan_of_a_new_connector", user.transcript(&["plan c"]));
    assert!(user.error("apply c").contains("there is no terminal to ask on; give --yes"));
    assert_eq!(user.stdout("apply c --yes --quiet"), "");
    assert_eq!(user.stdout("pull d a"), "pulled 1 connector, 5 files changed\n");
    for line in ["plan c", "plan d", "diff a d/a"] {
        assert_eq!(user.code(line), Some(0), "{line}");
    }
    user.write("c/a/source-config.xml", &user.read("c/a/source-config.xml").replace("displayName=\"Host\"", ""));
    let lines = ["plan c", "diff d/a c/a", "apply c --yes", "plan c"];
    assert_snapshot!("plan_of_a_change", user.transcript(&lines));
    assert!(user.error("connector get b").contains("the service answered 404 Not Found"));

    let wrong = User::new().with("SAIL_CLIENT_SECRET", "wrong");
    let error = wrong.error(&format!("login sandbox --base-url {} --client-id id", server.url));
    assert!(error.contains("did not accept the API client `id`"), "{error}");
    let right = User::new().with("SAIL_CLIENT_SECRET", "secret");
    right.stdout(&format!("login sandbox --base-url {} --client-id id", server.url));
    assert_eq!(right.stdout("connector list --custom --count"), "1\n");
    right.stdout("connector create B --class-name x.Y --status DEVELOPMENT");
    assert_eq!(right.stdout("connector list --custom --count"), "1\n");
    for statuses in ["all", "released,ALL", "released,development"] {
        assert_eq!(right.stdout(&format!("connector list --custom --count --statuses {statuses}")), "2\n");
    }
    assert_eq!(right.stdout("connector list --custom --count --env sandbox"), "1\n");
    assert_eq!(right.stdout("connector list --count --search 7643"), "1\n");
    assert!(right.stdout("connector list --search ScIm-2 --limit 1").contains("SCIM 2.0"));
}

#[test]
fn a_difference_in_line_endings_only_is_told_in_a_line_and_fixed_by_lint() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path());
    let user = User::of(&server);
    user.write_connector("c/a", "A");
    user.stdout("apply c --yes");
    user.stdout("pull d");
    let unlike = |ending: &str| {
        for file in ["a/connector.yaml", "a/source-config.xml", "a/translations/en.properties"] {
            user.write(&format!("d/{file}"), &user.read(&format!("c/{file}")).replace('\n', ending));
        }
    };
    unlike("\r\n");
    assert_snapshot!("line_endings", user.transcript(&["plan d", "diff c d", "lint d", "lint d --fix", "plan d"]));
    assert!(user.read("d/.gitattributes").contains("source-config.xml -text\n"));
    assert_eq!(user.code("plan d --prune"), Some(0), "it is no unknown file");
    unlike("\r");
    let differences = user.run("plan d").stdout;
    assert!(String::from_utf8(differences).unwrap().contains("a/source-config.xml has CR, the server has LF\n"));
    // What differs otherwise too is shown as a difference.
    user.write(
        "d/a/source-config.xml",
        &user.read("c/a/source-config.xml").replace('\n', "\r\n").replace("Host", "Port"),
    );
    let differences = String::from_utf8(user.run("plan d").stdout).unwrap();
    assert!(differences.contains("+++ a/source-config.xml") && differences.contains("displayName=\"Port\""));
}

#[test]
fn diff_names_connectors_by_their_paths() {
    let user = User::new();
    for folder in ["c", "d"] {
        user.write_connector(&format!("{folder}/a"), "A");
        user.write_connector(&format!("{folder}/b"), folder);
    }
    for (line, before, after) in [("diff c d", "--- c/b/", "+++ d/b/"), ("diff c/ d/", "--- c/b/", "+++ d/b/")] {
        let printed = String::from_utf8(user.run(line).stdout).unwrap();
        assert!(printed.contains(before) && printed.contains(after), "{printed}");
    }
    let error = user.error("login a:b --base-url http://127.0.0.1:9 --client-id id");
    assert!(error.contains("the name of an environment cannot have a colon"), "{error}");
}

#[test]
fn a_name_cannot_deceive_a_reader_of_a_table_or_a_message() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path());
    let user = User::of(&server);
    let (name, seen) = ("Pay\u{202e}llor", "Pay\\u{202e}llor");
    let created = user.stdout(&format!("connector create {name} --class-name x.Y"));
    assert!(created.contains(seen) && !created.contains(name), "{created}");
    for line in ["connector list --custom", "connector get payllor"] {
        let table = user.stdout(line);
        assert!(table.contains(seen) && !table.contains(name), "{table}");
    }
    assert!(user.stdout("connector get payllor --output json").contains(name), "data are as they are");
}

#[test]
fn a_service_that_cannot_be_reached_is_tried_three_times_and_said_once() {
    let user = User::new()
        .with("SAIL_BASE_URL", "http://127.0.0.1:9")
        .with("SAIL_CLIENT_ID", "id")
        .with("SAIL_CLIENT_SECRET", "secret");
    let started = Instant::now();
    let error = user.error("connector list");
    let cause = "cannot reach http://127.0.0.1:9/oauth/token: Connection refused (os error 111)";
    let lines: Vec<_> = error.lines().collect();
    let [warning, error] = lines[..] else { panic!("{lines:?}") };
    assert!(warning.starts_with(&format!("warning: {cause}; trying again in ")), "{warning}");
    assert_eq!(error, format!("error: {cause}"));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());

    // A login fails at once, and says what is wrong with the address.
    assert_eq!(user.error("login a --base-url http://127.0.0.1:9"), format!("error: {cause}\n"));
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path());
    let https = server.url.replace("http:", "https:");
    let expected =
        format!("error: cannot reach {https}/oauth/token: the server does not speak TLS; try {}\n", server.url);
    assert_eq!(user.error(&format!("login a --base-url {https}")), expected);
}

#[test]
fn a_long_pause_for_the_rate_limit_is_said() {
    let folder = TempDir::new().unwrap();
    let server = Server::limited(folder.path(), "1/6s");
    let user = User::of(&server);
    let count = || user.run("connector list --count");
    // The second call is after the first in the same window, or the third is after the second.
    let told = [count(), count(), count()].map(|output| String::from_utf8(output.stderr).unwrap());
    let told = told.concat();
    assert!(told.starts_with("warning: the service answered 429 Too Many Requests: "), "{told}");
    assert!(told.contains("; trying again in "), "{told}");
}

/// The home file of a user, with a member that this program does not know.
const HOME_FILE: &str = "activeenvironment: a
authtype: pat
environments:
  a:
    baseurl: http://127.0.0.1:1
    pat:
      accesstoken: kept
      clientid: id-a
      clientsecret: secret-a
    tenanturl: http://tenant
  b:
    baseurl: http://127.0.0.1:2
    pat:
      clientid: id-b
      clientsecret: secret-b
";
const HOME_PATH: &str = ".sailpoint/config.yaml";

#[test]
fn environments_are_listed_chosen_and_removed_and_all_else_in_the_file_stays() {
    let user = User::new();
    assert_eq!(user.stdout("env list"), "ACTIVE  NAME  BASE URL  CLIENT ID\n");
    user.write(HOME_PATH, HOME_FILE);
    assert_snapshot!(
        "environments",
        user.transcript(&[
            "env list",
            "env list --output json",
            "env use c",
            "env use b",
            "logout a",
            "logout c",
            "logout",
            "logout"
        ])
    );
    let mode = fs::metadata(user.home.path().join(HOME_PATH)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    user.write(HOME_PATH, HOME_FILE);
    user.stdout("env use a");
    assert_eq!(user.read(HOME_PATH), HOME_FILE, "nothing else was changed");
    user.stdout("logout");
    assert!(user.read(HOME_PATH).contains("authtype: pat\n"));
    let json = r#"{"BaseURL": "http://127.0.0.1:3", "ClientId": "c", "ClientSecret": "s"}"#;
    user.write("config.json", json);
    let note = "note: commands without --env use ./config.json, not the active environment\n";
    assert_eq!(String::from_utf8(user.run("env use b").stderr).unwrap(), note);
}

#[test]
fn the_error_of_a_damaged_file_shows_no_secret() {
    let user = User::new();
    for damage in ["bad: [\n", "b: twice\nb: twice\n"] {
        user.write(HOME_PATH, &format!("{HOME_FILE}{damage}"));
        for line in ["env list", "env use b", "logout", "pull c", "pull c --env a", "doctor"] {
            let Output { status, stdout, stderr } = user.run(line);
            let printed = String::from_utf8([stdout, stderr].concat()).unwrap();
            assert_eq!(status.code(), Some(1), "{line}: {printed}");
            assert!(printed.contains("line ") && !printed.contains("secret-b"), "{line}: {printed}");
        }
    }
    for damaged in ["oidc_client_secret = s3cret", "oidc_client_secret = \"s3cret", "oidc_client_secret = [\"s3cret\"]"]
    {
        user.write("c.toml", &format!("listen = \"127.0.0.1:0\"\n{damaged}\n"));
        let error = user.error("serve --config c.toml");
        assert!(error.contains("c.toml, line 2: ") && !error.contains("s3cret"), "{error}");
    }
}

#[test]
fn a_file_of_environments_keeps_its_values_or_is_not_written() {
    let user = User::new();
    let others =
        "version: 1.10\nmask: 0x1F\nbase: &b {x: 1}\ncopy: *b\ntext: yes\nmode: 0644\nodd: 0899\nquoted: \"1.10\"\n";
    user.write(HOME_PATH, &format!("# a comment\n{HOME_FILE}{others}"));
    user.stdout("env use b");
    let written = user.read(HOME_PATH);
    for (name, value) in [
        ("version", serde_json::json!(1.1)),
        ("mask", serde_json::json!(31)),
        ("copy", serde_json::json!({"x": 1})),
        ("text", serde_json::json!("yes")),
        ("mode", serde_json::json!(420)),
        ("odd", serde_json::json!(899.0)),
        ("quoted", serde_json::json!("1.10")),
    ] {
        let read: serde_json::Value = serde_saphyr::from_str(&written).unwrap();
        assert_eq!(read[name], value, "{written}");
    }
    for (member, text) in [("clientid", "id-a"), ("clientsecret", "secret-a")] {
        for number in ["0123", "0x1F", "1.10", "123456789012345678901234567890"] {
            let before = HOME_FILE.replace(text, number);
            user.write(HOME_PATH, &before);
            let error = user.error("env use b");
            let expected = format!("`{member}` of the environment `a` looks like a number");
            assert!(error.contains(&expected) && !error.contains(number), "{error}");
            assert_eq!(user.read(HOME_PATH), before);
        }
    }
}

#[test]
fn a_login_does_not_lose_the_credentials_of_another_service() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path());
    let user = User::new().with("SAIL_CLIENT_SECRET", "secret");
    user.write(HOME_PATH, HOME_FILE);
    let login = format!("login b --client-id id --base-url {}", server.url);
    let error = user.error(&login);
    assert!(error.contains("has an environment `b` for another service, http://127.0.0.1:2; take another"), "{error}");
    assert_eq!(user.read(HOME_PATH), HOME_FILE);
    let replaced = user.stdout(&format!("{login} --force --keep-active"));
    assert!(replaced.starts_with("Replaced the environment `b`"), "{replaced}");
    assert!(replaced.ends_with("The active environment is `a`.\n"), "{replaced}");
    let again = user.stdout(&format!("{login}/"));
    assert!(again.starts_with("Replaced") && again.ends_with("It is the active environment.\n"), "{again}");
    let file = user.read(HOME_PATH);
    assert!(file.contains("accesstoken: kept") && !file.contains("secret-b"), "{file}");
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path());
    let user = User::of(&server);
    user.write("form.xml", "old");
    user.write("all.json", "old");
    let readers = ["form.xml", "all.json"].map(|file| fs::File::open(user.home.path().join(file)).unwrap());
    user.stdout("connector get-source-config jdbc --file form.xml");
    user.stdout("export all.json");
    assert!(user.read("form.xml").contains("<Form") && user.read("all.json").starts_with('['));
    // The new file took the place of the old one, which is as it was.
    assert_eq!(readers.map(|reader| std::io::read_to_string(reader).unwrap()), ["old", "old"]);
    assert!(user.error("export none/all.json").starts_with("error: cannot write none/all.json: "));
}

#[test]
fn a_refusal_names_the_right_that_is_missing() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path());
    let reader = server.client("--scopes idn:connector-config:read");
    let error = reader.error("connector create A --class-name x.Y");
    assert!(error.contains("403 Forbidden") && error.contains("idn:connector-config:manage"), "{error}");
}

/// The lines of `doctor` as outcome and check, and its exit code.
fn doctor(user: &User) -> (Vec<String>, Option<i32>, String) {
    let output = user.run("doctor");
    let text = String::from_utf8(output.stdout).unwrap();
    let words = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    (text.lines().map(words).collect(), output.status.code(), text)
}

#[test]
fn doctor_says_what_works_and_what_to_do() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path());
    let user = User::new().with("SAIL_CLIENT_SECRET", "secret");
    assert_eq!(doctor(&user).0, ["failed environment"]);
    user.stdout(&format!("login a --client-id id --base-url {}", server.url));
    let (lines, code, text) = doctor(&user);
    let all = ["environment", "file", "address", "version", "clock", "credentials", "rights", "limits"];
    assert_eq!((lines, code), (all.map(|check| format!("ok {check}")).to_vec(), Some(0)), "{text}");
    assert!(text.contains("a document 5 MiB, a request 10 MiB, a connector 16 MiB; any number of requests"), "{text}");
    assert_eq!(user.stdout("connector list --custom --count"), "0\n", "nothing was changed");
    let checks: serde_json::Value = serde_json::from_str(&user.stdout("doctor --output json")).unwrap();
    assert_eq!(checks[7]["outcome"], "ok", "{checks}");

    let path = user.home.path().join(HOME_PATH);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let (lines, code, text) = doctor(&user);
    assert_eq!((lines[1].as_str(), code), ("warning file", Some(0)));
    assert!(text.contains(&format!("(mode 644); run `chmod 600 {}`", path.display())), "{text}");

    let (lines, code, text) = doctor(&server.client("--scopes idn:connector-config:read"));
    assert_eq!((lines[5].as_str(), code), ("warning rights", Some(0)), "{text}");
    assert!(text.contains("may not change connectors") && text.contains("idn:connector-config:manage"), "{text}");
    let (lines, code, text) = doctor(&server.client("--level USER"));
    assert_eq!((lines[5].as_str(), code), ("failed rights", Some(1)), "{text}");

    let wrong = server.client("").with("SAIL_CLIENT_SECRET", "wrong");
    let (lines, code, text) = doctor(&wrong);
    assert_eq!((lines.last().unwrap().as_str(), code), ("failed credentials", Some(1)), "{text}");
    let nowhere = wrong.with("SAIL_BASE_URL", "http://127.0.0.1:9");
    let (lines, code, text) = doctor(&nowhere);
    assert_eq!((lines.last().unwrap().as_str(), code), ("failed address", Some(1)), "{text}");
    assert!(text.contains("Connection refused (os error 111); check the address"), "{text}");
}
