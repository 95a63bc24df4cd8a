"""Nothing that is typed in the console is lost: sessions that end, closed tabs, and servers that do not answer."""

import json
import re
import tempfile

import pytest
from playwright.sync_api import expect

from conftest import Server
from console_browser import Administrator, browser, someone  # noqa: F401
from oidc_provider import Provider

WIDE = {"viewport": {"width": 1400, "height": 900}}
WEEK = 7 * 24 * 60 * 60 * 1000


@pytest.fixture(scope="module")
def provider():
    provider = Provider()
    yield provider
    provider.stop()


@pytest.fixture(scope="module")
def server(provider):
    server = Server(
        tempfile.mkdtemp(prefix="connectory-"), "--rate-limit", "off", "--max-document", "200000",
        "--oidc-issuer", provider.url, "--oidc-client-id", "console", "--oidc-admin-group", "identity",
        CONNECTORY_OIDC_CLIENT_SECRET=provider.secret,
    )
    yield server
    server.kill()


@pytest.fixture
def admin(someone):
    return someone(**WIDE).sign_in()


def end_session(who):
    who.context.clear_cookies()


def sign_in_again(who, client_id=None, secret=None):
    who.page.get_by_label("Client ID").fill(client_id or who.server.client_id)
    who.page.get_by_label("Client secret").fill(secret or who.server.secret)
    who.page.get_by_role("button", name="Sign in").click()


def keys(who):
    return who.page.evaluate("Object.keys(localStorage).filter(key => key.startsWith('connectory draft '))")


def drafts(who):
    return who.page.evaluate("""Object.entries(localStorage).filter(([key]) => key.startsWith('connectory draft '))
        .map(([, value]) => JSON.parse(value))""")


def wait_for_draft(who, text):
    who.page.wait_for_function("text => Object.values(localStorage).some(value => value.includes(text))", arg=text)


def sign_out(who):
    """Signs out. The browser asks, because the text on the page is not kept any more."""
    who.page.get_by_role("button", name="Sign out").click()
    expect(who.page).to_have_url(re.compile("/console/sign-in"))
    assert set(who.dialogs) <= {""}
    who.dialogs.clear()


def type_comment(who, path, comment, kind="correlation-config"):
    """Opens a document and adds a comment. Returns what was stored."""
    who.open(f"{path}/documents/{kind}")
    expect(who.page.locator("#verdict")).to_have_text("No problems found.")
    stored = who.written()
    who.write(stored.replace("</CorrelationConfig>", f"<!-- {comment} --></CorrelationConfig>"))
    wait_for_draft(who, comment)
    return stored


def stored_text(who, name, kind="correlation-config"):
    return who.server.session().get(f"{who.server.url}/v3/connectors/{name}/{kind}").text


def colour(who, selector):
    return who.page.locator(selector).evaluate("node => getComputedStyle(node).color")


def test_a_document_whose_session_ended_is_back_with_its_difference(admin):
    page = admin.page
    path = admin.create("Ended")
    type_comment(admin, path, "typed & <kept>")
    typed = admin.written()
    expect(page.locator("#draft")).to_be_hidden()
    end_session(admin)
    page.get_by_role("button", name="Save").click()
    expect(page).to_have_url(re.compile("/console/sign-in"))
    sign_in_again(admin)
    expect(page).to_have_url(f"{admin.server.url}{path}/documents/correlation-config")
    expect(page.locator("#draft")).to_be_visible()
    expect(page.get_by_role("heading", name="Your draft was not saved")).to_be_visible()
    expect(page.locator("#draft [data-when]")).to_contain_text(re.compile(r"The draft is from \w+ \d+, \d{4}"))
    expect(page.locator("#draft td.added").first).to_contain_text("typed & <kept>")
    expect(page.locator("#draft [data-changed]")).to_be_hidden()
    assert admin.written() == typed
    expect(page.locator("#verdict")).to_have_text("No problems found.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    expect(page.locator("#draft")).to_be_hidden()
    assert keys(admin) == [] and "typed & <kept>" in stored_text(admin, "ended")
    assert "done" not in page.url


def test_a_check_that_did_not_run_looks_neither_fine_nor_current(admin):
    page = admin.page
    path = admin.create("Unchecked")
    admin.open(f"{path}/documents/source-config")
    verdict = page.locator("#verdict")
    expect(verdict).to_have_text("No problems found.")
    good = colour(admin, "#verdict")
    stored = admin.written()
    end_session(admin)
    admin.write(stored.replace("</Form>", ""))
    assert page.locator("#verdict").inner_text() != "No problems found.", "not even while it is checked"
    expect(verdict).to_have_text("Not checked. You are signed out.")
    assert colour(admin, "#verdict") != good
    banner = page.locator("#interruption")
    expect(banner).to_have_text(re.compile(r"You are signed out\. Your text is kept in this browser\.\s*Sign in"))
    expect(page.locator("#preview-earlier")).to_be_visible()
    admin.look("signed-out-1400-light")
    # What is typed from now on is kept too.
    admin.write(stored.replace("</Form>", "<!-- later -->"))
    wait_for_draft(admin, "later")
    banner.get_by_role("link", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/console/sign-in\?back=%2Fconsole%2Fconnectors%2Funchecked%2Fdocuments%2Fsource-config$"))
    sign_in_again(admin)
    expect(page.locator("#draft td.added").first).to_contain_text("later")
    expect(verdict).to_contain_text("Problems: ")
    admin.look("draft-1400-light")
    page.get_by_role("button", name="Discard draft").click()
    expect(page.locator("#draft")).to_be_hidden()
    expect(verdict).to_have_text("No problems found.")
    assert admin.written() == stored and keys(admin) == []


def test_a_page_without_a_text_says_that_its_session_has_ended(admin):
    admin.open("/")
    end_session(admin)
    admin.page.get_by_role("searchbox").fill("jdbc")
    expect(admin.page.locator("#interruption p")).to_have_text("You are signed out.")
    admin.page.locator("#interruption").get_by_role("link", name="Sign in").click()
    sign_in_again(admin)
    expect(admin.page.get_by_role("heading", level=1)).to_have_text("Connectors")


@pytest.mark.parametrize("status, kind, body, why", [
    (503, "text/plain; charset=utf-8", "Busy <b>now</b>.", "Busy <b>now</b>."),
    (502, "text/html", "<p>Bad gateway</p><img src=x onerror=alert(1)>", "The server answered with the status 502."),
    (429, "text/plain", "", "The server answered with the status 429."),
    (None, None, None, "The server cannot be reached."),
])
def test_a_check_that_fails_says_why_and_runs_again(admin, status, kind, body, why):
    page = admin.page
    path = admin.create(f"Failing {status}")
    admin.open(f"{path}/documents/correlation-config")
    expect(page.locator("#verdict")).to_have_text("No problems found.")
    answer = (lambda route: route.fulfill(status=status, content_type=kind, body=body)) if status else (lambda route: route.abort())
    page.route("**/check", answer)
    admin.write("<CorrelationConfig><!-- unsaved -->")
    expect(page.locator("#verdict")).to_have_text(f"Not checked. {why}")
    expect(page.locator("#interruption p")).to_have_text(f"{why} Your text is kept in this browser.")
    expect(page.locator("#interruption a")).to_be_hidden()
    page.unroute("**/check")
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#verdict")).to_contain_text("Problems: ")
    expect(page.locator("#interruption")).to_be_hidden()
    forget_failed_loads(admin)


def forget_failed_loads(who):
    """Chromium logs requests that fail as errors."""
    expected = re.compile("Failed to load resource|^htmx: htmx:error: Failed to fetch")
    who.errors[:] = [error for error in who.errors if not expected.search(error)]


def test_a_text_that_is_too_large_to_be_checked_is_told(admin):
    path = admin.create("Large")
    admin.open(f"{path}/documents/correlation-config")
    expect(admin.page.locator("#verdict")).to_have_text("No problems found.")
    admin.write(f"<CorrelationConfig><!-- {'x' * 200_000} --></CorrelationConfig>")
    expect(admin.page.locator("#verdict")).to_contain_text("Not checked. The document `correlationConfigXml` is larger than")
    admin.page.get_by_role("button", name="Save").click()
    expect(admin.page.get_by_role("alert")).to_contain_text("is larger than")
    admin.page.get_by_role("link", name="Back to the form").click()
    assert "xxxx" in admin.written()
    expect(admin.page.locator("#draft [data-uncompared]")).to_contain_text("cannot be shown. The document `correlationConfigXml` is larger than")
    expect(admin.page.locator("#verdict")).to_contain_text("Not checked. The document")
    forget_failed_loads(admin)


def test_a_closed_tab_is_opened_again_with_its_text(admin):
    path = admin.create("Closed")
    type_comment(admin, path, "before closing")
    admin.page.close()
    admin.page = admin.context.new_page()
    admin.open(f"{path}/documents/correlation-config")
    expect(admin.page.locator("#draft td.added").first).to_contain_text("before closing")
    assert "before closing" in admin.written()
    # The draft is as old as its last change, not as its last look.
    [draft] = drafts(admin)
    admin.open(f"{path}/documents/correlation-config")
    expect(admin.page.locator("#draft")).to_be_visible()
    assert drafts(admin) == [draft]


def test_a_draft_lasts_seven_days(admin):
    path = admin.create("Old")
    type_comment(admin, path, "long ago")
    admin.open("/")
    age = """by => Object.keys(localStorage).forEach(key => {
        const draft = JSON.parse(localStorage.getItem(key));
        draft.at -= by;
        localStorage.setItem(key, JSON.stringify(draft));
    })"""
    admin.page.evaluate(age, WEEK - 60_000)
    admin.open("/")
    assert len(keys(admin)) == 1
    admin.page.evaluate(age, 120_000)
    admin.open("/console/activity")
    assert keys(admin) == []
    admin.open(f"{path}/documents/correlation-config")
    expect(admin.page.locator("#verdict")).to_have_text("No problems found.")
    expect(admin.page.locator("#draft")).to_be_hidden()


def test_signing_out_by_hand_removes_the_drafts_of_this_author(admin):
    page = admin.page
    path = admin.create("Private")
    stored = type_comment(admin, path, "a secret")
    page.evaluate("localStorage.setItem('connectory draft other client someone x', JSON.stringify({at: Date.now(), base: null, fields: {text: 'theirs'}}))")
    sign_out(admin)
    assert [key for key in keys(admin) if "someone" not in key] == [] and len(keys(admin)) == 1
    sign_in_again(admin)
    admin.open(f"{path}/documents/correlation-config")
    expect(page.locator("#verdict")).to_have_text("No problems found.")
    expect(page.locator("#draft")).to_be_hidden()
    assert admin.written() == stored


def test_another_author_in_the_same_browser_sees_no_draft(admin):
    path = admin.create("Shared")
    stored = type_comment(admin, path, "only mine")
    end_session(admin)
    admin.open(f"{path}/documents/correlation-config")
    sign_in_again(admin, *admin.server.new_client())
    expect(admin.page.locator("#verdict")).to_have_text("No problems found.")
    expect(admin.page.locator("#draft")).to_be_hidden()
    assert admin.written() == stored and "only mine" not in admin.page.content()
    end_session(admin)
    admin.open(f"{path}/documents/correlation-config")
    sign_in_again(admin)
    expect(admin.page.locator("#draft td.added").first).to_contain_text("only mine")


def test_a_sign_in_in_another_tab_loses_nothing(admin):
    page = admin.page
    path = admin.create("Two tabs")
    type_comment(admin, path, "in the first tab")
    other = admin.context.new_page()
    other.goto("/console/sign-in")
    other.get_by_label("Client ID").fill(admin.server.client_id)
    other.get_by_label("Client secret").fill(admin.server.secret)
    other.get_by_role("button", name="Sign in").click()
    expect(other.get_by_role("heading", level=1)).to_have_text("Connectors")
    admin.write(admin.written().replace("first tab", "first tab, later"))
    banner = page.locator("#interruption")
    expect(banner).to_contain_text("The form is from an earlier session, and nothing was saved. Open its page again. Your text is kept in this browser.")
    expect(page.locator("#verdict")).to_contain_text("Not checked.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This request was refused")
    admin.look("form-of-another-session")
    page.get_by_role("link", name="Back to the form").click()
    expect(page.locator("#draft td.added").first).to_contain_text("first tab, later")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    assert "first tab, later" in stored_text(admin, "two-tabs")


@pytest.mark.parametrize("width", [1400, 390])
def test_without_a_script_what_was_typed_is_sent_again(someone, width):
    who = someone(viewport={"width": width, "height": 900}, java_script_enabled=False).sign_in()
    page, name = who.page, f"Plain {width}"
    path = who.create(name)
    who.open(f"{path}/documents/correlation-config")
    text = page.locator("textarea#text")
    stored = text.input_value()
    # More than is read of anyone who signs in.
    comment = f"<!-- typed & <kept> {width} {'x' * 50_000} -->"
    text.fill(stored.replace("</CorrelationConfig>", f"{comment}\n</CorrelationConfig>"))
    end_session(who)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your session has ended")
    expect(page.locator("textarea[name=text]")).to_have_value(re.compile("typed & <kept>"))
    with who.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in in another tab").click()
    other = opened.value
    other.get_by_label("Client ID").fill(who.server.client_id)
    other.get_by_label("Client secret").fill(who.server.secret)
    other.get_by_role("button", name="Sign in").click()
    expect(other).to_have_url(f"{who.server.url}{path}/documents/correlation-config")
    if width == 390:
        # Someone else saves meanwhile.
        other.locator("textarea#text").fill(stored.replace("</CorrelationConfig>", "<!-- theirs --></CorrelationConfig>"))
        other.get_by_role("button", name="Save").click()
        expect(other.get_by_role("status").first).to_have_text("Saved.")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This form is from an earlier session")
    expect(page.get_by_role("status").first).to_contain_text("You are signed in as")
    page.get_by_role("button", name="Go on").click()
    if width == 390:
        expect(page.get_by_role("alert").first).to_contain_text("changed")
        expect(page.locator("main")).to_contain_text("theirs")
        expect(page.locator("textarea#text")).to_have_value(re.compile("typed & <kept>"))
    else:
        expect(page.get_by_role("status").first).to_have_text("Saved.")
        assert f"typed & <kept> {width}" in stored_text(who, f"plain-{width}")


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_answer_to_a_form_whose_session_ended_fits_every_window(someone, width, scheme):
    who = someone(viewport={"width": width, "height": 900}, color_scheme=scheme).sign_in()
    page, name = who.page, f"Held {width} {scheme}"
    who.create(name)
    if scheme == "dark":
        who.speak_german()
    # A form of which the browser keeps no draft.
    who.open(f"/console/many/labels?scriptName=held-{width}-{scheme}")
    page.locator("textarea[name=add]").fill("one\ntwo & <three>")
    end_session(who)
    page.locator("main form button.primary").click()
    expect(page.locator("textarea[name=add]")).to_have_value("one\ntwo & <three>")
    expect(page.locator("footer")).to_have_count(0)
    who.look(f"held-form-{width}-{scheme}")
    other = who.context.new_page()
    other.goto("/console/sign-in")
    other.locator("[name=client_id]").fill(who.server.client_id)
    other.locator("[name=client_secret]").fill(who.server.secret)
    other.locator("main form button.primary").click()
    expect(other.locator(".rail")).to_be_visible()
    page.locator("main form button").click()
    expect(page.locator("main button.primary")).to_be_visible()
    who.look(f"held-form-again-{width}-{scheme}")
    page.locator("main form button.primary").click()
    expect(page.locator("[role=status]").first).to_be_visible()
    labels = who.server.session().get(f"{who.server.url}/v3/connectors/held-{width}-{scheme}").json()["connectorMetadata"]["labels"]
    assert labels == ["one", "two & <three>"]


def test_signing_in_at_a_provider_comes_back_to_the_text(someone, provider):
    provider.person = {"sub": "7", "preferred_username": "grace", "groups": ["identity"]}
    grace = someone(**WIDE)
    grace.open("/")
    grace.page.get_by_role("link", name="Sign in with your organization").click()
    path = grace.create("By Grace")
    type_comment(grace, path, "of grace")
    end_session(grace)
    grace.page.get_by_role("button", name="Save").click()
    grace.page.get_by_role("link", name="Sign in with your organization").click()
    expect(grace.page).to_have_url(f"{grace.server.url}{path}/documents/correlation-config")
    expect(grace.page.locator("#draft td.added").first).to_contain_text("of grace")


def test_what_others_stored_meanwhile_is_not_overwritten(admin):
    page = admin.page
    path = admin.create("Overtaken")
    stored = type_comment(admin, path, "mine")
    replace = lambda text: admin.server.session().put(
        f"{admin.server.url}/v3/connectors/overtaken/correlation-config", files={"file": ("x.xml", text)}
    ).raise_for_status()
    replace(stored.replace("</CorrelationConfig>", "<!-- theirs --></CorrelationConfig>"))
    end_session(admin)
    page.get_by_role("button", name="Save").click()
    sign_in_again(admin)
    expect(page.locator("#draft [data-changed]")).to_be_visible()
    expect(page.locator("#draft td.removed").first).to_contain_text("theirs")
    admin.look("draft-of-an-overtaken-text")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Someone else changed this")
    expect(page.locator("#draft")).to_be_hidden()
    assert "theirs" in stored_text(admin, "overtaken")
    # A tab that is closed here is opened with the same text again.
    admin.open(f"{path}/documents/correlation-config")
    expect(page.locator("#draft")).to_be_visible()
    assert "mine" in admin.written()
    page.get_by_role("button", name="Save").click()
    # This reader has seen both.
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    assert "mine" in stored_text(admin, "overtaken")
    # The other choice.
    type_comment(admin, path, "again mine")
    replace(stored)
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Keep theirs").click()
    expect(page.locator("#verdict")).to_have_text("No problems found.")
    expect(page.locator("#draft")).to_be_hidden()
    assert admin.written() == stored and keys(admin) == []


def test_a_refused_text_stays_and_still_conflicts(admin):
    page = admin.page
    path = admin.create("Refused")
    stored = type_comment(admin, path, "mine")
    admin.write("<CorrelationConfig><!-- broken -->")
    admin.server.session().put(
        f"{admin.server.url}/v3/connectors/refused/correlation-config",
        files={"file": ("x.xml", stored.replace("</CorrelationConfig>", "<!-- theirs --></CorrelationConfig>"))},
    ).raise_for_status()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").first).to_contain_text("Line ")
    assert "broken" in admin.written()
    admin.write("<CorrelationConfig><!-- mended --></CorrelationConfig>")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").first).to_contain_text("Someone else changed this")
    assert "theirs" in stored_text(admin, "refused")


def test_metadata_is_kept(admin):
    page = admin.page
    path = admin.create("Described again")
    admin.open(f"{path}/metadata")
    page.get_by_label("Category").fill("Human resources")
    page.get_by_label("Labels, one a line").fill("hr\ncloud")
    page.get_by_label("Other members, as JSON").fill('{"platform": "ccg"')
    end_session(admin)
    page.get_by_role("button", name="Save").click()
    sign_in_again(admin)
    expect(page).to_have_url(f"{admin.server.url}{path}/metadata")
    expect(page.locator("#draft td.added").first).to_contain_text("Human resources")
    expect(page.get_by_label("Category")).to_have_value("Human resources")
    expect(page.get_by_label("Labels, one a line")).to_have_value("hr\ncloud")
    expect(page.get_by_label("Other members, as JSON")).to_have_value('{"platform": "ccg"')
    page.get_by_label("Other members, as JSON").fill('{"platform":   "ccg"}')
    admin.look("draft-of-metadata")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    assert keys(admin) == []
    # The same members written in another way are no draft.
    page.get_by_label("Other members, as JSON").fill('{"platform":    "ccg"}')
    wait_for_draft(admin, "platform")
    admin.open(f"{path}/metadata")
    page.wait_for_function("!Object.keys(localStorage).length")
    expect(page.locator("#draft")).to_be_hidden()


def test_settings_are_kept_and_still_conflict_after_a_refusal(admin):
    page = admin.page
    path = admin.create("Set again")
    admin.create("Taken name")
    admin.open(f"{path}/settings")
    page.get_by_label("Type", exact=True).fill("custom other")
    page.get_by_label("Direct connect").check()
    end_session(admin)
    page.get_by_role("button", name="Save").click()
    sign_in_again(admin)
    expect(page).to_have_url(f"{admin.server.url}{path}/settings")
    expect(page.locator("#draft td.added").first).to_contain_text("custom other")
    expect(page.get_by_label("Direct connect")).to_be_checked()
    page.get_by_label("Name", exact=True).fill("Taken name")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").first).to_contain_text("taken")
    admin.server.session().patch(
        f"{admin.server.url}/connectory/v1/connectors/set-again",
        json=[{"op": "replace", "path": "/status", "value": "RELEASED"}],
        headers={"Content-Type": "application/json-patch+json"},
    ).raise_for_status()
    page.get_by_label("Name", exact=True).fill("Set once more")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").first).to_contain_text("Someone else changed this")
    # What was not changed here is not taken back.
    expect(page.locator('select[name="status"]')).to_have_value("RELEASED")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    detail = admin.server.session().get(f"{admin.server.url}/v3/connectors/set-again").json()
    assert (detail["name"], detail["type"], detail["status"]) == ("Set once more", "custom other", "RELEASED")
    assert keys(admin) == []


def test_texts_of_the_translations_are_kept(admin):
    page = admin.page
    path = admin.create("Spoken")
    admin.open(f"{path}/translations?locale=de&locale=fr")
    key = page.locator(".texts tbody textarea").first.get_attribute("aria-label").removesuffix(", English")
    cell = page.get_by_label(f"{key}, German")
    end_session(admin)
    cell.fill("Ein <b>Text</b>")
    cell.press("Tab")
    note = page.locator(".cell-draft")
    expect(note.locator("p")).to_have_text("Not saved. You are signed out.")
    expect(page.locator("#interruption")).to_contain_text("You are signed out. Your text is kept in this browser.")
    expect(cell).to_have_value("Ein <b>Text</b>")
    admin.look("translations-signed-out")
    page.locator("#interruption").get_by_role("link", name="Sign in").click()
    sign_in_again(admin)
    expect(page).to_have_url(re.compile("locale=de&locale=fr$"))
    expect(cell).to_have_value("Ein <b>Text</b>")
    expect(note.locator("p")).to_have_text(re.compile(r"Draft from .*, not saved\. Nothing is stored yet\."))
    expect(page.locator("#draft [data-shown]")).to_have_text(re.compile(": 1$"))
    admin.look("translations-draft-1400")
    # In another locale the page says that there is more.
    admin.open(f"{path}/translations?locale=fr")
    expect(page.locator("#draft [data-elsewhere]")).to_have_text(re.compile(": 1$"))
    # What someone else stored meanwhile is not overwritten.
    admin.server.session().put(
        f"{admin.server.url}/v3/connectors/spoken/translations/de", files={"file": ("de.properties", f"{key}=Anderer\n")}
    ).raise_for_status()
    admin.open(f"{path}/translations?locale=de")
    expect(note.locator("p")).to_contain_text("Stored now: “Anderer”")
    note.get_by_role("button", name="Save").click()
    expect(page.locator(".texts .cell-conflict")).to_contain_text("Someone else changed this meanwhile to: Anderer")
    page.get_by_role("button", name="Take theirs").click()
    expect(cell).to_have_value("Anderer")
    assert keys(admin) == []
    cell.fill("Meiner")
    wait_for_draft(admin, "Meiner")
    admin.open(f"{path}/translations?locale=de")
    note.get_by_role("button", name="Save").click()
    expect(page.locator("#draft")).to_be_hidden()
    expect(cell).to_have_value("Meiner")
    assert keys(admin) == []
    cell.fill("Verworfen")
    wait_for_draft(admin, "Verworfen")
    admin.open(f"{path}/translations?locale=de")
    note.get_by_role("button", name="Discard draft").click()
    expect(cell).to_have_value("Meiner")
    assert keys(admin) == []


def test_a_text_that_is_typed_while_it_is_saved_is_not_lost(admin):
    page = admin.page
    path = admin.create("Quick")
    admin.open(f"{path}/translations?locale=de")
    cell = page.locator(".texts tbody textarea[data-draft*='/de/']").first
    waiting = []
    page.route("**/translations/de/text", lambda route: waiting.append(route))
    cell.fill("first")
    cell.press("Tab")
    while not waiting:
        page.wait_for_timeout(20)
    cell.fill("second")
    wait_for_draft(admin, "second")
    waiting[0].continue_()
    expect(page.locator(".cell-draft p")).to_contain_text("Stored now: “first”")
    expect(page.locator(".texts tbody textarea[data-draft*='/de/']").first).to_have_value("second")
    page.unroute("**/translations/de/text")


def test_a_new_connector_is_kept(admin):
    page = admin.page
    admin.open("/console/new")
    page.get_by_label("Name", exact=True).fill("Half done")
    page.get_by_label("Status").select_option("DEMO")
    page.get_by_label("Direct connect").uncheck()
    wait_for_draft(admin, "Half done")
    end_session(admin)
    page.get_by_label("Class name").fill("x.Half")
    page.get_by_role("button", name="Create").click()
    sign_in_again(admin)
    expect(page).to_have_url(f"{admin.server.url}/console/new")
    expect(page.get_by_label("Class name")).to_have_value("x.Half")
    expect(page.get_by_label("Status")).to_have_value("DEMO")
    expect(page.get_by_label("Direct connect")).not_to_be_checked()
    expect(page.locator("#script-name")).to_have_text("half-done")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("status").first).to_have_text("The connector was created.")
    assert keys(admin) == []
    # A script's own request does not leave the form either.
    admin.open("/console/new")
    end_session(admin)
    page.get_by_label("Name", exact=True).fill("Other")
    expect(page.locator("#interruption")).to_contain_text("You are signed out.")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Other")


def test_a_page_works_where_nothing_can_be_kept(admin):
    page = admin.page
    path = admin.create("No storage")
    page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })")
    admin.open(f"{path}/documents/correlation-config")
    expect(page.locator("#verdict")).to_have_text("No problems found.")
    admin.write(admin.written().replace("</CorrelationConfig>", "<!-- bold --></CorrelationConfig>"))
    expect(page.locator("#verdict")).to_have_text("No problems found.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    end_session(admin)
    admin.write("<broken")
    expect(page.locator("#interruption p")).to_have_text("You are signed out. Your text is on this page only. Copy it before you leave the page.")
    # The browser asks before the text is lost.
    page.locator("#interruption a").click()
    expect(page).to_have_url(re.compile("/console/sign-in"))
    assert admin.dialogs == [""]
    admin.dialogs.clear()


def test_the_oldest_drafts_make_room(admin):
    page = admin.page
    path = admin.create("Room")
    fill = """count => {
        for (let at = 0; at < count; at++) localStorage.setItem(
            `connectory draft t client a /x${at}`, JSON.stringify({ at: Date.now() - 1000 * (count - at), base: null, fields: { text: "x".repeat(40_000) } }));
    }"""
    page.evaluate(fill, 100)
    page.evaluate("attempt => { try { for (;;) localStorage.setItem('else' + attempt, 'y'.repeat(100_000 * attempt--)); } catch {} }", 9)
    type_comment(admin, path, "newest")
    kept = keys(admin)
    assert len(kept) <= 100 and any("/room/" in key for key in kept) and not any(key.endswith("/x0") for key in kept)
    admin.open(f"{path}/documents/correlation-config")
    expect(page.locator("#draft td.added").first).to_contain_text("newest")


def test_what_is_in_the_storage_is_no_markup_and_may_be_damaged(admin):
    page = admin.page
    path = admin.create("Damaged")
    type_comment(admin, path, "x")
    [key] = keys(admin)
    admin.open("/")
    markup = "<CorrelationConfig/><img src=x onerror=alert(1)><script>alert(1)</script>"
    page.evaluate("([key, text]) => localStorage.setItem(key, JSON.stringify({at: Date.now(), base: '<b>', fields: {text, csrf: 'x', more: text}}))", [key, markup])
    admin.open(f"{path}/documents/correlation-config")
    expect(page.locator("#draft td.added").first).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("img, script:not([src])").count() == 0 and admin.written() == markup
    for damaged in ["", "{", "null", "[]", '{"at": "x", "fields": {}}', '{"at": 1e400, "fields": null}', json.dumps({"at": 9e15, "fields": {}})]:
        admin.open("/")
        page.evaluate("([key, value]) => localStorage.setItem(key, value)", [key, damaged])
        admin.open(f"{path}/documents/correlation-config")
        expect(page.locator("#verdict")).to_have_text("No problems found.")
        expect(page.locator("#draft")).to_be_hidden()
        assert keys(admin) == [], damaged


def test_a_restart_and_a_server_that_is_gone_lose_nothing(browser):
    server = Server(tempfile.mkdtemp(prefix="connectory-"), "--rate-limit", "off")
    admin = Administrator(browser, server, **WIDE).sign_in()
    path = admin.create("Restarted")
    type_comment(admin, path, "before the restart")
    server.stop()
    admin.write(admin.written().replace("the restart", "and after the restart"))
    expect(admin.page.locator("#verdict")).to_have_text("Not checked. The server cannot be reached.")
    expect(admin.page.locator("#interruption p")).to_have_text("The server cannot be reached. Your text is kept in this browser.")
    # The page stays, and says why nothing was saved.
    admin.page.get_by_role("button", name="Save").click()
    expect(admin.page.locator("#interruption")).to_be_visible()
    expect(admin.page).to_have_url(f"{server.url}{path}/documents/correlation-config")
    server.port = int(server.url.rsplit(":", 1)[1])
    server.start()
    admin.page.evaluate("dispatchEvent(new Event('focus'))")
    expect(admin.page.locator("#verdict")).to_have_text("No problems found.")
    admin.page.get_by_role("button", name="Save").click()
    expect(admin.page.get_by_role("status").first).to_have_text("Saved.")
    assert "before and after the restart" in stored_text(admin, "restarted")
    forget_failed_loads(admin)
    assert admin.errors == [] and admin.dialogs == []
    admin.context.close()
    server.kill()


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_notes_fit_every_window(someone, width, scheme):
    language = {"light": "en-US", "dark": "de"}[scheme]
    who = someone(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = who.page
    who.sign_in()
    path = who.create(f"Seen {width} {scheme}")
    if language == "de":
        who.speak_german()
    expect(page.locator("html")).to_have_attribute("lang", language[:2])
    who.open(f"{path}/documents/correlation-config")
    expect(page.locator("#verdict")).to_have_class("verdict fine")
    who.write(who.written().replace("</CorrelationConfig>", "    <!-- a line that was typed -->\n</CorrelationConfig>"))
    wait_for_draft(who, "was typed")
    page.reload()
    expect(page.locator("#draft")).to_be_visible()
    expect(page.locator("#verdict")).to_have_class("verdict fine")
    who.look(f"drafts-{width}-{scheme}")
    [session] = [each for each in who.context.cookies() if each["name"] == "connectory_session"]
    who.context.clear_cookies(name="connectory_session")
    who.write(who.written() + " ")
    expect(page.locator("#interruption")).to_be_visible()
    expect(page.locator("#verdict")).to_have_class("verdict bad")
    who.look(f"drafts-signed-out-{width}-{scheme}")
    who.context.add_cookies([session])
    who.open(f"{path}/translations?locale=de")
    cell = page.locator(".texts tbody textarea[data-draft*='/de/']").first
    cell.fill("Ein Text")
    wait_for_draft(who, "Ein Text")
    page.reload()
    expect(page.locator(".cell-draft")).to_be_visible()
    who.look(f"drafts-translations-{width}-{scheme}")
