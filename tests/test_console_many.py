"""Several connectors of the list at once, in a headless Chromium: selecting them, changing them together, and undoing it."""

import re

import pytest
import requests
from playwright.sync_api import expect

from test_console import Administrator, browser, provider, server, someone  # noqa: F401
from console_browser import SCREENSHOTS
from test_console_lifecycle import reader_of


def api(server, method, path, **request):  # noqa: F811
    """Calls the API as the first client."""
    token = requests.post(f"{server.url}/oauth/token", data={
        "grant_type": "client_credentials", "client_id": server.client_id, "client_secret": server.secret,
    }, timeout=30).json()["access_token"]
    answer = requests.request(method, server.url + path, timeout=30, headers={"Authorization": f"Bearer {token}"}, **request)
    assert answer.ok, answer.text
    return answer


def create(server, *names):  # noqa: F811
    for name in names:
        api(server, "POST", "/v3/connectors", json={"name": name, "className": "x.Y"})


@pytest.fixture
def admin(someone):  # noqa: F811
    return someone(viewport={"width": 1400, "height": 860}).sign_in()


def box(page, name):
    return page.get_by_role("checkbox", name=f"Select {name}", exact=True)


def test_connectors_are_selected_with_the_keyboard_and_the_selection_lasts_as_long_as_they_are_shown(admin):
    create(admin.server, "Payroll North", "Payroll South", "Grade book")
    page = admin.page
    admin.open("/?q=")
    bar = page.get_by_role("form", name="Selection")
    expect(bar).to_be_hidden()
    box(page, "Payroll North").focus()
    page.keyboard.press("Space")
    expect(bar).to_contain_text("1 selected")
    box(page, "Grade book").click()
    expect(bar).to_contain_text("2 selected")
    head = page.get_by_role("checkbox", name="Select all on this page")
    assert head.evaluate("box => box.indeterminate")
    admin.look("list-selected")
    # A list that is replaced keeps the selection of what it still has.
    page.get_by_role("searchbox").fill("payroll")
    expect(page.get_by_role("row", name="Grade book")).to_have_count(0)
    expect(bar).to_contain_text("1 selected")
    expect(box(page, "Payroll North")).to_be_checked()
    page.get_by_role("searchbox").fill("")
    expect(box(page, "Grade book")).not_to_be_checked()
    head.check()
    expect(box(page, "Grade book")).to_be_checked()
    # The bar does not cover the end of the page.
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    below = page.locator(".pages").bounding_box()
    assert below["y"] + below["height"] <= bar.bounding_box()["y"]
    page.keyboard.press("Escape")
    expect(bar).to_be_hidden()
    expect(head).not_to_be_checked()


def test_a_status_is_set_for_several_and_undone(admin):
    create(admin.server, "Status one", "Status two")
    page = admin.page
    admin.open("/?q=Status")
    for name in ("Status one", "Status two"):
        box(page, name).check()
    page.get_by_role("button", name="Set status").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Set status")
    unfinished = page.get_by_role("heading", name="What is unfinished")
    expect(unfinished).to_be_hidden()
    page.get_by_role("radio", name="Deprecated").check()
    expect(unfinished).to_be_hidden()
    admin.look("many-status")
    page.get_by_role("button", name="Set status").click()
    expect(page.get_by_role("status").first).to_have_text("2 connectors are deprecated now.")
    expect(page.get_by_role("searchbox")).to_have_value("Status")
    admin.look("many-status-done")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status").first).to_have_text("The change to 2 connectors was undone.")
    expect(page.get_by_role("searchbox")).to_have_value("Status")
    expect(page.locator("tbody .status").first).to_have_text("Released")
    # The page of the change offers it, too.
    admin.open("/console/activity")
    page.get_by_role("link", name=re.compile("2 connectors")).first.click()
    page.get_by_role("button", name="Undo this change").click()
    expect(page.get_by_role("status").first).to_have_text("The change to 2 connectors was undone.")
    admin.look("change-undone")


def test_the_page_for_a_status_shows_what_is_unfinished_when_released_is_chosen(admin):
    create(admin.server, "Unfinished one", "Unfinished two")
    for name in ("unfinished-one", "unfinished-two"):
        api(admin.server, "PATCH", f"/connectory/v1/connectors/{name}", json=[{"op": "replace", "path": "/status", "value": "DEVELOPMENT"}])
    page = admin.page
    admin.open("/console/many/status?scriptName=unfinished-one&scriptName=unfinished-two")
    page.get_by_role("radio", name="Released").check()
    expect(page.get_by_role("heading", name="What is unfinished")).to_be_visible()
    admin.look("many-status-unfinished")
    page.set_viewport_size({"width": 390, "height": 800})
    page.emulate_media(color_scheme="dark")
    admin.look("many-status-unfinished-390-dark")
    page.get_by_role("link", name="Unfinished two: 3 open").click()
    expect(page.get_by_role("heading", name="Release this connector?")).to_be_visible()


def test_labels_are_changed_and_what_someone_else_changed_meanwhile_is_told(admin):
    create(admin.server, "Labels one", "Labels two")
    patch = [{"op": "add", "path": "/connectorMetadata/labels", "value": ["HR", "old"]}]
    api(admin.server, "PATCH", "/v3/connectors/labels-one", json=patch)
    page = admin.page
    admin.open("/console/many/labels?scriptName=labels-one&scriptName=labels-two")
    page.get_by_label("Add labels").fill("new")
    page.get_by_role("checkbox", name="old 1 of 2").check()
    admin.look("many-labels")
    api(admin.server, "PATCH", "/connectory/v1/connectors/labels-two", json=[{"op": "replace", "path": "/type", "value": "x"}])
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("labels-two was changed meanwhile")
    expect(page.get_by_label("Add labels")).to_have_value("new")
    admin.look("many-labels-late")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_have_text("2 connectors have other labels now.")


def test_several_are_deleted_on_a_phone_and_come_back(someone):  # noqa: F811
    phone = someone(viewport={"width": 390, "height": 800}, color_scheme="dark").sign_in()
    create(phone.server, "Phone one", "Phone two")
    page = phone.page
    phone.open("/?q=Phone")
    for name in ("Phone one", "Phone two"):
        box(page, name).check()
    bar, rail = page.get_by_role("form", name="Selection").bounding_box(), page.locator(".rail").bounding_box()
    assert bar["y"] + bar["height"] <= rail["y"], "the bar is above that of the phone"
    phone.look("list-selected-390-dark")
    page.get_by_role("button", name="Delete…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Delete 2 connectors?")
    page.get_by_label("Type how many").fill("3")
    page.get_by_role("button", name="Delete 2 connectors").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was deleted")
    phone.look("many-delete-390-dark")
    page.get_by_label("Type how many").fill("2")
    page.get_by_role("button", name="Delete 2 connectors").click()
    expect(page.get_by_role("status").first).to_have_text("2 connectors were deleted. You find them under “Deleted”.")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status").first).to_have_text("The change to 2 connectors was undone.")
    phone.open("/?q=Phone")
    expect(page.get_by_role("row", name="Phone")).to_have_count(2)


def test_a_row_has_a_menu_and_opens_with_a_click_anywhere(admin):
    create(admin.server, "Menu of a row")
    page = admin.page
    admin.open("/?q=Menu")
    page.get_by_label("Actions for Menu of a row").click()
    menu = page.locator(".menu-of[open]")
    expect(menu.get_by_role("link")).to_have_text([
        "Open editor", "Duplicate", "Compare", "Download", "Set status…", "Labels…", "Delete…",
    ])
    admin.look("list-row-menu")
    page.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    page.locator("tbody tr td.hide-s").first.click()
    expect(page).to_have_url(re.compile("/console/connectors/menu-of-a-row$"))


def test_keys_move_within_the_menu_of_a_row(admin):
    create(admin.server, "Keys of a menu")
    page = admin.page
    admin.open("/?q=Keys")
    button = page.get_by_label("Actions for Keys of a menu")
    menu = page.locator("tbody .menu-of")
    button.focus()
    for key, focused in [
        ("ArrowDown", "Open editor"), ("ArrowDown", "Duplicate"), ("End", "Delete…"), ("ArrowDown", "Open editor"), ("ArrowUp", "Delete…"),
        ("Home", "Open editor"), ("Tab", "Duplicate"),
    ]:
        page.keyboard.press(key)
        expect(menu.get_by_role("link", name=focused)).to_be_focused()
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
    expect(page.locator(".menu-of[open]")).to_have_count(0)
    # From the button, the last one is above the first one. Other keys are those of the page.
    page.keyboard.press("Home")
    expect(page.locator(".menu-of[open]")).to_have_count(0)
    page.keyboard.press("ArrowUp")
    expect(menu.get_by_role("link", name="Delete…")).to_be_focused()
    # The menu closes with Escape, and what is selected stays.
    page.keyboard.press("Escape")
    box(page, "Keys of a menu").check()
    button.click()
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
    expect(box(page, "Keys of a menu")).to_be_checked()


@pytest.mark.parametrize("width", [1400, 1160, 930, 768, 390])
def test_long_names_do_not_make_the_list_wider_than_the_window(someone, width):  # noqa: F811
    admin = someone(viewport={"width": width, "height": 860}).sign_in()
    name = f"{width}" + "W" * 250
    create(admin.server, name)
    script_name = f"{width}" + "w" * (100 - len(str(width)))
    patch = [{"op": "add", "path": "/connectorMetadata/shortDesc", "value": "Long " * 50}]
    api(admin.server, "PATCH", f"/v3/connectors/{script_name}", json=patch)
    admin.open(f"/?q={width}WW")
    expect(admin.page.get_by_role("row", name=name)).to_be_visible()
    assert admin.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert admin.page.evaluate("document.querySelector('table').scrollWidth <= document.querySelector('main').clientWidth")
    admin.look(f"list-long-{width}")


def test_without_a_script_the_pages_do_the_same(someone):  # noqa: F811
    admin = someone(viewport={"width": 1400, "height": 860}, java_script_enabled=False).sign_in()
    create(admin.server, "Plain one", "Plain two")
    page = admin.page
    admin.open("/?q=Plain")
    expect(page.get_by_role("button", name="Export")).to_be_visible()
    page.get_by_role("button", name="Set status").click()
    expect(page.get_by_text("No connector is selected.")).to_be_visible()
    admin.open("/?q=Plain")
    for name in ("Plain one", "Plain two"):
        box(page, name).check()
    admin.screenshot(SCREENSHOTS / "list-no-script.png")
    page.get_by_role("button", name="Set status").click()
    page.get_by_role("radio", name="Demo").check()
    page.get_by_role("button", name="Set status").click()
    expect(page.get_by_role("status").first).to_have_text("2 connectors are demos now.")


def test_a_reader_selects_for_an_export_only(admin, someone):  # noqa: F811
    create(admin.server, "Read one")
    reader = reader_of(admin, someone, "many reader")
    page = reader.page
    reader.open("/?q=Read")
    box(page, "Read one").check()
    bar = page.get_by_role("form", name="Selection")
    expect(bar.get_by_role("button")).to_have_text(["Export"])
    reader.look("list-selected-reader")
