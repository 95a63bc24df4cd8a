use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::document::{CorrelationConfig, SourceConfig, SourceTemplate};
use crate::limits::DOCUMENT_BYTES;
use crate::wire::{DetailShape, Origin};
use crate::{Locale, import};

fn connector() -> Connector {
    let list = json!([{"name": "HR", "connectorMetadata": {"category": "HR", "labels": ["a"]}}]);
    import::from_json(list.to_string().as_bytes()).expect("a connector").remove(0)
}

fn apply(patch: Value) -> Result<Connector, PatchError> {
    apply_to(&connector(), patch, DOCUMENT_BYTES)
}

fn apply_to(connector: &Connector, patch: Value, max_document: usize) -> Result<Connector, PatchError> {
    let detail = |connector: &_| ConnectorDetail::new(connector, Origin::Custom, Locale::En, DetailShape::WithPolicies);
    PatchSet::from_json(patch, PatchScope::Specified)?.apply(connector, detail, max_document)
}

#[test]
fn every_operation_of_the_rfc_works() {
    let patched = apply(json!([
        {"op": "test", "path": "/name", "value": "HR"},
        {"op": "add", "path": "/connectorMetadata/labels/-", "value": "b"},
        {"op": "add", "path": "/connectorMetadata/a~1b", "value": null},
        {"op": "replace", "path": "/connectorMetadata/category", "value": "Other"},
        {"op": "copy", "from": "/name", "path": "/connectorMetadata/copied"},
        {"op": "move", "from": "/connectorMetadata/copied", "path": "/connectorMetadata/moved"},
        {"op": "remove", "path": "/connectorMetadata/labels/0"},
        {"op": "replace", "path": "/applicationXml", "value": "<Application featuresString='A'/>"}
    ]))
    .expect("applies");
    assert_eq!(
        Value::from(patched.connector_metadata.clone()),
        json!({"category": "Other", "labels": ["b"], "moved": "HR", "a/b": null})
    );
    assert_eq!(patched.summary().features, ["A"]);
    assert_eq!(patched.source_config, connector().source_config);
}

#[test]
fn a_test_compares_numbers_by_their_values() {
    let numbers = json!({"n": 1, "f": 2.0, "list": [{"n": 10}]});
    let test = |path: &str, value: &str| {
        let value: Value = serde_json::from_str(value).expect("JSON");
        apply(json!([
            {"op": "add", "path": "/connectorMetadata/x", "value": numbers},
            {"op": "test", "path": path, "value": value}
        ]))
    };
    for (path, value) in [
        ("/connectorMetadata/x/n", "1.0"),
        ("/connectorMetadata/x/n", "10e-1"),
        ("/connectorMetadata/x/f", "2"),
        ("/connectorMetadata/x/list", "[{\"n\": 1e1}]"),
        ("/connectorMetadata/x", "{\"list\": [{\"n\": 10.0}], \"f\": 2, \"n\": 1.00}"),
    ] {
        assert!(test(path, value).is_ok(), "{path} {value}");
    }
    for (path, value, found) in [
        ("/connectorMetadata/x/n", "1.5", "the path holds the number 1"),
        ("/connectorMetadata/x/n", "\"1\"", "the path holds the number 1"),
        ("/connectorMetadata/x/list", "[]", "the path holds an array"),
        ("/connectorMetadata/x/no", "1", "the path does not exist: there is no `no`"),
        ("/connectorMetadata/X/n", "1", "the path does not exist: there is no `X`; write `x`"),
        ("/connectorMetadata/x/list/-", "1", "the path does not exist: `-` is not an index from 0 to 0"),
        ("/connectorMetadata/x/list/00", "1", "the path does not exist: `00` is not an index from 0 to 0"),
        ("/connectorMetadata/x/list/[0]", "1", "the path does not exist: `[0]` is not an index from 0 to 0"),
        ("/connectorMetadata/x/n/m", "1", "the path does not exist: what `m` is to be in is the number 1"),
    ] {
        let error = test(path, value).expect_err(value).to_string();
        assert!(error.starts_with("operation 1 (test ") && error.ends_with(found), "{error}");
    }
}

#[test]
fn a_remove_with_a_value_removes_only_that_value() {
    let remove = |path: &str, value: Value| json!({"op": "remove", "path": path, "value": value});
    for (path, value) in [
        ("/connectorMetadata/category", json!("HR")),
        ("/connectorMetadata/labels", json!(["a"])),
        ("/connectorMetadata/labels/0", json!("a")),
        // Serializers write null for what is not given.
        ("/connectorMetadata/category", Value::Null),
    ] {
        let patched = apply(json!([remove(path, value)])).expect(path);
        assert!(
            Value::from(patched.connector_metadata).pointer(&path["/connectorMetadata".len()..]).is_none(),
            "{path}"
        );
    }
    for (path, value, found) in [
        ("/connectorMetadata/category", json!("hr"), "the string \"HR\""),
        ("/connectorMetadata/category", json!(["HR"]), "the string \"HR\""),
        ("/connectorMetadata/labels", json!("a"), "an array"),
        ("/connectorMetadata/labels/0", json!("b"), "the string \"a\""),
    ] {
        let error = apply(json!([remove(path, value)])).expect_err(path).to_string();
        let expected = format!(
            "operation 0 (remove {path}): nothing is removed, because the path does not hold the `value` but {found}; leave \
             `value` out to remove what is there"
        );
        assert_eq!(error, expected);
    }
    let missing = apply(json!([remove("/connectorMetadata/no", json!(1))])).expect_err("nothing there").to_string();
    assert!(missing.ends_with("the path does not exist: there is no `no`"), "{missing}");
    // All or nothing, and as of the operation's turn.
    let patch = json!([
        {"op": "replace", "path": "/connectorMetadata/category", "value": 1},
        remove("/connectorMetadata/category", json!(1.0)),
    ]);
    assert!(!apply(patch).expect("applies").connector_metadata.contains_key("category"));
    let document = remove("/applicationXml", json!("<Application/>"));
    let added = json!({"op": "add", "path": "/applicationXml", "value": "<Application a='1'/>"});
    let error = apply(json!([document, added])).expect_err("another document").to_string();
    assert!(error.starts_with("operation 0 (remove /applicationXml): nothing is removed"), "{error}");
}

#[test]
fn the_values_that_a_patch_compares_count_for_its_size() {
    let size = |patch: Value| PatchSet::from_json(patch, PatchScope::Specified).expect("a patch").size();
    let long = "x".repeat(1000);
    for op in ["test", "remove", "add", "replace"] {
        assert_eq!(size(json!([{"op": op, "path": "/connectorMetadata/a", "value": long}])), 1000, "{op}");
    }
}

#[test]
fn a_patch_of_the_whole_connector_changes_what_it_was_created_with() {
    let before = connector();
    let whole = |patch: Value| {
        let detail = |connector: &_| ConnectorDetail::new(connector, Origin::Custom, Locale::En, DetailShape::Plain);
        PatchSet::from_json(patch, PatchScope::Whole)?.apply(&before, detail, DOCUMENT_BYTES)
    };
    let patched = whole(json!([
        {"op": "test", "path": "/name", "value": "HR"},
        {"op": "replace", "path": "/name", "value": " HR 2 "},
        {"op": "replace", "path": "/status", "value": "deprecated"},
        {"op": "replace", "path": "/directConnect", "value": "false"},
        {"op": "add", "path": "/className", "value": "x.Z"},
        {"op": "copy", "from": "/name", "path": "/connectorMetadata/name"}
    ]))
    .expect("applies");
    let expected = Connector {
        name: "HR 2".to_owned(),
        status: crate::Status::Deprecated,
        direct_connect: false,
        class_name: "x.Z".to_owned(),
        connector_metadata: patched.connector_metadata.clone(),
        ..before.clone()
    };
    assert_eq!(patched, expected, "script name, type and documents stay");
    assert_eq!(patched.connector_metadata["name"], " HR 2 ", "a copy is of what the operation before it wrote");
    assert_eq!(
        whole(json!([{"op": "replace", "path": "/type", "value": "LDAP"}])).expect("applies").connector_type,
        "LDAP"
    );
    let long = "x".repeat(256);
    for (operation, reason) in [
        (
            json!({"op": "remove", "path": "/type"}),
            "after operation 0 (remove /type): `type` is required and must not be blank",
        ),
        (json!({"op": "replace", "path": "/type", "value": " "}), "`type` is required and must not be blank"),
        (json!({"op": "replace", "path": "/type", "value": null}), "`type` is required and must not be blank"),
        (json!({"op": "replace", "path": "/name", "value": ["a"]}), "`name` must be a string, got an array"),
        (
            json!({"op": "replace", "path": "/name", "value": long}),
            "`name` has 256 characters; it may have at most 255",
        ),
        (
            json!({"op": "replace", "path": "/className", "value": "a\nb"}),
            "`className` holds the control character '\\n'; remove it",
        ),
        (json!({"op": "remove", "path": "/directConnect"}), "`directConnect` is required"),
        (
            json!({"op": "replace", "path": "/directConnect", "value": 1}),
            "`directConnect` must be true or false, got the number 1",
        ),
        (
            json!({"op": "replace", "path": "/status", "value": "x"}),
            "`status`: `x` is not a status; expected DEPRECATED, DEVELOPMENT, DEMO or RELEASED",
        ),
        (
            json!({"op": "move", "from": "/status", "path": "/connectorMetadata/status"}),
            "(move /connectorMetadata/status): `status` is required",
        ),
        (
            json!({"op": "replace", "path": "/scriptName", "value": "x"}),
            "`/scriptName` cannot be changed; only /connectorMetadata, /applicationXml, /correlationConfigXml, /sourceConfigXml, /name, /type, /className, /directConnect, /status, and what is below /connectorMetadata",
        ),
        (json!({"op": "add", "path": "/name/first", "value": "x"}), "`/name/first` cannot be changed"),
    ] {
        let error = whole(json!([operation])).expect_err(reason).to_string();
        assert!(error.contains(reason), "{error}");
    }
    for member in ["name", "type", "className", "directConnect", "status"] {
        let path = format!("/{member}");
        let patch = json!([{"op": "replace", "path": path, "value": "RELEASED"}]);
        let error = apply(patch).expect_err(member).to_string();
        assert!(error.contains("cannot be changed; only /connectorMetadata, /applicationXml, /correlationConfigXml, /sourceConfigXml, and"), "{error}");
    }
}

#[test]
fn removing_the_metadata_empties_it() {
    let patched = apply(json!([{"op": "remove", "path": "/connectorMetadata"}])).expect("applies");
    assert!(patched.connector_metadata.is_empty());
}

#[test]
fn an_error_names_the_operation_and_its_path() {
    let table = [
        (json!({"value": [], "Count": 0}), "expected an array of operations, got an object"),
        (
            json!({"op": "remove", "path": "/connectorMetadata/a"}),
            "expected an array of operations, got an object; wrap it in [ ]",
        ),
        (json!([1]), "operation 0 (? ?): expected an object"),
        (json!([{"path": "/connectorMetadata"}]), "operation 0 (? /connectorMetadata): `op` is missing"),
        (
            json!([{"op": "merge", "path": "/connectorMetadata"}]),
            "operation 0 (merge /connectorMetadata): unknown op `merge`; expected add, remove",
        ),
        (json!([{"op": "remove"}]), "operation 0 (remove ?): `path` is missing"),
        (
            json!([{"op": "replace", "path": "/applicationXml"}]),
            "operation 0 (replace /applicationXml): `value` is missing; `replace` needs one",
        ),
        (
            json!([{"op": "test", "path": "/name", "value": "HR"}, {"op": "replace", "path": "/name", "value": "x"}]),
            "operation 1 (replace /name): `/name` cannot be changed; only /connectorMetadata, /applicationXml",
        ),
        (json!([{"op": "replace", "path": "", "value": {}}]), "operation 0 (replace ): `` cannot be changed"),
        (
            json!([{"op": "move", "from": "/name", "path": "/connectorMetadata/x"}]),
            "operation 0 (move /connectorMetadata/x): `/name` cannot be changed",
        ),
        (
            json!([{"op": "test", "path": "/name", "value": "IT"}]),
            "operation 0 (test /name): the test failed: the path holds the string \"HR\"",
        ),
        (
            json!([{"op": "remove", "path": "/connectorMetadata/nope"}]),
            "operation 0 (remove /connectorMetadata/nope): the path does not exist: there is no `nope`",
        ),
        (
            json!([{"op": "add", "path": "/connectorMetadata/labels/7", "value": "b"}]),
            "operation 0 (add /connectorMetadata/labels/7): the path does not exist: `7` is not an index from 0 to 1, nor `-` \
             for the end of the array",
        ),
        (
            json!([{"op": "replace", "path": "/ConnectorMetadata", "value": {}}]),
            "operation 0 (replace /ConnectorMetadata): `/ConnectorMetadata` cannot be changed; write `/connectorMetadata`",
        ),
        (
            json!([{"op": "replace", "path": "/applicationXml/", "value": ""}]),
            "operation 0 (replace /applicationXml/): `/applicationXml/` cannot be changed; write `/applicationXml`",
        ),
        (
            json!([{"op": "add", "path": "/connectorMetadata/m~2n", "value": 1}]),
            "operation 0 (add /connectorMetadata/m~2n): `/connectorMetadata/m~2n` is no JSON pointer; in a name, write `~0` \
             for `~`, and `~1` for `/`",
        ),
        (
            json!([{"op": "test", "path": "name", "value": 1}]),
            "operation 0 (test name): `name` is no JSON pointer; expected `/` at its beginning",
        ),
        (
            json!([{"op": "copy", "from": "/nope", "path": "/connectorMetadata/x"}]),
            "operation 0 (copy /connectorMetadata/x): the `from` path does not exist: there is no `nope`",
        ),
        (
            json!([{"op": "replace", "path": "/applicationXml", "value": "<Application>"}]),
            "after operation 0 (replace /applicationXml): `applicationXml`: line 1, column",
        ),
        (
            json!([{"op": "remove", "path": "/sourceConfigXml"}]),
            "after operation 0 (remove /sourceConfigXml): `sourceConfigXml`: it is gone",
        ),
        (
            json!([{"op": "replace", "path": "/connectorMetadata", "value": 7}]),
            "after operation 0 (replace /connectorMetadata): `connectorMetadata`: it must be an object, got the number 7",
        ),
        (
            json!([{"op": "replace", "path": "/connectorMetadata", "value": null}]),
            "after operation 0 (replace /connectorMetadata): `connectorMetadata`: it must be an object, got null",
        ),
        (json!(vec![0; 1001]), "1001 operations; a patch may have 1000"),
    ];
    for (patch, expected) in table {
        let error = apply(patch).expect_err(expected).to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn copies_of_copies_are_bounded() {
    let wide: Vec<_> = (0..40)
        .map(|n| json!({"op": "copy", "from": "/connectorMetadata", "path": format!("/connectorMetadata/{n}")}))
        .collect();
    assert!(apply(json!(wide)).expect_err("too large").to_string().contains("larger than 64 KiB"));
    let deep: Vec<_> = (0..40)
        .map(|_| json!({"op": "move", "from": "/connectorMetadata/x", "path": "/connectorMetadata/y"}))
        .collect();
    assert!(apply(json!(deep)).is_err());
    let nested = (0..40).fold(json!(1), |inner, _| json!([inner]));
    let error = apply(json!([{"op": "add", "path": "/connectorMetadata/deep", "value": nested}]));
    assert!(error.expect_err("too deep").to_string().contains("nests deeper than 32"));
}

#[test]
fn only_the_whole_of_a_document_is_changed_and_always_by_a_text() {
    let text = "<Application/>";
    let table = [
        (
            json!([{"op": "add", "path": "/applicationXml/-", "value": text}]),
            "operation 0 (add /applicationXml/-): `/applicationXml/-` cannot be changed; only /connectorMetadata,",
        ),
        (
            json!([{"op": "copy", "from": "/applicationXml", "path": "/applicationXml/-"}]),
            "operation 0 (copy /applicationXml/-): `/applicationXml/-` cannot be changed",
        ),
        (
            json!([{"op": "remove", "path": "/sourceConfigXml/0"}]),
            "operation 0 (remove /sourceConfigXml/0): `/sourceConfigXml/0` cannot be changed",
        ),
        (
            json!([{"op": "move", "from": "/applicationXml/0", "path": "/connectorMetadata/x"}]),
            "operation 0 (move /connectorMetadata/x): `/applicationXml/0` cannot be changed",
        ),
        (
            json!([{"op": "replace", "path": "/applicationXml", "value": []},
                   {"op": "replace", "path": "/applicationXml", "value": text}]),
            "operation 0 (replace /applicationXml): `applicationXml`: it must be a string, got an array",
        ),
        (
            json!([{"op": "copy", "from": "/connectorMetadata", "path": "/applicationXml"}]),
            "operation 0 (copy /applicationXml): `applicationXml`: it must be a string, got an object",
        ),
        (
            json!([{"op": "move", "from": "/connectorMetadata/labels", "path": "/sourceConfigXml"}]),
            "operation 0 (move /sourceConfigXml): `sourceConfigXml`: it must be a string, got an array",
        ),
        (
            json!([{"op": "add", "path": "/connectorMetadataX", "value": 1}]),
            "operation 0 (add /connectorMetadataX): `/connectorMetadataX` cannot be changed",
        ),
    ];
    for (patch, expected) in table {
        let error = apply(patch).expect_err(expected).to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let read =
        apply(json!([{"op": "test", "path": "/applicationXml/0", "value": 1}])).expect_err("a test reads anything");
    assert!(read.to_string().contains("the path does not exist: what `0` is to be in is a string"), "{read}");
    let there_and_back = json!([
        {"op": "copy", "from": "/applicationXml", "path": "/connectorMetadata/copied"},
        {"op": "remove", "path": "/applicationXml"},
        {"op": "move", "from": "/connectorMetadata/copied", "path": "/applicationXml"},
    ]);
    assert_eq!(apply(there_and_back).expect("applies"), connector());
}

#[test]
fn what_is_copied_is_measured_before_it_is_copied() {
    let mut large = connector();
    let template = format!("<Application a='{}'/>", "x".repeat(100_000));
    large.source_template = SourceTemplate::parse(template.as_bytes()).expect("valid");
    let copy = |from: &str, path: &str| json!({"op": "copy", "from": from, "path": path});
    let error = |patch: Value, max_document| apply_to(&large, patch, max_document).expect_err("refused").to_string();
    for from in ["/applicationXml", ""] {
        let expected = format!("`{from}` is larger than all of the metadata may be, 64 KiB");
        assert!(error(json!([copy(from, "/connectorMetadata/x")]), DOCUMENT_BYTES).ends_with(&expected));
    }
    let to_document = json!([copy("/applicationXml", "/sourceConfigXml")]);
    assert!(error(to_document, 99_999).ends_with("is larger than a document may be, 99999 bytes"));
    let many = json!(vec![copy("/applicationXml", "/sourceConfigXml"); 400]);
    let message = error(many, DOCUMENT_BYTES);
    assert!(message.starts_with("operation 335 (copy /sourceConfigXml): the copies"), "{message}");
}

#[test]
fn metadata_that_is_too_large_already_can_be_made_smaller() {
    let mut large = connector();
    large.connector_metadata.insert("a".to_owned(), "x".repeat(50_000).into());
    large.connector_metadata.insert("b".to_owned(), "x".repeat(50_000).into());
    let replace = |count| json!([{"op": "replace", "path": "/connectorMetadata/a", "value": "x".repeat(count)}]);
    assert!(apply_to(&large, replace(49_999), DOCUMENT_BYTES).is_ok());
    assert!(apply_to(&large, replace(50_001), DOCUMENT_BYTES).is_err());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z<>/~]{0,8}".prop_map(Value::from),
        Just(json!("<Application/>")),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z]{0,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_path() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "",
            "/",
            "/connectorMetadata",
            "/connectorMetadata/labels",
            "/connectorMetadata/labels/-",
            "/connectorMetadata/labels/0",
            "/connectorMetadata/category",
            "/applicationXml",
            "/sourceConfigXml",
            "/correlationConfigXml",
            "/name",
            "/applicationXml/0",
            "/connectorMetadata/labels/00",
            "/~2",
        ])
        .prop_map(str::to_owned),
        "/connectorMetadata(/[a-z0-9~-]{0,3}){0,3}",
        ".{0,12}",
    ]
}

fn detail_of(connector: &Connector) -> Value {
    let detail = ConnectorDetail::new(connector, Origin::Custom, Locale::En, DetailShape::WithPolicies);
    serde_json::to_value(detail).expect("JSON")
}

/// An operation that a connector is likely to take.
fn likely_operation() -> impl Strategy<Value = Value> {
    let op = prop::sample::select(vec!["add", "remove", "replace", "move", "copy", "test"]);
    let path = prop::sample::select(vec![
        "/connectorMetadata",
        "/connectorMetadata/category",
        "/connectorMetadata/new",
        "/connectorMetadata/labels",
        "/connectorMetadata/labels/0",
        "/connectorMetadata/labels/-",
        "/applicationXml",
    ]);
    let from = prop::sample::select(vec!["/connectorMetadata/category", "/connectorMetadata/labels", "/name"]);
    let value =
        prop::sample::select(vec![json!("HR"), json!({"category": "x", "labels": ["b"]}), json!("<Application/>")]);
    (op, path, from, value)
        .prop_map(|(op, path, from, value)| json!({"op": op, "path": path, "from": from, "value": value}))
}

fn any_operation() -> impl Strategy<Value = Value> {
    let op = prop::sample::select(vec!["add", "remove", "replace", "move", "copy", "test", "x"]);
    (op, any_path(), any_path(), prop::option::of(any_json())).prop_map(|(op, path, from, value)| {
        let mut operation = json!({"op": op, "path": path, "from": from});
        if let Some(value) = value {
            operation["value"] = value;
        }
        operation
    })
}

proptest! {
    /// A patch that is applied gives a connector whose documents pass their own checks. A patch that fails gives no
    /// connector, and borrows the old one, which therefore cannot change.
    #[test]
    fn a_patch_gives_a_valid_connector_or_is_refused(operations in prop::collection::vec(any_operation(), 0..6)) {
        if let Ok(patched) = apply(Value::from(operations)) {
            prop_assert!(SourceTemplate::parse(patched.source_template.as_str().as_bytes()).is_ok());
            prop_assert!(SourceConfig::parse(patched.source_config.as_str().as_bytes()).is_ok());
            prop_assert!(CorrelationConfig::parse(patched.correlation_config.as_str().as_bytes()).is_ok());
            prop_assert_eq!(patched.script_name, connector().script_name);
            prop_assert_eq!(patched.translations, connector().translations);
        }
    }

    /// The crate applies the same operations to the whole detail, where ours may see only some members.
    #[test]
    fn a_patch_makes_what_its_operations_make_of_the_whole_detail(
        operations in prop::collection::vec(likely_operation(), 1..5)
    ) {
        let body = Value::from(operations);
        if let Ok(patched) = apply(body.clone()) {
            let mut whole = detail_of(&connector());
            let operations: json_patch::Patch = serde_json::from_value(body).expect("a patch");
            json_patch::patch(&mut whole, &operations).expect("it applies to the whole as well");
            let expected = detail_of(&patched);
            for member in [METADATA, "applicationXml", "sourceConfigXml", "correlationConfigXml", "name"] {
                // Without the metadata a connector has empty metadata.
                let made = whole.get(member).cloned().unwrap_or_else(|| json!({}));
                prop_assert_eq!(&made, &expected[member], "{}", member);
            }
        }
    }

    #[test]
    fn any_body_is_read_or_refused(body in any_json()) {
        let _refused_or_not = apply(body);
    }
}
