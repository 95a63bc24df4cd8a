"""The life cycle of connectors in the console, in a headless Chromium: from creating one to undoing its deletion, the three
lists, and what a reader sees.
"""

import re

import pytest
import requests
from playwright.sync_api import expect

from test_console import Administrator, browser, provider, server, someone  # noqa: F401

FORM = """<Form xmlns="http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd" name="{0}" connectorName="{0}" type="SourceConfig">
  <Menu label="menuLabel_connection"><Section>
    <Field name="host" type="text" displayName="key_host" parentKey="nothing"/>
  </Section></Menu>
</Form>"""


@pytest.fixture
def admin(someone):  # noqa: F811
    return someone(viewport={"width": 1400, "height": 860}).sign_in()


def put(server, path, text):  # noqa: F811
    """Uploads a document over the API."""
    token = requests.post(f"{server.url}/oauth/token", data={
        "grant_type": "client_credentials", "client_id": server.client_id, "client_secret": server.secret,
    }, timeout=30).json()["access_token"]
    answer = requests.put(f"{server.url}/v3{path}", files={"file": text.encode()}, timeout=30,
                          headers={"Authorization": f"Bearer {token}"})
    assert answer.ok, answer.text


def reader_of(admin, someone, name):  # noqa: F811
    """Creates a client that may only read, and signs in as it."""
    page = admin.page
    admin.open("/console/clients")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("checkbox", name="sp:scopes:all").uncheck()
    page.get_by_role("checkbox", name="idn:connector-config:read").check()
    page.get_by_role("button", name="Create client").click()
    client_id, secret = page.locator(".done code").all_inner_texts()[:2]
    return someone(viewport={"width": 1400, "height": 860}).sign_in(client_id, secret)


def test_a_connector_lives_from_its_creation_to_the_undoing_of_its_deletion(admin):
    page = admin.page
    path = admin.create("Life")
    expect(page.locator(".next")).to_have_text("Give the form its fields.")
    page.get_by_role("link", name="Edit", exact=True).click()
    expect(page.get_by_text("so it never changes")).to_be_visible()
    admin.look("settings")
    page.get_by_label("Name", exact=True).fill("jdbc")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("`name` is taken")
    expect(page.get_by_label("Name", exact=True)).to_have_value("jdbc")
    admin.look("settings-refused")
    page.get_by_label("Name", exact=True).fill("Life, renamed")
    page.get_by_label("Type").fill("a life")
    page.get_by_label("Class name").fill("a.B")
    page.get_by_label("Direct connect").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    expect(page.get_by_role("heading", level=1)).to_have_text("Life, renamed")
    assert path.endswith("/life"), "the script name stays"

    page.get_by_role("link", name="Overview").click()
    admin.release()
    expect(page.get_by_role("status").first).to_have_text("The connector is released now.")
    expect(page.locator(".status")).to_have_text("Released")
    page.get_by_role("button", name="Deprecate").click()
    expect(page.get_by_role("status").first).to_contain_text("The connector is deprecated now.")
    expect(page.locator(".next")).to_have_text("Delete it when no source uses it any more.")
    admin.look("overview-of-a-deprecated-connector")
    admin.from_menu("link", "Delete connector")
    page.get_by_label(re.compile("Type the name")).fill("Life, renamed")
    page.get_by_role("button", name="Delete this connector").click()
    expect(page.get_by_role("status").first).to_contain_text("The connector life was deleted.")
    admin.look("list-with-undo")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status").first).to_have_text("The connector is there again, with its history.")
    expect(page.locator(".status")).to_have_text("Deprecated")
    expect(page.locator("ol.line li")).to_have_count(5)


def test_errors_are_shown_with_their_lines_before_a_release(admin):
    page = admin.page
    path = admin.create("Faulty")
    put(admin.server, "/connectors/faulty/source-config", FORM.format("Faulty"))
    admin.open(path)
    expect(page.locator(".next")).to_have_text("Fix the error in: Source config")
    admin.look("overview-with-errors")
    page.get_by_role("link", name="Source config, line 3:").click()
    expect(page.locator(".asked-for")).to_have_count(1)
    admin.open(path)
    page.get_by_role("link", name="Release…").click()
    expect(page.get_by_role("heading", level=2)).to_have_text("Release this connector with errors?")
    admin.look("release")
    page.get_by_role("button", name="Release it nevertheless").click()
    expect(page.get_by_role("status").first).to_have_text("The connector is released now.")


def test_two_people_who_change_the_status_or_the_settings_see_each_other(admin, someone):  # noqa: F811
    path = admin.create("Both")
    other = someone(viewport={"width": 1400, "height": 860}).sign_in()
    other.open(path)
    admin.open(f"{path}/settings")
    other.release()
    expect(other.page.locator(".status")).to_have_text("Released")
    admin.page.get_by_label("Type").fill("another")
    admin.page.get_by_role("button", name="Save").click()
    expect(admin.page.get_by_role("heading", name="Someone else changed this")).to_be_visible()
    admin.look("settings-conflict")
    admin.page.get_by_role("button", name="Save").click()
    expect(admin.page.get_by_role("status").first).to_have_text("Saved.")
    other.page.get_by_role("button", name="Deprecate").click()
    expect(other.page.get_by_role("alert")).to_contain_text("its status stays")


def test_deleted_connectors_are_found_and_restored(admin, someone):  # noqa: F811
    page = admin.page
    for name in ["Old payroll", "Old badges"]:
        path = admin.create(name)
        admin.open(f"{path}/delete")
        page.get_by_label(re.compile("Type the name")).fill(name)
        page.get_by_role("button", name="Delete this connector").click()
    page.get_by_role("link", name=re.compile("^Deleted")).click()
    expect(page).to_have_url(re.compile("/console/deleted$"))
    expect(page.locator("a.name").first).to_have_text("Old badges")
    expect(page.locator("tbody time").first).to_have_text("just now")
    admin.look("deleted")
    page.keyboard.press("/")
    page.keyboard.type("payroll")
    expect(page.locator("a.name")).to_have_text(["Old payroll"])
    expect(page).to_have_url(re.compile(r"/console/deleted\?q=payroll$"))
    reader = reader_of(admin, someone, "reader of deleted ones")
    reader.open("/console/deleted?q=payroll")
    expect(reader.page.locator("a.name")).to_have_text(["Old payroll"])
    assert reader.page.locator("main button:visible").count() == 0
    reader.look("deleted-for-a-reader")
    admin.open("/console/deleted?q=payroll")
    page.get_by_role("button", name="Restore Old payroll").click()
    expect(page.get_by_role("status").first).to_have_text("The connector is there again, with its history.")
    admin.open("/console/deleted?q=payroll")
    expect(page.locator(".empty")).to_be_visible()


def test_a_reader_sees_no_button(admin, someone):  # noqa: F811
    path = admin.create("Read only")
    reader = reader_of(admin, someone, "reader")
    for name, at in [("list", "/"), ("overview", path), ("settings", f"{path}/settings"), ("built-in", "/?origin=built-in")]:
        reader.open(at)
        assert reader.page.locator("main button:visible:not(.copy)").count() == 0, at
        reader.look(f"reader-{name}")


def test_a_script_name_is_copied(admin):
    path = admin.create("Copied")
    admin.context.grant_permissions(["clipboard-read", "clipboard-write"])
    admin.open(path)
    admin.page.get_by_role("button", name="Copy").click()
    expect(admin.page.get_by_role("button", name="Copied")).to_be_visible()
    assert admin.page.evaluate("navigator.clipboard.readText()") == "copied"


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_in_every_size_and_theme(admin, someone, width, scheme):  # noqa: F811
    name = f"Sized {width} {scheme}"
    path = admin.create(name)
    put(admin.server, f"/connectors/{path.rsplit('/', 1)[1]}/source-config", FORM.format(name))
    put(admin.server, f"/connectors/{path.rsplit('/', 1)[1]}/translations/de", "key_host=Rechner\n")
    one = someone(viewport={"width": width, "height": 860}, color_scheme=scheme).sign_in()
    for page, at in [
        ("custom", "/"), ("built-in", "/?origin=built-in"), ("deleted", "/console/deleted"), ("overview", path),
        ("settings", f"{path}/settings"), ("release", f"{path}/release"),
    ]:
        one.open(at)
        one.look(f"life-{page}-{width}-{scheme}")


def test_the_pages_are_complete_in_german(admin, someone):  # noqa: F811
    path = admin.create("Auf Deutsch")
    put(admin.server, "/connectors/auf-deutsch/source-config", FORM.format("Auf Deutsch"))
    german = someone(viewport={"width": 1400, "height": 860})
    german.sign_in()
    german.speak_german()
    for page, at in [("list", "/"), ("deleted", "/console/deleted"), ("overview", path), ("settings", f"{path}/settings"),
                     ("release", f"{path}/release")]:
        german.open(at)
        text = german.page.locator("main").inner_text()
        for english in ["Next step", "Copy", "Per page", "Release", "ago", "just now", "Custom", "Built-in", "Deleted"]:
            assert not re.search(rf"\b{english}\b", text), f"{english} in {at}: {text}"
        german.look(f"german-{page}")
    german.open(f"{path}/settings")
    german.page.get_by_label("Klassenname").fill(" ")
    german.page.get_by_role("button", name="Speichern").click()
    expect(german.page.get_by_role("alert")).to_have_text("Dieses Feld darf nicht leer sein.")
