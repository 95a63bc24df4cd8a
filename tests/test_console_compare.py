"""Comparing and duplicating connectors in the console, and the question before a restore, in a headless Chromium."""

import re

import pytest
from playwright.sync_api import expect

from test_console import browser, provider, server, someone  # noqa: F401
from test_console_lifecycle import admin, put, reader_of  # noqa: F401


def test_a_built_in_connector_is_duplicated_to_be_changed(admin):  # noqa: F811
    page = admin.page
    admin.open("/console/connectors/active-directory-ldap")
    name = page.get_by_role("heading", level=1).inner_text()
    page.get_by_role("link", name="Duplicate it to change it").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value(f"{name} copy")
    admin.look("duplicate")
    page.get_by_label("Name", exact=True).fill("JDBC")
    expect(page.locator("#script-name")).to_contain_text("This name is taken.")
    page.get_by_role("button", name="Duplicate").click()
    expect(page.get_by_role("alert")).to_contain_text("`name` is taken")
    expect(page.get_by_label("Name", exact=True)).to_have_attribute("aria-invalid", "true")
    admin.look("duplicate-refused")
    page.get_by_label("Name", exact=True).fill("Our directory")
    expect(page.locator("#script-name")).to_have_text("our-directory")
    page.get_by_role("button", name="Duplicate").click()
    expect(page).to_have_url(re.compile("/console/connectors/our-directory"))
    expect(page.get_by_role("status").first).to_contain_text("The connector was duplicated.")
    expect(page.locator(".status").first).to_have_text("Development")
    admin.look("duplicated")

    page.get_by_role("link", name="Compare", exact=True).click()
    expect(page.get_by_role("group", name="Left").get_by_label("Script name")).to_have_value("our-directory")
    right = page.get_by_role("group", name="Right").get_by_label("Script name")
    right.press_sequentially("ssh-l")
    expect(page.locator("#right-names option")).to_have_count(1)
    expect(page.locator("#right-names option")).to_have_attribute("value", "ssh-linux")
    right.fill("active-directory-ldap")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".compared thead a.name")).to_have_text(["Our directory", name])
    expect(page.locator(".part-of-diff h3").first).to_be_visible()
    admin.look("compare")
    page.get_by_role("link", name="Swap sides").click()
    expect(page.locator(".compared thead a.name")).to_have_text([name, "Our directory"])
    expect(page).to_have_url(re.compile(r"/console/compare\?left=active-directory-ldap&right=our-directory$"))
    page.locator(".compared thead a.name").nth(1).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Our directory")


def test_two_revisions_are_compared_and_one_is_restored_after_a_question(admin):  # noqa: F811
    page = admin.page
    path = admin.create("Restored")
    put(admin.server, "/connectors/restored/translations/de", "a=b\n")
    put(admin.server, "/connectors/restored/translations/fr", "a=c\n")
    admin.open(path)
    admin.release()
    page.get_by_role("link", name="History", exact=True).first.click()
    expect(page.get_by_role("radio")).to_have_count(8)
    page.get_by_role("radio", name=re.compile("^Left")).last.check()
    admin.look("history-with-choices")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".part-of-diff h3")).to_have_text(["translations/de.properties", "translations/fr.properties"])
    expect(page.locator(".compared tbody th")).to_have_text(["Status"])
    admin.look("compare-revisions")

    page.go_back()
    page.get_by_role("link", name=re.compile("^Revision")).last.click()
    page.get_by_role("link", name=re.compile("^Restore revision")).click()
    expect(page.get_by_role("heading", name=re.compile(r"^Restore revision \d+\?$"))).to_be_visible()
    expect(page.get_by_text("The status changes too: from Released to Development.")).to_be_visible()
    expect(page.locator(".part-of-diff")).to_have_count(3)
    admin.look("restore")
    page.get_by_role("button", name=re.compile("^Restore revision")).click()
    expect(page.get_by_role("status").first).to_have_text("The revision was restored.")
    expect(page.locator(".status").first).to_have_text("Development")


def test_a_draft_of_a_duplicate_is_kept(admin):  # noqa: F811
    path = admin.create("Draft of a copy")
    admin.open(f"{path}/duplicate")
    admin.page.get_by_label("Name", exact=True).fill("Half a name")
    expect(admin.page.locator("#script-name")).to_have_text("half-a-name")
    admin.page.wait_for_timeout(600)
    admin.open(f"{path}/duplicate")
    expect(admin.page.get_by_role("heading", name="Your draft was not saved")).to_be_visible()
    expect(admin.page.get_by_label("Name", exact=True)).to_have_value("Half a name")


def test_a_reader_compares_and_downloads(admin, someone):  # noqa: F811
    path = admin.create("Only read")
    reader = reader_of(admin, someone, "reader who compares")
    reader.open(path)
    head = reader.page.locator(".top .actions")
    expect(head.get_by_role("link")).to_have_text(["Compare", "Download"])
    head.get_by_role("link", name="Compare").click()
    expect(reader.page.get_by_role("heading", level=1)).to_have_text("Compare connectors")
    reader.look("compare-chooser")


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_in_every_size_and_theme(admin, someone, width, scheme):  # noqa: F811
    path = admin.create(f"Fits {width} {scheme}")
    script_name = path.rsplit("/", 1)[1]
    put(admin.server, f"/connectors/{script_name}/translations/de", "a=b\n")
    one = someone(viewport={"width": width, "height": 860}, color_scheme=scheme).sign_in()
    one.open(f"{path}/history")
    first = one.page.get_by_role("radio", name=re.compile("^Left")).last.get_attribute("value")
    for page, at in [
        ("overview", path), ("built-in", "/console/connectors/jdbc"), ("duplicate", f"{path}/duplicate"),
        ("chooser", f"/console/compare?left={script_name}"), ("compare", f"/console/compare?left=jdbc&right={script_name}"),
        ("wrong", f"/console/compare?left=nothing&right={script_name}&right-revision=x"),
        ("history", f"{path}/history"), ("revision", f"{path}/history/{first}"), ("restore", f"{path}/history/{first}/restore"),
    ]:
        one.open(at)
        one.look(f"compare-{page}-{width}-{scheme}")
        if page in ("overview", "built-in"):
            # The first screen has more than the head of the page.
            content = one.page.locator("main .card").first.bounding_box()
            assert content["y"] < 500, f"{page} {width}: {content}"
    one.open(path)
    if width == 390:
        one.from_menu("link", "Compare")
    else:
        one.page.get_by_role("link", name="Compare", exact=True).click()
    expect(one.page.get_by_role("heading", level=1)).to_have_text("Compare connectors")


def test_the_pages_work_without_a_script(admin, someone):  # noqa: F811
    path = admin.create("Without a script")
    put(admin.server, "/connectors/without-a-script/translations/de", "a=b\n")
    one = someone(viewport={"width": 1400, "height": 860}, java_script_enabled=False).sign_in()
    page = one.page
    one.open(f"{path}/history")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".part-of-diff h3")).to_have_text(["translations/de.properties"])
    one.open(f"{path}/duplicate")
    page.get_by_role("button", name="Duplicate").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Without a script copy")


def test_the_pages_are_complete_in_german(admin, someone):  # noqa: F811
    path = admin.create("Zum Vergleich")
    put(admin.server, "/connectors/zum-vergleich/translations/de", "a=b\n")
    german = someone(viewport={"width": 1400, "height": 860}).sign_in()
    german.speak_german()
    german.open(f"{path}/history")
    first = german.page.get_by_role("radio").last.get_attribute("value")
    for at in ["/console/compare?left=jdbc&right=zum-vergleich", f"{path}/duplicate", f"{path}/history/{first}/restore",
               "/console/connectors/jdbc"]:
        german.open(at)
        text = german.page.locator("main").inner_text()
        for english in ["Compare", "Duplicate", "Left", "Restore", "Revision is", "copy"]:
            assert not re.search(rf"\b{english}\b", text), f"{english} in {at}: {text}"
    german.open(f"{path}/duplicate")
    expect(german.page.get_by_label("Name", exact=True)).to_have_value("Zum Vergleich (Kopie)")
