"""The files of a study: what readers get, what they must not find in it, and what is refused."""

import base64
import io
import re
from collections import Counter

import numpy as np
import pytest
from PIL import Image, ImageFilter, PngImagePlugin
from reading import design, key_of_study, made_study, study_of_page, write_tiles

from eval.features.tile_sources import open_tiles
from eval.study.making import make_study
from hpc.errors import DatasetError, InputError

PICTURE = re.compile(r'<script type="text/plain" id="p(\d+)">([^<]*)</script>')


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    lines = ["tile,patient,class"]
    for number in range(40):
        lines.append(
            f"tile-{number:03d},SECRETPATIENT{number // 5},{'tumour' if number % 2 else 'fat'}"
        )
    (root / "facts.csv").write_text("\n".join(lines))
    made = made_study(root, design(), facts=root / "facts.csv")
    return root, made, key_of_study(root)


def pages(root):
    return sorted((root / "study").glob("readers*/*.html"))


def pictures(page):
    return [base64.b64decode(text) for _, text in PICTURE.findall(page.read_text("utf-8"))]


def block_of(key, reader="R1", block="naive"):
    return next(one for one in key.blocks if (one.reader, one.block) == (reader, block))


def counted(key, **which):
    return [item for item in block_of(key, **which).items if not item.practice]


def test_a_study_has_a_file_for_each_reader_and_the_rest_apart(study):
    root, made, _ = study
    assert made.reader_files == (
        "readers/R1.html", "readers/R2.html",
        "readers-second-part/R1.html", "readers-second-part/R2.html",
    )  # fmt: skip
    kept = sorted(path.name for path in (root / "study" / "coordinator").iterdir())
    assert kept == ["feedback.html", "key.json", "protocol.json"]


def test_nothing_in_a_readers_file_tells_arm_name_patient_or_path(study):
    root, _, key = study
    shown = {tile.name for item in block_of(key).items for tile in item.tiles}
    for page in pages(root):
        data = page.read_bytes()
        for word in (b"SECRETPATIENT", b"tile-0", b"tumour", str(root).encode(), b"phantom"):
            assert word not in data
        for name in shown:
            assert name.encode() not in data
        asked = study_of_page(page)
        text = str(asked["items"]) + str([question["name"] for question in asked["questions"]])
        assert "real" not in text and "synth" not in text
        assert {item.keys() == {"id", "practice", "pictures"} for item in asked["items"]} == {True}


def test_pictures_of_both_arms_are_alike_but_for_their_pixels(study):
    root, _, _ = study
    for page in pages(root):
        data = pictures(page)
        assert len({len(one) for one in data}) == 1
        facts = set()
        for one in data:
            with Image.open(io.BytesIO(one)) as image:
                image.load()
                facts.add((image.format, image.size, image.mode, str(image.quantization),
                           str(sorted(image.info)), str(image.getexif())))  # fmt: skip
        assert len(facts) == 1


def test_metadata_of_the_tiles_goes_no_further(tmp_path):
    for number, arm in enumerate(("real", "synthetic")):
        folder = write_tiles(tmp_path / arm, 6, seed=number)
        for path in folder.glob("*.png"):
            info = PngImagePlugin.PngInfo()
            info.add_text("Author", "DR WHO")
            with Image.open(path) as image:
                image.load()
                image.save(path, pnginfo=info, dpi=(72, 72))
    plan = design(task="discriminate", categories=(), images=8, informed=0)
    make_study(open_tiles(tmp_path / "real"), open_tiles(tmp_path / "synthetic"),
               tmp_path / "study", plan, even_if_separable=True)  # fmt: skip
    for page in pages(tmp_path):
        assert b"DR WHO" not in page.read_bytes()
        for one in pictures(page):
            assert b"DR WHO" not in one
            with Image.open(io.BytesIO(one)) as image:
                assert "dpi" not in image.info and "Author" not in image.info


def test_pictures_are_what_the_key_says(study):
    root, _, key = study
    page = root / "study" / "readers" / "R1.html"
    asked, found = (
        study_of_page(page),
        {
            int(number): base64.b64decode(text)
            for number, text in PICTURE.findall(page.read_text("utf-8"))
        },
    )
    assert [item["id"] for item in asked["items"]] == [item.name for item in block_of(key).items]
    for item, keyed in zip(asked["items"], block_of(key).items, strict=True):
        (tile,) = keyed.tiles
        with Image.open(io.BytesIO(found[item["pictures"][0]])) as image:
            shown = np.asarray(image, dtype=float)
        with Image.open(root / tile.arm / tile.name) as image:
            assert np.abs(np.asarray(image, dtype=float) - shown).mean() < 8


def test_arms_classes_and_patients_are_balanced(study):
    _, _, key = study
    tiles = [item.tiles[0] for item in counted(key) if not item.repeat]
    by_arm = {arm: [tile for tile in tiles if tile.arm == arm] for arm in ("real", "synthetic")}
    assert [len(one) for one in by_arm.values()] == [10, 10]
    for mine in by_arm.values():
        assert Counter(tile.tissue for tile in mine) == {"tumour": 5, "fat": 5}
        patients = Counter((tile.tissue, tile.patient) for tile in mine)
        assert max(patients.values()) == 1


def test_no_tile_is_in_two_parts_and_hardly_a_label_map_in_both_arms(study):
    _root, _, key = study
    first, second = (
        {(t.arm, t.name) for i in block_of(key, block=b).items for t in i.tiles}
        for b in ("naive", "informed")
    )
    assert not first & second
    naive = [t for i in counted(key) for t in i.tiles]
    names = {arm: {t.name for t in naive if t.arm == arm} for arm in ("real", "synthetic")}
    assert not names["real"] & names["synthetic"]


def test_all_readers_see_the_same_images_in_orders_of_their_own(study):
    _, _, key = study
    one, other = (
        [item.tiles[0].sha256 for item in counted(key, reader=reader)] for reader in ("R1", "R2")
    )
    assert Counter(one) == Counter(other) and one != other
    names = [{item.name for item in block.items} for block in key.blocks]
    assert not names[0] & names[1]


def test_repeats_come_later_and_practice_first(study):
    _, _, key = study
    items = block_of(key).items
    assert [item.practice for item in items] == [True] * 2 + [False] * 22
    seen = [item.tiles[0].sha256 for item in items]
    repeats = [place for place, item in enumerate(items) if item.repeat]
    assert len(repeats) == 2
    assert {items[place].tiles[0].arm for place in repeats} == {"real", "synthetic"}
    for place in repeats:
        assert place - seen.index(items[place].tiles[0].sha256) >= 5


@pytest.mark.parametrize("seed", range(20))
def test_repeats_find_their_places_in_any_order(tmp_path, seed):
    from eval.study.candidates import Candidate
    from eval.study.presentation import items_of

    tiles = {
        arm: [Candidate(arm=arm, name=str(n), twin="", patient=None, tissue="", read=None)
              for n in range(10)]
        for arm in ("real", "synthetic")
    }  # fmt: skip
    plan = design(seed=seed, repeats=0.3, informed=0, practice=0)
    items = items_of({"naive": tiles}, "naive", "R1", plan, practice=False)
    names = [(item.tiles[0].arm, item.tiles[0].name) for item in items]
    assert sum(item.repeat for item in items) == 6 and len(items) == 26
    for place, item in enumerate(items):
        first = names.index(names[place])
        assert (first == place) != item.repeat
        assert first == place or place - first >= 5


def test_the_same_seed_gives_the_same_files(tmp_path, study):
    root, made, _ = study
    again = make_study(open_tiles(root / "real"), open_tiles(root / "synthetic"),
                       tmp_path / "study", design(), facts=root / "facts.csv",
                       even_if_separable=True)  # fmt: skip
    assert again.study == made.study
    for name in made.reader_files:
        assert (tmp_path / "study" / name).read_bytes() == (root / "study" / name).read_bytes()
    other = make_study(open_tiles(root / "real"), open_tiles(root / "synthetic"),
                       tmp_path / "other", design(seed=1), facts=root / "facts.csv",
                       even_if_separable=True)  # fmt: skip
    assert other.study != made.study


def test_feedback_shows_other_tiles_with_their_arms(study):
    root, _, _key = study
    text = (root / "study" / "coordinator" / "feedback.html").read_text("utf-8")
    assert text.count("<figcaption>Real</figcaption>") == 2
    assert text.count("<figcaption>Synthetic</figcaption>") == 2
    shown = {base64.b64encode(data).decode() for page in pages(root) for data in pictures(page)}
    assert not [one for one in shown if one in text]


def test_pairs_have_one_of_each_arm_and_sides_by_chance(tmp_path):
    plan = design(task="pairs", categories=(), primary="pairs", images=12, informed=0, repeats=0.25)
    made_study(tmp_path, plan)
    items = counted(key_of_study(tmp_path))
    sides = Counter(item.tiles[0].arm for item in items)
    assert all({tile.arm for tile in item.tiles} == {"real", "synthetic"} for item in items)
    assert len(items) == 15 and min(sides.values()) > 4
    asked = study_of_page(tmp_path / "study" / "readers" / "R1.html")
    assert [option["label"] for option in asked["questions"][0]["options"]][::5] == [
        "surely left", "surely right",
    ]  # fmt: skip
    assert asked["sides"] == ["Left", "Right"]


def test_a_jpeg_arm_and_a_frame_are_noticed(tmp_path):
    real = write_tiles(tmp_path / "real", 30, seed=1)
    synthetic = write_tiles(tmp_path / "synthetic", 30, seed=2)
    plan = design(task="discriminate", categories=(), images=40, informed=0)
    for path in synthetic.glob("*.png"):
        with Image.open(path) as image:
            tile = np.array(image)
        tile[0] = tile[-1] = tile[:, 0] = tile[:, -1] = 0
        Image.fromarray(tile).save(path)
    with pytest.raises(InputError, match=r"tell the arms apart by .*border.*--even-if-separable"):
        make_study(open_tiles(real), open_tiles(synthetic), tmp_path / "study", plan)
    assert not (tmp_path / "study").exists()
    made = make_study(open_tiles(real), open_tiles(synthetic), tmp_path / "study", plan,
                      even_if_separable=True)  # fmt: skip
    assert any("border" in text for text in made.warnings)


def test_jpeg_on_one_side_only_is_told(tmp_path):
    """Pictures are encoded alike, but what an earlier encoder has done is still seen."""
    folders = []
    for number, arm in enumerate(("real", "synthetic")):
        folder = write_tiles(tmp_path / arm, 24, seed=number, size=128)
        folders.append(folder)
        for path in folder.glob("*.png"):
            with Image.open(path) as image:
                smooth = image.filter(ImageFilter.GaussianBlur(2))
            data = io.BytesIO()
            smooth.save(data, "JPEG", quality=40)
            with Image.open(data) as again:
                (again if arm == "real" else smooth).save(path)
    plan = design(task="discriminate", categories=(), images=40, informed=0)
    made = make_study(*map(open_tiles, folders), tmp_path / "study", plan, even_if_separable=True)
    told = " ".join(made.warnings) + " ".join(made.separation.given_away)
    assert "JPEG" in told
    names = {one.name for one in made.separation.properties}
    assert {"sharpness", "bytes before equalising"} < names


def test_one_page_holds_no_text_of_users_as_markup(tmp_path):
    plan = design(title="</title><script>x", instructions="</script><b>{{script}}", informed=0)
    made_study(tmp_path, plan)
    page = tmp_path / "study" / "readers" / "R1.html"
    assert "<script>x" not in page.read_text("utf-8") and "</script><b>" not in page.read_text(
        "utf-8"
    )
    assert study_of_page(page)["instructions"] == "</script><b>{{script}}"


@pytest.mark.parametrize(
    ("options", "count", "message"),
    [
        ({"images": 80}, 40, "needs 47 tiles of each arm .* there are 40 real and 40 synthetic"),
        ({"images": 11}, 40, "even number"),
        ({"images": 2}, 40, "too few"),
        ({"repeats": 0.5}, 40, "0 to 0.3"),
        ({"categories": ("1",)}, 40, "--categories"),
        ({"categories": ("1", "1")}, 40, "twice"),
        ({"primary": "pairs"}, 40, "not measured"),
        ({"task": "pairs", "primary": "pairs"}, 40, "asks for no grade"),
        ({"quality": 20}, 40, "quality"),
        ({"size": 64}, 40, "48x48 pixels, less than --size 64"),
    ],
)
def test_a_design_that_cannot_be_is_refused(tmp_path, options, count, message):
    with pytest.raises(InputError, match=message):
        made_study(tmp_path, design(**options), count)
    assert not (tmp_path / "study").exists()


def test_tiles_of_two_sizes_an_empty_arm_and_a_damaged_tile_are_told(tmp_path):
    real = write_tiles(tmp_path / "real", 20, seed=1)
    small = write_tiles(tmp_path / "small", 20, seed=2, size=40)
    plan = design(task="discriminate", categories=(), images=20, informed=0)
    with pytest.raises(InputError, match=r"two sizes: .* \(real\) has 48x48.* --size 40"):
        make_study(open_tiles(real), open_tiles(small), tmp_path / "study", plan)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="holds no image"):
        open_tiles(tmp_path / "empty")
    for path in small.glob("*.png"):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DatasetError, match=r"tile-\d+\.png"):
        make_study(open_tiles(real), open_tiles(small), tmp_path / "study", plan)


def test_a_class_of_one_arm_and_a_tile_without_facts_are_told(tmp_path):
    real = write_tiles(tmp_path / "real", 20, seed=1)
    synthetic = write_tiles(tmp_path / "synthetic", 24, seed=2)
    facts = tmp_path / "facts.csv"
    lines = [f"tile-{n:03d},{'rare' if n > 19 else 'usual'}" for n in range(24)]
    facts.write_text("\n".join(["tile,class", *lines]))
    plan = design(task="discriminate", categories=(), images=20, informed=0)
    made = make_study(open_tiles(real), open_tiles(synthetic), tmp_path / "study", plan,
                      facts=facts, even_if_separable=True)  # fmt: skip
    assert any("'rare'" in text for text in made.warnings)
    facts.write_text("\n".join(["tile,class", *lines[:-1]]))
    with pytest.raises(DatasetError, match=r"says nothing of tile-023\.png"):
        make_study(open_tiles(real), open_tiles(synthetic), tmp_path / "other", plan, facts=facts)
    facts.write_text("tile,colour\ntile-000,red\n")
    with pytest.raises(DatasetError, match="neither a column patient nor a column class"):
        make_study(open_tiles(real), open_tiles(synthetic), tmp_path / "other", plan, facts=facts)
