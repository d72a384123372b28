"""Floor 2: tissue. Label schema, shards, networks, training, synthesis. Knows no metrics."""

from importlib.util import find_spec
from pathlib import Path

_FLOORS = ("hpc", "eval", "tune", "launch")


def _require_own_floors() -> None:
    """The floors have generic names: notice when one of them is a user's own file or package."""
    home = Path(__file__).resolve().parents[1]
    for name in _FLOORS:
        spec = find_spec(name)
        found = Path(spec.origin).resolve() if spec and spec.origin else None
        if found != home / name / "__init__.py":
            raise ImportError(
                f"histosyn's own package {name!r} is hidden by {found or 'nothing of that name'}. "
                "Rename that file, start from another folder, or set PYTHONSAFEPATH=1."
            )


_require_own_floors()
