"""The commands of a reader study, one after the other, as somebody types them."""

import json

import pytest
from marks import is_marked
from reading import answer_rows, key_of_study, write_answers, write_tiles

from launch.cli import main


def run(capsys, *words):
    """Exit code and what was printed."""
    try:
        main([str(word) for word in words])
        code = 0
    except SystemExit as stop:
        code = stop.code
    shown = capsys.readouterr()
    return code, " ".join((shown.out + shown.err).split())


@pytest.fixture
def root(tmp_path):
    write_tiles(tmp_path / "real", 20, seed=1)
    write_tiles(tmp_path / "synthetic", 20, seed=2)
    return tmp_path


def make(root, *more, images=20):
    return ("study", "make", root / "real", root / "synthetic", root / "study", "--images", images,
            "--readers", "3", "--margin", "0.3", "--practice", "2", "--even-if-separable",
            *more)  # fmt: skip


def test_from_tiles_to_a_verdict(root, capsys):
    code, text = run(capsys, *make(root, "--task", "both", "--categories", "1,2,3"))
    assert code == 0 and "Give each reader one file" in text and "key.json" in text
    assert "patients of the tiles are not known" in text

    key = key_of_study(root)
    for reader in ("R1", "R2"):
        write_answers(root / "answers" / f"{reader}.csv", answer_rows(key, reader))
    read = ("study", "read", root / "answers", root / "study/coordinator/key.json",
            "--out", root / "ratings")  # fmt: skip
    code, text = run(capsys, *read)
    assert code == 0 and "Not finished: R3 (naive)." in text

    ratings = root / "ratings"
    code, text = run(capsys, "eval", "discrimination", ratings / "discrimination.csv",
                     "--json", root / "d.json", "--plot", root / "d.svg",
                     "--real", root / "real", "--synthetic", root / "synthetic",
                     "--sheet", root / "d.png")  # fmt: skip
    assert code == 0 and "Primary outcome, AUC:" in text
    assert "equivalent to chance within 0.5 ± 0.3" in text
    assert "Not as planned: 2 of 3 planned readers; without R3." in text
    assert json.loads((root / "d.json").read_text())["settings"]["margin"] == 0.3
    assert is_marked(root / "d.png") and (root / "d.svg").stat().st_size > 1000

    code, text = run(capsys, "eval", "agreement", ratings / "grades.csv", "--replicates", "20")
    assert code == 0 and "Scale (declared): 1, 2, 3." in text
    assert "Not as planned: 2 of 3 planned readers; without R3." in text


def test_agreement_takes_the_margin_of_a_study_that_is_about_it(root, capsys):
    run(capsys, *make(root, "--task", "grade", "--categories", "1,2,3"))
    key = key_of_study(root)
    for reader in ("R1", "R2", "R3"):
        write_answers(root / "answers" / f"{reader}.csv", answer_rows(key, reader))
    run(capsys, "study", "read", root / "answers", root / "study/coordinator/key.json",
        "--out", root / "ratings")  # fmt: skip
    agreement = ("eval", "agreement", root / "ratings/grades.csv", "--replicates", "20")
    code, text = run(capsys, *agreement)
    assert code == 0 and "within ±0.3" in text and "Not as planned" not in text
    assert "Primary outcome of the study: krippendorff_alpha_ordinal." in text
    code, text = run(capsys, *agreement, "--margin", "0.5")
    assert "Not as planned: the margin is 0.5, planned was 0.3." in text


def test_what_came_back_wrong_is_told_and_the_rest_is_written(root, capsys):
    run(capsys, *make(root))
    key = key_of_study(root)
    write_answers(root / "answers" / "R1.csv", answer_rows(key))
    (root / "answers" / "R2.csv").write_text("")
    code, text = run(capsys, "study", "read", root / "answers",
                     root / "study/coordinator/key.json", "--out", root / "ratings")  # fmt: skip
    assert code == 1 and "R2.csv is empty" in text and "files or rows: 1 (above)" in text
    assert (root / "ratings" / "discrimination.csv").is_file()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--task", "grade"), "--categories"),
        (("--facts", "nowhere.csv"), "nowhere.csv"),
        (("--primary", "pairs"), "not measured"),
    ],
)
def test_a_study_that_cannot_be_made_is_one_sentence(root, capsys, more, message):
    code, text = run(capsys, *make(root), *more)
    assert code == 2 and message in text and "Traceback" not in text
    assert not (root / "study").exists()


@pytest.mark.parametrize(
    ("images", "message"), [(21, "even number"), (200, "needs 101 tiles of each arm")]
)
def test_a_number_of_images_that_cannot_be_is_one_sentence(root, capsys, images, message):
    code, text = run(capsys, *make(root, images=images))
    assert code == 2 and message in text


def test_a_study_is_never_made_over_another(root, capsys):
    (root / "study").mkdir()
    code, text = run(capsys, *make(root))
    assert code == 2 and "exists already" in text


def test_a_plan_has_a_row_for_each_size(capsys):
    code, text = run(capsys, "study", "plan", "--readers", "3,4", "--images", "20",
                     "--studies", "50")  # fmt: skip
    assert code == 0 and "95 % interval" in text and text.count("±") == 2
    code, text = run(capsys, "study", "plan", "--readers", "3;4")
    assert code == 2 and "--readers" in text


def test_a_sheet_needs_its_tiles(root, capsys):
    code, text = run(capsys, "eval", "discrimination", root / "x.csv", "--sheet", root / "s.png")
    assert code == 2 and "--real and --synthetic" in text
