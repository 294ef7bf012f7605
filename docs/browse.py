"""Look at every page of the built site in Chromium, as wide as a phone and a screen.

Run by ``nox -s browser``, or after ``make docs`` by hand; it needs Selenium, and
Debian's packages chromium and chromium-driver::

    python docs/browse.py [FOLDER] [--screenshots FOLDER]

A page fails if it pans sideways, if the browser logs an error or an image is missing,
or if a link to another place of the site leads nowhere.
"""

import argparse
import shutil
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urldefrag

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

# Where both are, as on the runners of GitHub, the driver is that of the first.
BROWSERS = ("google-chrome", "chromium")
WIDTHS = (400, 1400)
# What pans and is more than code, a table or a formula, and what is too wide in it: the
# theme has a box for the whole article, and moving that is as bad as moving the page.
PANNING = """
const moved = "pre, table, .formula, .pst-scrollable-table-container";
const pans = e => e.scrollWidth > e.clientWidth && !e.closest(moved)
    && (e === document.scrollingElement
        || ["auto", "scroll"].includes(getComputedStyle(e).overflowX));
const name = e => `${e.localName} "${e.textContent.trim().slice(0, 40)}"`;
return [...document.querySelectorAll("*")].filter(pans).map(box => {
    const edge = box.getBoundingClientRect().left + box.clientWidth + 1;
    const wide = [...box.querySelectorAll("*")].filter(
        e => e.getBoundingClientRect().right > edge && !e.parentElement.closest(moved));
    return `${box.className || box.localName} by ${wide.slice(-2).map(name)}`;
});
"""
CONTENT = """return {
    links: [...document.querySelectorAll("a[href]")].map(a => a.href),
    anchors: [...document.querySelectorAll("[id]")].map(e => e.id),
    missing: [...document.images].filter(i => i.complete && !i.naturalWidth)
        .map(i => i.src),
};"""


class QuietHandler(SimpleHTTPRequestHandler):
    """Files over HTTP, without a line for each."""

    def log_message(self, *args):
        """Keep quiet."""


def start_browser():
    """Chromium without a window, which keeps what the pages log."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        sys.exit("needs chromium (or google-chrome) and chromedriver on the path")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    # A scrollbar's width would hide the last pixels of panning; root has no sandbox.
    for argument in ("--headless=new", "--hide-scrollbars", "--no-sandbox"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options, Service(driver))


def look_at(browser, address, screenshot=None):
    """Faults, links and anchors of one page."""
    faults = []
    browser.get(address)
    for width in WIDTHS:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        panning = browser.execute_script(PANNING)
        faults += [f"pans at {width} pixels: {box}" for box in panning]
        if screenshot is not None:
            browser.save_screenshot(f"{screenshot}.{width}.png")
    logged = browser.get_log("browser")
    faults += [f"console: {e['message']}" for e in logged if e["level"] == "SEVERE"]
    content = browser.execute_script(CONTENT)
    faults += [f"missing image: {source}" for source in content["missing"]]
    return faults, set(content["links"]), set(content["anchors"])


def leads_nowhere(link, site, folder, anchors):
    """Whether a link within the site misses its page, file or anchor."""
    address, anchor = (unquote(part) for part in urldefrag(link))
    if not address.startswith(site):
        return False
    name = address.removeprefix(site)
    if name in anchors:
        return bool(anchor) and anchor not in anchors[name]
    return not (folder / name).is_file()


def main():
    """Print the faults of all pages; with any, the exit status is 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    built = Path(__file__).parent / "_build" / "html"
    parser.add_argument("folder", nargs="?", type=Path, default=built)
    parser.add_argument(
        "--screenshots", type=Path, help="folder for views of each page"
    )
    options = parser.parse_args()
    folder, screenshots = options.folder, options.screenshots
    paths = (path.relative_to(folder) for path in folder.rglob("*.html"))
    pages = sorted(path.as_posix() for path in paths if path.parts[0] != "_static")
    if not pages:
        sys.exit(f"{folder} has no pages: run `make docs` first")
    if screenshots is not None:
        screenshots.mkdir(parents=True, exist_ok=True)

    handler = partial(QuietHandler, directory=folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    site = f"http://127.0.0.1:{server.server_port}/"
    faults, links, anchors = {}, {}, {}
    browser = start_browser()
    try:
        for page in pages:
            view = screenshots and screenshots / page.replace("/", ".")
            faults[page], links[page], anchors[page] = look_at(
                browser, site + page, view
            )
    finally:
        browser.quit()
    for page in pages:
        dead = (x for x in links[page] if leads_nowhere(x, site, folder, anchors))
        faults[page] += [f"dead link: {x.removeprefix(site)}" for x in sorted(dead)]

    found = [f"{page}: {fault}" for page in pages for fault in faults[page]]
    widths = " and ".join(map(str, WIDTHS))
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(pages)} pages at {widths} pixels, {len(found)} faults")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
