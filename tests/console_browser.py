"""A person with the console in a headless Chromium, whose log of errors has to stay empty."""

import os
import pathlib
import re
import shutil

import axe_playwright_python
import pytest
from playwright.sync_api import Error, expect, sync_playwright

from conftest import ROOT

AXE = (pathlib.Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
# `CONNECTORY_SCREENSHOTS=docs/screenshots ./test -k console` renews the screenshots of the documentation.
SCREENSHOTS = ROOT / os.environ.get("CONNECTORY_SCREENSHOTS", "target/screenshots")
SCREENSHOTS.mkdir(parents=True, exist_ok=True)


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("chromium-browser"),
            args=[
                "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--host-resolver-rules=MAP registry.test 127.0.0.1",
            ],
        )
        yield chromium
        chromium.close()


class Administrator:
    """A person with a browser window."""

    def __init__(self, browser, server, **context):
        self.server = server
        self.context = browser.new_context(base_url=server.url, locale="en-US", accept_downloads=True, **context)
        self.context.set_default_timeout(10_000)
        self.page = self.context.new_page()
        self.errors = []
        self.dialogs = []
        self.page.on("console", lambda message: self.note(message) if message.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", self.answer)

    def note(self, message):
        # Some tests expect a refused page. Chromium logs it as an error.
        if not re.match(r"Failed to load resource: the server responded with a status of 4(00|01|03|04|09|22)", message.text):
            self.errors.append(message.text)

    def answer(self, dialog):
        self.dialogs.append(dialog.message)
        dialog.accept()

    def sign_in(self, client_id=None, secret=None):
        self.page.goto("/")
        self.page.get_by_label("Client ID").fill(client_id or self.server.client_id)
        self.page.get_by_label("Client secret").fill(secret or self.server.secret)
        self.page.get_by_role("button", name="Sign in").click()
        return self

    def open(self, path):
        return self.page.goto(path)

    def from_menu(self, role, name):
        """Chooses something from the menu of a connector."""
        self.page.get_by_label("More actions").click()
        self.page.locator(".menu-of").get_by_role(role, name=name).click()

    def release(self):
        """Releases the connector of the page, which has no errors."""
        self.page.get_by_role("link", name="Release…").click()
        self.page.get_by_role("button", name="Release it").click()

    def speak_german(self):
        """Chooses German, and comes back."""
        before = self.page.url
        self.open("/console/settings")
        self.page.get_by_label("Language").select_option("de")
        expect(self.page.locator("html")).to_have_attribute("lang", "de")
        self.page.goto(before)

    def create(self, name):
        """Creates a connector in the console and returns the path of its page."""
        self.open("/console/new")
        self.page.get_by_label("Name", exact=True).fill(name)
        self.page.get_by_label("Class name").fill("x.Y")
        self.page.get_by_role("button", name="Create").click()
        expect(self.page.get_by_role("status").first).to_have_text("The connector was created.")
        return re.sub(r"\?.*", "", self.page.url.removeprefix(self.server.url))

    def screenshot(self, path):
        """Saves a screenshot. Chromium sometimes has no frame to give after the window's size changed; so it is asked again."""
        for attempt in range(5):
            try:
                return self.page.screenshot(path=path, animations="disabled")
            except Error as error:
                if "Unable to capture screenshot" not in str(error) or attempt == 4:
                    raise
                self.page.wait_for_timeout(200)

    def look(self, name):
        """Saves a screenshot, and asserts that axe finds nothing serious."""
        self.screenshot(SCREENSHOTS / f"{name}.png")
        self.page.evaluate(AXE)
        found = self.page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
        serious = [
            (violation["id"], [node["target"] for node in violation["nodes"]], violation["nodes"][0]["failureSummary"])
            for violation in found
            if violation["impact"] in ("serious", "critical", "moderate")
        ]
        assert serious == [], f"{name} {self.page.url}"
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"

    def write(self, text):
        """Replaces the text in the editor."""
        self.page.evaluate("text => document.querySelector('.CodeMirror').CodeMirror.setValue(text)", text)

    def written(self):
        return self.page.evaluate("document.querySelector('.CodeMirror').CodeMirror.getValue()")


@pytest.fixture
def someone(browser, server):
    """Makes administrators, and asserts that their browsers logged no errors."""
    all_of_them = []

    def someone(**context):
        all_of_them.append(Administrator(browser, server, **context))
        return all_of_them[-1]

    yield someone
    for each in all_of_them:
        each.context.close()
        assert (each.errors, each.dialogs) == ([], []), f"{each.errors} {each.dialogs}"
