"""The editor of documents as a place to work: keys, search, suggestions, formatting, files, and findings at their lines."""

import re
import tempfile

import pytest
from playwright.sync_api import expect

from conftest import Server
from console_browser import browser, someone  # noqa: F401

WIDE = {"viewport": {"width": 1400, "height": 860}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
FORM = """<?xml version="1.0" encoding="UTF-8"?>
<Form xmlns="http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd" name="Edited" connectorName="Edited" type="SourceConfig">
    <Menu name="Connection" label="menuLabel_Connection">
        <Section name="Server" label="sectionLabel_Server">
            <Field name="host" displayName="HostURL" type="url" required="true"/>
            <Field name="port" displayName="Port" type="number" parentKey="host" parentValue="x"/>
        </Section>
    </Menu>
</Form>
"""
ENGLISH = "HostURL=Host URL\nPort=Port number\nmenuLabel_Connection=Connection settings\n"


@pytest.fixture(scope="module")
def server():
    server = Server(tempfile.mkdtemp(prefix="connectory-"), "--rate-limit", "off")
    yield server
    server.kill()


def store(admin, path, form=FORM):
    """Stores a source config and English texts as the forms without a script do, and opens the editor."""
    admin.open(f"{path}/documents/source-config")
    csrf = admin.page.locator("input[name=csrf]").first.get_attribute("value")
    base = admin.page.locator(".editor input[name=base]").get_attribute("value")
    send = admin.context.request.post
    fields = {"csrf": csrf, "base": base, "text": form}
    assert send(f"{admin.server.url}{path}/documents/source-config", form=fields, headers={"Origin": admin.server.url}).ok
    file = {"name": "en.properties", "mimeType": "text/plain", "buffer": ENGLISH.encode()}
    imported = send(f"{admin.server.url}{path}/translations", multipart={"csrf": csrf, "locale": "en", "file": file},
                    headers={"Origin": admin.server.url})
    assert imported.ok, imported.text()


@pytest.fixture
def admin(someone):
    return someone(**WIDE).sign_in()


@pytest.fixture(scope="module")
def path(browser, server):
    """A connector with a form, which the tests of this file read."""
    from console_browser import Administrator

    who = Administrator(browser, server, **WIDE).sign_in()
    path = who.create("Edited")
    store(who, path)
    who.context.close()
    return path


def edit(who, path, query=""):
    who.open(f"{path}/documents/source-config{query}")
    expect(who.page.locator("#verdict")).to_have_text(re.compile("Problems|No problems"))
    return who.page


def place(who, line, ch):
    """Puts the cursor into the editor, from 0."""
    who.page.evaluate("""([line, ch]) => {
        const editor = document.querySelector('.CodeMirror').CodeMirror;
        editor.focus();
        editor.setCursor(line, ch);
    }""", [line, ch])


def selected(who):
    return who.page.evaluate("document.querySelector('.CodeMirror').CodeMirror.getSelection()")


def cursor(who):
    return who.page.evaluate("(({line, ch}) => [line, ch])(document.querySelector('.CodeMirror').CodeMirror.getCursor())")


def test_the_editor_fills_the_window_beside_the_form(admin, path):
    page = edit(admin, path)
    expect(page.locator("#unsaved")).to_be_hidden()
    expect(page.locator(".editor header")).to_contain_text("source-config.xml")
    expect(page.locator("#upload")).to_be_hidden()
    languages = page.get_by_role("combobox", name="Locale")
    names = languages.locator("option").all_inner_texts()
    assert names[0] == "English" and names[1:] == sorted(names[1:]), names
    languages.select_option(label="German")
    height = "document.querySelector('.CodeMirror').clientHeight"
    before = page.evaluate(height)
    page.set_viewport_size({"width": 1400, "height": 1060})
    assert page.evaluate(height) == before + 200
    page.set_viewport_size({"width": 1400, "height": 400})
    assert page.evaluate(height) >= 320, "not less"
    page.set_viewport_size(WIDE["viewport"])
    admin.look("editor")


def test_keys_save_wrap_and_leave_the_tab_key_alone(admin):
    path = admin.create("Keys")
    store(admin, path)
    page = edit(admin, path)
    place(admin, 4, 0)
    page.keyboard.type("<!-- typed -->")
    expect(page.locator("#unsaved")).to_be_visible()
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    expect(page.locator("#unsaved")).to_be_hidden()
    page.keyboard.type("<!-- saved -->")
    page.keyboard.press("Control+s")
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    assert "<!-- saved -->" in admin.written()
    expect(page.locator("#unsaved")).to_be_hidden()
    # The page is another one, and its reader goes on where they were.
    assert cursor(admin)[0] == 4
    page.keyboard.type("x")
    expect(page.get_by_text("Saved.", exact=True)).to_have_count(0)
    expect(page.locator("#unsaved")).to_be_visible()
    page.keyboard.press("Control+z")
    expect(page.locator("#unsaved")).to_be_hidden()
    # What is wrapped stays wrapped on the next page.
    wrap = page.get_by_role("button", name="Wrap")
    expect(wrap).to_have_attribute("aria-pressed", "false")
    place(admin, 0, 0)
    page.keyboard.press("Alt+z")
    expect(wrap).to_have_attribute("aria-pressed", "true")
    edit(admin, path)
    expect(wrap).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".CodeMirror-wrap")).to_be_visible()
    wrap.click()
    expect(page.locator(".CodeMirror-wrap")).to_have_count(0)
    place(admin, 0, 0)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.CodeMirror')") is None
    place(admin, 5, 10)
    expect(page.locator("#place")).to_have_text("6:11")


def test_the_search_finds_and_replaces(admin, path):
    page = edit(admin, path)
    place(admin, 0, 0)
    page.keyboard.press("Control+f")
    panel = page.get_by_role("search", name="Search in the text")
    query = panel.get_by_label("Search in the text")
    expect(query).to_be_focused()
    query.fill("FIELD ")
    expect(page.locator("#found")).to_have_text("1 of 2")
    assert selected(admin) == "Field "
    query.press("Enter")
    expect(page.locator("#found")).to_have_text("2 of 2")
    query.press("Enter")
    expect(page.locator("#found")).to_have_text("1 of 2")
    panel.get_by_role("button", name="Previous match").click()
    expect(page.locator("#found")).to_have_text("2 of 2")
    assert "".join(page.locator(".cm-found").all_inner_texts()) == "Field Field "
    admin.look("editor-search")
    query.fill("host")
    panel.get_by_label("Replace with").fill("server")
    panel.get_by_role("button", name="Replace all").click()
    assert "HostURL" not in admin.written() and 'parentKey="server"' in admin.written()
    query.press("Escape")
    expect(panel).to_be_hidden()
    assert page.evaluate("Boolean(document.activeElement.closest('.CodeMirror'))")
    page.keyboard.press("Control+z")
    assert admin.written() == FORM, "one step back"


def test_suggestions_come_from_the_schema_and_the_connector(admin, path):
    page = edit(admin, path)
    hints = page.get_by_role("listbox", name="Suggestions")

    def propose(line, ch, typed=""):
        page.keyboard.press("Escape")
        place(admin, line, ch)
        page.keyboard.type(typed)
        page.keyboard.press("Control+Space")
        expect(hints).to_be_visible()
        return hints.get_by_role("option").all_inner_texts()

    lines = FORM.split("\n")
    assert propose(5, len(lines[5]) - 2, " max") == ["maxFiles", "maxSize", "maxlength"]
    page.keyboard.press("Control+z")
    at = lambda line, word: lines[line].index(word) + len(word)
    assert "keyValue" in " ".join(propose(5, at(5, 'type="')))
    assert propose(5, at(5, 'parentKey="')) == ['"host"', '"port"']
    texts = propose(4, at(4, 'displayName="'))
    assert ["HostURL", "Host URL"] in [re.split(r"\s{2,}|(?<=HostURL)(?=Host)", text.strip()) for text in texts], texts
    admin.look("editor-suggestions")
    page.keyboard.press("Escape")
    expect(hints).to_be_hidden()
    admin.write(lines[1] + "\n    \n</Form>")
    assert propose(1, 4, "<") == ["<BaseConfig", "<Menu", "</Form>"]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert "<Menu" in admin.written()
    page.keyboard.type(">")
    assert "<Menu></Menu>" in admin.written(), "a tag closes itself"
    # A correlation config compares attributes of the schema.
    admin.open("/console/connectors/jdbc/documents/correlation-config")
    answer = page.evaluate("fetch(location.pathname + '/completion').then(answer => answer.json())")
    assert answer["elements"]["Filter"]["attributes"]["property"] == "account" and "email" in answer["account"]


def test_formatting_is_one_step_and_keeps_the_place(admin, path):
    page = edit(admin, path)
    crowded = FORM.replace("\n            <Field", "<Field").replace("\n        </Section>", "   </Section>")
    admin.write(crowded)
    page.evaluate("document.querySelector('.CodeMirror').CodeMirror.clearHistory()")
    line = next(at for at, text in enumerate(crowded.split("\n")) if "port" in text)
    place(admin, line, crowded.split("\n")[line].index("Port"))
    page.keyboard.press("Shift+Alt+F")
    page.wait_for_function("text => document.querySelector('.CodeMirror').CodeMirror.getValue() === text", arg=FORM)
    at = cursor(admin)
    assert FORM.split("\n")[at[0]][at[1] - 1:].startswith('"Port"'), at
    place(admin, at[0], at[1])
    page.keyboard.press("Control+z")
    assert admin.written() == crowded
    # A text that is not well formed stays, and the place is told.
    broken = FORM.replace("        </Section>\n", "")
    admin.write(broken)
    page.get_by_role("button", name="Format").click()
    expect(page.locator("#verdict")).to_have_text(re.compile(r"^(Not formatted\. Line 4: `<Section>` of line 4|Problems: 1)"))
    assert admin.written() == broken and cursor(admin)[0] == 3


def test_a_file_is_dropped_into_the_editor_and_saved_by_hand(admin, path):
    page = edit(admin, path)

    def drop(parts, place=".CodeMirror-line"):
        page.evaluate("""([parts, place]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(parts)], 'x.xml', { type: 'text/xml' }));
            const at = document.querySelector(place);
            for (const type of ['dragover', 'drop'])
                at.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: transfer }));
        }""", [list(parts), place])
        assert page.locator("body[data-drops]").count() == 0

    dropped = FORM.replace("Port", "Größe")
    drop(dropped.encode())
    page.wait_for_function("text => document.querySelector('.CodeMirror').CodeMirror.getValue() === text", arg=dropped)
    expect(page.locator("#unsaved")).to_be_visible()
    page.keyboard.press("Control+z")
    assert admin.written() == FORM
    # Beside the text, too: the browser would leave the page for the file.
    drop(dropped.encode(), "h1")
    page.wait_for_function("text => document.querySelector('.CodeMirror').CodeMirror.getValue() === text", arg=dropped)
    page.keyboard.press("Control+z")
    assert admin.written() == FORM
    # What the editor cannot show is uploaded as it is.
    drop(b"<?xml version='1.0' encoding='ISO-8859-1'?>\n" + dropped.split("\n", 1)[1].encode("latin-1"))
    expect(page.locator("#upload")).to_be_visible()
    expect(page.locator("#upload-reason")).to_contain_text("not UTF-8")
    assert admin.written() == FORM


def test_without_a_script_files_are_uploaded_and_texts_saved(someone, path):
    admin = someone(java_script_enabled=False, **WIDE).sign_in()
    page = admin.page
    path = admin.create("Plain")
    admin.open(f"{path}/documents/source-config")
    expect(page.get_by_role("button", name="Format")).to_have_count(0)
    page.get_by_label("Replace the Source config with a file").set_input_files(
        {"name": "x.xml", "mimeType": "text/xml", "buffer": FORM.replace("Edited", "Plain").encode()}
    )
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    page.locator("textarea#text").fill(FORM.replace("Edited", "Plain").replace("host", "server"))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_have_text("Saved.")


def test_a_key_leads_to_its_text_and_back(admin, path):
    page = edit(admin, path, "?find=HostURL")
    assert selected(admin) == "HostURL"
    key = page.locator("#key-text")
    expect(key).to_contain_text("HostURL: “Host URL”")
    link = key.get_by_role("link", name="Translations")
    expect(link).to_have_attribute("href", f"{path}/translations?q=HostURL&only=all#key")
    edit(admin, path, "?find=sectionLabel_Server")
    expect(key).to_contain_text("sectionLabel_Server has no English text")
    admin.look("editor-key")
    place(admin, 2, 16)
    expect(key).to_have_text("")
    edit(admin, path, "?line=6")
    assert cursor(admin) == [5, 0]
    expect(page.locator(".asked-for")).to_have_count(1)


def test_problems_are_at_their_lines_also_after_a_refused_save(admin, path):
    page = edit(admin, path)
    admin.write(FORM.replace('parentKey="host"', 'parentKey="hots"').replace('type="url"', 'type="uri"'))
    expect(page.locator("#verdict")).to_have_text(re.compile("Problems: [2-9]"))
    place(admin, 0, 0)
    page.keyboard.press("F8")
    # The keys of the menu and the section come first, if they have no text.
    lines = []
    for _ in range(8):
        lines.append(cursor(admin)[0])
        page.keyboard.press("F8")
    assert {4, 5} <= set(lines) and lines.count(4) > 1, f"from the last one to the first: {lines}"
    page.get_by_role("button", name="Previous problem").click()
    nameless = FORM.replace('name="port" ', "")
    admin.write(nameless)
    page.keyboard.press("Control+s")
    alert = page.locator(".problem")
    expect(alert).to_have_text(re.compile(r"^the <Field> at line 6, column 13 has no name"))
    assert cursor(admin)[0] == 5 and admin.written() == nameless
    expect(page.locator("#unsaved")).to_be_visible()
    admin.write(FORM.replace("        </Section>\n", ""))
    page.get_by_role("button", name="Save").click()
    expect(alert).to_contain_text("Line 4: “`<Section>` of line 4 is closed by `</Menu>` of line 7; expected `</Section>`”")
    assert cursor(admin)[0] == 3
    page.evaluate("localStorage.clear()")


def test_readers_search_and_do_not_save(admin):
    page = admin.page
    admin.open("/console/connectors/jdbc/documents/source-config")
    for name in ["Save", "Format", "Replace"]:
        expect(page.locator(".editor header").get_by_role("button", name=name)).to_have_count(0)
    place(admin, 0, 0)
    page.keyboard.press("Control+s")
    page.keyboard.press("Control+f")
    page.get_by_role("searchbox", name="Search in the text").fill("JDBCURL")
    assert selected(admin) == "JDBCURL"
    expect(page.locator("#key-text")).to_contain_text("JDBCURL: “")
    expect(page).to_have_url(re.compile("/documents/source-config$"))


def test_a_phone_has_the_editor_first_and_findings_within_its_width(someone, path):
    admin = someone(**PHONE).sign_in()
    page = edit(admin, path)
    admin.write(FORM.replace('type="url"', 'type="uri"'))
    problem = page.locator(".line-problem").filter(has_text="unknown field type")
    box = problem.bounding_box()
    assert 0 <= box["x"] and box["x"] + box["width"] <= 390, box
    assert box["height"] > 30, "it wraps"
    assert page.locator(".editor").bounding_box()["y"] < page.locator(".as-seen").bounding_box()["y"]
    admin.look("editor-phone")
    page.emulate_media(color_scheme="dark")
    admin.look("editor-phone-dark")
    page.evaluate("localStorage.clear()")


def test_it_is_readable_in_the_dark(someone, path):
    admin = someone(color_scheme="dark", **WIDE).sign_in()
    page = edit(admin, path)
    admin.write(FORM.replace('parentKey="host"', 'parentKey="hots"'))
    expect(page.locator(".line-problem.error")).to_contain_text("did you mean")
    admin.look("editor-dark")
    page.evaluate("localStorage.clear()")
