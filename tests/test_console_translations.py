"""The translations in the console: cells, their keys and what becomes of a text, adding and copying texts, and files."""

import re
import tempfile

import pytest
from playwright.sync_api import expect

from conftest import Server
from console_browser import browser, someone  # noqa: F401

FORM = """<Form xmlns="http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd" connectorName="{0}" type="SourceConfig">
<Menu label="HostURL"><Section label="sectionLabel_Server"><Field name="c" displayName="AuthType" type="text"/>
<Field name="d" displayName="opt_Token" type="text"/></Section></Menu></Form>"""
ENGLISH = "HostURL=Host URL\nsectionLabel_Server=Server\nAuthType=Authentication\nopt_Token=Token\nShortDesc=The people of the company\n"


@pytest.fixture(scope="module")
def server():
    server = Server(tempfile.mkdtemp(prefix="connectory-"), "--rate-limit", "off")
    yield server
    server.kill()


@pytest.fixture
def admin(someone):  # noqa: F811
    return someone(viewport={"width": 1400, "height": 860}).sign_in()


def put(server, path, file, text):
    server.session().put(f"{server.url}/v3/connectors/{path}", files={"file": (file, text)}).raise_for_status()


def create(admin, name, **texts):
    """A connector with a form and texts. Returns the path of its translations."""
    path = admin.create(name)
    script_name = path.rsplit("/", 1)[1]
    put(admin.server, f"{script_name}/source-config", "form.xml", FORM.format(name))
    for locale, text in {"en": ENGLISH, **texts}.items():
        put(admin.server, f"{script_name}/translations/{locale}", f"{locale}.properties", text)
    return f"{path}/translations"


def stored(admin, path, locale):
    script_name = path.split("/")[-2]
    return admin.server.session().get(f"{admin.server.url}/v3/connectors/{script_name}/translations/{locale}").text


def menu(page, text):
    """Opens a menu of the bar and returns its panel."""
    summary = page.locator(".text-tools summary", has_text=text)
    summary.click()
    return summary.locator("xpath=..").locator(".panel")


def test_cells_have_keys_and_show_what_became_of_a_text(admin):
    page = admin.page
    path = create(admin, "HR system", de="HostURL=Host-URL\nAuthType=Anmeldung\n", ja="HostURL=ホスト URL\n")
    admin.open(f"{path}?locale=de&locale=ja")
    cell = lambda key, language="German": page.get_by_label(f"{key}, {language}", exact=True)
    keys = page.locator(".texts th[scope=row] code")
    expect(keys).to_have_text(["HostURL", "sectionLabel_Server", "AuthType", "opt_Token", "ShortDesc"])
    expect(page.locator("#coverage-de")).to_have_text("2 of 5")
    admin.look("cells-1400-light")
    # From cell to cell, past the links between them.
    cell("HostURL").focus()
    page.keyboard.press("Tab")
    expect(cell("HostURL", "Japanese")).to_be_focused()
    page.keyboard.press("Tab")
    expect(cell("sectionLabel_Server", "English")).to_be_focused()
    # To the next one that is missing, and back.
    page.keyboard.press("Alt+ArrowDown")
    expect(cell("sectionLabel_Server")).to_be_focused()
    page.keyboard.press("Alt+ArrowDown")
    page.keyboard.press("Alt+ArrowDown")
    expect(cell("AuthType", "Japanese")).to_be_focused()
    page.keyboard.press("Alt+ArrowUp")
    expect(cell("sectionLabel_Server", "Japanese")).to_be_focused()
    # What was typed is taken back.
    cell("sectionLabel_Server").focus()
    page.keyboard.type("Falsch")
    page.keyboard.press("Escape")
    expect(cell("sectionLabel_Server")).to_have_value("")
    expect(cell("sectionLabel_Server")).to_be_focused()
    # Control and Enter save, and go down.
    page.keyboard.type("Server")
    page.keyboard.press("Enter")
    page.keyboard.type("hier")
    page.keyboard.press("Control+Enter")
    expect(cell("AuthType")).to_be_focused()
    saved = page.locator(".texts .saved")
    expect(saved).to_have_count(1)
    expect(page.locator("#coverage-de")).to_have_text("3 of 5")
    assert "sectionLabel_Server=Server\\nhier\n" in stored(admin, path, "de")
    expect(saved).to_be_hidden(timeout=5000)
    # In the last row the text is saved too.
    cell("ShortDesc").fill("Die Leute")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#coverage-de")).to_have_text("4 of 5")
    # The choice of locales has the number too.
    assert page.locator("#choice-de").text_content() == "4 of 5"
    # A text that was not saved is marked.
    page.route("**/translations/de/text", lambda route: route.abort())
    cell("opt_Token").fill("Marke")
    page.keyboard.press("Tab")
    expect(page.locator("td[data-state=failed] .cell-draft p")).to_contain_text("Not saved.")
    admin.errors.clear()
    page.unroute("**/translations/de/text")
    page.locator(".cell-draft").get_by_role("button", name="Save").click()
    expect(page.locator("#coverage-de")).to_have_text("5 of 5")
    expect(page.locator("td[data-state=failed]")).to_have_count(0)


@pytest.mark.parametrize("choice", ["Take theirs", "Save mine"])
def test_a_late_text_is_a_choice_in_its_cell(admin, choice):
    page = admin.page
    path = create(admin, f"Late {choice}", de="HostURL=Host\n")
    admin.open(f"{path}?locale=de")
    put(admin.server, f"{path.split('/')[-2]}/translations/de", "de.properties", "HostURL=Ihrer\n")
    cell = page.get_by_label("HostURL, German")
    cell.fill("Meiner")
    page.keyboard.press("Tab")
    alert = page.locator(".cell-conflict")
    expect(alert).to_have_attribute("role", "alert")
    expect(alert.locator("p")).to_have_text("Someone else changed this meanwhile to: Ihrer")
    expect(cell).to_have_value("Meiner")
    admin.look("cells-late-1400-light")
    # The buttons are next to the cell for the keyboard too.
    cell.focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Take theirs")).to_be_focused()
    page.get_by_role("button", name=choice).press("Enter")
    expect(alert).to_have_count(0)
    value = {"Take theirs": "Ihrer", "Save mine": "Meiner"}[choice]
    expect(cell).to_have_value(value)
    assert stored(admin, path, "de") == f"HostURL={value}\n"
    page.reload()
    expect(cell).to_have_value(value)
    expect(page.locator("#draft")).to_be_hidden()


def test_a_view_has_an_address(admin):
    page = admin.page
    path = create(admin, "Viewed", de="HostURL=Host-URL\nAuthType=Anmeldung\n")
    admin.open(f"{path}?locale=de")
    keys = page.locator(".texts th[scope=row] code")
    page.get_by_role("link", name="Only missing").click()
    expect(keys).to_have_text(["sectionLabel_Server", "opt_Token", "ShortDesc"])
    page.get_by_role("link", name="Order of the form").click()
    expect(keys).to_have_text(["ShortDesc", "opt_Token", "sectionLabel_Server"])
    page.locator("main").click(position={"x": 2, "y": 2})
    page.keyboard.press("/")
    page.keyboard.type("tok")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?locale=de&missing=true&order=key&q=tok$"))
    expect(keys).to_have_text(["opt_Token"])
    # A locale without texts becomes a column.
    panel = page.locator(".text-tools details.menu-of").nth(1)
    panel.locator("summary").click()
    admin.look("cells-locales-1400-light")
    panel.get_by_role("link", name="Danish").click()
    expect(page.locator(".texts thead b")).to_have_text(["English", "Danish", "German"])
    page.locator(".text-tools summary.filter").click()
    page.get_by_role("checkbox", name=re.compile("German")).uncheck()
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".texts thead b")).to_have_text(["English", "Danish"])
    expect(keys).to_have_text(["opt_Token"])
    expect(page.get_by_role("searchbox")).to_have_value("tok")
    page.get_by_role("searchbox").fill("nothing has this")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Show all").click()
    expect(keys).to_have_count(5)
    expect(page.get_by_role("link", name="in the form").first).to_have_attribute("href", re.compile(r"source-config\?find=AuthType$"))


def test_keys_are_added_and_english_is_copied_and_undone(admin):
    page = admin.page
    path = create(admin, "Copied", de="HostURL=Host-URL\n")
    admin.open(f"{path}?locale=de")
    panel = menu(page, "Add key")
    panel.get_by_label("Key").fill("HostURL")
    panel.get_by_label("English text").fill("Again")
    panel.get_by_role("button", name="Add key").click()
    expect(page.get_by_role("alert").first).to_have_text("The key HostURL has an English text already. Change it in the table.")
    admin.look("cells-add-1400-light")
    page.get_by_label("Key", exact=True).fill("help_token")
    page.locator(".panel").get_by_role("button", name="Add key").click()
    expect(page.get_by_label("help_token, English")).to_have_value("Again")
    admin.open(f"{path}?locale=de")
    page.get_by_role("link", name="Copy English to empty").click()
    expect(page.get_by_role("heading", name="Copy the English texts to German?")).to_be_visible()
    admin.look("cells-copy-1400-light")
    page.get_by_role("button", name="Copy 5 texts").click()
    expect(page.locator("#coverage-de")).to_have_text("6 of 6")
    expect(page.locator(".undo")).to_contain_text("The English texts were copied.")
    admin.look("cells-copied-1400-light")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status").first).to_have_text("It was undone.")
    expect(page).to_have_url(re.compile("/translations$"))
    assert stored(admin, path, "de") == "HostURL=Host-URL\n"
    # Of several locales one is chosen.
    admin.open(f"{path}?locale=de&locale=fr")
    panel = menu(page, "Copy English to empty")
    panel.get_by_label("Copy to").select_option("fr")
    panel.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Copy the English texts to French?")).to_be_visible()


def test_a_file_is_dropped_on_the_page_and_imported(admin):
    page = admin.page
    path = create(admin, "Dropped", de="HostURL=Host-URL\n")
    for name, locale in [
        ("connectorMessages_zh_CN.properties", "zh-CN"), ("hr-system-no.properties", "no"), ("fr.properties", "fr"), ("Ja.properties", "ja"),
        ("de_DE.properties", "de"), ("unknown.properties", "de"),
    ]:
        admin.open(f"{path}?locale=de")
        page.evaluate(
            """name => {
                const data = new DataTransfer();
                data.items.add(new File(["HostURL=dropped\\n"], name, { type: "text/plain" }));
                for (const type of ["dragover", "drop"])
                    document.querySelector("main").dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
            }""",
            name,
        )
        expect(page.get_by_label("Import into")).to_be_visible()
        expect(page.get_by_label("Import into")).to_have_value(locale)
        assert page.locator("body[data-drops]").count() == 0
    admin.look("cells-import-1400-light")
    page.locator(".panel").get_by_role("button", name="Import").click()
    expect(page.get_by_label("HostURL, German")).to_have_value("dropped")
    expect(page.locator(".undo")).to_contain_text("The texts of the file are stored.")
    page.get_by_role("button", name="Undo").click()
    assert stored(admin, path, "de") == "HostURL=Host-URL\n"


def test_a_file_that_is_refused_leaves_the_texts_and_says_why(admin):
    page = admin.page
    path = create(admin, "Refused file", de="HostURL=Host-URL\n")
    admin.open(path)
    page.locator("[data-takes-files] summary").click()
    page.locator("[data-takes-files] input[type=file]").set_input_files({"name": "de.properties", "mimeType": "text/plain", "buffer": b"HostURL=a\\u00zz\n"})
    expect(page.get_by_label("Import into")).to_have_value("de")
    page.locator(".panel").get_by_role("button", name="Import").click()
    expect(page.get_by_role("alert")).to_contain_text("The file cannot be read: “line 1")
    expect(page.get_by_label("HostURL, German")).to_have_value("Host-URL")
    assert stored(admin, path, "de") == "HostURL=Host-URL\n"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_every_locale_can_be_edited_on_every_screen(someone, width, scheme):  # noqa: F811
    who = someone(viewport={"width": width, "height": 860}, color_scheme=scheme, reduced_motion="reduce").sign_in()
    page = who.page
    path = create(who, f"Seen {width} {scheme}", de="HostURL=Host-URL\n", ja="HostURL=ホスト\n", da="HostURL=Vært\n")
    who.open(path)
    expect(page.get_by_label("HostURL, English")).to_be_visible()
    expect(page.get_by_label("HostURL, Danish")).to_be_visible()
    # A small screen begins with two locales, and has all that are chosen.
    expect(page.get_by_label("HostURL, German")).to_be_visible(visible=width > 760)
    who.look(f"cells-{width}-{scheme}")
    who.open(f"{path}?locale=de&locale=ja")
    for language in ["English", "German", "Japanese"]:
        expect(page.get_by_label(f"HostURL, {language}")).to_be_visible()
    page.get_by_label("AuthType, German").fill("Anmeldung")
    page.keyboard.press("Tab")
    expect(page.get_by_label("AuthType, Japanese")).to_be_focused()
    expect(page.locator("#coverage-de")).to_have_text("2 of 5")
    for at in range(page.locator(".text-tools summary").count()):
        page.locator(".text-tools summary").nth(at).click()
        panel = page.locator(".text-tools .panel").nth(at)
        expect(panel).to_be_visible()
        box = panel.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width, f"{at} {box}"
    who.look(f"cells-menu-{width}-{scheme}")
    who.open(path.replace("/translations", "/metadata"))
    who.look(f"metadata-{width}-{scheme}")
    who.open(path.replace("/translations", ""))
    expect(page.locator(".coverage a").first).to_have_text("English")


def test_without_a_script_everything_but_the_cells_works(someone):  # noqa: F811
    who = someone(java_script_enabled=False)
    page = who.page
    who.sign_in()
    who.open("/console/new")
    page.get_by_label("Name", exact=True).fill("Scriptless texts")
    page.get_by_label("Class name").fill("x.Y")
    page.get_by_role("button", name="Create").click()
    page.goto(f"{page.url.split('?')[0]}/translations?locale=de")
    page.locator(".text-tools summary", has_text="Add key").click()
    page.get_by_label("Key", exact=True).fill("help")
    page.get_by_label("English text").fill("Help")
    page.locator(".panel").get_by_role("button", name="Add key").click()
    expect(page.get_by_label("help, English")).to_have_value("Help")
    page.get_by_role("link", name="Copy English to empty").click()
    page.get_by_role("button", name=re.compile("Copy . texts")).click()
    expect(page.get_by_label("help, German")).to_have_value("Help")


def test_a_draft_of_the_metadata_keeps_what_others_changed_meanwhile(admin):
    page = admin.page
    path = admin.create("Drafted metadata")
    address = f"{admin.server.url}/v3/connectors/{path.rsplit('/', 1)[1]}"
    admin.open(f"{path}/metadata")
    page.get_by_label("Category").fill("Mine")
    page.wait_for_function("() => Object.values(localStorage).some(value => value.includes('Mine'))")
    operations = [{"op": "add", "path": "/connectorMetadata/labels", "value": ["theirs"]}]
    headers = {"Content-Type": "application/json-patch+json"}
    admin.server.session().patch(address, json=operations, headers=headers).raise_for_status()
    page.reload()
    expect(page.locator("#draft [data-changed]")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Someone else changed this")
    expect(page.get_by_label("Labels, one a line")).to_have_value("theirs")
    expect(page.get_by_label("Category")).to_have_value("Mine")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    metadata = admin.server.session().get(address).json()["connectorMetadata"]
    assert (metadata["category"], metadata["labels"]) == ("Mine", ["theirs"])
