"""The console in a headless Chromium: every page, without errors in the browser's log and without findings of axe."""

import pathlib
import re
import tempfile

import pytest
from playwright.sync_api import expect

from conftest import Server
from console_browser import Administrator, browser, someone  # noqa: F401
from oidc_provider import Provider

SCRIPT = "<script>alert('owned')</script>"


@pytest.fixture(scope="module")
def provider():
    provider = Provider()
    yield provider
    provider.stop()


@pytest.fixture(scope="module")
def server(provider):
    server = Server(
        tempfile.mkdtemp(prefix="connectory-"), "--rate-limit", "off",
        "--oidc-issuer", provider.url, "--oidc-client-id", "console", "--oidc-admin-group", "identity",
        "--oidc-reader-group", "everyone", CONNECTORY_OIDC_CLIENT_SECRET=provider.secret,
    )
    yield server
    server.kill()


@pytest.fixture
def admin(someone):
    return someone(viewport={"width": 1280, "height": 860}).sign_in()


def test_signing_in_and_out(someone):
    admin = someone()
    admin.open("/console/activity")
    admin.look("sign-in")
    admin.page.get_by_label("Client ID").fill(admin.server.client_id)
    admin.page.get_by_label("Client secret").fill("wrong")
    admin.page.get_by_role("button", name="Sign in").click()
    expect(admin.page.get_by_role("alert")).to_have_text("The client ID or the client secret is wrong.")
    admin.page.get_by_label("Client secret").fill(admin.server.secret)
    admin.page.keyboard.press("Enter")
    expect(admin.page).to_have_url(re.compile("/console/activity$"))
    [cookie] = [each for each in admin.context.cookies() if each["name"] == "connectory_session"]
    assert cookie["httpOnly"] and cookie["sameSite"] == "Lax"
    admin.page.get_by_role("button", name="Sign out").click()
    admin.context.add_cookies([cookie])
    admin.open("/")
    expect(admin.page).to_have_url(re.compile("/console/sign-in"))


def test_the_list_is_searched_narrowed_and_sorted_and_its_url_is_the_state(admin):
    page = admin.page
    admin.create("Zebra HR")
    admin.open("/")
    expect(page.locator(".count")).to_contain_text(" of ")
    admin.open("/?origin=built-in")
    admin.look("connectors")
    admin.open("/")
    page.keyboard.press("/")
    page.keyboard.type("zebra")
    expect(page.locator(".connectors tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/\?q=zebra$"))
    page.get_by_role("link", name="Built-in 0").click()
    expect(page).to_have_url(re.compile(r"/\?q=zebra&origin=built-in$"))
    expect(page.locator(".empty")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    page.get_by_label("Category").select_option("Directory")
    expect(page).to_have_url(re.compile(r"category=Directory"))
    names = page.locator("a.name")
    expect(names.first).to_have_text("Active Directory (LDAP)")
    shared = page.url
    page.get_by_role("link", name="Name").click()
    expect(page).to_have_url(re.compile(r"category=Directory&origin=built-in&sort=-name"))
    expect(names.last).to_have_text("Active Directory (LDAP)")
    page.goto(shared)
    expect(page.get_by_label("Category")).to_have_value("Directory")
    expect(names.first).to_have_text("Active Directory (LDAP)")
    page.get_by_label("Feature").select_option("PROVISIONING")
    page.get_by_label("Status").select_option("DEPRECATED")
    expect(page.locator(".empty")).to_be_visible()


def test_a_connector_is_created_with_its_script_name_shown_and_deleted_by_its_name(admin):
    page = admin.page
    admin.open("/console/new")
    page.get_by_label("Name", exact=True).fill("Größe & Ärzte")
    expect(page.locator("#script-name")).to_have_text("grosse-arzte")
    admin.look("create")
    page.get_by_label("Name", exact=True).fill("JDBC")
    expect(page.locator("#script-name")).to_contain_text("This name is taken.")
    page.get_by_label("Class name").fill("x.Y")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("alert")).to_contain_text("`name` is taken")
    page.get_by_label("Name", exact=True).fill("Größe & Ärzte")
    page.get_by_role("button", name="Create").click()
    expect(page).to_have_url(re.compile("/console/connectors/grosse-arzte"))
    admin.look("overview-of-a-new-connector")
    admin.from_menu("link", "Delete connector")
    admin.look("delete")
    page.get_by_label(re.compile("Type the name")).fill("größe")
    page.get_by_role("button", name="Delete this connector").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was deleted.")
    page.get_by_label(re.compile("Type the name")).fill("Größe & Ärzte")
    page.get_by_role("button", name="Delete this connector").click()
    expect(page.get_by_role("status").first).to_contain_text("deleted")
    # It is restored from its history, to which Activity links.
    admin.open("/console/activity")
    admin.look("activity")
    page.get_by_role("link", name="grosse-arzte").first.click()
    expect(page.locator(".status")).to_have_text("Deleted")
    page.locator(".revisions tbody th a").first.click()
    page.get_by_role("link", name=re.compile("Restore")).click()
    page.get_by_role("button", name=re.compile("Restore")).click()
    expect(page.locator(".status").first).to_have_text("Development")


def test_documents_are_edited_with_problems_under_their_lines(admin):
    page = admin.page
    path = admin.create("Editing")
    admin.open(f"{path}/documents/source-config")
    expect(page.locator(".CodeMirror-linenumber").first).to_have_text("1")
    assert page.locator(".cm-tag").count() > 5, "colours"
    expect(page.locator("#verdict")).not_to_have_text("")
    stored = admin.written()
    lines = stored.split("\n")
    broken = next(at for at, line in enumerate(lines) if "<Field" in line)
    lines[broken] = lines[broken].replace("<Field", "<Field type='text' type='text'")
    admin.write("\n".join(lines))
    problem = page.locator(".line-problem.error")
    expect(problem).to_contain_text("attribute")
    above = problem.evaluate("node => node.closest('.CodeMirror-linewidget').parentNode.querySelector('pre').textContent")
    assert "type='text' type='text'" in above
    admin.look("document-with-a-problem")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text(f"Line {broken + 1}")
    assert admin.written().split("\n") == lines, "what was typed is still there"
    admin.write(stored.replace("</Form>", "    <!-- a note -->\n</Form>"))
    expect(page.locator(".line-problem.error")).to_have_count(0)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    assert "<!-- a note -->" in admin.written()
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download source-config.xml").click()
    downloaded = pathlib.Path(downloading.value.path()).read_text()
    assert downloaded == admin.written()
    uploaded = downloaded.replace("a note", "an upload")
    with page.expect_file_chooser() as choosing:
        page.get_by_role("button", name="Replace", exact=True).click()
    choosing.value.set_files({"name": "x.xml", "mimeType": "text/xml", "buffer": uploaded.encode()})
    expect(page.locator("#unsaved")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    assert admin.written() == uploaded
    for other in ["source-template", "correlation-config"]:
        admin.open(f"{path}/documents/{other}")
        expect(page.locator("#verdict")).to_have_text("No problems found.")
        admin.look(other)


def test_the_preview_is_the_form_in_any_locale_and_follows_what_is_chosen(admin):
    page = admin.page
    admin.open("/console/connectors/jdbc/preview?locale=de")
    expect(page.get_by_label("Kennwort")).to_have_attribute("type", "password")
    expect(page.locator(".preview strong").first).to_have_text("JDBC")
    admin.look("preview-in-german")
    assert len(page.get_by_role("combobox", name="Locale").locator("option").all()) == 19
    page.get_by_role("combobox", name="Locale").select_option("ja")
    expect(page).to_have_url(re.compile("locale=ja"))
    expect(page.get_by_text("パスワード")).to_be_visible()
    admin.open("/console/connectors/rest-web-service/preview?locale=en")
    user = page.locator('[data-name="user"]')
    chooser = page.locator('[data-name="authType"]')
    expect(chooser.first).to_be_visible()
    choose = (lambda value: chooser.select_option(value)) if chooser.evaluate_all("nodes => nodes[0].tagName") == "SELECT" else (
        lambda value: page.locator(f'[data-name="authType"][value="{value}"]').check()
    )
    choose("basic")
    expect(user).to_be_visible()
    other = page.locator('[data-name="authType"]').first.evaluate(
        "node => [...(node.options ?? node.closest('fieldset').querySelectorAll('input'))].map(o => o.value).find(v => v && v !== 'basic')"
    )
    choose(other)
    expect(user).to_be_hidden()


def test_the_preview_follows_what_is_typed(admin):
    page = admin.page
    path = admin.create("Live")
    admin.open(f"{path}/documents/source-config")
    form = """<Form xmlns="http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd" connectorName="Live" type="SourceConfig">
    <Menu label="Ways in"><Section label="How">
        <Field name="kind" displayName="Kind" type="radio" defaultValue="key">
            <AllowedValues><Option label="A key" value="key"/><Option label="A password" value="password"/></AllowedValues>
        </Field>
        <Field name="secret" displayName="The password" type="secret" parentKey="kind" parentValue="password"/>
        <Field name="port" displayName="&lt;strong&gt;Port&lt;/strong&gt;&lt;script&gt;alert(1)&lt;/script&gt;" type="number" parentKey="secret" parentValue="x"/>
    </Section></Menu>
</Form>"""
    admin.write(form)
    preview = page.locator("#preview")
    expect(preview.get_by_text("Ways in")).to_be_visible()
    expect(preview.get_by_label("The password")).to_be_hidden()
    preview.get_by_label("A password").check()
    preview.get_by_label("The password").fill("x")
    expect(preview.locator("strong", has_text="Port")).to_be_visible()
    admin.look("live-preview")
    preview.get_by_label("A key").check()
    expect(preview.locator("strong", has_text="Port")).to_be_hidden()
    admin.write(form.replace("Ways in", "Ways out"))
    expect(preview.get_by_text("Ways out")).to_be_visible()


def test_metadata_is_a_form(admin):
    page = admin.page
    path = admin.create("Described")
    admin.open(f"{path}/metadata")
    page.get_by_label("Category").fill("Human resources")
    page.get_by_label("Labels, one a line").fill("hr\nin the cloud\n")
    page.get_by_label("Other members, as JSON").fill('{"platform": ')
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("not a JSON object")
    page.get_by_label("Other members, as JSON").fill('{"platform": "ccg"}')
    admin.look("metadata")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    metadata = admin.server.session().get(f"{admin.server.url}/v3/connectors/described").json()["connectorMetadata"]
    assert metadata == {"category": "Human resources", "labels": ["hr", "in the cloud"], "platform": "ccg"}
    admin.open("/?label=in+the+cloud")
    expect(page.locator("a.name")).to_have_text(["Described"])


def test_history_shows_what_changed_and_restores(admin):
    page = admin.page
    path = admin.create("Remembered")
    admin.open(f"{path}/documents/correlation-config")
    first = admin.written()
    admin.write(first.replace("</CorrelationConfig>", "    <!-- second -->\n</CorrelationConfig>"))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    admin.open(f"{path}/history")
    expect(page.locator(".revisions tbody tr")).to_have_count(2)
    expect(page.locator(".revisions")).to_contain_text("first client")
    admin.look("history")
    page.locator(".revisions tbody th a").first.click()
    expect(page.locator("td.added")).to_contain_text(["<!-- second -->"])
    expect(page.locator(".status.good")).to_have_text("Current")
    admin.look("difference")
    admin.open(f"{path}/history")
    page.locator(".revisions tbody th a").last.click()
    page.get_by_role("link", name=re.compile("Restore revision")).click()
    page.get_by_role("button", name=re.compile("Restore revision")).click()
    expect(page.get_by_role("status").first).to_have_text("The revision was restored.")
    expect(page.locator(".revisions tbody tr")).to_have_count(3)
    admin.open(f"{path}/documents/correlation-config")
    assert admin.written() == first


def test_translations_are_a_grid_that_is_edited_in_place(admin):
    page = admin.page
    path = admin.create("Polyglot")
    admin.open(f"{path}/documents/source-config")
    admin.write("""<Form xmlns="http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd" connectorName="Polyglot" type="SourceConfig">
<Menu label="menuLabel_A"><Section label="sectionLabel_B"><Field name="c" displayName="FieldC" type="text"/></Section></Menu></Form>""")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    admin.open(f"{path}/translations?locale=de")
    expect(page.locator("td.miss")).to_have_count(8)
    cell = page.get_by_label("menuLabel_A, German")
    cell.fill("Erste Seite")
    cell.press("Tab")
    expect(page.locator("#coverage-de")).to_have_text("1 of 4")
    expect(page.locator("td.miss")).to_have_count(7)
    page.get_by_label("menuLabel_A, English").fill("First page")
    page.get_by_label("FieldC, English").fill("<strong>C</strong>")
    page.get_by_label("FieldC, German").click()
    expect(page.locator("td.miss")).to_have_count(5)
    admin.look("translations")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Export German as a .properties file").click()
    assert pathlib.Path(downloading.value.path()).read_text() == "menuLabel_A=Erste Seite\n"
    page.locator(".text-tools summary", has_text="Import").click()
    page.get_by_label("Import into").select_option("fr")
    page.get_by_label(".properties file", exact=True).set_input_files(
        {"name": "fr.properties", "mimeType": "text/plain", "buffer": b"menuLabel_A=Premi\\u00e8re page\nFieldC=C\nsectionLabel_B=B\nShortDesc=D\n"}
    )
    page.locator(".panel").get_by_role("button", name="Import").click()
    expect(page.locator("#coverage-fr")).to_have_text("4 of 4")
    expect(page.get_by_label("menuLabel_A, French")).to_have_value("Première page")
    admin.open(f"{path}/preview?locale=fr")
    expect(page.get_by_text("Première page")).to_be_visible()
    # An empty text removes the key.
    admin.open(f"{path}/translations?locale=de")
    page.get_by_label("menuLabel_A, German").fill("")
    page.get_by_label("menuLabel_A, English").click()
    expect(page.locator("#coverage-de")).to_have_text("0 of 4")


def test_clients_are_made_with_a_secret_that_is_shown_once(admin, someone):
    page = admin.page
    admin.open("/console/clients")
    page.get_by_label("Name").fill("reader")
    page.get_by_role("button", name="Create client").click()
    client_id, secret = page.locator("#new-id").inner_text(), page.locator("#new-secret").inner_text()
    admin.look("clients")
    expect(page.locator(".done button.copy")).to_have_count(3)
    # To load the page again sends the form again.
    page.reload()
    expect(page.get_by_role("status").first).to_contain_text("This client was already created.")
    expect(page.get_by_role("rowheader", name="reader")).to_have_count(1)
    admin.open("/console/clients")
    assert secret not in page.content() and client_id in page.content()

    # A reader sees no buttons for changes, and an attempt is refused.
    reader = someone(viewport={"width": 1280, "height": 860}).sign_in(client_id, secret)
    expect(reader.page.locator("a.name").first).to_be_visible()
    expect(reader.page.get_by_role("link", name="New connector")).to_have_count(0)
    expect(reader.page.get_by_role("link", name="API clients")).to_have_count(0)
    path = admin.create("Not yours")
    for rest in ["", "/documents/source-config", "/metadata", "/translations", "/history"]:
        reader.open(path + rest)
        inside = reader.page.locator("main")
        expect(inside.get_by_role("button", name=re.compile("^(Save|Upload|Import|Restore .*)$"))).to_have_count(0)
        expect(inside.get_by_role("link", name="Delete connector")).to_have_count(0)
    reader.look("history-of-a-reader")
    for forbidden in ["/console/new", f"{path}/delete", "/console/clients"]:
        assert reader.open(forbidden).status == 403
        expect(reader.page.get_by_role("heading", level=1)).to_have_text("You may not do this")
    reader.look("refused")
    token = reader.page.locator('input[name="csrf"]').first.input_value()
    sent = reader.context.request.post(f"{path}/metadata", form={"csrf": token, "category": "mine", "others": "{}"})
    assert sent.status == 403
    # A request without the session's token is refused too.
    for token in ["", "0" * 64, token]:
        sent = admin.context.request.post(f"{path}/metadata", form={"csrf": token, "category": "mine", "others": "{}"})
        assert sent.status == 403, token
    assert admin.context.request.post(
        "/console/preferences", form={"language": "de"}, headers={"Sec-Fetch-Site": "cross-site"}
    ).status == 403

    row = page.locator("tr", has_text=client_id)
    admin.open("/console/clients")
    row.locator("summary").click()
    row.get_by_role("button", name="Delete reader").click()
    expect(page.get_by_role("status").first).to_contain_text("The client was deleted.")
    reader.page.wait_for_timeout(5_500)
    reader.open("/")
    expect(reader.page).to_have_url(re.compile("/console/sign-in"))


def test_a_restart_keeps_a_browser_signed_in(browser):
    server = Server(tempfile.mkdtemp(prefix="connectory-"), "--rate-limit", "off")
    admin = Administrator(browser, server, viewport={"width": 1280, "height": 860}).sign_in()
    expect(admin.page.get_by_role("heading", level=1)).to_have_text("Connectors")
    form = admin.page.locator('input[name="csrf"]').first.input_value()
    server.stop()
    server.start()
    admin.open(f"{server.url}/console/clients")
    assert admin.page.locator('input[name="csrf"]').first.input_value() == form
    admin.page.get_by_role("button", name="Sign out").click()
    expect(admin.page).to_have_url(re.compile("/console/sign-in"))
    assert admin.errors == []
    admin.context.close()
    server.kill()


def test_the_second_who_saves_is_told_and_chooses(admin, someone):
    other = someone(viewport={"width": 1280, "height": 860}).sign_in()
    path = admin.create("Contested")
    for each in [admin, other]:
        each.open(f"{path}/documents/source-template")
    base = admin.written()
    change = lambda who, note: who.write(f"{base}<!-- {note} -->\n")
    change(admin, "first")
    admin.page.get_by_role("button", name="Save").click()
    expect(admin.page.get_by_role("status").first).to_have_text("Saved.")
    change(other, "second")
    other.page.get_by_role("button", name="Save").click()
    expect(other.page.get_by_role("alert")).to_contain_text("Someone else changed this")
    expect(other.page.locator(".conflict td.removed")).to_contain_text(["first"])
    expect(other.page.locator(".conflict td.added")).to_contain_text(["second"])
    other.look("conflict")
    stored = lambda: admin.server.session().get(f"{admin.server.url}/v3/connectors/contested/source-template").text
    assert "first" in stored() and "second" not in stored()
    other.page.get_by_role("button", name="Save").click()
    expect(other.page.get_by_role("status").first).to_have_text("Saved.")
    assert "second" in stored()
    # The same of the metadata, with the other choice.
    for each in [admin, other]:
        each.open(f"{path}/metadata")
    admin.page.get_by_label("Category").fill("One")
    admin.page.get_by_role("button", name="Save").click()
    expect(admin.page.get_by_role("status").first).to_have_text("Saved.")
    other.page.get_by_label("Category").fill("Two")
    other.page.get_by_role("button", name="Save").click()
    expect(other.page.get_by_role("alert")).to_contain_text("Someone else changed this")
    other.page.get_by_role("link", name="Keep theirs").click()
    expect(other.page.get_by_label("Category")).to_have_value("One")
    # And of one text of the translations.
    for each in [admin, other]:
        each.open(f"{path}/translations?locale=de")
    key = admin.page.locator(".texts tbody textarea").first.get_attribute("aria-label")
    for each, text in [(admin, "one"), (other, "two")]:
        each.page.get_by_label(key).fill(text)
        each.page.keyboard.press("Tab")
        expect(each.page.locator("td.miss" if each is admin else ".cell-conflict").first).to_be_visible()
        each.page.wait_for_timeout(300)
    expect(other.page.get_by_role("alert")).to_contain_text("Someone else changed this meanwhile to: one")
    other.page.get_by_role("button", name="Take theirs").click()
    expect(other.page.get_by_label(key)).to_have_value("one")


def test_stored_text_is_shown_as_text_everywhere(admin):
    page = admin.page
    path = admin.create(SCRIPT)
    token = page.locator('input[name="csrf"]').first.input_value()
    admin.context.request.post(
        f"{path}/metadata",
        form={"csrf": token, "category": SCRIPT, "labels": SCRIPT, "description": SCRIPT, "base": "", "others": "{}"},
    )
    admin.open(f"{path}/metadata")
    page.get_by_label("Category").fill(SCRIPT)
    page.get_by_label("Labels, one a line").fill(SCRIPT)
    page.get_by_label("Short description").fill(SCRIPT)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    admin.open(f"{path}/translations?locale=de")
    page.locator(".texts tbody textarea").first.fill(SCRIPT)
    page.keyboard.press("Tab")
    expect(page.locator(".texts td:not(.miss)")).to_have_count(1)
    for address in [
        "/", f"/?q={SCRIPT}", f"/?category={SCRIPT}", f"/?sort={SCRIPT}", path, f"{path}/documents/source-config",
        f"{path}/documents/source-template", f"{path}/preview", f"{path}/metadata", f"{path}/translations",
        f"{path}/history", f"{path}/delete", "/console/activity", f"/console/{SCRIPT}", f"/console/sign-in?back={SCRIPT}",
    ]:
        admin.open(address)
        assert page.locator("script:not([src])").count() == 0, address
        page.locator("#keys").wait_for(state="attached")
    admin.open(f"{path}/history")
    page.locator(".revisions tbody th a").nth(1).click()
    expect(page.locator(".diff").first).to_contain_text("<script>")


def test_the_console_speaks_german_has_a_dark_side_and_fits_a_telephone(someone):
    phone = someone(viewport={"width": 380, "height": 780}, color_scheme="dark").sign_in()
    page = phone.page
    phone.look("connectors-on-a-phone")
    phone.speak_german()
    expect(page.get_by_role("heading", level=1)).to_have_text("Konnektoren")
    assert page.evaluate("document.documentElement.lang") == "de"
    for name, path in [
        ("overview", "/console/connectors/jdbc"), ("document", "/console/connectors/jdbc/documents/source-config"),
        ("preview", "/console/connectors/jdbc/preview"), ("metadata", "/console/connectors/jdbc/metadata"),
        ("translations", "/console/connectors/jdbc/translations"), ("activity", "/console/activity"),
        ("clients", "/console/clients"), ("create", "/console/new"),
    ]:
        phone.open(path)
        phone.look(f"phone-{name}")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    phone.open("/console/settings")
    page.get_by_label("Darstellung").select_option("light")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark


def test_the_console_is_complete_by_keyboard(admin):
    page = admin.page
    admin.open("/")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    # Everything that can be clicked can be reached with the keyboard, and shows the focus.
    admin.open("/console/connectors/jdbc/documents/source-config")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        where = page.evaluate("""() => {
            const at = document.activeElement;
            const style = getComputedStyle(at.closest('.CodeMirror') ?? at);
            return at === document.body ? null : [at.outerHTML.slice(0, 120), style.outlineStyle !== 'none'];
        }""")
        if where is None:
            break
        reached.add(where[0])
        assert where[1], f"no visible focus: {where[0]}"
    clickable = page.locator("a[href]:visible, button:visible, select:visible, input:visible:not([type=hidden])").evaluate_all(
        "nodes => nodes.map(node => node.outerHTML.slice(0, 120))"
    )
    assert set(clickable) - reached == set()


def test_pages_do_not_shift_while_they_load(admin):
    admin.page.add_init_script("""
        window.shift = 0;
        new PerformanceObserver(list => {
            for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
        }).observe({type: 'layout-shift', buffered: true});
    """)
    for path in ["/", "/console/connectors/jdbc", "/console/connectors/jdbc/documents/source-config",
                 "/console/connectors/jdbc/preview", "/console/connectors/jdbc/translations"]:
        admin.open(path)
        admin.page.wait_for_timeout(500)
        assert admin.page.evaluate("window.shift") < 0.02, path


def test_pages_work_without_a_script(someone, admin):
    path = admin.create("Plain")
    plain = someone(java_script_enabled=False).sign_in()
    plain.page.get_by_role("searchbox").fill("Plain")
    plain.page.get_by_role("button", name="Search").click()
    expect(plain.page.locator("a.name")).to_have_text(["Plain"])
    plain.open(f"{path}/documents/correlation-config")
    text = plain.page.get_by_label("Correlation", exact=True)
    text.fill(text.input_value().replace("</CorrelationConfig>", "<!-- plain -->\n</CorrelationConfig>"))
    plain.page.get_by_role("button", name="Save").click()
    expect(plain.page.get_by_text("Saved.")).to_be_visible()
    expect(plain.page.get_by_label("Correlation", exact=True)).to_have_value(re.compile("<!-- plain -->"))


def test_the_reference_page_works_within_its_policy_and_cannot_be_framed(browser, server):
    # At an address that is not this machine's, the page would by itself ask a validator on the internet.
    address = server.url.replace("127.0.0.1", "registry.test")
    page = browser.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{address}/docs/")
    expect(page.locator(".opblock").first).to_be_visible()
    assert page.locator(".opblock").count() > 60
    page.locator(".opblock-get").first.locator(".opblock-summary-control").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table td.response-col_status").last).to_contain_text(re.compile("200|401"))
    page.get_by_role("button", name="Authorize").first.click()
    expect(page.get_by_role("heading", name="Available authorizations")).to_be_visible()
    assert [text for text in said if "status of 401" not in text] == []
    page.close()
    frame = browser.new_page()
    frame.set_content(f'<iframe src="{address}/openapi.json"></iframe><iframe src="{address}/docs/"></iframe>')
    frame.wait_for_timeout(500)
    assert [child.url for child in frame.frames[1:]] == ["chrome-error://chromewebdata/"] * 2
    frame.close()


def test_signing_in_at_an_openid_provider(someone, provider, server):
    def arrive(**person):
        provider.person = person
        visitor = someone()
        visitor.open("/console/activity")
        visitor.page.get_by_role("link", name="Sign in with your organization").click()
        return visitor

    admin = arrive(sub="1", preferred_username="ada", groups=["identity"])
    expect(admin.page).to_have_url(f"{server.url}/console/activity")
    path = admin.create("By Ada")
    admin.open(f"{path}/history")
    author = admin.page.locator(".activity tbody span[title], .revisions tbody span[title]").first
    expect(author).to_have_text("ada")
    expect(author).to_have_attribute("title", f"{provider.url}#1")
    reader = arrive(sub="2", email="bob@example.com", groups=["everyone"])
    expect(reader.page).to_have_url(f"{server.url}/console/activity")
    assert reader.open("/console/new").status == 403
    # Deny by default: no group, a token for someone else, one of another key, a state that is not the browser's.
    for person in [{"groups": ["others"]}, {"groups": ["identity"], "aud": "other"}, {"groups": ["identity"], "forged": True},
                   {"groups": ["identity"], "nonce": "other"}, {"groups": ["identity"], "iss": "https://evil.example"}]:
        refused = arrive(sub="3", **person)
        expect(refused.page.get_by_role("heading", level=1)).to_have_text("You may not do this")
        refused.open("/")
        expect(refused.page).to_have_url(re.compile("/console/sign-in"))
    # The person without a group is known, so the refusal has a name, beside the sign-ins of the others.
    admin.page.wait_for_timeout(1_200)
    admin.open("/console/activity/refused")
    expect(admin.page.locator(".activity tbody tr", has_text=f"{provider.url}#3")).to_have_count(1)
    admin.open("/console/activity/access")
    who = admin.page.locator(".activity tbody tr", has_text="ada").first
    expect(who).to_contain_text("Person")
    expect(who.locator("b span[title]")).to_have_attribute("title", f"{provider.url}#1")
    stranger = someone()
    assert stranger.open("/console/oidc/callback?code=a&state=b").status == 400
    assert all(cookie["name"] != "connectory_oidc" for cookie in admin.context.cookies())
