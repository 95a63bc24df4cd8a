"""Downloading and importing connectors in the console, in a headless Chromium: files that are chosen and dropped, the plan, and
what someone else changed meanwhile.
"""

import io
import re
import zipfile

import pytest
import requests
from playwright.sync_api import expect

from test_console import browser, provider, server, someone  # noqa: F401

FORM = """<Form xmlns="http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd" name="{0}" connectorName="{0}" type="SourceConfig">
  <Menu label="menuLabel_connection"><Section>
    <Field name="host" type="text" displayName="key_host" parentKey="nothing"/>
  </Section></Menu>
</Form>
"""


@pytest.fixture
def admin(someone):  # noqa: F811
    return someone(viewport={"width": 1400, "height": 860}).sign_in()


def write(folder, name, class_name="x.Y"):
    """Writes a connector folder, and returns its path."""
    path = folder / name.lower().replace(" ", "-")
    path.mkdir(parents=True)
    (path / "connector.yaml").write_text(f"name: {name}\nclassName: {class_name}\n")
    (path / "source-config.xml").write_text(FORM.format(name))
    (path / ".DS_Store").write_text("clutter")
    return path


def put_translations(server, script_name):  # noqa: F811
    token = requests.post(f"{server.url}/oauth/token", data={
        "grant_type": "client_credentials", "client_id": server.client_id, "client_secret": server.secret,
    }, timeout=30).json()["access_token"]
    answer = requests.put(f"{server.url}/v3/connectors/{script_name}/translations/de", files={"file": b"a=b"}, timeout=30,
                          headers={"Authorization": f"Bearer {token}"})
    assert answer.ok, answer.text


def drop(page, *paths):
    """Drops files or folders on the page, as a person does with a mouse."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in "dragEnter", "dragOver", "drop":
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 600, "y": 300, "data": data})


def looks(admin, name):
    """Looks at a page in both widths and themes."""
    page = admin.page
    for width in 1400, 390:
        page.set_viewport_size({"width": width, "height": 860})
        for theme in "light", "dark":
            page.emulate_media(color_scheme=theme)
            admin.look(f"{name}-{width}-{theme}")
            overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert overflow <= 0, (name, width)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1400, "height": 860})


def test_a_folder_is_chosen_compared_and_applied(admin, tmp_path):
    page = admin.page
    folder = tmp_path / "connectors"
    for name in "Import A", "Import B":
        write(folder, name)
    (folder / "import-b/source-config.xml").write_text("<Form>")
    admin.open("/")
    page.get_by_role("link", name="Import", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Import connectors")
    looks(admin, "import")
    page.get_by_label("Folder", exact=True).set_input_files(folder)
    page.get_by_role("button", name="Show the plan").click()
    expect(page.locator(".import-totals")).to_contain_text("1 to create, 0 to change, 0 as they are. 1 refused.")
    rows = page.locator(".import-plan tbody > tr:not(.opens)")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("source-config.xml: ")
    page.locator(".import-plan summary").first.click()
    expect(page.locator(".findings").first).to_contain_text("source-config.xml, line 3: ")
    looks(admin, "import-plan")
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile("/console/connectors/import-a"))
    expect(page.get_by_role("status").first).to_have_text("Connectors created: 1. Connectors changed: 0.")

    # The same files, in the reader's language: nothing is left to do but what was refused.
    admin.speak_german()
    admin.open("/console/import")
    page.get_by_label("Ordner", exact=True).set_input_files(folder)
    page.get_by_role("button", name="Plan zeigen").click()
    expect(page.locator(".import-totals")).to_contain_text("0 neu, 0 geändert, 1 unverändert. 1 abgelehnt.")


def test_folders_are_dropped_and_what_differs_is_beside_each_other(admin, tmp_path):
    page = admin.page
    first, second = write(tmp_path, "Drop A"), write(tmp_path, "Drop B")
    admin.open("/console/import")
    expect(page.locator(".drop-zone")).to_be_visible()
    drop(page, first, second)
    expect(page.locator(".import-totals")).to_contain_text("2 to create")
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile("/console/activity/changes/"))
    expect(page.get_by_role("status").first).to_have_text("Connectors created: 2. Connectors changed: 0.")
    looks(admin, "import-done")

    (first / "connector.yaml").write_text("name: Drop A\nclassName: x.Z\n")
    (second / "connector.yaml").write_text("name: Drop B\nclassName: x.Z\n")
    admin.open("/console/import")
    drop(page, first, second)
    expect(page.locator(".import-totals")).to_contain_text("0 to create, 2 to change")
    page.get_by_text("Differences", exact=True).first.click()
    expect(page.locator(".diff td.added").first).to_contain_text('"x.Z"')
    looks(admin, "import-differences")
    page.get_by_label("Import Drop B").uncheck()
    # Someone else is faster.
    put_translations(admin.server, "drop-a")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("alert")).to_contain_text("someone else changed a connector meanwhile")
    page.get_by_label("Import Drop B").uncheck()
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile("/console/connectors/drop-a"))
    expect(page.locator("main")).to_contain_text("x.Z")
    admin.open("/console/connectors/drop-b")
    expect(page.locator("main")).to_contain_text("x.Y")


def test_a_download_is_dropped_again_and_changes_nothing(admin, tmp_path):
    page = admin.page
    admin.create("Round Trip")
    with page.expect_download() as download:
        page.evaluate("location.href = '/console/connectors/round-trip/download'")
    file = tmp_path / download.value.suggested_filename
    assert file.name == "round-trip.zip"
    download.value.save_as(file)
    names = zipfile.ZipFile(io.BytesIO(file.read_bytes())).namelist()
    assert "round-trip/connector.yaml" in names and all(name.startswith("round-trip/") for name in names)
    admin.open("/console/import")
    drop(page, file)
    expect(page.locator(".import-totals")).to_contain_text("0 to create, 0 to change, 1 as they are.")
    expect(page.get_by_role("button", name="Apply")).to_have_count(0)


def test_what_is_no_connector_is_told_and_without_a_script_the_form_is_enough(admin, someone, tmp_path):  # noqa: F811
    page = admin.page
    (tmp_path / "notes.txt").write_text("notes")
    admin.open("/console/import")
    drop(page, tmp_path / "notes.txt")
    expect(page.get_by_role("alert").first).to_contain_text("There is no connector in it.")
    large = tmp_path / "large.zip"
    large.write_bytes(b"PK" + b"\0" * 11 * 1024 * 1024)
    page.get_by_label("Zip file or export").set_input_files(large)
    page.get_by_role("button", name="Show the plan").click()
    expect(page.locator("[data-problem]")).to_contain_text("larger than the")
    looks(admin, "import-refused")

    plain = someone(viewport={"width": 390, "height": 860}, java_script_enabled=False).sign_in()
    file = tmp_path / "plain.zip"
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("plain/connector.yaml", "name: Plain\nclassName: x.Y\n")
    plain.open("/console/import")
    expect(plain.page.locator(".drop-zone")).to_be_hidden()
    plain.page.get_by_label("Zip file or export").set_input_files(file)
    plain.page.get_by_role("button", name="Show the plan").click()
    expect(plain.page.locator(".import-totals")).to_contain_text("1 to create")
    plain.page.get_by_role("button", name="Apply").click()
    expect(plain.page).to_have_url(re.compile("/console/connectors/plain"))
