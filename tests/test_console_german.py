"""The console in German, in a headless Chromium: its words are longer, and the toolbars are one row nevertheless."""

import pytest

from test_console import Administrator, browser, provider, server, someone  # noqa: F401
from test_console_many import api, create

FORM = """<Form xmlns="http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd" name="X" connectorName="X" type="SourceConfig">
<Menu label="menuLabel_a"><Section><Field name="a" type="text" displayName="key_a"/></Section></Menu></Form>"""
TOOLBARS = ".top, .actions, .chips, .tabs, .card > header, .search-panel, .standing, .segments, .pages"
# The toolbars whose parts are not beside each other.
WRAPPED = """toolbars => [...document.querySelectorAll(toolbars)].filter(toolbar => {
    const parts = [...toolbar.children].filter(part => getComputedStyle(part).position !== 'absolute');
    const boxes = parts.map(part => part.getBoundingClientRect()).filter(box => box.width && box.height);
    return boxes.some(one => boxes.some(other => one.bottom <= other.top));
}).map(toolbar => toolbar.className || toolbar.localName)"""


@pytest.mark.parametrize("language", ["en", "de"])
def test_toolbars_are_one_row_at_1400_pixels(someone, language):  # noqa: F811
    admin = someone(viewport={"width": 1400, "height": 860}).sign_in()
    page = admin.page
    name = f"toolbars-{language}"
    create(admin.server, name, f"{name}-2")
    path = f"/console/connectors/{name}"
    api(admin.server, "PATCH", f"/v3/connectors/{name}", json=[{"op": "add", "path": "/sourceConfigXml", "value": FORM}])
    for locale, texts in [("en", "key_a=A\nmenuLabel_a=M\nShortDesc=People"), ("de", "key_a=B")]:
        api(admin.server, "PUT", f"/v3/connectors/{name}/translations/{locale}", files={"file": ("x.properties", texts)})
    if language == "de":
        admin.speak_german()
    for at in [
        "/", "/?status=DEVELOPMENT&size=25", "/?origin=built-in", "/console/deleted", path, f"{path}/translations", f"{path}/preview",
        f"{path}/history", f"{path}/history/1", f"{path}/metadata", f"{path}/settings", f"{path}/duplicate", "/console/new",
        "/console/import", f"/console/compare?left={name}", "/console/activity", "/console/clients", f"/console/many/status?scriptName={name}",
    ]:
        admin.open(at)
        assert page.evaluate(WRAPPED, TOOLBARS) == [], at
    admin.open(f"{path}/translations")
    admin.look(f"toolbars-translations-{language}")
    admin.open(f"{path}/documents/source-config")
    page.locator(".CodeMirror").click()
    page.keyboard.type("x")
    page.keyboard.press("Control+f")
    page.keyboard.type("e")
    assert "18" in page.locator("#found").text_content()
    assert page.locator("#unsaved").is_visible()
    admin.look(f"toolbars-editor-{language}")
    assert page.evaluate(WRAPPED, TOOLBARS) == []
