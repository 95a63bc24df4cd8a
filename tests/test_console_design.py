"""The design of the console: its components in both themes and widths, the rail, menus, keys, and the environment."""

import re
import tempfile

import pytest
from playwright.sync_api import expect

from conftest import Server
from console_browser import browser, someone  # noqa: F401


@pytest.fixture(scope="module")
def server():
    server = Server(
        tempfile.mkdtemp(prefix="connectory-"), "--rate-limit", "off",
        "--environment-name", "Production", "--environment-colour", "red",
    )
    yield server
    server.kill()


WIDTHS = {"wide": {"width": 1400, "height": 860}, "phone": {"width": 390, "height": 800}}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_component_is_accessible_in_both_themes(someone, width, scheme):  # noqa: F811
    visitor = someone(viewport=WIDTHS[width], color_scheme=scheme).sign_in()
    visitor.open("/console/components")
    visitor.look(f"components-{width}-{scheme}")
    visitor.open("/console/settings")
    visitor.look(f"settings-of-a-person-{width}-{scheme}")
    families = visitor.page.evaluate("[...document.fonts].filter(font => font.status === 'loaded').map(font => font.family)")
    assert any("Inter" in family for family in families) and any("JetBrains" in family for family in families)


def test_the_environment_is_seen_before_and_after_signing_in(someone):  # noqa: F811
    visitor = someone(viewport=WIDTHS["wide"])
    visitor.open("/")
    expect(visitor.page.locator(".env")).to_contain_text("Production")
    visitor.look("sign-in-of-production")
    visitor.sign_in()
    expect(visitor.page.locator(".env")).to_be_visible()
    expect(visitor.page).to_have_title(re.compile(r"^\[Production\] "))
    phone = someone(viewport=WIDTHS["phone"]).sign_in()
    expect(phone.page.locator(".env")).to_be_visible()
    # The first screen of a telephone shows connectors.
    phone.open("/?origin=built-in")
    assert phone.page.locator("a.name").nth(4).bounding_box()["y"] < 740


def test_keys_and_menus(someone):  # noqa: F811
    visitor = someone(viewport=WIDTHS["wide"]).sign_in()
    page = visitor.page
    visitor.open("/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    visitor.look("keys")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    # A question mark that someone types stays a question mark.
    page.keyboard.press("/")
    page.keyboard.type("a?")
    expect(page.get_by_role("searchbox")).to_have_value("a?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    visitor.create("With a menu")
    menu = page.locator("details.menu-of")
    page.get_by_label("More actions").click()
    expect(menu.get_by_role("link", name="Delete connector")).to_be_visible()
    visitor.look("menu-of-a-connector")
    page.keyboard.press("Escape")
    expect(menu).not_to_have_attribute("open", "")
    expect(page.get_by_label("More actions")).to_be_focused()
    page.get_by_label("More actions").click()
    page.get_by_role("heading", level=1).click()
    expect(menu).not_to_have_attribute("open", "")


def test_the_theme_is_chosen_in_the_settings(someone):  # noqa: F811
    visitor = someone(viewport=WIDTHS["wide"], color_scheme="light").sign_in()
    visitor.open("/console/settings")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = visitor.page.evaluate(ground)
    visitor.page.get_by_label("Theme").select_option("dark")
    expect(visitor.page.locator("html")).to_have_attribute("data-theme", "dark")
    assert visitor.page.evaluate(ground) != light
    expect(visitor.page).to_have_url(re.compile("/console/settings$"))
