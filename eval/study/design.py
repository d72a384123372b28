"""The design of a study: what readers are asked, how many images they see, what is to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from hpc.errors import InputError

Task = Literal["grade", "discriminate", "both", "pairs"]
Primary = Literal["auc", "accuracy", "dprime", "pairs", "agreement"]
Statistic = Literal[
    "percent_agreement", "light_kappa", "light_kappa_linear", "light_kappa_quadratic",
    "fleiss_kappa", "fleiss_kappa_quadratic", "conger_kappa", "conger_kappa_quadratic",
    "brennan_prediger", "brennan_prediger_quadratic", "gwet_ac1", "gwet_ac2_ordinal",
    "gwet_ac2_quadratic", "krippendorff_alpha_nominal", "krippendorff_alpha_ordinal",
    "krippendorff_alpha_interval", "krippendorff_alpha_ratio",
]  # fmt: skip

GRADE, CHOICE = "grade", "choice"
# Blocks in the order in which a reader meets them; only these two are analysed, each by itself.
FIRST, SECOND = "naive", "informed"
PRACTICE, FEEDBACK = "practice", "feedback"
_LEVEL_WORDS = {1: ("",), 2: ("probably ", "surely "), 3: ("perhaps ", "probably ", "surely ")}
MOST_LEVELS = max(_LEVEL_WORDS)
_MEASURED = {
    "grade": ("agreement",),
    "discriminate": ("auc", "accuracy", "dprime"),
    "both": ("auc", "accuracy", "dprime", "agreement"),
    "pairs": ("pairs",),
}
_FEWEST_READERS, _MOST_READERS = 1, 99
_FEWEST_IMAGES = 4
# A repeat stands a quarter of the block behind the first time, so no more find their places.
MOST_REPEATS = 0.3


@dataclass(frozen=True, kw_only=True)
class Design:
    """`images` is what a reader sees in a block (of pairs: pairs), repeats not counted.

    `repeats`: share of them that comes twice. `practice`, `feedback`: images (pairs) to practise
    on, and to be shown with their arms before the second block of `informed` images. `levels`: of
    confidence on each side. `margin`: the largest distance from chance (of agreement: difference of
    the arms) that would not matter. `statistic`: which agreement the claim is about, if it is about
    agreement.
    """

    task: Task
    readers: int
    images: int
    margin: float
    primary: Primary
    statistic: Statistic = "krippendorff_alpha_ordinal"
    repeats: float = 0.1
    practice: int = 6
    informed: int = 0
    feedback: int = 20
    levels: int = 3
    categories: tuple[str, ...] = ()
    seed: int = 0
    size: int | None = None
    quality: int | None = 92
    title: str = "Reader study"
    instructions: str = ""

    def __post_init__(self) -> None:
        """Raises InputError for a design that contradicts itself."""
        if self.primary not in _MEASURED[self.task]:
            raise InputError(
                f"The primary outcome {self.primary} is not measured by the task {self.task}. "
                f"Choose {' or '.join(_MEASURED[self.task])}."
            )
        if self.asks_grade and len(self.categories) < 2:
            raise InputError(
                f"The task {self.task} needs the grades to choose from. Give --categories, such "
                "as 1,2,3,4,5."
            )
        if not self.asks_grade and self.categories:
            raise InputError(f"The task {self.task} asks for no grade. Leave out --categories.")
        if len(set(self.categories)) < len(self.categories) or "" in self.categories:
            raise InputError("--categories: a grade is empty or named twice. Correct it.")
        if not _FEWEST_READERS <= self.readers <= _MOST_READERS:
            raise InputError(f"A study has 1 to {_MOST_READERS} readers, not {self.readers}.")
        if self.levels not in _LEVEL_WORDS:
            raise InputError(f"Confidence has 1 to {MOST_LEVELS} levels a side, not {self.levels}.")
        self._check_counts()

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Design:
        """The design that a protocol has, without what later versions have added."""
        known = {one.name: plain[one.name] for one in fields(cls) if one.name in plain}
        return cls(**{**known, "categories": tuple(plain["categories"])})

    def _check_counts(self) -> None:
        for what, count in self.blocks.items():
            if count < 0 or (self.task != "pairs" and count % 2):
                raise InputError(
                    f"{count} images of the {what} block cannot be half real, half synthetic. Give "
                    "an even number."
                )
        if self.images < _FEWEST_IMAGES:
            raise InputError(f"{self.images} images are too few for a study.")
        if not 0 <= self.repeats <= MOST_REPEATS:
            raise InputError(
                f"A share of {self.repeats} repeats cannot be spread apart. Give one from 0 to "
                f"{MOST_REPEATS}."
            )

    @property
    def asks_grade(self) -> bool:
        """Whether readers grade images."""
        return self.task in ("grade", "both")

    @property
    def asks_choice(self) -> bool:
        """Whether readers say what is real and what is synthetic."""
        return self.task != "grade"

    @property
    def blocks(self) -> dict[str, int]:
        """How many images (or pairs) each block has, in the order in which they are drawn."""
        second = {SECOND: self.informed, FEEDBACK: self.feedback} if self.informed else {}
        return {FIRST: self.images, **second, PRACTICE: self.practice}

    @property
    def repeated(self) -> int:
        """How many images (or pairs) of a block come twice."""
        return round(self.repeats * self.images)

    @property
    def reader_names(self) -> tuple[str, ...]:
        """Pseudonyms: R1, R2, ..."""
        width = len(str(self.readers))
        return tuple(f"R{number + 1:0{width}}" for number in range(self.readers))

    def choices(self) -> tuple[str, ...]:
        """The answers to real or synthetic, from surely the one to surely the other."""
        left, right = ("left", "right") if self.task == "pairs" else ("real", "synthetic")
        words = _LEVEL_WORDS[self.levels]
        return (
            *(f"{word}{left}" for word in reversed(words)),
            *(f"{word}{right}" for word in words),
        )


def default_primary(task: Task) -> Primary:
    """The outcome that a task is usually for."""
    primary: Primary = "pairs" if task == "pairs" else "agreement" if task == "grade" else "auc"
    return primary
