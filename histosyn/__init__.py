"""Floor 2: tissue. Label schema, shards, networks, training, synthesis. Knows no metrics.

The names in `__all__` are what scripts and notebooks need. Each is imported on first use, so that
`import histosyn` stays light: torch takes seconds, and most commands do without.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

# For type checkers and editors; the modules are those of _MODULES, which a test compares.
if TYPE_CHECKING:
    from histosyn.config.layers import train_config
    from histosyn.config.train import TrainConfig
    from histosyn.labels.label_map import read_label_map
    from histosyn.labels.schema import LabelSchema, load_schema
    from histosyn.models.folder import Model, load_model
    from histosyn.shards.dataset import open_shards
    from histosyn.shards.stream import ShardStream
    from histosyn.synthesis.folder import synthesize_folder
    from histosyn.synthesis.tile import synthesize
    from histosyn.training.start import train

__all__ = [
    "LabelSchema",
    "Model",
    "ShardStream",
    "TrainConfig",
    "load_model",
    "load_schema",
    "open_shards",
    "read_label_map",
    "synthesize",
    "synthesize_folder",
    "train",
    "train_config",
]

_MODULES = {
    "LabelSchema": "histosyn.labels.schema",
    "Model": "histosyn.models.folder",
    "ShardStream": "histosyn.shards.stream",
    "TrainConfig": "histosyn.config.train",
    "load_model": "histosyn.models.folder",
    "load_schema": "histosyn.labels.schema",
    "open_shards": "histosyn.shards.dataset",
    "read_label_map": "histosyn.labels.label_map",
    "synthesize": "histosyn.synthesis.tile",
    "synthesize_folder": "histosyn.synthesis.folder",
    "train": "histosyn.training.start",
    "train_config": "histosyn.config.layers",
}

# Of the installation, looked up on first use.
__version__: str

_FLOORS = ("hpc", "eval", "tune", "launch")


if not TYPE_CHECKING:  # or type checkers would take any name for one of these

    def __getattr__(name: str) -> object:
        """Import one of `__all__` on its first use; `__version__` is that of the installation."""
        if name == "__version__":
            from importlib.metadata import version

            value: object = version("histosyn")
        elif name in _MODULES:
            value = getattr(import_module(_MODULES[name]), name)
        else:
            raise _unknown(name)
        # The next use finds it without coming here.
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})


def _unknown(name: str) -> AttributeError:
    from difflib import get_close_matches

    near = get_close_matches(name, __all__, n=1)
    hint = f". Did you mean {near[0]}?" if near else ""
    # With a name, Python's own traceback adds no second guess.
    return AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}", name=name)


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
