"""The vendor's own Python SDK creates, changes and deletes a connector under every API version."""

import importlib
import os
from unittest import mock

import pytest
import urllib3
from sailpoint.configuration import Configuration
from sailpoint.paginator import Paginator

FORM = "http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd"


class Sdk:
    """One version of the SDK, configured by the environment, like its examples."""

    def __init__(self, server, version, retries=None, **sail):
        self.models = importlib.import_module(f"sailpoint.{version}.models")
        self.exceptions = importlib.import_module(f"sailpoint.{version}.exceptions")
        with mock.patch.dict(os.environ, server.sail | sail):
            self.configuration = Configuration()
        self.configuration.experimental = True
        self.configuration.retries = retries
        client = importlib.import_module(f"sailpoint.{version}.api_client").ApiClient(self.configuration)
        self.api = importlib.import_module(f"sailpoint.{version}.api.connectors_api").ConnectorsApi(client)

    def create(self, name, **members):
        new = self.models.V3CreateConnectorDto(name=name, class_name="sailpoint.connector.OpenConnectorAdapter", **members)
        return self.api.create_custom_connector(new)

    def patch(self, script_name, *operations):
        operations = [self.models.JsonPatchOperation.from_dict(operation) for operation in operations]
        return self.api.update_connector(script_name, operations)

    def refusal(self, call, *arguments, **named):
        with pytest.raises(self.exceptions.ApiException) as raised:
            call(*arguments, **named)
        return raised.value


@pytest.fixture
def server(start):
    return start("--rate-limit", "off", ephemeral=True)


@pytest.mark.parametrize("version", ["v3", "v2024", "v2025"])
def test_a_connector_lives_its_whole_life(server, version):
    sdk = Sdk(server, version)
    api = sdk.api

    created = sdk.create("HR système", type="custom HR", direct_connect=False, status="DEVELOPMENT")
    name = created.script_name
    assert (name, created.name, created.type) == ("hr-systeme", "HR système", "custom HR")
    assert (created.direct_connect, created.status, created.features) == (False, "DEVELOPMENT", [])

    detail = api.get_connector(name)
    assert detail.s3_location == f"custom-connector/{name}"
    assert detail.uploaded_files == [] and detail.file_upload is True
    assert "HR système" in detail.source_config_xml and "HR système" in detail.application_xml

    documents = {
        "source_config": f'<Form xmlns="{FORM}" name="HR"><Menu name="m" label="menuLabel_A"/></Form>',
        "source_template": '<Application name="HR" featuresString="PROVISIONING, SEARCH"/>',
    }
    if hasattr(api, "put_connector_correlation_config"):
        documents["correlation_config"] = '<CorrelationConfig name="HR"/>'
    for document, text in documents.items():
        put = getattr(api, f"put_connector_{document}")
        get = getattr(api, f"get_connector_{document}_without_preload_content")
        updated = put(name, file=text.encode())
        file_name = document.replace("_", "-")
        assert (updated.status, updated.updated_files) == ("UPDATED", [f"custom-connector/{name}/{file_name}.xml"])
        assert put(name, file=text.encode()).status == "UNCHANGED"
        assert get(name).data.decode() == text
        getattr(api, f"get_connector_{document}")(name)
        assert put(name, file=b"<Other/>").status == "ERROR"

    assert api.put_connector_translations(name, "de").status == "SKIPPED"
    assert api.get_connector_translations(name, "de") == ""

    replaced = '<Application name="HR" featuresString="ENABLE"/>'
    patched = sdk.patch(
        name,
        {"op": "add", "path": "/connectorMetadata/category", "value": "HR"},
        {"op": "replace", "path": "/applicationXml", "value": replaced},
        {"op": "replace", "path": "/sourceConfigXml", "value": f'<Form xmlns="{FORM}" fileUpload="false"/>'},
        {"op": "replace", "path": "/correlationConfigXml", "value": "<CorrelationConfig/>"},
    )
    assert patched.application_xml == replaced and patched.file_upload is False
    assert patched.correlation_config_xml == "<CorrelationConfig/>"
    assert patched.connector_metadata == {"category": "HR"}
    assert api.get_connector(name, locale="de").to_dict() == patched.to_dict()

    api.delete_custom_connector(name)
    assert sdk.refusal(api.get_connector, name).status == 404
    assert sdk.refusal(api.delete_custom_connector, name).status == 404


@pytest.mark.parametrize("version", ["v3", "v2024", "v2025", "beta"])
def test_lists_filter_page_and_count(server, version):
    api = Sdk(server, version).api
    for filters, expected in [
        ('name co "ldap"', 3),
        ('name sw "SCIM"', 1),
        ('type eq "SCIM 2.0"', 1),
        ('type sw "open"', 1),
        ('type co "ldap"', 3),
        ("directConnect eq false", 1),
        ('category eq "Directory"', 3),
        ('features ca ("PROVISIONING","SEARCH")', 11),
        ('labels ca ("open standard")', 3),
        ('name co "ldap" and not (name sw "open" or directConnect eq false)', 2),
    ]:
        answer = api.get_connector_list_with_http_info(filters=filters, count=True, limit=2)
        assert answer.headers["X-Total-Count"] == str(expected), filters
        assert len(answer.data) == min(expected, 2), filters
    everything = api.get_connector_list()
    paged = Paginator.paginate(api.get_connector_list, 1000, limit=5)
    assert [item.name for item in paged] == [item.name for item in everything]
    assert len(everything) == 12
    german = api.get_connector_list(filters='name sw "SCIM"', locale="de")[0].connector_metadata["shortDesc"]
    assert german != api.get_connector_list(filters='name sw "SCIM"')[0].connector_metadata["shortDesc"]


def test_refusals_are_what_the_sdk_expects(server):
    sdk = Sdk(server, "v2025")
    api = sdk.api
    refusals = {
        "duplicate": sdk.refusal(sdk.create, "SCIM 2.0"),
        "filter": sdk.refusal(api.get_connector_list, filters="color eq red"),
        "xml": sdk.refusal(api.put_connector_source_config, sdk.create("HR").script_name, file=b"<Form>"),
        "patch": sdk.refusal(sdk.patch, "hr", {"op": "replace", "path": "/name", "value": "x"}),
        "built-in": sdk.refusal(api.delete_custom_connector, "scim-2"),
    }
    for what, refusal in refusals.items():
        assert refusal.status == 400, what
        assert refusal.data.detail_code == "400.1 Bad request content", what
        assert len(refusal.data.tracking_id) == 32 and refusal.data.messages[0].text, what

    sdk.configuration.access_token = "e30.e30.e30"
    refusal = sdk.refusal(api.get_connector_list)
    assert (refusal.status, refusal.body) == (401, '{"error":"JWT validation failed: JWT is malformed"}')

    client_id, secret = server.new_client("--scopes", "idn:connector-config:read")
    reader = Sdk(server, "v2025", SAIL_CLIENT_ID=client_id, SAIL_CLIENT_SECRET=secret)
    assert len(reader.api.get_connector_list()) == 13
    refusal = reader.refusal(reader.create, "IT")
    assert (refusal.status, refusal.data.detail_code) == (403, "403 Forbidden")


def test_the_rate_limit_is_answered_with_when_to_come_back(start):
    server = start("--rate-limit", "5/60s", ephemeral=True)
    sdk = Sdk(server, "v3", retries=False)
    for _ in range(5):
        sdk.api.get_connector_list(limit=1)
    refusal = sdk.refusal(sdk.api.get_connector_list)
    assert (refusal.status, refusal.body) == (429, '{"message":" Rate Limit Exceeded "}')
    assert 1 <= int(refusal.headers["Retry-After"]) <= 60


@pytest.mark.parametrize(
    "fault, sent", [("429", 4), ("503", 4), ("500", 1), ("504", 1), ("html", 1), ("drop", 4), ("truncate", 1)]
)
def test_the_sdk_repeats_reads_after_some_faults(start, fault, sent):
    """As docs/TESTING-YOUR-CLIENT.md says."""
    faults = f"{fault}=100%,retry-after=0"
    server = start("--fault", f"GET /v3/connectors: {faults}", "--fault", f"POST /v3/connectors: {faults}", ephemeral=True)
    sdk = Sdk(server, "v3")
    errors = []
    for call in sdk.api.get_connector_list, lambda: sdk.create("HR"):
        with pytest.raises((sdk.exceptions.ApiException, urllib3.exceptions.HTTPError)) as raised:
            call()
        errors.append(raised.type)
    server.stop()
    assert [server.log.count(f'method={method} path="/v3/connectors"') for method in ("GET", "POST")] == [sent, 1]
    if fault in ("drop", "truncate"):
        repeated = urllib3.exceptions.MaxRetryError if sent > 1 else urllib3.exceptions.ProtocolError
        assert errors == [repeated, urllib3.exceptions.ProtocolError]
    else:
        assert all(issubclass(error, sdk.exceptions.ApiException) for error in errors)


def test_the_sdk_waits_out_the_rate_limit_by_itself(start):
    sdk = Sdk(start("--rate-limit", "5/1s", ephemeral=True), "v3")
    for _ in range(12):
        assert len(sdk.api.get_connector_list(limit=1)) == 1
