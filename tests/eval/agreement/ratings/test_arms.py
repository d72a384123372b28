"""Reading ratings: both forms, missing cells, and files that are wrong in every way we know."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.agreement.coefficients.sample import MISSING
from eval.agreement.ratings.arms import looks_like_a_person, read_ratings
from eval.agreement.ratings.rating_cells import canonical_category, is_number
from histosyn.tables.cells import is_missing, plain, without_float
from histosyn.tables.columns import called_otherwise, is_no_reader
from hpc.errors import DatasetError, InputError

LONG = "image,rater,rating\n"


@pytest.fixture
def read(tmp_path):
    def read_text(text, categories=None, raters=None):
        path = tmp_path / "ratings.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_ratings(path, categories, raters)

    return read_text


def test_long(read):
    ratings = read(LONG + "b,R2,3\na,R1,1\nb,R1,2\n")
    (arm,) = ratings.arms
    assert ratings.form == "long"
    assert ratings.categories == ("1", "2", "3")
    assert not ratings.declared
    assert (arm.name, arm.images, arm.raters) == (None, ("a", "b"), ("R1", "R2"))
    assert arm.codes_IR.tolist() == [[0, MISSING], [1, 2]]


def test_long_columns_in_any_order_with_arms(read):
    ratings = read("arm,rating,image,rater\nreal,1,a,R1\nsynthetic,2,a,R1\n")
    real, synthetic = ratings.arms
    assert (real.name, real.codes_IR.tolist()) == ("real", [[0]])
    assert (synthetic.name, synthetic.codes_IR.tolist()) == ("synthetic", [[1]])


def test_wide_with_arms(read):
    ratings = read("image,arm,R1,R2\na,real,1,2\nb,synthetic,,2\n")
    real, synthetic = ratings.arms
    assert ratings.form == "wide"
    assert real.codes_IR.tolist() == [[0, 1]]
    assert (synthetic.raters, synthetic.codes_IR.tolist()) == (("R2",), [[1]])


def test_declared_categories_keep_their_order_and_unused_grades(read):
    ratings = read(LONG + "a,R1,mild\nb,R1,none\n", ("none", "mild", "severe"))
    assert ratings.declared
    assert ratings.categories == ("none", "mild", "severe")
    assert ratings.arms[0].codes_IR.tolist() == [[1], [0]]


def test_observed_numbers_are_ordered_as_numbers(read):
    assert read(LONG + "a,R1,10\nb,R1,9\n").categories == ("9", "10")
    assert read(LONG + "a,R1,10\nb,R1,9\nc,R1,x1\n").categories == ("10", "9", "x1")


def test_missing_words_are_missing_unless_declared(read):
    text = "image,R1,R2\na,1,NA\nb,nan,2\nc,n/a,\n"
    (arm,) = read(text).arms
    assert arm.codes_IR.tolist() == [[0, MISSING], [MISSING, 1]]
    assert arm.unrated_images == 1
    (arm,) = read("image,R1\na,1\nb,NA\n", ("1", "NA")).arms
    assert arm.codes_IR.tolist() == [[0], [1]]


WORDS = ["None", "none", "NULL", "null", "nil", ".", "-", "–", "—", "--"]


@pytest.mark.parametrize("word", [*WORDS, "", "NA", "N/A", "NaN", "nan", "#N/A", "<NA>", "n.a."])
def test_every_word_for_nothing_beside_numbers_is_a_missing_rating(read, word):
    ratings = read(f"image,R1,R2\na,10,{word}\nb,9,10\n")
    assert ratings.categories == ("9", "10")
    assert ratings.arms[0].codes_IR.tolist() == [[1, MISSING], [0, 1]]


@pytest.mark.parametrize("word", WORDS)
def test_a_word_for_nothing_that_may_be_a_grade_needs_the_scale(read, word):
    text = f"image,R1,R2\na,mild,mild\nb,{word},mild\n"
    with pytest.raises(DatasetError, match=r"line 3: .* is a grade or a missing rating. Declare"):
        read(text)
    assert read(text, (word, "mild")).arms[0].codes_IR.tolist() == [[1, 1], [0, 1]]
    assert read(text, ("mild", "severe")).arms[0].codes_IR.tolist() == [[0, 0], [MISSING, 0]]


def test_a_rater_without_any_rating_is_left_out(read):
    ratings = read("image,R1,R2\na,1,\nb,2,\n")
    assert ratings.arms[0].raters == ("R1",)
    assert ratings.silent_raters == ("R2",)
    assert read(LONG + "a,R1,1\na,R3,\na,R2,NA\n").silent_raters == ("R2", "R3")
    in_one_arm = read("image,arm,R1,R2\na,real,1,\nb,synthetic,,2\n")
    assert in_one_arm.silent_raters == ()


def test_numbers_as_spreadsheets_write_them(read):
    ratings = read("image,R1,R2\na,1.0,2\nb,2.00,\n", ("1", "2", "3"))
    assert ratings.arms[0].codes_IR.tolist() == [[0, 1], [1, MISSING]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.0", "1"),
        (" 2 ", "2"),
        ("2.50", "2.5"),
        ("-1", "-1"),
        ("01", "1"),
        ("3+4", "3+4"),
        ("1e3", "1e3"),
        ("1_0", "1_0"),
        ("nan", "nan"),
    ],
)
def test_canonical_category(text, expected):
    assert canonical_category(text) == expected


def test_byte_order_mark_carriage_returns_quotes_and_blank_rows(read):
    text = '\ufeffimage,rater,rating\r\n"a,1",R1,2\r\n\r\n,,\r\nb,R1,3\r\n'
    assert read(text).arms[0].images == ("a,1", "b")


@pytest.mark.parametrize("separator", [";", "\t"])
def test_semicolons_and_tabs_with_decimal_commas(read, separator):
    rows = [["image", "R1", "R2"], ["a,1", "1,0", "2"], ["b", "2,5", ""]]
    (arm,) = read("\ufeff" + "\r\n".join(separator.join(row) for row in rows)).arms
    assert arm.images == ("a,1", "b")
    assert arm.codes_IR.tolist() == [[0, 1], [2, MISSING]]
    ratings = read("\n".join(separator.join(row) for row in rows), ("1", "2", "2.5"))
    assert ratings.categories == ("1", "2", "2.5")


def test_a_quoted_header_and_commas_in_names(read):
    assert read('"image";"R 1, left"\na;x,y\n').arms[0].raters == ("R 1, left",)
    assert read('"image","R1"\n"a;b",1\n').arms[0].images == ("a;b",)


def test_columns_may_be_capital_and_spreadsheets_leave_empty_ones(read):
    ratings = read("Image,Rater,RATING,,\na,R1,1,,\nb,R1,2\n")
    assert ratings.form == "long"
    assert ratings.arms[0].codes_IR.tolist() == [[0], [1]]


WRONG = {
    "empty": ("", "is empty"),
    "blank": ("\n\n", "is empty"),
    "header only": (LONG, "holds no rating"),
    "all missing": ("image,R1,R2\na,,NA\n", "holds no rating"),
    "other header": ("name,score\na,1\n", "line 1: the header is 'name,score'"),
    "no rater column": ("image,arm\na,real\n", "the header is"),
    "half of long": ("image,rater,R1\na,1,1\n", "the header is"),
    "misspelled arm": ("image,rater,rating,arms\na,R1,1,real\n", "the header is"),
    "other names": ("image,annotator,choice\na,R1,1\n", "mean rater by 'annotator', rating by"),
    "one other name": ("image,rater,score\na,R1,1\n", "Did you mean rating by 'score'?"),
    "image by another name": ("image_id,R1,R2\na,1,1\n", "Did you mean image by 'image_id'?"),
    "arms by another name": ("image,rater,rating,set\na,R1,1,real\n", "mean arm by 'set'?"),
    "wide, arms hidden": ("image,source,R1\na,fake,1\nb,real,1\n", "mean arm by 'source'?"),
    "words beside numbers": (
        "image,R1,R2,was\na,1,2,blurred\nb,2,2,\n",
        "column 'was' holds words",
    ),
    "only comments": ("image,comment\na,1\n", "the header is 'image,comment'"),
    "a word among numbers": ("image,R1,R2\na,1,2\nb,2,missing\n", "line 3: 'missing' stands among"),
    "a sign among numbers": ("image,R1,R2\na,1,2\nb,?,3\n", "line 3: '?' stands among numbers"),
    "one rater, two spellings": (LONG + "a,01,1\nb,1,1\n", "'01' and '1' are one number"),
    "no image's name": (LONG + "NA,R1,1\n", "line 2: no image is named by 'NA'"),
    "failed formula": (LONG + "#REF!,R1,1\n", "line 2: #REF! is a formula that failed"),
    "header again": (LONG + "a,R1,1\n" + LONG, "line 3: the header once more"),
    "bars": ("image|rater|rating\na|R1|1\n", "line 1: the header is 'image|rater|rating'"),
    "cut off after semicolons": ("image;R1;R2\na;1\n", "line 2: 2 cells under 3 columns"),
    "comma among semicolons": ("image;R1;R2\na,1,2\n", "line 2: 1 cells under 3 columns"),
    "nameless column": ("image,R1,\na,1,2\n", "column 3 has no name"),
    "column twice": ("image,R1,R1\na,1,2\n", "two columns are named 'R1'"),
    "column twice, once as a float": ("image,1,1.0\na,1,2\n", "two columns are named '1'"),
    "cut off": (LONG + "a,R1,1\nb,R", "line 3: 2 cells under 3 columns"),
    "comma too many": (LONG + "a,b,R1,1\n", "line 2: 4 cells under 3 columns"),
    "no image": (LONG + ",R1,1\n", "line 2: no image is named"),
    "no rater": (LONG + "a,,1\n", "line 2: no rater is named"),
    "other arm": ("image,rater,rating,arm\na,R1,1,fake\n", "line 2: the arm is 'fake'"),
    "no arm": ("image,arm,R1\na,,1\n", "line 2: the arm is ''"),
    "rated twice": (LONG + "a,R1,1\na,R2,1\na,R1,2\n", "lines 2 and 4: image 'a' is rated twice"),
    "image twice": ("image,R1\na,1\na,2\n", "by rater 'R1'"),
    "open quote": ('image,R1\na,"1\n', "line 2: not valid CSV"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_an_error_that_says_where(read, name):
    text, message = WRONG[name]
    with pytest.raises(DatasetError) as raised:
        read(text)
    assert message in str(raised.value)
    assert "ratings.csv" in str(raised.value)


def test_an_undeclared_rating_names_line_rater_image_and_scale(read):
    with pytest.raises(DatasetError, match=r"line 3: 'R1' rates image 'b' '7'.* 1,2,3"):
        read(LONG + "a,R1,1\nb,R1,7\n", ("1", "2", "3"))


@pytest.mark.parametrize(
    "data", [b"image,R1\na,\xe9\n", "image,R1\na,1\n".encode("utf-16"), b"PK\x03\x04\xff"]
)
def test_not_utf8(read, data):
    with pytest.raises(InputError, match="not UTF-8 text"):
        read(data)


@pytest.mark.parametrize("scale", [(), ("1", ""), ("1", "2", "1.0")])
def test_a_scale_that_contradicts_itself(read, scale):
    with pytest.raises(InputError, match="categories:"):
        read(LONG + "a,R1,1\n", scale)


def test_a_path_that_is_no_file(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_ratings(tmp_path / "nothing.csv")
    with pytest.raises(InputError, match="is a folder"):
        read_ratings(tmp_path)


@pytest.mark.parametrize("rater", ["R1", "rater A", "Reader One", "pathologist 3", "r-07", "x@y"])
def test_a_pseudonym(rater):
    assert not looks_like_a_person(rater)


@pytest.mark.parametrize(
    "rater", ["Jane Doe", "j.doe@example.org", "Dr Müller", "Ana de Souza-Lima"]
)
def test_a_person(rater):
    assert looks_like_a_person(rater)


def test_columns_that_are_no_readers_are_left_aside_and_named(read):
    plain = read("image,R1,R2\na,1,2\nb,2,2\n")
    text = "image,R1,Patient ID,R2,comment\na,1,7,2,\nb,2,7,2,blurred\n"
    ratings = read(text)
    assert ratings.left_aside == ("Patient ID", "comment")
    assert ratings.arms[0].raters == ("R1", "R2")
    assert (ratings.arms[0].codes_IR == plain.arms[0].codes_IR).all()
    long = read("image,rater,rating,comment\na,R1,1,x\n")
    assert (long.left_aside, long.arms[0].raters) == (("comment",), ("R1",))


def numbered(column, value):
    """Two readers who mostly agree on a scale of 1 to 5, and a third column."""
    rows = (f"i{n:02d},{n % 5 + 1},{(n + (n % 7 == 0)) % 5 + 1},{value(n)}" for n in range(40))
    return "\n".join([f"image,R1,R2,{column}", *rows])


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("pat", lambda n: n // 4 + 1),
        ("area", lambda n: 17.5 + n),
        ("barcode", lambda n: 1000 + n),
        ("width_px", lambda n: 512),
    ],
)
def test_a_column_of_another_scale_is_refused_by_name(read, column, value):
    text = numbered(column, value)
    with pytest.raises(DatasetError, match=f"column '{column}' has many values that no other"):
        read(text)
    ratings = read_raters(read, text, "R1", "R2")
    assert (ratings.arms[0].raters, ratings.left_aside) == (("R1", "R2"), (column,))
    assert read_raters(read, text, "R1", column).arms[0].raters == tuple(sorted(["R1", column]))


@pytest.mark.parametrize("column", ["difficulty", "R1_conf", "Stage", "agree", "pT"])
def test_a_column_called_otherwise_than_the_series_of_readers_is_refused(read, column):
    """Its values alone could be a third reader's."""
    text = numbered(column, lambda n: n % 4 + 1)
    with pytest.raises(DatasetError, match=f"column '{column}' is not called like R1 and R2"):
        read(text)
    with pytest.raises(DatasetError, match="not called like R1 and R2"):
        read(text, ("1", "2", "3", "4", "5"))
    assert read_raters(read, text, "R1", "R2").left_aside == (column,)


@pytest.mark.parametrize(
    "header", ["image,A,B", "image,rater_a,rater_b", "image,Reader 1,Reader 12", "image,Kim,Ann"]
)
def test_readers_called_alike_or_by_names(read, header):
    assert len(read(f"{header}\nx,1,2\ny,2,2\n").arms[0].raters) == 2


def test_words_with_digits_and_declared_ones_are_grades_among_numbers(read):
    assert read("image,R1,R2\na,0,1+\nb,2+,3+\n").categories == ("0", "1+", "2+", "3+")
    text = "image,R1,R2\na,1,2\nb,2,unclear\n"
    assert read(text, ("1", "2", "unclear")).categories == ("1", "2", "unclear")


def test_a_third_reader_of_the_same_scale_is_one(read):
    assert read(numbered("R3", lambda n: n % 4 + 1)).arms[0].raters == ("R1", "R2", "R3")
    assert read(numbered("R3", lambda n: 6 - n % 6)).arms[0].raters == ("R1", "R2", "R3")
    as_float = read(numbered("R3", lambda n: f"{n % 5 + 1}.0" if n else ""))
    assert as_float.categories == ("1", "2", "3", "4", "5")
    scores = "\n".join(f"i{n},{n + 0.1},{n + 0.2},{n + 0.3}" for n in range(40))
    assert len(read(f"image,R1,R2,R3\n{scores}\n").arms[0].raters) == 3


def test_several_such_columns_do_not_hide_each_other(read):
    text = numbered("high,wide", lambda n: f"{n + 100},{n + 200}")
    with pytest.raises(DatasetError, match="column 'high' has many values"):
        read(text)


def test_of_two_columns_neither_may_be_of_another_scale(read):
    def two(value):
        rows = (f"i{n},{n % 5 + 1},{value(n)}" for n in range(20))
        return "\n".join(["image,R1,other", *rows])

    for value in (lambda n: 100 + n, lambda n: -n - 1):
        with pytest.raises(DatasetError, match="'R1' and 'other' are of two scales"):
            read(two(value))
    assert len(read(two(lambda n: n % 5 + 1.5)).arms[0].raters) == 2
    words = "\n".join(f"i{n},{'ab'[n % 2]},{'xy'[n % 2]}" for n in range(10))
    with pytest.raises(DatasetError, match="of two scales"):
        read(f"image,R1,R2\n{words}\n")


def read_raters(read, text, *raters):
    return read(text, None, raters)


def test_raters_can_be_named_in_both_forms(read):
    long = LONG + "a,R1,1\na,R2,2\na,case,3\n"
    ratings = read_raters(read, long, "R1", "case")
    assert (ratings.arms[0].raters, ratings.left_aside) == (("R1", "case"), ("R2",))
    wide = read_raters(read, "image,case,label\na,1,2\n", "label", "case")
    assert wide.arms[0].raters == ("case", "label")
    for text in (long, "image,R1\na,1\n"):
        with pytest.raises(InputError, match="--raters: 'R9' is not among the"):
            read_raters(read, text, "R1", "R9")


def test_one_name_however_it_is_written(read):
    ratings = read(
        "image,rater,rating\n1,R\u00a01,2\n1.0,R  2,2\nMu\u0308ller,R 1,2\nMüller,R 2,2\n"
    )
    assert ratings.arms[0].images == ("1", "Müller")
    assert ratings.arms[0].raters == ("R 1", "R 2")
    assert ratings.look_alike == ()


def test_names_that_differ_in_case_alone_are_pointed_out(read):
    ratings = read(LONG + "a,r1,mild\nA,R1,Mild\n")
    assert ratings.look_alike == (("R1", "r1"), ("A", "a"), ("Mild", "mild"))
    assert read(LONG + "1.1,R1,1\n1.10,R1,1\n").look_alike == (("1.1", "1.10"),)


# Names as the reader gives them back: NFC, without control characters and double blanks.
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=6)
NAME = TEXT.map(lambda text: without_float(plain(text))).filter(
    lambda name: (
        not is_missing(name)
        and not is_no_reader(name)
        and not called_otherwise(name, ("image", "arm", "rater", "rating"))
        and not name[0].isdigit()
    )
)
GRADE = NAME.filter(lambda grade: not is_number(grade) and grade not in {"real", "synthetic"})


@st.composite
def tables(draw):
    """{(image, rater): grade} without empty rows or columns, its axes in some order."""
    images = draw(st.lists(NAME, min_size=1, max_size=4, unique=True))
    raters = draw(st.lists(NAME, min_size=1, max_size=4, unique=True))
    grades = draw(st.lists(GRADE, min_size=1, max_size=3, unique_by=canonical_category))
    cells = {(i, r): draw(st.none() | st.sampled_from(grades)) for i in images for r in raters}
    cells[images[0], raters[0]] = grades[0]
    return images, raters, cells


def as_csv(rows):
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


@given(table=tables())
def test_long_and_wide_are_the_same_ratings(tmp_path_factory, table):
    images, raters, cells = table
    wide = [["image", *raters], *([i, *(cells[i, r] or "" for r in raters)] for i in images)]
    rated = [[i, r, grade] for (i, r), grade in reversed(cells.items()) if grade]
    folder = tmp_path_factory.mktemp("ratings")
    (folder / "wide.csv").write_bytes(as_csv(wide))
    (folder / "long.csv").write_bytes(as_csv([["image", "rater", "rating"], *rated]))
    from_wide, from_long = (read_ratings(folder / f"{form}.csv") for form in ("wide", "long"))
    assert (from_wide.form, from_long.form) == ("wide", "long")
    assert from_wide.categories == from_long.categories
    (a,), (b,) = from_wide.arms, from_long.arms
    assert (a.images, a.raters) == (b.images, b.raters)
    assert np.array_equal(a.codes_IR, b.codes_IR)
    for (image, rater), grade in cells.items():
        if grade:
            code = a.codes_IR[a.images.index(image), a.raters.index(rater)]
            assert from_wide.categories[code] == canonical_category(grade)
    assert (a.codes_IR != MISSING).sum() == len(rated)


@given(data=st.binary(max_size=200))
def test_any_bytes_are_ratings_or_an_error_for_users(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("ratings") / "r.csv"
    for content in (data, LONG.encode() + data, b"image,R1\n" + data):
        path.write_bytes(content)
        try:
            read_ratings(path)
        except InputError:
            continue
