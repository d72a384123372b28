"""Ratings of readers as category codes, arm by arm.

A rating is missing when its row is absent, its cell is empty, or the cell holds a word for nothing
(NA, NaN, None, ...; docs/tables.md) while no category is declared by that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.agreement.coefficients.sample import MISSING
from eval.agreement.ratings.columns import ARMS, FORMS
from eval.agreement.ratings.csv_file import Entry, first_repeated, parse_ratings
from eval.agreement.ratings.rating_cells import (
    canonical_category,
    doubtful_grade,
    is_number,
    word_among_numbers,
)
from eval.statistics.arrays import Ints
from histosyn.tables.cells import (
    equal_numbers,
    is_missing,
    look_alike,
    plain,
    refuse_equal_numbers,
    without_float,
)
from hpc.errors import DatasetError, InputError
from hpc.files import require_file, sha256_of_bytes
from hpc.paths import AnyPath, as_path

_EMAIL = re.compile(r"\S@\S+\.\w")
_NAME_PART = re.compile(r"[^\W\d_][^\W\d_.'’-]+[\w.'’-]*")
_ROLES = frozenset({"annotator", "observer", "pathologist", "rater", "reader"})


@dataclass(frozen=True, kw_only=True)
class Arm:
    """The rated images of one arm (`name` None: the file has no arms), both axes sorted.

    `codes_IR`: indices into the categories, or `MISSING`; every image and rater has a rating.
    `file_order`: indices of the images as the file first names them.
    `unrated_images`: images of the arm without any rating; they are not in `codes_IR`.
    """

    name: str | None
    images: tuple[str, ...]
    raters: tuple[str, ...]
    codes_IR: Ints
    file_order: tuple[int, ...]
    unrated_images: int

    @property
    def ratings_of_raters(self) -> Ints:
        """(R,): how many images each rater rated."""
        return (self.codes_IR != MISSING).sum(axis=0)

    @property
    def comparable(self) -> np.ndarray:
        """(I,) bool: images with two ratings or more, those that say something of agreement."""
        return (self.codes_IR != MISSING).sum(axis=1) > 1


@dataclass(frozen=True, kw_only=True)
class Ratings:
    """A ratings file as read. `declared` is False when the categories are those observed.

    `silent_raters`: the raters whom it names and who rated nothing; they are in no arm.
    `left_aside`: columns and raters that were not read. `look_alike`: pairs of names, of raters,
    images or grades, that are perhaps one.
    """

    path: Path
    sha256: str
    form: str
    categories: tuple[str, ...]
    declared: bool
    arms: tuple[Arm, ...]
    silent_raters: tuple[str, ...]
    left_aside: tuple[str, ...] = ()
    look_alike: tuple[tuple[str, str], ...] = ()


def read_ratings(
    path: AnyPath,
    categories: tuple[str, ...] | None = None,
    raters: tuple[str, ...] | None = None,
) -> Ratings:
    """Read a ratings file; `categories` is the scale in its order, None: the ratings found in it.

    `raters`: the only ones to compare; None: all that the file has. Raises `InputError` for a file
    or a scale that can't be used, `DatasetError` (one of them) for what the file says.
    """
    path = as_path(path, "ratings")
    declared = None if categories is None else _checked_scale(categories)
    data = require_file(path, "ratings").read_bytes()
    readers = None if raters is None else _checked_raters(raters)
    table = parse_ratings(path, data, readers, declared)
    scale = _observed_scale(path, table.entries) if declared is None else declared
    codes = _codes(path, table.entries, scale)
    names = ARMS if table.has_arms else (None,)
    arms = tuple(_arm(name, table.entries, codes) for name in names)
    heard = {rater for arm in arms for rater in arm.raters}
    named = sorted({entry.rater for entry in table.entries})
    refuse_equal_numbers(named, f"{path}, raters")
    return Ratings(
        path=path,
        sha256=sha256_of_bytes(data),
        form=table.form,
        categories=scale,
        declared=declared is not None,
        arms=arms,
        silent_raters=tuple(rater for rater in named if rater not in heard),
        left_aside=table.left_aside,
        look_alike=_look_alike(named, arms, () if declared else scale),
    )


def looks_like_a_person(rater: str) -> bool:
    """Whether a rater's id, which should be a pseudonym, is an e-mail address or a full name."""
    words = rater.split()
    is_name = len(words) > 1 and all(_NAME_PART.fullmatch(word) for word in words)
    return bool(_EMAIL.search(rater)) or (is_name and not _ROLES & {word.lower() for word in words})


def _checked_raters(raters: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(without_float(plain(name)) for name in raters)
    if not all(names) or first_repeated(names):
        raise InputError(
            f"--raters: {','.join(raters)!r} has an empty or doubled name. Correct it."
        )
    return names


def _checked_scale(categories: tuple[str, ...]) -> tuple[str, ...]:
    scale = tuple(canonical_category(category) for category in categories)
    if not scale or "" in scale:
        raise InputError(
            f"categories: {','.join(categories)!r} has an empty name. "
            "List the scale in its order, separated by commas: 1,2,3,4,5."
        )
    if repeated := first_repeated(scale):
        raise InputError(f"categories: {repeated!r} is listed twice. List each category once.")
    return scale


def _observed_scale(path: Path, entries: Iterable[Entry]) -> tuple[str, ...]:
    texts = {entry.text: entry.line for entry in reversed(list(entries))}
    if doubtful := doubtful_grade(texts):
        raise DatasetError(
            f"{path}, line {texts[doubtful]}: {doubtful!r} is a grade or a missing rating. Declare "
            "the scale with --categories: it is a grade if the scale has it."
        )
    found = {canonical_category(text) for text in texts if not is_missing(text)}
    if (word := word_among_numbers(found)) is not None:
        line = next(line for text, line in texts.items() if canonical_category(text) == word)
        raise DatasetError(
            f"{path}, line {line}: {word!r} stands among numbers. Leave the cell empty if the "
            "rating is missing, or declare the scale with --categories if it is a grade."
        )
    numeric = all(map(is_number, found))
    return tuple(sorted(found, key=float) if numeric else sorted(found))


def _codes(path: Path, entries: Iterable[Entry], scale: tuple[str, ...]) -> list[int]:
    """The code of every entry, in the same order."""
    index = {category: code for code, category in enumerate(scale)}
    codes = []
    for entry in entries:
        code = index.get(canonical_category(entry.text))
        if code is None and not is_missing(entry.text):
            raise DatasetError(
                f"{path}, line {entry.line}: {entry.rater!r} rates image {entry.image!r} "
                f"{entry.text!r}, which is none of the declared categories {','.join(scale)}. "
                "Correct the rating or declare the category."
            )
        codes.append(MISSING if code is None else code)
    if all(code == MISSING for code in codes):
        raise DatasetError(f"{path} holds no rating. {FORMS}")
    return codes


def _arm(name: str | None, entries: Iterable[Entry], codes: list[int]) -> Arm:
    mine = [(entry, code) for entry, code in zip(entries, codes, strict=True) if entry.arm == name]
    rated = [(entry, code) for entry, code in mine if code != MISSING]
    named = list(dict.fromkeys(entry.image for entry, _ in mine))
    images = sorted({entry.image for entry, _ in rated})
    raters = sorted({entry.rater for entry, _ in rated})
    row = {image: index for index, image in enumerate(images)}
    column = {rater: index for index, rater in enumerate(raters)}
    codes_IR = np.full((len(images), len(raters)), MISSING, dtype=np.int64)
    for entry, code in rated:
        codes_IR[row[entry.image], column[entry.rater]] = code
    return Arm(
        name=name,
        images=tuple(images),
        raters=tuple(raters),
        codes_IR=codes_IR,
        file_order=tuple(row[image] for image in named if image in row),
        unrated_images=len(named) - len(images),
    )


def _look_alike(
    raters: Iterable[str], arms: Iterable[Arm], scale: Iterable[str]
) -> tuple[tuple[str, str], ...]:
    images = sorted({image for arm in arms for image in arm.images})
    numbers = equal_numbers(images)
    pairs = [*look_alike(raters), *look_alike(images), *look_alike(scale)]
    return (*pairs, numbers) if numbers else tuple(pairs)
