"""A reader's file in a real browser, opened from the disk: what a pathologist does with it."""

import time

import pytest
from reading import design, key_of_study, made_study, study_of_page

from eval.study.reading import read_study
from eval.study.returned_file import check_letters

pytestmark = pytest.mark.slow
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    made = tmp_path_factory.mktemp("study")
    made_study(made, design(informed=0))
    return made


class Reader:
    """Somebody with a file in a browser."""

    def __init__(self, browser, page, width=1280, height=800, **options):
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, accept_downloads=True, **options
        )
        self.file, self.errors, self.asked = page, [], []
        self.study = study_of_page(page)
        self.open()

    def open(self):
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda line: self.errors.append(line.text)
                     if line.type == "error" else None)  # fmt: skip
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(self.file.as_uri())

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def words(self, place):
        return self.page.inner_text(place)

    def wait(self, words):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.page.evaluate(words):
            assert time.monotonic() < deadline, (words, self.errors)
            self.page.wait_for_timeout(20)

    def export(self):
        with self.page.expect_download() as download:
            self.press("e")
        self.page.keyboard.press("Escape")
        return download.value

    def close(self):
        self.context.close()
        assert self.errors == []
        assert {url.partition(":")[0] for url in self.asked} <= {"file", "data", "blob"}
        assert [url for url in self.asked if url.startswith("file:")] == [self.file.as_uri()] * len(
            [url for url in self.asked if url.startswith("file:")]
        )


@pytest.fixture
def reader(browser, root):
    someone = Reader(browser, root / "study" / "readers" / "R1.html")
    yield someone
    someone.close()


def test_a_study_is_read_by_keyboard_with_a_break_and_comes_back(reader, root, tmp_path):
    reader.press("Enter")
    assert "Practice: image 1 of 2" in reader.words("#part")
    for _ in range(2):
        reader.press("1", "1")
    assert reader.page.is_visible("#between")
    reader.press("Enter")
    for number in range(10):
        reader.press("2", str(1 + number % 6))
    assert "10 of 22" in reader.words("#progress-words")

    # In the middle: the page is closed, and opened again.
    reader.page.close()
    reader.open()
    assert "Go on" in reader.words("#begin")
    reader.press("Enter")
    assert "Image 11 of 22" in reader.words("#part")
    for number in range(10, 22):
        reader.press("2", str(1 + number % 6))
    assert reader.page.is_visible("#end")

    download = reader.export()
    answers = tmp_path / "answers" / download.suggested_filename
    answers.parent.mkdir()
    download.save_as(answers)
    found = read_study([answers], root / "study" / "coordinator" / "key.json", tmp_path / "ratings")
    assert found.merged.faults == ()
    assert [one.state for one in found.merged.standings] == ["finished", "nothing returned"]
    key = key_of_study(root)
    for place, item in enumerate(key.blocks[0].items[2:]):
        answer = found.merged.answers["R1", "naive", item.name]
        assert answer.codes == {"grade": "gb", "choice": "c" + "abcdef"[place % 6]}
        assert 0 < answer.milliseconds < 60_000


def test_answers_can_be_changed_and_exported_at_any_time(reader, tmp_path):
    reader.press("Enter", "1", "1", "2", "2")
    first = tmp_path / "first.csv"
    reader.export().save_as(first)
    assert first.read_text("utf-8-sig").count("\n") == 3
    reader.press("Enter", "3", "6", "p", "1")
    assert reader.page.get_attribute("[data-code=ga]", "aria-pressed") == "true"
    second = tmp_path / "second.csv"
    reader.export().save_as(second)
    lines = second.read_text("utf-8-sig").splitlines()
    assert ",ga,surely synthetic,cf," in lines[3]
    # The check of a row is what the reader of returned files computes.
    cells = dict(zip(lines[0].split(","), lines[3].split(","), strict=True))
    facts = ("study", "reader", "block", "item", "grade_code", "choice_code", "milliseconds",
             "change", "session")  # fmt: skip
    assert check_letters("|".join(cells[name] for name in facts)) == cells["check"]


def test_the_text_of_an_export_can_be_copied(reader):
    reader.press("Enter", "1", "1", "e")
    text = reader.page.input_value("#export-text")
    assert text.startswith("study,reader,block,item") and text.count("\n") == 2
    reader.press("Escape")
    assert not reader.page.is_visible("#export-dialog")


def transform(reader):
    words = "getComputedStyle(document.querySelector('.stage img')).transform"
    scale, _, _, _, x, y = map(float, reader.page.evaluate(words)[7:-1].split(","))
    return scale, x, y


def test_an_image_is_zoomed_and_moved(reader):
    reader.press("Enter")
    reader.wait("document.querySelector('.stage img').naturalWidth > 0")
    fit = transform(reader)
    reader.press("+", "+")
    near = transform(reader)
    assert near[0] == pytest.approx(fit[0] * 2.25, rel=1e-3)
    reader.press("ArrowRight", "ArrowDown")
    assert transform(reader)[1] <= near[1] and transform(reader)[2] <= near[2]
    box = reader.page.locator(".stage").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    reader.page.mouse.move(*middle)
    reader.page.mouse.wheel(0, -600)
    reader.wait(f"{transform(reader)[0]} > {near[0]}")
    before = transform(reader)
    reader.page.mouse.down()
    reader.page.mouse.move(middle[0] + 40, middle[1] + 25, steps=3)
    reader.page.mouse.up()
    after = transform(reader)
    assert after[1] - before[1] == pytest.approx(40, abs=1)
    assert after[2] - before[2] == pytest.approx(25, abs=1)
    reader.press("0")
    assert transform(reader) == pytest.approx(fit)


def test_time_is_counted_while_an_image_is_in_sight_only(reader, tmp_path):
    reader.press("Enter", "1", "1", "1", "1", "Enter")
    reader.page.wait_for_timeout(300)
    reader.press("?")
    reader.page.wait_for_timeout(1000)
    reader.press("Escape", "2", "2")
    path = tmp_path / "answers.csv"
    reader.export().save_as(path)
    seconds = int(path.read_text("utf-8-sig").splitlines()[3].split(",")[8]) / 1000
    assert 0.25 < seconds < 1.2


def test_nothing_can_be_fetched_and_nothing_else_runs(reader):
    policy = reader.page.get_attribute("meta[http-equiv]", "content")
    assert "default-src 'none'" in policy and "unsafe" not in policy
    told = reader.page.evaluate(
        """async () => {
          const told = [];
          addEventListener("securitypolicyviolation", (one) => told.push(one.effectiveDirective));
          await fetch("https://example.org/x").catch(() => {});
          const image = new Image();
          image.src = "https://example.org/x.png";
          const script = document.createElement("script");
          script.textContent = "globalThis.strange = 1";
          document.body.append(image, script);
          await new Promise((done) => setTimeout(done, 200));
          return [...told.sort(), String(globalThis.strange)];
        }"""
    )
    assert told == ["connect-src", "img-src", "script-src-elem", "undefined"]
    assert len(reader.errors) >= 2
    reader.errors.clear()
    reader.asked = [url for url in reader.asked if not url.startswith("https:")]


def test_a_tablet_has_everything_in_sight_and_under_a_finger(browser, root):
    someone = Reader(
        browser, root / "study" / "readers" / "R2.html", width=768, height=1024, has_touch=True
    )
    someone.page.tap("#begin")
    for button in someone.page.locator("#questions button").all():
        box = button.bounding_box()
        assert box["height"] >= 43 and box["y"] + box["height"] <= 1024
    assert someone.page.locator(".stage").bounding_box()["height"] > 350
    for _ in range(2):
        someone.page.tap("[data-code=ga]")
        someone.page.tap("[data-code=cf]")
    assert someone.page.is_visible("#between")
    assert someone.page.evaluate("document.documentElement.scrollWidth") <= 768
    someone.close()


def test_everything_has_a_name_and_the_focus_is_seen(reader):
    unnamed = reader.page.evaluate(
        """[...document.querySelectorAll("button, progress, textarea, img, [role=group]")]
          .filter((one) => !(one.textContent.trim() || one.getAttribute("aria-label")
            || one.getAttribute("aria-labelledby") || one.alt)).length"""
    )
    assert unnamed == 0
    assert reader.page.get_attribute("html", "lang") == "en"
    assert reader.page.evaluate("document.activeElement.id") == "begin"
    reader.press("Enter")
    alt = reader.page.get_attribute(".stage img", "alt")
    assert alt == "image 1"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    seen = set()
    for _ in range(14):
        reader.press("Tab")
        seen.add(reader.page.evaluate(outline))
    assert seen <= {"solid", "none"} and "solid" in seen
    # Contrast of 4.5 and more between text and ground.
    assert reader.page.evaluate(CONTRASTS) == []


CONTRASTS = """() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((part) => {
      const c = part / 255;
      return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!colour.endsWith(", 0)")) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  return [...document.querySelectorAll("h1, p, h3, button:not(:disabled), span")]
    .filter((one) => one.offsetParent && one.textContent.trim())
    .map((one) => {
      const [a, b] = [light(getComputedStyle(one).color), light(ground(one))].sort((x, y) => y - x);
      return [one.id || one.textContent, (a + 0.05) / (b + 0.05)];
    })
    .filter(([, contrast]) => contrast < 4.5);
}"""


def test_a_browser_that_keeps_nothing_says_so(browser, root):
    someone = Reader(browser, root / "study" / "readers" / "R1.html")
    someone.context.add_init_script(
        "Storage.prototype.setItem = () => { throw new Error('full'); }"
    )
    someone.page.close()
    someone.open()
    assert someone.page.is_visible("#warning")
    someone.press("Enter", "1", "1")
    assert "Practice: image 2" in someone.words("#part")
    someone.close()


def wait_for_answers(page, count):
    """Until so many are in what this window knows of the browser's storage."""
    page.wait_for_function(
        "(count) => Object.values(localStorage).filter((one) => 'change' in JSON.parse(one)).length"
        " === count",
        arg=count,
    )


def test_two_windows_do_not_lose_each_others_answers(reader, tmp_path):
    """Though each learns only later what the other has kept; here, as late as can be."""
    reader.page.evaluate(
        "addEventListener('storage', (event) => event.stopImmediatePropagation(), true)"
    )
    reader.press("Enter", "1", "1")
    other = reader.context.new_page()
    other.goto(reader.file.as_uri())
    wait_for_answers(other, 1)
    other.reload()
    before = reader.page.evaluate("({ ...localStorage })")
    for key in ("Enter", "2", "2", "Enter", "2", "2"):
        other.keyboard.press(key)
    # What its browser would still answer if it had not heard of the other window.
    reader.page.evaluate("before => { Storage.prototype.getItem = (name) => before[name] }", before)
    reader.press("3", "3")
    for page in (reader.page, other):
        page.close()
    reader.open()
    wait_for_answers(reader.page, 3)
    path = tmp_path / "answers.csv"
    reader.export().save_as(path)
    lines = path.read_text("utf-8-sig").splitlines()[1:]
    assert [line.split(",")[5] for line in lines] == ["ga", "gc", "gb"]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    made = tmp_path_factory.mktemp("pairs")
    made_study(made, design(task="pairs", primary="pairs", categories=(), informed=0, practice=0))
    return made


def test_pairs_move_together_and_are_answered_by_side(browser, pairs, tmp_path):
    someone = Reader(browser, pairs / "study" / "readers" / "R1.html")
    someone.press("Enter")
    assert someone.page.locator(".stage").count() == 2
    assert [someone.words(f".stage >> nth={n} >> .side") for n in (0, 1)] == ["Left", "Right"]
    someone.press("+")
    scales = someone.page.evaluate(
        "[...document.querySelectorAll('.stage img')].map((one) => getComputedStyle(one).transform)"
    )
    assert scales[0] == scales[1]
    someone.press(*["6"] * 22)
    path = tmp_path / "answers.csv"
    someone.export().save_as(path)
    found = read_study([path], pairs / "study" / "coordinator" / "key.json", tmp_path / "ratings")
    assert found.merged.standings[0].finished
    rows = (tmp_path / "ratings" / "pairs.csv").read_text().splitlines()[1:]
    assert len(rows) == 20 and all(",R1,6," in row for row in rows)
    assert sum(",right," in row for row in rows) == 10
    someone.close()


def test_three_hundred_images_stay_fluent(browser, tmp_path):
    """Not a duration: that no picture is decoded before its turn, and that few are kept."""
    plan = design(task="discriminate", categories=(), images=300, practice=0, informed=0, repeats=0,
                  readers=1)  # fmt: skip
    made_study(tmp_path, plan, 150)
    someone = Reader(browser, tmp_path / "study" / "readers" / "R1.html")
    someone.page.evaluate(
        """() => {
          globalThis.made = 0;
          const described = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src");
          Object.defineProperty(HTMLImageElement.prototype, "src",
            { ...described, set(value) { globalThis.made++; described.set.call(this, value); } });
        }"""
    )
    someone.press("Enter")
    assert someone.page.evaluate("made") <= 3
    someone.press(*[str(1 + number % 6) for number in range(299)])
    assert "Image 300 of 300" in someone.words("#part")
    assert someone.page.evaluate("document.images.length") == 1
    assert someone.page.evaluate("made") == 300
    someone.press("1")
    assert someone.page.is_visible("#end")
    kept = someone.page.evaluate("JSON.stringify(localStorage).length")
    assert kept < 200_000
    wait_for_answers(someone.page, 300)
    someone.close()
