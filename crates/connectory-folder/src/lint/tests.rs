use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use connectory_model::document::FORM_NAMESPACE;
use proptest::prelude::*;

use super::*;
use crate::description::CONNECTOR_FILE;
use crate::folder::Folder;

const YAML: &str = "name: HR\nclassName: x.Y\n";
const TEMPLATE: &str = "<Application name='HR'><Schemas><Schema objectType='account'>\
                        <AttributeDefinition name='mail'/></Schema></Schemas></Application>";

fn files<'a>(files: &[(&str, &'a str)]) -> Files<'a> {
    files.iter().map(|(path, text)| ((*path).to_owned(), Cow::from(text.as_bytes()))).collect()
}

fn form(body: &str) -> String {
    format!("<Form xmlns=\"{FORM_NAMESPACE}\" connectorName=\"HR\">\n{body}\n</Form>")
}

/// Each finding as rule, file and the text that it is about.
fn found(given: &[(&str, &str)]) -> Vec<String> {
    let files = files(given);
    let findings = lint("hr", &files).into_iter();
    findings
        .map(|finding| {
            let text = files.get(&finding.file).map(|bytes| Text::decode(bytes).text.into_owned()).unwrap_or_default();
            format!("{} {} {}", finding.rule.id, finding.file, &text[finding.span])
        })
        .collect()
}

/// A folder without findings, with some files replaced or added.
fn with<'a>(changed: &[(&'a str, &'a str)], empty_form: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut given = vec![(CONNECTOR_FILE, YAML), ("source-template.xml", TEMPLATE), ("source-config.xml", empty_form)];
    given.retain(|(file, _)| changed.iter().all(|(other, _)| other != file));
    given.extend(changed);
    given
}

/// What each rule is tested with: changed files, and what is found in them.
const EXAMPLES: &[(&[(&str, &str)], &str)] = &[
    (&[(CONNECTOR_FILE, "name: HR\n")], "description connector.yaml "),
    (&[(CONNECTOR_FILE, "className: 1\nname: HR\n")], "description connector.yaml className: 1"),
    (&[(CONNECTOR_FILE, "name: HR\nclassName: x.Y\nStatus: DEMO\n")], "description connector.yaml Status: DEMO"),
    (&[(CONNECTOR_FILE, "name: HR\nclassName: x.Y\nstatus: deprecated\n")], "status connector.yaml status: deprecated"),
    (&[("source-confg.xml", "")], "unknown-file source-confg.xml "),
    (&[("translations/notes.txt", "")], "unknown-file translations/notes.txt "),
    (&[("source-config.xml", "<Form>\n  <Menu>\n</Form>")], "malformed-xml source-config.xml <Menu>"),
    (&[("source-template.xml", "<Applikation/>")], "root-element source-template.xml <Applikation"),
    (&[("source-template.xml", "<x:Applikation xmlns:x='y'/>")], "root-element source-template.xml <x:Applikation"),
    (&[("source-config.xml", "<Form/>")], "schema-version source-config.xml <Form"),
    (
        &[("source-config.xml", "<Form xmlns='http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd' type='Form'/>")],
        "form-type source-config.xml Form",
    ),
    (&[("source-template.xml", "<Application name='HR' featuresString='LONG'/>")], "too-large source-template.xml "),
    (&[("source-config.xml", "{<Field type='text'/>}")], "field-name source-config.xml <Field"),
    (&[("source-config.xml", "{<Field name='a'/><Field name='a'/>}")], "duplicate-field source-config.xml a"),
    (&[("source-config.xml", "{<Field name='a' parentKey='b'/>}")], "unknown-parent source-config.xml b"),
    (&[("source-config.xml", "{<Field name='a' type='b'/>}")], "unknown-field-type source-config.xml b"),
    (&[("source-config.xml", "{<Field name='a' nmae='b'/>}")], "unknown-attribute source-config.xml nmae"),
    (&[("source-config.xml", "{<Menu label='menuLabel_a'/>}")], "missing-translation source-config.xml menuLabel_a"),
    (
        &[
            ("source-config.xml", "{<Menu label='k'/>}"),
            ("translations/en.properties", "k=a"),
            ("translations/de.properties", ""),
        ],
        "missing-translation translations/de.properties ",
    ),
    (&[("source-template.xml", "<Application name='IT'/>")], "connector-name source-template.xml IT"),
    (&[("translations/xx.properties", "")], "unknown-locale translations/xx.properties "),
    (&[("translations/de.properties", "a=b\nc=\\u12\n")], "properties-syntax translations/de.properties c=\\u12"),
    (&[("translations/de.properties", "a\0")], "properties-syntax translations/de.properties "),
    (&[("translations/de.properties", "\nold=x\n")], "unused-translation translations/de.properties old=x"),
    (
        &[
            ("source-config.xml", "{<Menu label='k'/>}"),
            ("translations/en.properties", "k=a"),
            ("translations/de.properties", "k = a"),
        ],
        "untranslated translations/de.properties k = a",
    ),
    (
        &[
            ("source-config.xml", "{<Menu label='my key'/>}"),
            ("translations/en.properties", "my\\ key=a"),
            ("translations/de.properties", "my\\ key=b\nmy key=c"),
        ],
        "unescaped-key translations/de.properties my key",
    ),
    (
        &[("translations/de.properties", "ShortDesc=a\nShortDesc=b")],
        "duplicate-key translations/de.properties ShortDesc=b",
    ),
    (&[("translations/de.properties", "ShortDesc=a ")], "trailing-space translations/de.properties  "),
    (&[("translations/de.properties", "ShortDesc=\\d")], "backslash translations/de.properties \\"),
    (
        &[("translations/de.properties", "ShortDesc=Gr\u{c3}\u{b6}\u{df}e")],
        "mixed-encodings translations/de.properties \u{c3}\u{b6}",
    ),
    (&[("translations/de.properties", "<html>")], "other-format translations/de.properties <"),
    (&[("translations/de.properties", "# Texte\r\n")], "line-endings translations/de.properties "),
    (
        &[("correlation-config.xml", "<CorrelationConfig><Filter property='a' value='mial'/></CorrelationConfig>")],
        "correlation-attribute correlation-config.xml <Filter property='a' value='mial'/>",
    ),
];

#[test]
fn every_rule_finds_its_example_in_its_place() {
    let empty_form = form("");
    assert_eq!(found(&with(&[], &empty_form)), Vec::<String>::new());
    let mut tested = BTreeSet::new();
    for (changed, expected) in EXAMPLES {
        // A text in braces is the content of a form.
        let changed: Vec<_> = changed
            .iter()
            .map(|(file, text)| {
                let body = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
                let text = body.map_or_else(|| (*text).to_owned(), form);
                (*file, text.replace("LONG", &"x".repeat(300)))
            })
            .collect();
        let changed: Vec<_> = changed.iter().map(|(file, text)| (*file, text.as_str())).collect();
        assert_eq!(found(&with(&changed, &empty_form)), [*expected]);
        tested.extend(expected.split(' ').next());
    }
    let misnamed = lint("H R", &files(&[(CONNECTOR_FILE, YAML)]));
    assert_eq!(misnamed.iter().map(|finding| finding.rule).collect::<Vec<_>>(), [&rules::FOLDER_NAME]);
    tested.insert(misnamed[0].rule.id);
    // These are found while folders are read from a disk; `local.rs` tests them.
    let on_disk =
        [&rules::SYMLINK, &rules::FILE_TYPE, &rules::NAME_CLASH, &rules::DUPLICATE_NAME, &rules::NOT_A_CONNECTOR];
    tested.extend(on_disk.map(|rule| rule.id));
    assert_eq!(tested, RULES.iter().map(|rule| rule.id).collect(), "every rule is tested");
}

#[test]
fn a_document_in_another_encoding_is_checked_and_fixed_in_it() {
    let body =
        format!("<Form xmlns=\"{FORM_NAMESPACE}\" connectorName=\"Größe\">\r\n<Field name='ä' type='b'/>\r\n</Form>");
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let latin1 = |text: &str| text.chars().map(|c| u8::try_from(c).expect("ISO-8859-1")).collect::<Vec<_>>();
    let declared = |label: &str, body: &str| format!("<?xml version='1.0' encoding='{label}'?>{body}");
    let fixed_body = body.replace("Größe", "HR").replace('\r', "");
    for (before, after) in [
        (
            utf16(&format!("\u{feff}{}", declared("utf-16", &body))),
            utf16(&format!("\u{feff}{}", declared("utf-16", &fixed_body))),
        ),
        (latin1(&declared("iso-8859-1", &body)), latin1(&declared("iso-8859-1", &fixed_body))),
    ] {
        let mut given = files(&with(&[("source-config.xml", "")], ""));
        given.insert("source-config.xml".to_owned(), before.clone().into());
        let findings = lint("hr", &given);
        let text = Text::decode(&before);
        let found: Vec<_> =
            findings.iter().map(|finding| (finding.rule.id, &text.text[finding.span.clone()])).collect();
        assert_eq!(found, [("line-endings", ""), ("connector-name", "Größe"), ("unknown-field-type", "b")]);
        let fixed = text.fixed(findings.into_iter().filter_map(|finding| finding.fix));
        assert_eq!(fixed, after);
        given.insert("source-config.xml".to_owned(), before.clone().into());
        let folder = Folder::read(&given).expect("a folder");
        assert_eq!(folder.files()["source-config.xml"], before);
        // What a server sends has the bytes too.
        let detail = folder.clone().into_detail("hr".parse().expect("a script name"));
        assert_eq!(Folder::of(&detail).expect("a folder").files()["source-config.xml"], before);
        let renamed = folder.renamed("Ä").files().remove("source-config.xml").expect("a form");
        assert_eq!(Text::decode(&renamed).text, text.text.replace("Größe", "Ä"));
        assert!(renamed.len() < before.len());
    }
    let wrong = [("source-config.xml", "<?xml version='1.0' encoding='utf-16'?><Form/>")];
    let findings = lint("hr", &files(&with(&wrong, "")));
    assert_eq!(findings[0].rule, &rules::MALFORMED_XML);
    assert!(
        findings[0].message.contains("declares encoding `utf-16`, but its bytes are UTF-8"),
        "{}",
        findings[0].message
    );
}

#[test]
fn the_documentation_has_the_table_of_rules() {
    const HEADER: &str = "| rule | level | wants | `--fix` |\n|---|---|---|---|\n";
    let docs = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")).expect("the documentation");
    let pages = docs.filter_map(|page| fs::read_to_string(page.ok()?.path()).ok());
    let documented: Vec<_> = pages
        .filter_map(|page| {
            page.split_once(HEADER).map(|(_, rest)| rest.split("\n\n").next().unwrap_or_default().to_owned())
        })
        .collect();
    let lines = RULES.iter().map(|Rule { id, level, description, fix }| {
        let (level, description) = (format!("{level:?}").to_lowercase(), description.trim_end_matches('.'));
        format!("| `{id}` | {level} | {description} | {} |", fix.unwrap_or_default())
    });
    assert_eq!(documented, [lines.collect::<Vec<_>>().join("\n")]);
}

#[test]
fn what_a_server_refuses_for_its_size_is_found() {
    let is_too_large = |given: &[(&str, &str)], limits: Limits| {
        let findings = lint_within("hr", &files(given), limits);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!(finding.rule, &rules::TOO_LARGE, "{finding:?}");
        format!("{}: {}", finding.file, finding.message)
    };
    let limits = Limits::default();
    let document = TEMPLATE.replace("</Application>", &format!("<!--{}--></Application>", "x".repeat(limits.document)));
    let given = [(CONNECTOR_FILE, YAML), ("source-template.xml", &document)];
    assert_eq!(
        is_too_large(&given, limits),
        "source-template.xml: the file has more than 5242880 bytes, which is the limit of a server"
    );
    assert_eq!(
        lint_within("hr", &files(&given), Limits { document: 2 * limits.document, ..limits }),
        [],
        "another server"
    );
    let given = [(CONNECTOR_FILE, YAML), ("source-template.xml", TEMPLATE)];
    assert!(
        is_too_large(&given, Limits { connector: 100, ..limits }).starts_with("connector.yaml: the connector as JSON")
    );
    let keys = (0..10_001).map(|n| format!("k{n}=\n")).collect::<Vec<_>>().concat();
    let given = [(CONNECTOR_FILE, YAML), ("translations/de.properties", &keys)];
    assert_eq!(
        is_too_large(&given, limits),
        "translations/de.properties: the locale `de` has 10001 keys; it may have at most 10000"
    );
    for (metadata, expected) in [
        (format!("{{a: {}}}", "x".repeat(65_536)), "the metadata is larger than 64 KiB"),
        (format!("{{a: {}{}}}", "[".repeat(32), "]".repeat(32)), "the metadata nests deeper than 32 levels"),
        (
            format!("{{labels: [{}]}}", "a, ".repeat(101)),
            "`connectorMetadata.labels` has 101 labels; it may have at most 100",
        ),
    ] {
        let yaml = format!("{YAML}connectorMetadata: {metadata}\n");
        assert_eq!(is_too_large(&[(CONNECTOR_FILE, &yaml)], limits), format!("connector.yaml: {expected}"));
    }
}

#[test]
fn only_a_warning_can_be_allowed() {
    assert_eq!(Rule::warning("status"), Ok(&rules::STATUS));
    let warnings = "status, missing-translation, unused-translation, untranslated, unescaped-key, duplicate-key, trailing-space, \
                    backslash, mixed-encodings, other-format, line-endings, unknown-attribute, unknown-field-type";
    let error = |id: &str| Rule::warning(id).expect_err(id).to_string();
    assert_eq!(
        error("symlink"),
        format!("`symlink` is an error, which cannot be allowed; only warnings can: not-a-connector, {warnings}")
    );
    assert_eq!(
        error("untranslatd"),
        format!(
            "there is no rule `untranslatd` (the warnings are not-a-connector, {warnings}); did you mean `untranslated`?"
        )
    );
}

#[test]
fn only_rules_that_have_a_fix_fix_something() {
    let form = form("<Menu label='m n'/>").replace("connectorName=\"HR\"", "connectorName=\"IT\"");
    let texts = "a=b \r\nm n=b\r\n";
    let english = "m\\ n=a";
    let changed = [
        ("source-config.xml", form.as_str()),
        ("translations/de.properties", texts),
        ("translations/en.properties", english),
    ];
    let given = files(&with(&changed, ""));
    let findings = lint("hr", &given);
    let fixable: BTreeSet<_> =
        findings.iter().filter(|finding| finding.fix.is_some()).map(|finding| finding.rule.id).collect();
    assert_eq!(fixable, RULES.iter().filter(|rule| rule.fix.is_some()).map(|rule| rule.id).collect());
}

#[test]
fn translations_are_compared_with_the_form_and_each_other() {
    let form = form("<Menu label='menuLabel_a'/><Field name='x' displayName='Host'/>");
    let given = [
        (CONNECTOR_FILE, YAML),
        ("source-config.xml", form.as_str()),
        ("translations/en.properties", "menuLabel_a=A\nHost=Host name\nShortDesc=Short\n"),
        ("translations/de.properties", "menuLabel_a=A\nold=\\\n  Alt\nShortDesc=Kurz\n"),
    ];
    assert_eq!(
        found(&given),
        [
            "missing-translation translations/de.properties ",
            "untranslated translations/de.properties menuLabel_a=A",
            "unused-translation translations/de.properties old=\\",
        ]
    );
    let files = files(&given);
    let fixes = lint("hr", &files).into_iter().filter_map(|finding| finding.fix);
    let fixed = Text::decode(&files["translations/de.properties"]).fixed(fixes);
    assert_eq!(String::from_utf8(fixed).expect("UTF-8"), "menuLabel_a=A\nShortDesc=Kurz\n");
}

#[test]
fn no_text_is_removed_that_a_misspelt_key_may_mean() {
    const TEXTS: &str = "menuLabel_Settings=S\nHostname=H\nold=O\n";
    let (slip, both) = (
        "menuLabel_Setings=S\nHostname=H\nold=O\n",
        "<Menu label='menuLabel_Settings'/><Field name='x' displayName='Hostname'/>",
    );
    for (body, german, file, question) in [
        (both, TEXTS, "", ""),
        (&both.replace("Settings", "Setings"), TEXTS, "source-config.xml", "; did you mean `menuLabel_Settings`?"),
        (&both.replace("Settings", "Other"), TEXTS, "source-config.xml", "users would see the key"),
        (&both.replace("Hostname", "Hostnam"), TEXTS, "source-config.xml", "; did you mean `Hostname`?"),
        (both, slip, "translations/de.properties", "; did you mean `menuLabel_Setings`?"),
    ] {
        let form = form(body);
        let given = files(&with(
            &[
                ("source-config.xml", &form),
                ("translations/de.properties", german),
                ("translations/en.properties", TEXTS),
            ],
            "",
        ));
        let findings = lint("hr", &given);
        let missing = findings.iter().find(|finding| finding.rule == &rules::MISSING_TRANSLATION);
        assert_eq!(missing.map_or("", |finding| finding.file.as_str()), file);
        assert!(missing.is_none_or(|finding| finding.message.ends_with(question)), "{missing:?}");
        let mut unused = findings.iter().filter(|finding| finding.rule == &rules::UNUSED_TRANSLATION);
        assert!(unused.all(|finding| finding.fix.is_none() == (finding.file == file || file == "source-config.xml")));
    }
    let form = form("<Menu lable='menuLabel_a'/>");
    let given = with(&[("source-config.xml", &form), ("translations/en.properties", "menuLabel_a=A\n")], "");
    assert_eq!(found(&given), ["unknown-attribute source-config.xml lable"]);
}

#[test]
fn a_fix_removes_one_line_whatever_ends_it() {
    let form = form("<Menu label='k'/>");
    let given =
        files(&with(&[("source-config.xml", &form), ("translations/en.properties", "old=1\rk=2\r\nold=\\\r 3\r")], ""));
    let fixes: Vec<_> = lint("hr", &given).into_iter().filter_map(|finding| finding.fix).collect();
    let fixed = |fixes: &[Fix]| Text::decode(&given["translations/en.properties"]).fixed(fixes.to_vec());
    let (line_feeds, removals): (Vec<_>, Vec<_>) = fixes.iter().cloned().partition(|fix| *fix == Fix::LineFeeds);
    assert_eq!((line_feeds.len(), removals.len()), (1, 2));
    assert_eq!(fixed(&removals), b"k=2\r\n");
    assert_eq!(fixed(&line_feeds), b"old=1\nk=2\nold=\\\n 3\n");
    assert_eq!(fixed(&fixes), b"k=2\n");
}

#[test]
fn the_name_in_the_description_decides() {
    let form = form("").replace("connectorName=\"HR\"", "connectorName=\"H&amp;R\"");
    let given = [
        (CONNECTOR_FILE, "name: A&B\nclassName: x\n"),
        ("source-config.xml", form.as_str()),
        ("source-template.xml", TEMPLATE),
    ];
    let given = files(&given);
    let findings = lint("hr", &given);
    assert_eq!(findings.len(), 2);
    let fixed = Text::decode(&given["source-config.xml"]).fixed(findings[0].fix.clone());
    assert!(String::from_utf8(fixed).expect("UTF-8").contains("connectorName=\"A&amp;B\""));
    assert_eq!(
        findings[0].message,
        "the source config is of `H&R`, the source template of `HR`; the connector's name is `A&B` and its type `custom A&B`"
    );
}

/// What is found in documents with these attributes, and the fixes.
fn named(yaml: &str, form: &str, template: &str) -> (Vec<String>, usize) {
    let form = format!("<Form xmlns=\"{FORM_NAMESPACE}\" {form}/>");
    let template = format!("<Application {template}/>");
    let given = [
        (CONNECTOR_FILE, &*format!("{yaml}className: x.Y\n")),
        ("source-config.xml", &form),
        ("source-template.xml", &template),
    ];
    let fixes = lint("acme", &files(&given)).into_iter().filter(|finding| finding.fix.is_some()).count();
    (found(&given), fixes)
}

#[test]
fn a_connector_may_be_named_by_its_name_or_by_its_type() {
    for (yaml, form, template) in [
        (
            "name: Acme\ntype: Acme - Direct\n",
            "name='Acme' connectorName='Acme - Direct'",
            "name='Acme' type='Acme - Direct'",
        ),
        ("name: Acme\ntype: Acme - Direct\n", "connectorName='Acme'", "name='Acme - Direct' type='Acme - Direct'"),
        (
            "name: Acme\ntype: Acme - Direct\n",
            "connectorName='Acme - Direct'",
            "name='Acme Template' type='Acme - Direct'",
        ),
        // The type is that of the template alone, or the default.
        ("name: Acme\n", "connectorName='Acme - Direct'", "name='Acme' type='Acme - Direct'"),
        ("name: Acme\n", "connectorName='custom Acme'", "name='Acme'"),
        // Names are compared without case, as everywhere (D14).
        ("name: Acmé\n", "connectorName='ACME\u{301}'", "name='acmé'"),
        // The specification's example.
        (
            "name: name\ntype: ServiceNow\n",
            "connectorName='custom Atlassian Suite - Cloud' name='Custom Atlassian Suite - Cloud'",
            "name='custom Atlassian Suite - Cloud' type='custom Atlassian Suite - Cloud'",
        ),
    ] {
        assert_eq!(named(yaml, form, template), (vec![], 0), "{yaml}{form} {template}");
    }
}

#[test]
fn a_fix_never_turns_a_name_into_a_type_or_a_type_into_a_name() {
    let yaml = "name: Acme\ntype: Acme - Direct\n";
    let form = |name: &str| format!("connector-name source-config.xml {name}");
    let template = |name: &str| format!("connector-name source-template.xml {name}");
    // A name that is wrong gets the right name.
    assert_eq!(named(yaml, "name='IT' connectorName='IT'", "name='Acme'"), (vec![form("IT")], 1));
    assert_eq!(named(yaml, "connectorName='IT'", "name='HR' type='Acme - Direct'"), (vec![form("IT")], 1));
    assert_eq!(named(yaml, "connectorName='Acme'", "name='HR' type='custom HR'"), (vec![template("HR")], 1));
    // Beside a name, another value is a type.
    assert_eq!(
        named(yaml, "name='Acme' connectorName='Acme - Direkt'", "name='Acme'"),
        (vec![form("Acme - Direkt")], 0)
    );
    assert_eq!(named(yaml, "connectorName='Acme'", "name='Acme - Direkt' type='Acme - Direkt'").1, 0);
}

#[test]
fn filters_are_compared_with_a_schema_if_there_is_one() {
    let empty_form = form("");
    let correlation = "<CorrelationConfig><Filter property='email' value='mail'/></CorrelationConfig>";
    for (template, expected) in [
        ("<Application name='HR'/>", 0),
        (
            "<Application name='HR'><Schemas><Schema objectType='group'><AttributeDefinition name='cn'/></Schema></Schemas></Application>",
            0,
        ),
        (TEMPLATE, 0),
        (
            "<Application name='HR'><Schemas><Schema objectType='account'><AttributeDefinition name='cn'/></Schema></Schemas></Application>",
            1,
        ),
    ] {
        let changed = [("source-template.xml", template), ("correlation-config.xml", correlation)];
        assert_eq!(found(&with(&changed, &empty_form)).len(), expected, "{template}");
    }
}

#[test]
fn many_findings_and_many_names_are_found_in_time() {
    let fields = (0..20_000)
        .map(|n| format!("<Field name='name_{n}'/>\n<Field name='name_{n}' parentKey='Missing_{n}' x='1'/>\n"))
        .collect::<Vec<_>>()
        .concat();
    let (form, texts) = (form(&fields), (0..20_000).map(|n| format!("key{n}=x\n")).collect::<Vec<_>>().concat());
    let given = files(&[(CONNECTOR_FILE, YAML), ("source-config.xml", &form), ("translations/en.properties", &texts)]);
    let start = std::time::Instant::now();
    let findings = lint("hr", &given);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    let count = |rule: &Rule| findings.iter().filter(|finding| finding.rule == rule).count();
    let rules =
        [&rules::DUPLICATE_FIELD, &rules::UNKNOWN_PARENT, &rules::UNKNOWN_ATTRIBUTE, &rules::UNUSED_TRANSLATION];
    assert_eq!(rules.map(count), [20_000; 4], "nothing is left out");
    let first = lint_file("hr", &given, "source-config.xml", 500);
    assert!(first.len() == 500 && first.iter().all(|finding| finding.file == "source-config.xml"));
    assert_eq!(lint_file("hr", &given, CONNECTOR_FILE, 500), []);
}

/// A file of a folder: right, wrong in a usual way, or odd.
fn any_file() -> impl Strategy<Value = (String, Vec<u8>)> {
    let xml = prop::collection::vec(
        prop::sample::select(vec![
            "<Field name='a'/>",
            "<Field name='ab' type='texd' parentKey='aa'/>",
            "<Field name=''/>",
            "<Menu label='menuLabel_a' nmae='1'>",
            "</Menu>",
            "<Section label='k' sectionInfo='old'/>",
            "<Filter property='mail' value='email'/>",
            "<Schema objectType='account'><AttributeDefinition name='mail'/></Schema>",
            "ü",
            "&",
            "\n",
        ]),
        0..5,
    );
    let root = prop::sample::select(vec![
        ("<Form xmlns='http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd' connectorName='HR'>", "</Form>"),
        ("<Form connectorName='ü&amp;'>", "</Form>"),
        ("<Application name='IT'>", "</Application>"),
        ("\u{feff}<CorrelationConfig>", "</CorrelationConfig>"),
        ("<x:Form xmlns:x='http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd'>\r\n", "</x:Form>"),
        ("", ""),
    ]);
    let document =
        (prop::sample::select(DocumentKind::ALL.to_vec()), root, xml).prop_map(|(kind, (open, close), inner)| {
            (kind.file_name().to_owned(), format!("{open}{}{close}", inner.concat()).into_bytes())
        });
    let properties = (
        prop::sample::select(vec!["en", "de", "ZH-tw", "xx", ""]),
        prop::collection::vec(
            prop::sample::select(vec![
                "k=K\n",
                "menuLabel_a=A\r\n",
                "old=x \\\n  y\n",
                "k = K\r",
                "ShortDesc=s",
                "# c\n",
                "a=\\u00\n",
                "\n",
                "é=\n",
                "\u{feff}",
            ]),
            0..6,
        ),
        any::<bool>(),
    )
        .prop_map(|(tag, lines, latin1)| {
            let text = lines.concat();
            let latin1 = latin1 && !text.contains('\u{feff}');
            let bytes =
                if latin1 { encoding_rs::mem::encode_latin1_lossy(&text).into_owned() } else { text.into_bytes() };
            (format!("translations/{tag}.properties"), bytes)
        });
    let description =
        prop::sample::select(vec!["name: HR\nclassName: x\n", "name: 1\n", "é: [", "className: x\nname: A&B"])
            .prop_map(|text| (CONNECTOR_FILE.to_owned(), text.as_bytes().to_vec()));
    let odd = (
        prop::sample::select(vec!["README.md", CONNECTOR_FILE, "source-config.xml", "translations/de.properties"]),
        any::<Vec<u8>>(),
    )
        .prop_map(|(file, bytes)| (file.to_owned(), bytes));
    prop_oneof![4 => document, 3 => properties, 1 => description, 1 => odd]
}

#[test]
fn no_finding_repeats_a_long_name() {
    let long = "n".repeat(4000);
    let form = form(&format!(
        "<Field name='{long}'/><Field name='{long}' type='{long}' {long}=''/><Field name='b' parentKey='{long}m'/>\
         <Menu label='menuLabel_{long}'/><Menu label='{long}'/>"
    ));
    let other = form.replace("connectorName=\"HR\"", &format!("connectorName='{long}'"));
    let root = format!("<{long}/>");
    let template = TEMPLATE.replace("'HR'", &format!("'{long}m'")).replace("'mail'", &format!("'{long}'"));
    let correlation = format!("<CorrelationConfig><Filter property='{long}m' value='{long}o'/></CorrelationConfig>");
    let texts = format!("{long}={long}\nunused{long}=a\n");
    let open = format!("<{long}>");
    let yaml = format!("name: {long}\nclassName: x.Y\nstatus: {long}\n");
    let tag = format!("translations/{long}.properties");
    let mut rules = BTreeSet::new();
    for (config, template, yaml) in [(&other, &template, YAML), (&root, &open, &yaml), (&form, &root, &open)] {
        let given = [
            ("source-config.xml", config.as_str()),
            ("source-template.xml", template),
            ("correlation-config.xml", &correlation),
            (CONNECTOR_FILE, yaml),
            ("translations/en.properties", &texts),
            ("translations/de.properties", &texts),
            (&tag, ""),
        ];
        for finding in lint(&long, &files(&given)) {
            assert!(finding.message.chars().count() < 1500, "{}: {:.300}", finding.rule.id, finding.message);
            rules.insert(finding.rule.id);
        }
    }
    assert!(rules.len() > 10, "{rules:?}");
}

proptest! {
    #[test]
    fn any_folder_is_checked_and_what_is_fixed_stays_fixed(
        name in "(hr|H R|.{0,4})", given in prop::collection::vec(any_file(), 0..7),
    ) {
        let mut files: Files<'static> = given.into_iter().map(|(file, bytes)| (file, Cow::from(bytes))).collect();
        let findings = lint(&name, &files);
        let mut fixes: BTreeMap<String, Vec<Fix>> = BTreeMap::new();
        for Finding { file, span, fix, .. } in findings.clone() {
            let text = files.get(&file).map(|bytes| Text::decode(bytes).text.into_owned()).unwrap_or_default();
            prop_assert!(text.get(span.clone()).is_some(), "{} {:?} of {:?}", file, span, text);
            if let Some(fix) = fix {
                if let Fix::Replace { range, .. } = &fix {
                    prop_assert!(text.get(range.clone()).is_some(), "{} {:?}", file, fix);
                }
                fixes.entry(file).or_default().push(fix);
            }
        }
        for (file, fixes) in fixes {
            let fixed = Text::decode(&files[&file]).fixed(fixes);
            files.insert(file, fixed.into());
        }
        let again = lint(&name, &files);
        prop_assert!(again.iter().all(|finding| finding.fix.is_none()), "{:?} {:?}", again, files);
        prop_assert!(again.len() <= findings.len(), "fixes add no findings: {:?} {:?}", findings, again);
        // One file's findings are those of all, and what has no errors can be read.
        for file in files.keys() {
            let of_file: Vec<_> = again.iter().filter(|finding| finding.file == *file).cloned().collect();
            prop_assert_eq!(lint_file(&name, &files, file, usize::MAX), of_file);
        }
        let has_errors = again.iter().any(|finding| finding.rule.level == Level::Error);
        if let Err(error) = Folder::read(&files) {
            prop_assert!(has_errors, "{}", error);
        }
    }
}
