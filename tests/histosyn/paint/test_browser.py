"""The address with the token goes through a file that nobody else can read."""

import stat

from histosyn.paint import browser
from histosyn.paint.browser import opening_page

URL = 'http://127.0.0.1:8765/#token=a&b"><script>'


def test_only_its_user_can_read_it_and_only_while_it_serves():
    with opening_page(URL) as page:
        assert stat.S_IMODE(page.stat().st_mode) == 0o600
        assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700
        text = page.read_text()
        assert "token=a&amp;b&quot;&gt;&lt;script&gt;" in text and "<script" not in text
        assert "token" not in str(page)
    assert not page.parent.exists()


def test_browsers_of_snap_get_one_that_they_can_see(tmp_path, monkeypatch):
    monkeypatch.setattr(browser, "_SNAP", tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    with opening_page(URL) as page:
        assert page.parent.parent == tmp_path
        assert not page.parent.name.startswith(".")
