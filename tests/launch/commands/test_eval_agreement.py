"""The command as its user sees it: table, JSON, errors, and what it does not import."""

import json
import subprocess
import sys

import numpy as np
import pytest

from histosyn.labels.label_map import label_png_bytes, load_schema
from launch.cli import main

ROWS = [("a", 1, 1, 2), ("b", 2, 2, 2), ("c", 3, 2, 3), ("d", 1, 1, 1), ("e", 3, 3, "")]


@pytest.fixture
def ratings(tmp_path):
    path = tmp_path / "ratings.csv"
    lines = ["image,R1,R2,R3", *(",".join(map(str, row)) for row in ROWS)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def run(*tokens):
    main(["eval", "agreement", *map(str, tokens)])


def test_prints_a_table_and_writes_json(ratings, tmp_path, capsys):
    out = tmp_path / "agreement.json"
    run(ratings, "--categories", "1,2,3,4", "--replicates", 100, "--seed", 5, "--json", out)
    text = capsys.readouterr().out
    saved = json.loads(out.read_text(encoding="utf-8"))
    numbers = {number["name"]: number for number in saved["numbers"]}
    for name in ("fleiss_kappa", "krippendorff_alpha_interval", "ICC(A,1)"):
        assert name in text
        assert f"{numbers[name]['value']:.3f}" in text
    assert f"{numbers['cohen_kappa_quadratic']['value']:.3f} (" in text
    assert "100 replicates, seed 5." in text
    assert "Scale (declared): 1, 2, 3, 4." in text
    assert "By formula: Gwet 2014, linearised, t; infinitesimal jackknife, t; McGraw" in text
    assert "warning: Ratings: not everyone rated all 5 images: R3 4." in text
    assert saved["settings"]["seed"] == 5
    assert saved["versions"]["numpy"]


def test_undefined_is_none_with_a_note_below(tmp_path, capsys):
    path = tmp_path / "ratings.csv"
    path.write_text("image,R1,R2\na,[x],[x]\nb,[x],[x]\n", encoding="utf-8")
    run(path)
    text = capsys.readouterr().out
    row = next(line for line in text.splitlines() if line.startswith("fleiss_kappa"))
    mark = row.split()[-1]
    assert "none" in row.split()
    assert f"{mark} 0/0: all ratings compared are in one category" in text
    assert "Scale (observed): [x]." in text
    assert "warning: The scale isn't declared" in text


@pytest.mark.parametrize("images", [3, 4])
def test_readers_who_always_disagree_have_a_result(tmp_path, images, capsys):
    path, out = tmp_path / "ratings.csv", tmp_path / "out.json"
    rows = ["a,1,2", "b,2,1", "c,1,2", "d,2,1"][:images]
    path.write_text("\n".join(["image,R1,R2", *rows]) + "\n", encoding="utf-8")
    run(path, "--categories", "1,2", "--replicates", 50, "--json", out)
    saved = json.loads(out.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    (absolute,) = [n for n in saved["numbers"] if n["name"] == "ICC(A,1)"]
    assert absolute["value"] == pytest.approx(-2)
    assert absolute["details"]["by_formula"] == []
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("ICC(A,1)"))
    assert "nan" not in row


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["nothing.csv"], "nothing.csv does not exist"),
        (["--categories", "1,2"], "'3', which is none of the declared categories 1,2"),
        (["--categories", "1,,2"], "has an empty name"),
        (["--replicates", "0"], "Must be >= 1"),
        (["--seed", "-1"], "Must be >= 0"),
        (["--margin", "0"], "Must be > 0"),
        (["--category", "1,2"], "--category"),
        (["--categories", "--margin", "0.1"], "The grades are missing: --margin is an option"),
        (["--categories"], "requires an argument"),
        (["--raters", "R1,R9"], "'R9' is not among the columns"),
        (["--raters", "R1,,R2"], "has an empty or doubled name"),
        (["--confidence", "real"], "--confidence needs rated images of both arms"),
    ],
)
def test_errors_are_one_message_and_exit_code_2(ratings, tokens, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(*([] if tokens[0].endswith(".csv") else [ratings]), *tokens)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.mark.parametrize("scale", ["-1,0,1", "-,+,++", "--,-,+"])
@pytest.mark.parametrize("joined", [False, True])
def test_grades_may_begin_with_a_hyphen(tmp_path, scale, joined, capsys):
    grades = scale.split(",")
    path = tmp_path / "ratings.csv"
    rows = [f"i{n},{grades[n % 3]},{grades[n // 3]}" for n in range(9)]
    path.write_text("\n".join(["image,R1,R2", *rows]) + "\n", encoding="utf-8")
    tokens = [f"--categories={scale}"] if joined else ["--categories", scale]
    run(path, *tokens, "--replicates", 20)
    assert f"Scale (declared): {', '.join(grades)}." in capsys.readouterr().out


def arms_file(tmp_path):
    lines = ["image,arm,R1,R2,R3"]
    for arm in ("real", "synthetic"):
        lines += [f"{arm}{row},{arm},{a},{b},{c or 1}" for row, (_, a, b, c) in enumerate(ROWS)]
    path = tmp_path / "arms.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_difference_is_a_table_of_its_own(tmp_path, capsys):
    run(arms_file(tmp_path), "--categories", "1,2,3", "--replicates", 50, "--margin", 0.25)
    text = capsys.readouterr().out
    table = text[text.index("real minus synthetic, all raters") :]
    row = next(line for line in table.splitlines() if line.startswith("fleiss_kappa "))
    assert row.split()[1] == row.split()[2]
    assert row.split()[3] == "0.000"
    assert "1.0000" in row
    assert "within ±0.25" in table
    assert "all permutations" in table
    assert "does not show that readers agree alike" in table


def test_no_verdict_and_no_interval_are_said_in_the_table(tmp_path, capsys):
    rows = [f"{arm}{n},{arm},1,1" for arm in ("real", "synthetic") for n in range(20)]
    path = tmp_path / "arms.csv"
    last = ["r,real,3,3", "s,synthetic,3,2"]
    path.write_text("\n".join(["image,arm,R1,R2", *rows, *last]) + "\n", encoding="utf-8")
    run(path, "--categories", "1,2,3", "--replicates", 200, "--margin", 0.25)
    text = capsys.readouterr().out
    table = text[text.index("real minus synthetic, all raters") :]
    (row,) = [line for line in table.splitlines() if line.startswith("light_kappa_quadratic")]
    *_, verdict, mark = row.split()
    assert verdict == "none"
    assert f"\n{mark} undefined in " in table
    assert "none if more than 5 % are undefined" in table.replace("\n", " ")
    path.write_text("image,arm,R1,R2\na,real,1,2\n" + "\n".join(last) + "\n", encoding="utf-8")
    run(path, "--categories", "1,2,3", "--replicates", 50, "--margin", 0.25)
    text = capsys.readouterr().out
    table = text[text.index("real minus synthetic, all raters") :]
    (row,) = [line for line in table.splitlines() if line.startswith("percent_agreement")]
    assert f"\n{row.split()[-1]} no interval from a single synthetic image" in table


def test_telling_the_arms_apart_is_a_table_of_its_own(tmp_path, capsys):
    out = tmp_path / "out.json"
    tokens = ["--categories", "1,2,3", "--replicates", 50, "--confidence", "synthetic"]
    run(arms_file(tmp_path), *tokens, "--json", out)
    text = capsys.readouterr().out
    table = text[text.index("telling real from synthetic by confidence") :]
    row = next(line for line in table.splitlines() if line.startswith("mean of readers"))
    assert row.split()[3] == "0.500"
    assert "DeLong 1988, logit" in table
    assert "does not show that readers cannot tell" in table.replace("\n", " ")
    independent = text[text.index("by formula, arms independent") :]
    assert "light_kappa" in independent
    assert "Fleiss, Levin & Paik 2003, 18.1" in independent
    saved = json.loads(out.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert saved["settings"]["confidence"] == "synthetic"
    assert [n["n"] for n in saved["numbers"] if n["name"] == "auc"] == [10] * 4


def test_raters_can_be_named_and_other_columns_are(tmp_path, capsys):
    path = tmp_path / "r.csv"
    rows = [f"i{n},{n % 3},{n * n % 3},{n},p{n % 4}" for n in range(12)]
    path.write_text("\n".join(["image,R1,R2,pt,patient", *rows]) + "\n", encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        run(path, "--replicates", 20)
    assert stopped.value.code == 2
    assert "column 'pt' has many values that no other column has" in capsys.readouterr().err
    run(path, "--raters", "R1,R2", "--replicates", 20)
    text = capsys.readouterr().out
    assert "all raters: 2" in text
    assert "warning: Left aside, not taken for readers: pt, patient." in text


def test_without_permutations_it_says_why(tmp_path, capsys):
    groups = tmp_path / "patients.csv"
    lines = [f"{arm}{row},p{row}" for arm in ("real", "synthetic") for row in range(5)]
    groups.write_text("\n".join(["tile,patient", *lines]) + "\n", encoding="utf-8")
    run(arms_file(tmp_path), "--categories", "1,2,3", "--replicates", 50, "--groups", groups)
    text = capsys.readouterr().out
    assert "percentile bootstrap over patients" in text
    assert "p: none; images of a patient are not independent" in text
    assert "By formula:" not in text


def test_tables_fit_a_hundred_columns(tmp_path, capsys):
    run(arms_file(tmp_path), "--categories", "1,2,3", "--replicates", 50, "--margin", 0.25)
    text = capsys.readouterr().out
    tables = text[: text.index("n: images with two")]
    assert max(len(line.rstrip()) for line in tables.splitlines()) <= 100


def test_many_pairs_are_a_matrix_only(tmp_path, capsys):
    raters = [f"R{index}" for index in range(1, 8)]
    rows = [
        f"i{row}," + ",".join("12"[(row * k) % 3 == 0] for k in range(1, 8)) for row in range(6)
    ]
    path = tmp_path / "seven.csv"
    path.write_text("\n".join([f"image,{','.join(raters)}", *rows]) + "\n", encoding="utf-8")
    run(path, "--categories", "1,2", "--replicates", 20, "--resample-raters")
    text = capsys.readouterr().out
    assert "below the diagonal" in text
    assert "R1, R2" not in text
    assert "percentile bootstrap over images and raters" in text


@pytest.fixture
def label_folders(tmp_path):
    return tuple(
        write_phantom_labels(tmp_path / name, seed) for name, seed in (("anna", 0), ("ben", 1))
    )


def write_phantom_labels(folder, seed):
    schema = load_schema("prostate-2")
    random = np.random.default_rng(seed)
    folder.mkdir()
    for tile in range(4):
        labels = random.integers(0, 2, (8, 8)).astype(np.uint8)
        (folder / f"t{tile}.png").write_bytes(label_png_bytes(labels, schema))
    return folder


def test_folders_of_label_maps_are_raters(label_folders, tmp_path, capsys):
    out = tmp_path / "labels.json"
    run(*label_folders, "--schema", "prostate-2", "--replicates", 50, "--json", out)
    text = capsys.readouterr().out
    saved = json.loads(out.read_text(encoding="utf-8"))
    assert saved["kind"] == "label agreement"
    kappa = next(number for number in saved["numbers"] if number["name"] == "cohen_kappa")
    assert f"{kappa['value']:z.3f}" in text
    assert "anna and ben" in text
    assert "non-epithelium" in text
    assert "percentile bootstrap over tiles (4)" in text
    assert max(map(len, text[: text.index("Intervals:")].splitlines())) <= 110


@pytest.mark.parametrize(
    ("names", "tokens", "message"),
    [
        (("anna", "ben"), [], "--schema is missing"),
        (("anna",), ["--schema", "prostate-2"], "two folders or more"),
        (("anna", "ben"), ["--schema", "prostate-2", "--categories", "1"], "--categories is for"),
        (("anna", "ben"), ["--schema", "prostate-2", "--margin", "0.1"], "--margin is for"),
        (("anna", "ratings.csv"), ["--schema", "prostate-2"], "ratings.csv is a file"),
        (("ratings.csv", "ratings.csv"), [], "2 files of ratings are given"),
        (("ratings.csv",), ["--schema", "prostate-2"], "--schema is for folders"),
        ((), [], "RATINGS"),
    ],
)
def test_what_does_not_go_together(
    label_folders, ratings, tmp_path, names, tokens, message, capsys
):
    with pytest.raises(SystemExit) as stopped:
        run(*(tmp_path / name for name in names), *tokens)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.mark.parametrize("of_labels", [False, True])
def test_imports_neither_torch_nor_torchvision(ratings, label_folders, of_labels):
    given = [*label_folders, "--schema", "prostate-2"] if of_labels else [ratings]
    code = (
        "import sys; from launch.cli import main; main(sys.argv[1:]);"
        "print(sorted({'torch', 'torchvision'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "eval", "agreement", *map(str, given)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
