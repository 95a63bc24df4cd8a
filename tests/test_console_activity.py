"""The activity in a headless Chromium: its filters, its rows, its pages, and who sees what."""

import json
import re
import tempfile

import pytest
import requests
from playwright.sync_api import expect

from conftest import Server
from test_console import Administrator, browser, someone  # noqa: F401  (fixtures)

PARTS = 5


@pytest.fixture(scope="module")
def server():
    """A tenant in which things happened."""
    server = Server(tempfile.mkdtemp(prefix="connectory-"), "--rate-limit", "off")
    headers = {"Authorization": f"Bearer {server.token()}"}
    api = f"{server.url}/v2025/connectors"
    create = lambda name: requests.post(api, json={"name": name, "className": "x.Y"}, headers=headers, timeout=30).raise_for_status()
    create("Model")
    model = requests.get(f"{server.url}/connectory/v1/connectors?scriptName=model", headers=headers, timeout=30)
    [line] = [json.loads(line) for line in model.text.splitlines() if "scriptName" in line]
    lines = []
    for number in range(14):
        script_name = f"applied-{number}"
        each = json.loads(json.dumps(line)) | {"revision": 0, "scriptName": script_name}
        each["connector"] |= {"scriptName": script_name, "name": f"Applied {number}"}
        lines.append(json.dumps(each))
    applied = requests.post(
        f"{server.url}/connectory/v1/apply", data="\n".join(lines) + "\n",
        headers=headers | {"Content-Type": "application/x-ndjson"}, timeout=60,
    )
    assert applied.ok, applied.text
    create("HR system")
    for locale in ["de", "fr"]:
        put = requests.put(f"{api}/hr-system/translations/{locale}", files={"file": (f"{locale}.properties", b"a=b\n")}, headers=headers, timeout=30)
        put.raise_for_status()
    requests.delete(f"{api}/model", headers=headers, timeout=30).raise_for_status()
    wrong = {"grant_type": "client_credentials", "client_id": server.client_id, "client_secret": "wrong"}
    assert requests.post(f"{server.url}/oauth/token", data=wrong, timeout=30).status_code in (400, 401)
    yield server
    server.kill()


@pytest.fixture
def admin(someone):  # noqa: F811
    return someone(viewport={"width": 1400, "height": 900}).sign_in()


def row(page, text):
    return page.locator(".activity tbody tr", has_text=text)


def pick(page, title):
    """Opens the chip with a filter, unless it is open."""
    chip = page.locator(".pick", has=page.locator("summary", has_text=re.compile(f"^{title}(:|$)")))
    if chip.get_attribute("open") is None:
        chip.locator("summary").click()


def test_the_activity_is_filtered_and_the_url_is_the_state(admin):
    page = admin.page
    admin.open("/console/activity")
    expect(row(page, "signed in").first).to_be_visible()
    pick(page, "What")
    admin.look("activity-chip")
    page.locator("select[name=what]").select_option("translations")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".activity tbody tr")).to_have_count(2)
    expect(page.locator(".activity tbody tr").first).to_contain_text("changed hr-systemTranslations (fr)")
    expect(page).to_have_url(re.compile("what=translations"))
    expect(page.locator(".filter.on")).to_have_text("What: Translations")
    pick(page, "Connector")
    page.get_by_label("Connector", exact=True).fill("applied-3")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".empty")).to_have_text("Nothing matches. Remove a filter, or choose other days.")
    pick(page, "What")
    page.locator("select[name=what]").select_option("create")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".activity tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Show all").click()
    expect(page).to_have_url(re.compile("/console/activity$"))
    # The authors of the page are proposed, and today is a whole day.
    expect(page.locator("#authors option[value='first client']")).to_have_count(1)
    pick(page, "Who")
    page.get_by_label("Who").fill("FIRST")
    pick(page, "Days")
    today = page.evaluate("new Date().toISOString().slice(0, 10)")
    page.get_by_label("First day").fill(today)
    page.get_by_label("Last day").fill(today)
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".activity tbody tr").first).to_contain_text("first client")
    pick(page, "Days")
    expect(page.get_by_label("First day")).to_have_value(today)
    page.get_by_label("First day").fill("2001-01-02")
    page.get_by_label("Last day").fill("2001-01-01")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("alert")).to_have_text("2001-01-01 The last day is before the first day.")
    admin.look("activity-wrong-days")
    page.get_by_label("Last day").fill("2001-01-03")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".empty")).to_be_visible()
    page.get_by_role("link", name="Last 7 days").click()
    expect(page.locator(".filter.on")).to_have_text(["Last 7 days", "Who: FIRST", re.compile("^Days: ")])
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    lines = open(download.value.path(), encoding="utf-8").read().splitlines()
    assert lines[0].startswith("created,action,subject") and len(lines) > 10, lines[:3]
    page.get_by_role("link", name="Refusals only").click()
    expect(page).to_have_url(re.compile("what=refused"))
    admin.look("activity-nothing")


def test_one_apply_is_one_row_with_its_parts(admin):
    page = admin.page
    admin.open("/console/activity?what=changes")
    applied = row(page, "changed 14 connectors in one step")
    expect(applied).to_have_count(1)
    expect(applied.locator("li")).to_have_count(PARTS + 1)
    expect(applied.get_by_role("link", name="applied-13")).to_be_visible()
    applied.get_by_role("link", name="and 9 more").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Change 15")
    expect(page.locator(".revisions tbody tr")).to_have_count(14)
    admin.look("activity-change")
    page.get_by_role("link", name="Activity").last.click()
    page.get_by_role("link", name="Revision 19").click()
    expect(page).to_have_url(re.compile("/console/connectors/model/history/19$"))


def test_pages_are_followed(admin, server):
    headers = {"Authorization": f"Bearer {server.token()}"}
    for number in range(60):
        patch = [{"op": "add", "path": "/connectorMetadata/category", "value": f"v{number}"}]
        requests.patch(
            f"{server.url}/v2025/connectors/hr-system", json=patch, timeout=30,
            headers=headers | {"Content-Type": "application/json-patch+json"},
        ).raise_for_status()
    page = admin.page
    admin.open("/console/activity?connector=hr-system")
    expect(page.locator(".activity tbody tr")).to_have_count(50)
    page.get_by_role("link", name="Older").click()
    expect(page.locator(".activity tbody tr")).to_have_count(13)
    expect(page.get_by_role("link", name="Older")).to_have_count(0)
    expect(page.locator(".filter.on")).to_have_text("Connector: hr-system")
    page.get_by_role("link", name="Newest").click()
    expect(page).to_have_url(re.compile(r"/console/activity\?connector=hr-system$"))


def test_access_is_in_the_activity_for_those_who_may_see_it(admin, someone, server):  # noqa: F811
    page = admin.page
    client_id, secret = server.new_client("--scopes", "idn:connector-config:read")
    admin.open("/console/activity/access")
    expect(page).to_have_url(re.compile(r"/console/activity\?what=access$"))
    expect(page.locator(".filter.on")).to_have_text("What: All access and sign-ins")
    expect(row(page, "created the client").first).to_contain_text("Command line")
    admin.open("/console/activity/refused")
    for _ in range(20):
        if row(page, "was refused a sign-in").count():
            break
        page.wait_for_timeout(250)
        page.reload()
    expect(row(page, "was refused a sign-in")).to_contain_text("first client")
    reader = someone(viewport={"width": 1400, "height": 900}).sign_in(client_id, secret)
    expect(reader.page.get_by_role("heading", level=1)).to_have_text("Connectors")
    reader.open("/console/activity")
    expect(reader.page.locator(".activity tbody tr").first).to_be_visible()
    assert not re.search("(?i)sign-in|signed|refused|created the client|127.0.0.1", reader.page.locator("main").inner_text())
    assert reader.page.locator("option[value=access], option[value=refused], option[value=sign_in]").count() == 0
    reader.look("activity-reader")
    for what in ["access", "refused", "sign_in"]:
        assert reader.open(f"/console/activity?what={what}").status == 403


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_activity_in_both_languages_themes_and_widths(someone, width, scheme):  # noqa: F811
    visitor = someone(viewport={"width": width, "height": 900}, color_scheme=scheme).sign_in()
    page = visitor.page
    visitor.open("/console/activity")
    visitor.look(f"activity-{width}-{scheme}")
    visitor.open("/console/activity?what=create")
    visitor.look(f"activity-changes-{width}-{scheme}")
    visitor.speak_german()
    expect(page.get_by_role("heading", level=1)).to_have_text("Aktivität")
    expect(row(page, "14 Konnektoren in einem Schritt geändert")).to_have_count(1)
    visitor.open("/console/activity?connector=a/b&what=made-up&from=x&to=y")
    expect(page.get_by_role("alert")).to_have_count(4)
    assert "?" not in re.sub(r"made-up|a/b", "", page.locator("#filters").inner_text())
    visitor.look(f"activity-wrong-{width}-{scheme}")


def test_the_filters_work_without_a_script(someone):  # noqa: F811
    visitor = someone(viewport={"width": 1400, "height": 900}, java_script_enabled=False).sign_in()
    page = visitor.page
    visitor.open("/console/activity")
    pick(page, "What")
    page.locator("select[name=what]").select_option("delete")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".activity tbody tr")).to_have_count(1)
    expect(page.locator(".activity tbody tr")).to_contain_text("deleted model")
