"""The page of a sweep in a real browser: it fits, fetches nothing, shows all its pictures."""

import pytest
from sweep_folders import write_sweep

from tune.results.reporting import PAGE, write_report


@pytest.mark.slow
def test_it_fits_a_telephone_and_a_screen_fetches_nothing_and_prints(browser, tmp_path):
    write_report(write_sweep(tmp_path, 12))
    file = (tmp_path / PAGE).as_uri()
    for width in (390, 1280):
        page = browser.new_page(viewport={"width": width, "height": 900})
        asked, errors = [], []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.on("console", lambda line, errors=errors: errors.append(line.text))
        page.goto(file)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("[...document.images].every(one => one.complete && one.naturalWidth)")
        assert page.locator("img").count() == 7
        assert [one for one in asked if not one.startswith("data:")] == [file]
        assert errors == []
        assert page.pdf(format="A4").startswith(b"%PDF")
        page.close()
