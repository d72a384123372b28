"""Utility experiments: of seconds, with the smallest U-Net, or with outcomes that are made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tissue import SCHEMA, write_folders

from eval.utility.config import Arm
from eval.utility.plan import PlannedTraining
from eval.utility.trainings import Outcome
from histosyn.packing.pack import PackConfig, pack

PATIENTS = "abcdefgh"
K = len(SCHEMA)


def write_experiment(root: Path, **changes: str) -> Path:
    """`utility.toml` and its data; `changes` replace what stands after a key's = sign."""
    tiles, labels = write_folders(root / "source", count=16, size=32)
    lines = ["tile,patient,split"]
    for number, path in enumerate(sorted(labels.iterdir())):
        patient = PATIENTS[number % 8]
        lines.append(f"{path.stem},{patient},{'test' if patient in 'gh' else 'train'}")
    (root / "groups.csv").write_text("\n".join(lines))
    pack(tiles, labels, root / "packed", SCHEMA, PackConfig(groups=root / "groups.csv"))
    made, asked = write_folders(root / "made", count=6, size=32)
    for path in (*made.iterdir(), *asked.iterdir()):
        path.rename(path.with_name(f"synthetic-{path.name}"))
    pack(made, asked, root / "synthetic", SCHEMA, PackConfig())
    return write_settings(root, **changes)


def write_settings(root: Path, **changes: str) -> Path:
    """`utility.toml` alone."""
    values = {
        "real": f'"{root}/packed/train"', "test": f'"{root}/packed/test"',
        "synthetic": f'["{root}/synthetic/train"]', "global_batch": "4", "workers": "0",
        "margin": "0.1", "folder": f'"{root}/experiment"', "shares": "[0.5, 1.0]",
        "seeds": "[0, 1]", "replicates": "100", "steps": "3", "arms": '["real", "synthetic"]',
    } | changes  # fmt: skip
    sections = {
        "data": ("real", "test", "synthetic", "synthetic_tiles", "synthetic_labels",
                 "global_batch", "workers"),
        "experiment": ("margin", "folder", "arms", "shares", "seeds", "replicates"),
        "training": ("steps",),
    }  # fmt: skip
    text = "[network]\nbase_channels = 4\nmax_multiplier = 2\nhalvings = 2\n"
    for section, names in sections.items():
        text += f"[{section}]\n"
        text += "".join(f"{name} = {values[name]}\n" for name in names if name in values)
    text += 'device = "cpu"\nprecision = "float64"\nreport_every = 1\ncheckpoint_every = 1\n'
    path = root / "utility.toml"
    path.write_text(text)
    return path


def outcome(
    arm: Arm, seed: int, right: float, *, patients: int = 12, share: float = 1.0, luck: float = 0.0
) -> Outcome:
    """A segmenter that is right about so large a share of the pixels of every class."""
    random = np.random.default_rng(seed + 100 * hash(arm == "real"))
    confusion = np.zeros((patients, K, K), dtype=np.int64)
    for unit in range(patients):
        good = round(1000 * min(max(right + luck * random.normal(), 0), 1))
        confusion[unit] = np.diag([good] * K) + np.diag([1000 - good] * (K - 1), 1)
        confusion[unit, -1, 0] = 1000 - good
    return Outcome(
        planned=PlannedTraining(arm=arm, share=share, seed=seed),
        units=tuple(f"patient {unit}" for unit in range(patients)),
        confusion_UKK=confusion,
        tiles=patients,
        segmenter_sha256="0",
        training={},
    )
