"""What is compared with what, in words that a file can hold: parts of it find each other there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from eval.distances.report import Grouping, Settings, StoredSide, open_side
from eval.features.tile_batches import OnBadTile
from histosyn.config.file import from_dict
from hpc.errors import DatasetError, InputError
from hpc.files import require_file, write_json
from hpc.locks import locked
from hpc.records import Records, Text

NAME = "comparison.json"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two folders or statistics files, and how their tiles are read and grouped."""

    real: Path
    synthetic: Path
    resize: int | None = None
    on_bad_tile: OnBadTile = "error"
    groups: Path | None = None
    group_column: str = "patient"
    seed: int = 0

    @property
    def settings(self) -> Settings:
        """The settings of the comparison, those of measuring left as they are by default."""
        grouping = None
        if self.groups is not None:
            grouping = Grouping(file=self.groups, column=self.group_column)
        return Settings(seed=self.seed, grouping=grouping)

    def open_sides(self) -> dict[str, StoredSide]:
        """Both sides, by role. Raises InputError if one is missing, empty or unreadable."""
        return {
            role: open_side(path, resize=self.resize, on_bad_tile=self.on_bad_tile)
            for role, path in (("real", self.real), ("synthetic", self.synthetic))
        }


@dataclass(frozen=True, kw_only=True)
class _Saved:
    """What a file says at least; all of it is for `from_dict` to judge."""

    real: Text
    synthetic: Text


_COMPARISONS = Records(
    kind=_Saved, remedy="Remove the folder and measure again.", error=DatasetError
)


def write_comparison(folder: Path, comparison: Comparison) -> None:
    """Note in `folder` what its parts belong to; InputError if it is something else already."""
    facts = {
        name: str(value.absolute()) if isinstance(value, Path) else value
        for name, value in asdict(comparison).items()
        if value is not None
    }
    # Parts start together, and only one of them writes it.
    with locked(
        folder / ".lock",
        busy=f"Another part is beginning in {folder}.",
        risk="Start one part before the others.",
        wait=True,
    ):
        _note_facts(folder / NAME, facts)


def _note_facts(path: Path, facts: dict[str, object]) -> None:
    if not path.is_file():
        write_json(path, facts)
        return
    before = _read(path)
    differing = [name for name in {*facts, *before} if facts.get(name) != before.get(name)]
    if differing:
        raise InputError(
            f"{path.parent} holds parts of another comparison: they differ in "
            f"{', '.join(sorted(differing))}. Choose another folder, or remove it."
        )


def read_comparison(folder: Path) -> Comparison:
    """What the parts in `folder` belong to. Raises InputError if they do not say so."""
    require_file(folder / NAME, "folder of parts")
    return from_dict(Comparison, _read(folder / NAME), str(folder / NAME))


def _read(path: Path) -> dict[str, object]:
    found = _COMPARISONS.read_plain(path)
    _COMPARISONS.checked(found, str(path))
    return found
