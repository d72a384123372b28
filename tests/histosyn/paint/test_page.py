"""The page in a real browser: what a pathologist does with it."""

import io
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from painting import GENERATOR, STAINS, random_model, serving, stripes
from PIL import Image
from tissue import SCHEMA

from histosyn.labels.label_map import label_png_bytes, read_label_map
from histosyn.manifests.manifest import read_manifest
from histosyn.paint.browser import opening_page
from histosyn.synthesis.rerolls import margin

pytestmark = pytest.mark.slow
SIZE = 96
STRIDE = 8
PATIENCE_SECONDS = 120


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return random_model(tmp_path_factory.mktemp("model") / "model", tile_size=(SIZE, SIZE))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("paint")
    (made / "maps").mkdir()
    (made / "maps" / "one.png").write_bytes(label_png_bytes(stripes(48, 64), SCHEMA))
    return made


@pytest.fixture(scope="module")
def server(model, folder):
    with serving(model, "--labels", folder / "maps", "--out", folder / "sitting") as running:
        yield running


class Person:
    """Somebody at the page."""

    def __init__(self, page, server):
        self.page = page
        self.errors = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(f"{server.url}#token={server.token}")
        self.wait("globalThis.editor !== undefined")

    def wait(self, words):
        """The page's own rules forbid what playwright's waiting does: evaluate text in it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.page.evaluate(words):
            assert time.monotonic() < deadline, (words, self.notice, self.errors)
            self.page.wait_for_timeout(20)

    def tissue(self):
        """The pixels of the newest result, once it is of what is painted now."""
        self.wait("editor.tissueIsCurrent && !editor.underWay")
        return np.array(
            self.page.evaluate(
                """() => {
                  const { width, height } = editor.map;
                  const canvas = new OffscreenCanvas(width, height);
                  const context = canvas.getContext("2d");
                  context.drawImage(editor.view.tissue, 0, 0);
                  return Array.from(context.getImageData(0, 0, width, height).data);
                }"""
            ),
            dtype=np.uint8,
        ).reshape(*self.labels.shape, 4)[..., :3]

    @property
    def labels(self):
        width, values = self.page.evaluate("[editor.map.width, Array.from(editor.map.indices)]")
        return np.array(values, dtype=np.uint8).reshape(-1, width)

    @property
    def notice(self):
        return self.page.inner_text("#notice")

    @property
    def begun_from(self):
        """What the list "Start from" shows."""
        return self.page.evaluate("document.querySelector('#examples').selectedOptions[0].text")

    def blank(self, width=SIZE, height=SIZE, value=0):
        self.page.evaluate(
            """async ([width, height, value]) => {
              const { blankMap } = await import("./editor.js");
              editor.start(blankMap(width, height, value), { seed: 0 });
            }""",
            [width, height, value],
        )

    def at(self, x, y):
        """Where on the screen the middle of a pixel of the map is."""
        box = self.page.locator("#stage").bounding_box()
        scale, left, top = self.page.evaluate(
            "[editor.view.scale, editor.view.origin.x, editor.view.origin.y]"
        )
        return box["x"] + left + (x + 0.5) * scale, box["y"] + top + (y + 0.5) * scale

    def drag(self, *points):
        self.page.mouse.move(*self.at(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(*point), steps=4)
        self.page.mouse.up()

    def click(self, x, y):
        self.page.mouse.click(*self.at(x, y))

    def size(self, pixels):
        self.page.locator("#size").fill(str(pixels))
        self.page.locator("#stage").focus()

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)


@pytest.fixture
def person(browser, server):
    context = browser.new_context(viewport={"width": 1100, "height": 700}, accept_downloads=True)
    someone = Person(context.new_page(), server)
    someone.blank()
    yield someone
    assert someone.errors == []
    context.close()


def square(*sides):
    top, bottom, left, right = sides
    mask = np.zeros((SIZE, SIZE), bool)
    mask[top:bottom, left:right] = True
    return mask


def test_a_stroke_has_hard_edges_and_its_width(person):
    person.press("b", "3")
    person.size(5)
    person.drag((20, 30), (60, 30))
    expected = np.zeros((SIZE, SIZE), np.uint8)
    expected[28:33, 20:61] = 2
    rows, columns = np.ogrid[:SIZE, :SIZE]
    for middle in (20, 60):
        expected[(rows - 30) ** 2 + (columns - middle) ** 2 <= 2.5**2] = 2
    np.testing.assert_array_equal(person.labels, expected)


@pytest.mark.parametrize("diameter", [1, 2, 3, 200])
def test_a_dab_is_as_large_as_the_brush(person, diameter):
    person.press("2")
    person.size(diameter)
    person.click(40, 40)
    rows, columns = np.nonzero(person.labels)
    for found in (rows, columns):
        assert np.ptp(found) + 1 == min(diameter, SIZE)


def test_a_thin_diagonal_line_has_no_gaps(person):
    person.press("2")
    person.size(1)
    person.drag((10, 10), (50, 37))
    rows, columns = np.nonzero(person.labels)
    assert len(columns) == 41 and set(columns) == set(range(10, 51))
    assert max(abs(np.diff(rows[np.argsort(columns)]))) <= 1


def test_fill_polygon_lasso_eraser_and_pick(person):
    person.press("p", "2")
    for corner in ((10, 10), (50, 10), (50, 50), (10, 50)):
        person.click(*corner)
    person.press("Enter")
    inside = person.labels == 1
    assert inside[12:49, 12:49].all() and not inside[:, 53:].any() and not inside[:8].any()

    person.press("f", "4")
    person.click(30, 30)
    np.testing.assert_array_equal(person.labels == 3, inside)
    person.press("2")
    person.click(90, 90)
    np.testing.assert_array_equal(person.labels == 1, ~inside)

    person.press("i")
    person.click(30, 30)
    assert person.page.evaluate("editor.chosen") == 3
    person.press("l")
    person.drag((60, 60), (80, 60), (80, 80), (60, 80), (60, 60))
    assert (person.labels[62:79, 62:79] == 3).all()
    person.press("e")
    person.size(9)
    person.click(70, 70)
    assert person.labels[70, 70] == 0 and (person.labels[70:74, 70] == 0).all()


def test_undo_and_redo_go_all_the_way(person):
    person.press("b", "3")
    person.size(7)
    states = [person.labels]
    for i in range(30):
        person.click(5 + 3 * i, 20 + 2 * i)
        states.append(person.labels)
    for state in reversed(states[:-1]):
        person.press("Control+z")
        np.testing.assert_array_equal(person.labels, state)
    assert person.page.locator("#undo").is_disabled()
    for state in states[1:]:
        person.press("Control+Shift+z")
        np.testing.assert_array_equal(person.labels, state)
    assert person.page.locator("#redo").is_disabled()


def test_a_region_of_one_map_is_pasted_into_another_and_moved(person):
    person.press("l", "4")
    person.drag((20, 20), (40, 20), (40, 40), (20, 40), (20, 20))
    region = person.labels == 3
    person.press("s")
    person.drag((15, 15), (45, 15), (45, 45), (15, 45), (15, 15))
    person.press("Control+c")
    person.blank(value=1)
    person.press("Control+v")
    person.drag((30, 30), (60, 40))
    assert (person.labels == 1).all(), "it floats until Enter"
    person.press("Enter")
    rows, columns = np.nonzero(region)
    assert (person.labels[rows + 10, columns + 30] == 3).all()
    assert (person.labels == 3).sum() == region.sum()
    person.press("Control+z")
    assert (person.labels == 1).all()


def test_zoom_and_pan_move_the_view_and_not_the_map(person):
    person.page.mouse.move(*person.at(30, 30))
    before = person.at(30, 30)
    person.page.mouse.wheel(0, -300)
    assert person.page.evaluate("editor.view.scale") > 1
    person.page.wait_for_timeout(50)
    # The pointer stands on whole pixels of the screen.
    np.testing.assert_allclose(person.at(30, 30), before, atol=2)
    person.page.keyboard.down("Space")
    person.drag((30, 30), (35, 35))
    person.page.keyboard.up("Space")
    assert not person.labels.any()
    assert abs(person.at(30, 30)[0] - before[0]) > 5
    person.press("0")


def test_what_is_painted_is_synthesized(person):
    blank = person.tissue()
    person.press("b", "4")
    person.size(20)
    person.drag((30, 30), (60, 60))
    painted = person.tissue()
    assert (painted != blank).any(axis=2)[person.labels == 3].mean() > 0.5
    person.press("Control+z")
    np.testing.assert_array_equal(person.tissue(), blank)


def test_rerolling_an_area_keeps_all_that_is_farther_than_the_margin(person):
    before = person.tissue()
    person.press("a")
    person.drag((10, 10), (30, 10), (30, 30), (10, 30), (10, 10))
    after = person.tissue()
    changed = (before != after).any(axis=2)
    reach = margin(GENERATOR)
    near = square(0, 31 + reach, 0, 31 + reach)
    assert not changed[~near].any() and (~near).mean() > 0.5
    assert changed[12:29, 12:29].mean() > 0.5
    assert str(reach) in person.page.inner_text("#margin")
    person.press("Control+z")
    np.testing.assert_array_equal(person.tissue(), before)


def test_rerolling_a_class_and_everything(person):
    person.press("f", "2")
    person.page.evaluate("editor.edit((map) => map.indices.fill(1, 0, 96 * 20))")
    before = person.tissue()
    person.page.click("#reroll-class")
    of_class = (person.tissue() != before).any(axis=2)
    assert of_class[:20].mean() > 0.5 and not of_class[20 + margin(GENERATOR) :].any()
    person.press("r")
    assert (person.tissue() != before).any(axis=2).mean() > 0.9
    assert person.page.input_value("#seed") != "0"
    person.page.fill("#seed", "0")
    person.press("Enter")
    np.testing.assert_array_equal(person.tissue(), before)


def test_a_saved_pair_reloads_exactly_and_synth_makes_the_same_bytes(person, folder, model):
    person.press("b", "3")
    person.size(30)
    person.click(48, 48)
    person.press("a")
    person.drag((10, 10), (30, 10), (30, 30), (10, 30), (10, 10))
    tissue, labels = person.tissue(), person.labels
    person.press("Control+s")
    person.wait("document.getElementById('notice').textContent.startsWith('Saved')")
    name = person.notice.split()[1].rstrip(":")

    session = folder / "sitting"
    saved = session / "tiles" / f"{name}.png"
    with Image.open(saved) as image:
        # What is shown was computed in part, what is saved is computed whole.
        np.testing.assert_allclose(np.asarray(image).astype(int), tissue.astype(int), atol=1)
        assert "no real tissue" in image.text["Description"]
    label = session / "labels" / f"{name}.png"
    np.testing.assert_array_equal(read_label_map(label, SCHEMA), labels)
    with Image.open(label) as image:
        assert image.mode == "P"

    from launch.cli import main

    again = folder / f"again-{name}"
    main(["synth", str(model), str(session / "labels"), str(again),
          "--like", str(session / "tiles" / "manifest.jsonl")])  # fmt: skip
    assert (again / f"{name}.png").read_bytes() == saved.read_bytes()

    person.blank()
    person.page.set_input_files("#file", str(label))
    person.wait("editor.map.indices.includes(2)")
    np.testing.assert_array_equal(person.labels, labels)


def test_an_older_result_comes_back_whole(person):
    first, labels = person.tissue(), person.labels
    person.press("b", "4")
    person.click(40, 40)
    person.tissue()
    person.page.locator("#results button").nth(1).click()
    np.testing.assert_array_equal(person.labels, labels)
    np.testing.assert_array_equal(person.tissue(), first)


def test_downloads_are_the_pair(person):
    tissue = person.tissue()
    arrived = []
    person.page.on("download", lambda item: arrived.append(item))
    person.page.click("#download")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(arrived) < 2:
        assert time.monotonic() < deadline
        person.page.wait_for_timeout(20)
    files = {item.suggested_filename: Path(item.path()).read_bytes() for item in arrived}
    assert sorted(files) == ["painting.label.png", "painting.tile.png"]
    assert not read_label_map(files["painting.label.png"], SCHEMA, name="label").any()
    with Image.open(io.BytesIO(files["painting.tile.png"])) as image:
        np.testing.assert_allclose(np.asarray(image).astype(int), tissue.astype(int), atol=1)


def test_a_map_is_kept_while_the_page_is_closed_and_offered_again(browser, server):
    context = browser.new_context()
    person = Person(context.new_page(), server)
    person.blank()
    person.press("b", "3")
    person.click(30, 30)
    labels = person.labels
    person.page.wait_for_timeout(700)
    person.page.close()
    person = Person(context.new_page(), server)
    assert "96 × 96" in person.page.inner_text("#keep-dialog")
    person.page.click("#keep-dialog button[value=yes]")
    person.wait("editor.map.indices.includes(2)")
    np.testing.assert_array_equal(person.labels, labels)
    context.close()


def test_an_example_and_a_blank_of_another_size(person):
    person.page.select_option("#examples", "one")
    person.wait("editor.map.width === 64")
    np.testing.assert_array_equal(person.labels, stripes(48, 64))
    assert "one" in person.begun_from
    person.tissue()
    person.page.click("#blank")
    person.page.fill("#blank-width", "40")
    person.page.fill("#blank-height", "56")
    person.page.select_option("#blank-class", "1")
    person.page.click("#blank-dialog button[value=ok]")
    person.wait("editor.map.width === 40")
    assert person.labels.shape == (56, 40) and (person.labels == 1).all()
    assert person.begun_from == "a blank map"
    assert person.tissue().shape == (56, 40, 3)


def test_colours_that_are_off_are_reported_and_strange_ones_refused(person, tmp_path):
    colors = SCHEMA.palette[stripes()]
    off = colors.astype(int)
    off[stripes() == 1] += (6, 0, 0)
    path = tmp_path / "off.png"
    Image.fromarray(off.clip(0, 255).astype(np.uint8)).save(path)
    person.page.set_input_files("#file", str(path))
    person.page.wait_for_selector("#report-dialog[open]")
    assert "off by 6" in person.page.inner_text("#report-table")
    person.page.click("#report-dialog button")
    np.testing.assert_array_equal(person.labels, stripes())

    Image.new("RGB", (8, 8), "#00ff00").save(path)
    person.page.set_input_files("#file", str(path))
    person.wait("document.getElementById('notice').textContent.includes('#00ff00')")
    np.testing.assert_array_equal(person.labels, stripes())


def test_touch_paints_with_one_finger_and_zooms_with_two(browser, server):
    context = browser.new_context(has_touch=True)
    person = Person(context.new_page(), server)
    person.blank()
    person.press("b", "3")
    person.size(9)
    touch = context.new_cdp_session(person.page)

    def fingers(kind, *points):
        places = [dict(zip("xy", person.at(*point), strict=True)) for point in points]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    fingers("touchStart", (20, 20))
    fingers("touchMove", (40, 20))
    fingers("touchEnd")
    painted = person.labels
    assert (painted[20, 20:41] == 2).all()
    scale = person.page.evaluate("editor.view.scale")
    fingers("touchStart", (40, 60))
    fingers("touchStart", (40, 60), (60, 60))
    fingers("touchMove", (20, 60), (80, 60))
    fingers("touchEnd")
    assert person.page.evaluate("editor.view.scale") > scale
    np.testing.assert_array_equal(person.labels, painted)
    assert person.errors == []
    context.close()


def test_two_tabs_at_once_each_get_their_own(browser, server):
    contexts = [browser.new_context() for _ in range(2)]
    people = [Person(context.new_page(), server) for context in contexts]
    for value, person in enumerate(people):
        person.blank(value=value)
    first, second = (person.tissue() for person in people)
    assert (first != second).any()
    for context in contexts:
        context.close()


def test_a_server_that_went_away_is_told_and_the_map_is_there(browser, model, folder):
    context = browser.new_context()
    with serving(model, "--out", folder / "other") as server:
        person = Person(context.new_page(), server)
        person.blank()
        person.tissue()
    person.press("b", "3")
    person.click(30, 30)
    person.wait("document.getElementById('notice').textContent.includes('does not answer')")
    assert person.labels[30, 30] == 2
    context.close()


def test_the_file_that_a_browser_is_told_to_open_leads_to_the_page(browser, server):
    page = browser.new_page()
    with opening_page(f"{server.url}#token={server.token}") as file:
        page.goto(file.as_uri())
        page.wait_for_url(f"{server.url}**", timeout=1000 * PATIENCE_SECONDS)
        Person.wait(SimpleNamespace(page=page, notice="", errors=[]),
                    "globalThis.editor !== undefined")  # fmt: skip
    page.close()


@pytest.fixture(scope="module")
def stain_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stain")
    config = replace(GENERATOR, stain=True)
    model = random_model(folder / "model", config, tile_size=(SIZE, SIZE))
    with serving(model, "--out", folder / "sitting") as running:
        yield running, folder / "sitting"


def test_a_stain_is_set_by_hand_undone_and_saved(browser, stain_server):
    server, sitting = stain_server
    someone = Person(browser.new_page(), server)
    someone.blank(48, 48)
    drawn = someone.tissue()
    assert "seed decides" in someone.page.inner_text("#stain-words")
    someone.page.click("#stain summary")
    someone.page.locator("#stain-0").fill("3")
    by_hand = someone.tissue()
    assert (by_hand != drawn).any() and someone.page.inner_text("#stain-words") == "Set by hand."
    someone.page.click("#undo")
    np.testing.assert_array_equal(someone.tissue(), drawn)
    someone.page.click("#redo")
    np.testing.assert_array_equal(someone.tissue(), by_hand)
    someone.page.click("#save")
    someone.wait("document.querySelector('#notice').textContent.startsWith('Saved')")
    (entry,) = read_manifest(sitting / "tiles").values()
    spread = STAINS.spread[0]
    assert entry["stain"][0] == pytest.approx(STAINS.mean[0] + 3 * spread, abs=1e-4)
    assert not someone.errors


def test_a_model_without_stain_offers_none(person):
    assert not person.page.is_visible("#stain")
