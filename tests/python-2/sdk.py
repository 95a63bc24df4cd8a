"""What version 2 of the vendor's Python SDK does with a server. The argument names a function; test_other_sdks.py runs them."""

import os
import sys

import urllib3
from sailpoint.configuration import Configuration
from sailpoint.connectors.api.connectors_api import ConnectorsApi
from sailpoint.connectors.api_client import ApiClient
from sailpoint.connectors.exceptions import (
    ApiException, BadRequestException, ForbiddenException, NotFoundException, UnauthorizedException,
)
from sailpoint.connectors.models.json_patch_operation import JsonPatchOperation
from sailpoint.connectors.models.v3_create_connector_dto import V3CreateConnectorDto
from sailpoint.paginator import Paginator

FORM = "http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd"


def sdk(**settings):
    """The SDK, configured by the environment, like its examples."""
    configuration = Configuration()
    for name, value in settings.items():
        setattr(configuration, name, value)
    return ConnectorsApi(ApiClient(configuration))


def create(api, name, **members):
    return api.create_custom_connector_v1(
        V3CreateConnectorDto(name=name, class_name="sailpoint.connector.OpenConnectorAdapter", **members)
    )


def patch(api, name, *operations):
    return api.update_connector_v1(name, [JsonPatchOperation.from_dict(operation) for operation in operations])


def put_translations(api, name, locale, text):
    """The SDK's own method sends no file, so this calls what that method calls."""
    request = api.api_client.param_serialize(
        "PUT", "/connectors/v1/{scriptName}/translations/{locale}", {"scriptName": name, "locale": locale}, [],
        {"Accept": "application/json", "Content-Type": "multipart/form-data"}, files={"file": text.encode()},
        auth_settings=[],
    )
    answer = api.api_client.call_api(*request)
    answer.read()
    return api.api_client.response_deserialize(answer, {"200": "UpdateDetail"}).data


def refusal(kind, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except ApiException as error:
        assert type(error) is kind, error
        return error
    raise AssertionError("nothing was refused")


def a_connector_lives_its_whole_life():
    api = sdk()
    created = create(api, "HR système", type="custom HR", direct_connect=False, status="DEVELOPMENT")
    name = created.script_name
    assert (name, created.name, created.type) == ("hr-systeme", "HR système", "custom HR")
    assert (created.direct_connect, created.status, created.features) == (False, "DEVELOPMENT", [])

    detail = api.get_connector_v1(name)
    assert detail.s3_location == f"custom-connector/{name}" and detail.uploaded_files == []
    assert detail.file_upload is True and "HR système" in detail.source_config_xml
    assert detail.provisioning_policies == []

    documents = {
        "source_config": f'<Form xmlns="{FORM}" name="HR"><Menu name="m" label="menuLabel_A"/></Form>',
        "source_template": '<Application name="HR" featuresString="PROVISIONING, SEARCH"/>',
        "correlation_config": '<CorrelationConfig name="HR"/>',
    }
    for document, text in documents.items():
        put = getattr(api, f"put_connector_{document}_v1")
        updated = put(name, file=text.encode())
        file_name = document.replace("_", "-")
        assert (updated.status, updated.updated_files) == ("UPDATED", [f"custom-connector/{name}/{file_name}.xml"])
        assert put(name, file=(f"{file_name}.xml", text.encode())).status == "UNCHANGED"
        assert put(name, file=b"<Other/>").status == "ERROR"
        getattr(api, f"get_connector_{document}_v1")(name)
        assert getattr(api, f"get_connector_{document}_v1_without_preload_content")(name).data.decode() == text

    assert api.put_connector_translations_v1(name, "de").status == "SKIPPED"
    assert put_translations(api, name, "de", "menuLabel_A=Verbindung\n").status == "UPDATED"
    assert api.get_connector_translations_v1(name, "de") == "menuLabel_A=Verbindung\n"
    assert 'label="Verbindung"' in api.get_connector_v1(name, locale="de").source_config

    replaced = '<Application name="HR" featuresString="ENABLE"/>'
    patched = patch(
        api,
        name,
        {"op": "add", "path": "/connectorMetadata/category", "value": "HR"},
        {"op": "replace", "path": "/applicationXml", "value": replaced},
        {"op": "replace", "path": "/sourceConfigXml", "value": f'<Form xmlns="{FORM}" fileUpload="false"/>'},
        {"op": "add", "path": "/connectorMetadata/platform", "value": {"name": "ccg"}},
    )
    assert patched.application_xml == replaced and patched.file_upload is False
    assert patched.connector_metadata == {"category": "HR", "platform": {"name": "ccg"}}
    assert api.get_connector_v1(name).to_dict() == patched.to_dict()

    api.delete_custom_connector_v1(name)
    refusal(NotFoundException, api.get_connector_v1, name)
    refusal(NotFoundException, api.delete_custom_connector_v1, name)


def lists_filter_page_and_count():
    api = sdk()
    for filters, expected in [
        ('name co "ldap"', 3),
        ('type sw "open"', 1),
        ("directConnect eq false", 1),
        ('category eq "Directory"', 3),
        ('features ca ("PROVISIONING","SEARCH")', 11),
        ('labels ca ("open standard")', 3),
        ('name co "ldap" and not (name sw "open" or directConnect eq false)', 2),
    ]:
        answer = api.get_connector_list_v1_with_http_info(filters=filters, count=True, limit=2)
        assert answer.headers["X-Total-Count"] == str(expected), filters
        assert len(answer.data) == min(expected, 2), filters
    everything = [item.name for item in api.get_connector_list_v1()]
    assert len(everything) == 12
    assert [item.name for item in Paginator.paginate(api.get_connector_list_v1, 1000, limit=5)] == everything
    assert [item.name for item in Paginator.paginate_stream(api.get_connector_list_v1, limit=5)] == everything
    german = api.get_connector_list_v1(filters='name sw "SCIM"', locale="de")[0].connector_metadata["shortDesc"]
    assert german != api.get_connector_list_v1(filters='name sw "SCIM"')[0].connector_metadata["shortDesc"]


def refusals_are_exceptions():
    api = sdk()
    name = create(api, "HR").script_name
    for what, refused in {
        "duplicate": refusal(BadRequestException, create, api, "SCIM 2.0"),
        "filter": refusal(BadRequestException, api.get_connector_list_v1, filters="color eq red"),
        "xml": refusal(BadRequestException, api.put_connector_source_config_v1, name, file=b"<Form>"),
        "patch": refusal(BadRequestException, patch, api, name, {"op": "replace", "path": "/name", "value": "x"}),
        "built-in": refusal(BadRequestException, api.delete_custom_connector_v1, "scim-2"),
    }.items():
        assert refused.status == 400 and refused.data.detail_code == "400.1 Bad request content", what
        assert len(refused.data.tracking_id) == 32 and refused.data.messages[0].text, what

    wrong = refusal(UnauthorizedException, sdk(access_token="e30.e30.e30").get_connector_list_v1)
    assert wrong.status == 401 and wrong.data.error == "JWT validation failed: JWT is malformed"

    os.environ |= {"SAIL_CLIENT_ID": os.environ["READER_ID"], "SAIL_CLIENT_SECRET": os.environ["READER_SECRET"]}
    reader = sdk()
    assert len(reader.get_connector_list_v1()) == 13
    assert refusal(ForbiddenException, create, reader, "IT").data.detail_code == "403 Forbidden"


def the_rate_limit_is_waited_out():
    """As the SDK does by itself with reads and deletes, three times."""
    api = sdk()
    for _ in range(12):
        assert len(api.get_connector_list_v1(limit=1)) == 1


def the_rate_limit_is_an_exception():
    """As the SDK does with creates, and with everything if it is told not to repeat."""
    api = sdk(retries=False)
    for _ in range(5):
        api.get_connector_list_v1(limit=1)
    for call in [lambda: api.get_connector_list_v1(limit=1), lambda: create(sdk(), "HR")]:
        refused = refusal(ApiException, call)
        assert refused.status == 429 and refused.data.message == " Rate Limit Exceeded "
        assert 1 <= int(refused.headers["Retry-After"]) <= 60


def a_list_and_a_create_fail():
    api = sdk()
    for call in [api.get_connector_list_v1, lambda: create(api, "HR")]:
        try:
            call()
        except (ApiException, urllib3.exceptions.MaxRetryError, urllib3.exceptions.ProtocolError):
            continue
        raise AssertionError("nothing failed")


globals()[sys.argv[1]]()
