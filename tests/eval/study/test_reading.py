"""What comes back from readers, sound and otherwise, and the tables that are made of it."""

import base64
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import (
    answer_rows,
    csv_text,
    design,
    key_of_study,
    made_study,
    write_answers,
)

from eval.agreement.ratings.arms import read_ratings
from eval.study.reading import labels_of, read_study
from eval.study.returned_file import check_letters, read_returned
from eval.study.sealed_key import open_key
from hpc.errors import DamagedFileError, DatasetError, HistosynError, InputError


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    (root / "facts.csv").write_text(
        "\n".join(["tile,patient", *(f"tile-{n:03d},P{n // 4}" for n in range(40))])
    )
    made_study(root, design(), facts=root / "facts.csv")
    return root, key_of_study(root)


@pytest.fixture
def returns(tmp_path, made):
    """A folder of answers, the key, and what reads them."""
    root, key = made

    class Desk:
        folder = tmp_path / "answers"

        def put(self, name, rows, **options):
            return write_answers(self.folder / name, rows, **options)

        def read(self):
            return read_study([self.folder], root / "study/coordinator/key.json", tmp_path / "out")

    desk = Desk()
    desk.key, desk.out = key, tmp_path / "out"
    return desk


def rows_of(path):
    header, *rows = path.read_text().splitlines()
    return [dict(zip(header.split(","), row.split(","), strict=True)) for row in rows]


def test_everything_comes_back(returns):
    for reader in ("R1", "R2"):
        for block in ("naive", "informed"):
            rows = answer_rows(returns.key, reader, block)
            returns.put(f"{reader}-{block}.csv", rows)
    found = returns.read()

    assert found.merged.faults == found.merged.notes == found.deviations == ()
    assert all(one.finished for one in found.merged.standings)
    assert set(found.tables) == {
        "answers.csv", "grades.csv", "grades-informed.csv", "discrimination.csv",
        "discrimination-informed.csv", "repeats-grades.csv", "repeats-discrimination.csv",
        "patients.csv",
    }  # fmt: skip
    first, second = (
        {row["image"] + row["arm"] for row in rows_of(returns.out / f"discrimination{which}.csv")}
        for which in ("", "-informed")
    )
    assert len(first) == 20 and len(second) == 8 and not first & second


def test_ratings_are_those_that_were_given(returns):
    def choose(item, question, codes):
        synthetic = item.tiles[0].arm == "synthetic"
        return codes[4 if synthetic else 1] if question == "choice" else codes[2 * synthetic]

    for reader in ("R1", "R2"):
        returns.put(f"{reader}.csv", answer_rows(returns.key, reader, choose=choose))
    returns.read()

    for row in rows_of(returns.out / "discrimination.csv"):
        assert row["rating"] == ("5" if row["arm"] == "synthetic" else "2")
        assert row["block"] == "naive" and row["patient"].startswith("P")
        assert 1 <= float(row["seconds"]) < 2
    ratings = read_ratings(returns.out / "grades.csv", ("1", "2", "3"))
    assert [len(arm.images) for arm in ratings.arms] == [10, 10]
    assert [set(arm.codes_IR.ravel().tolist()) for arm in ratings.arms] == [{0}, {2}]
    again = read_ratings(returns.out / "repeats-grades.csv", ("1", "2", "3"))
    assert {rater for arm in again.arms for rater in arm.raters} == {
        "R1", "R1-again", "R2", "R2-again",
    }  # fmt: skip


def test_pairs_say_on_which_side_the_synthetic_one_was(tmp_path):
    plan = design(task="pairs", categories=(), primary="pairs", images=12, informed=0, repeats=0.25)
    made_study(tmp_path, plan)
    key = key_of_study(tmp_path)
    rows = answer_rows(
        key, choose=lambda item, _, codes: codes[5 if item.tiles[1].arm == "synthetic" else 0]
    )
    write_answers(tmp_path / "answers" / "R1.csv", rows)
    read_study([tmp_path / "answers"], tmp_path / "study/coordinator/key.json", tmp_path / "out")

    found = rows_of(tmp_path / "out" / "pairs.csv")
    assert len(found) == 12
    assert {(row["rating"], row["synthetic"]) for row in found} == {("1", "left"), ("6", "right")}
    assert {row["rating"] for row in rows_of(tmp_path / "out" / "repeats-pairs.csv")} == {
        "synthetic"
    }


def test_who_has_not_finished_is_named(returns):
    returns.put("R1.csv", answer_rows(returns.key, answered=12))
    found = returns.read()

    states = {(one.reader, one.block): one.state for one in found.merged.standings}
    assert states["R1", "naive"] == "not finished"
    assert states["R2", "naive"] == "nothing returned"
    assert found.merged.standings[0].complete == 10
    assert "R1 answered 10 of 22 items of the naive block" in found.deviations
    assert any("without R2" in text for text in found.deviations)
    record = json.loads((returns.out / "study.json").read_text())
    assert record["deviations"] == list(found.deviations)


@pytest.mark.parametrize(
    "options",
    [{"delimiter": ";"}, {"delimiter": "\t"}, {"mark": ""}, {"end": "\n"}],
    ids=["semicolons", "tabs", "no mark", "unix"],
)
def test_what_a_spreadsheet_saves_is_read_the_same(returns, options):
    returns.put("R1.csv", answer_rows(returns.key), **options)
    found = returns.read()
    assert found.merged.faults == ()
    assert found.merged.standings[0].finished


def test_decimal_commas_and_dates_of_a_spreadsheet_do_no_harm(returns):
    rows = answer_rows(returns.key)
    for row in rows:
        row["answered_at"] = "29.11.2026 11:00"
        row["milliseconds"] = f"{row['milliseconds']},0"
        row["change"] = f"{row['change']},00"
        row["grade"] = "01. Feb"
    returns.put("R1.csv", rows, delimiter=";")
    assert returns.read().merged.faults == ()


@pytest.mark.parametrize(
    ("column", "value"),
    [("choice_code", "ca"), ("grade_code", "gc"), ("milliseconds", 5), ("check", "bbbbbbbb"),
     ("grade", "3"), ("choice", "surely real")],
)  # fmt: skip
def test_an_edited_row_is_left_out_and_the_others_are_kept(returns, column, value):
    rows = answer_rows(returns.key, choose=lambda item, question, codes: codes[1])
    rows[5][column] = value
    returns.put("R1.csv", rows)
    found = returns.read()

    (fault,) = found.merged.faults
    assert "line 7" in fault and "edited" in fault and rows[5]["item"] in fault
    assert found.merged.standings[0].unanswered == (rows[5]["item"],)


def test_rows_that_were_deleted_are_missed(returns):
    returns.put("R1.csv", answer_rows(returns.key)[:-2])
    (fault,) = returns.read().merged.faults
    assert "22 rows of reader R1, but 24 were exported" in fault


def test_two_exports_of_one_sitting_are_one(returns):
    rows = answer_rows(returns.key)
    returns.put("a.csv", rows)
    returns.put("b.csv", answer_rows(returns.key, answered=10))
    later = answer_rows(returns.key, choose=lambda item, question, codes: codes[-1])
    for row in later:
        row["change"] += 100
        facts = ("study", "reader", "block", "item", "grade_code", "choice_code", "milliseconds",
                 "change", "session")  # fmt: skip
        row["check"] = check_letters("|".join(str(row[name]) for name in facts))
    returns.put("c.csv", later)
    found = returns.read()

    assert found.merged.faults == ()
    assert len(found.merged.notes) == 1 and "the later ones count" in found.merged.notes[0]
    assert {row["rating"] for row in rows_of(returns.out / "discrimination.csv")} == {"6"}


def test_two_sittings_that_contradict_each_other_are_left_out_and_told(returns):
    returns.put("a.csv", answer_rows(returns.key, choose=lambda *one: one[2][0]))
    returns.put("b.csv", answer_rows(returns.key, session="zzzzzzzz", answered=10,
                                     choose=lambda *one: one[2][1]))  # fmt: skip
    found = returns.read()

    (fault,) = found.merged.faults
    assert "two sittings that contradict each other in 10 items" in fault
    assert "a.csv and" in fault and "b.csv" in fault
    assert found.merged.standings[0].complete == 14


def test_a_file_of_another_study_and_an_empty_one_are_told_and_the_rest_is_read(returns):
    returns.put("good.csv", answer_rows(returns.key, "R2"))
    other = [row | {"study": "zzzzzzzz"} for row in answer_rows(returns.key)]
    returns.put("other.csv", other)
    returns.put("empty.csv", [])
    (returns.folder / "nothing.csv").write_bytes(b"")
    (returns.folder / "book.xlsx").write_bytes(b"PK\x03\x04....")
    (returns.folder / "notes.txt").write_text("Dear all,\nhere they are\n")
    (returns.folder / "latin.csv").write_bytes("study;Prüfer\n".encode("latin-1"))
    found = returns.read()

    faults = " ".join(found.merged.faults)
    for words in ("other.csv is of another study (zzzzzzzz)", "empty.csv is empty",
                  "nothing.csv is empty", "book.xlsx is a workbook", "notes.txt is no file of",
                  "latin.csv, line 1: not UTF-8"):  # fmt: skip
        assert words in faults
    assert len(found.merged.faults) == 6
    assert found.merged.standings[1].finished or found.merged.standings[2].finished


def test_rows_of_strangers_are_left_out(returns):
    rows = answer_rows(returns.key)
    rows[0] = rows[0] | {"reader": "R9"}
    rows[1] = rows[1] | {"item": "wwwwwwww"}
    rows[2] = rows[2] | {"study": "zzzzzzzz"}
    returns.put("R1.csv", rows)
    faults = " ".join(returns.read().merged.faults)
    assert "no reader 'R9'" in faults and "not shown an item 'wwwwwwww'" in faults
    assert "a row of another study (zzzzzzzz)" in faults


def test_a_row_that_is_there_twice_counts_once(returns):
    rows = answer_rows(returns.key)
    returns.put("R1.csv", [*rows[:-1], rows[0]])
    found = returns.read()
    assert any("is there twice" in fault for fault in found.merged.faults)


def test_nothing_of_use_is_an_error(returns, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        returns.read()
    returns.folder.mkdir()
    with pytest.raises(InputError, match="no file of answers"):
        returns.read()
    returns.put("empty.csv", [])
    with pytest.raises(InputError, match=r"empty\.csv is empty"):
        returns.read()
    assert not returns.out.exists()


def test_tables_of_answers_that_were_taken_away_go_with_them(returns):
    returns.put("R1.csv", answer_rows(returns.key))
    returns.put("second.csv", answer_rows(returns.key, block="informed"))
    returns.read()
    assert (returns.out / "grades-informed.csv").is_file()
    (returns.folder / "second.csv").unlink()
    returns.read()
    assert not (returns.out / "grades-informed.csv").exists()
    assert (returns.out / "grades.csv").is_file()


def test_reading_again_replaces_the_tables_of_this_study_only(returns):
    returns.put("R1.csv", answer_rows(returns.key, answered=10))
    returns.read()
    returns.put("R1.csv", answer_rows(returns.key))
    assert returns.read().merged.standings[0].finished
    (returns.out / "study.json").unlink()
    with pytest.raises(InputError, match="holds something else"):
        returns.read()


@pytest.mark.parametrize(
    ("harm", "error"),
    [
        (lambda key: key | {"kind": "other"}, InputError),
        (lambda key: key | {"sealed": key["sealed"][:-400]}, DamagedFileError),
        (lambda key: key | {"sealed": "!"}, DamagedFileError),
        (lambda key: key | {"sha256": "0" * 64}, DamagedFileError),
        (lambda key: {"study": "x"}, DamagedFileError),
        (lambda key: resealed(key, b"{}"), DamagedFileError),
        (lambda key: resealed(key, opened(key).replace(b'"margin": 0.1', b'"margin": 0.3')),
         DamagedFileError),
    ],
)  # fmt: skip
def test_a_key_that_was_altered_is_refused(made, tmp_path, harm, error):
    root, _ = made
    key = json.loads((root / "study/coordinator/key.json").read_text())
    path = tmp_path / "key.json"
    path.write_text(json.dumps(harm(key)))
    with pytest.raises(error, match=r"key\.json"):
        open_key(path)


def opened(key):
    return zlib.decompress(base64.b64decode(key["sealed"]))


def resealed(key, text):
    from hpc.files import sha256_of_bytes

    sealed = base64.b64encode(zlib.compress(text)).decode()
    return key | {"sealed": sealed, "sha256": sha256_of_bytes(text)}


def test_the_key_tells_nothing_by_accident(made):
    root, _ = made
    text = (root / "study/coordinator/key.json").read_text()
    assert "tile-0" not in text and '"arm"' not in text


def test_a_protocol_that_was_changed_later_is_told(made, tmp_path):
    root, key = made
    place = tmp_path / "coordinator"
    place.mkdir()
    for name in ("key.json", "protocol.json"):
        text = (root / "study/coordinator" / name).read_text()
        (place / name).write_text(text.replace('"margin": 0.1', '"margin": 0.2'))
    write_answers(tmp_path / "answers" / "R1.csv", answer_rows(key))
    found = read_study([tmp_path / "answers"], place / "key.json", tmp_path / "out")
    assert any("protocol.json was changed" in text for text in found.deviations)
    (place / "protocol.json").unlink()
    found = read_study([tmp_path / "answers"], place / "key.json", tmp_path / "out")
    assert any("not beside the key" in text for text in found.deviations)


@given(st.text(max_size=20))
def test_check_letters_are_crc_32(text):
    letters = "bcdfghjkmnpqrstv"
    value = int("".join(f"{letters.index(letter):x}" for letter in check_letters(text)), 16)
    assert value == zlib.crc32(text.encode())


@given(data=st.data())
def test_no_damage_to_a_file_passes_for_an_answer(made, tmp_path_factory, data):
    """Whatever happens to its bytes: each answer that is read is one that was given."""
    _, key = made
    rows = answer_rows(key, answered=4)
    text = bytearray(csv_text(rows).encode())
    place = data.draw(st.integers(0, len(text) - 1))
    text[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.csv"
    path.write_bytes(bytes(text))
    given_answers = {(row["item"], row["grade_code"], row["choice_code"]) for row in rows}
    try:
        found = read_returned(path, key, labels_of(key))
    except DatasetError:
        return
    except HistosynError as error:
        pytest.fail(str(error))
    for one in found.answers:
        assert (one.item, one.codes["grade"], one.codes["choice"]) in given_answers
