"""The page in a real browser: nothing is fetched, nothing runs over the edge, all pictures show."""

import pytest
from report_results import agreement, discrimination, fid, save, write_run, write_tissue

from eval.report.document import document_of
from eval.report.page import page_of
from eval.report.sources import read_sources

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("report") / "run")
    write_tissue(folder / "tissue")
    save(folder, fid=fid(), readers=agreement(), study=discrimination())
    path = folder / "report.html"
    path.write_text(page_of(document_of(read_sources(folder))), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_a_telephone_and_a_screen_and_fetches_nothing(browser, file, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.goto(file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].every(one => one.complete && one.naturalWidth)")
    assert [one for one in asked if not one.startswith("data:")] == [file.as_uri()]
    assert errors == []
    page.close()


def test_it_prints_with_its_pictures(browser, file, tmp_path):
    page = browser.new_page()
    page.goto(file.as_uri())
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    printed = page.pdf(format="A4")
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") >= 4
    page.close()
