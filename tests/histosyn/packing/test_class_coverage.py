"""Classes of which there is too little are told after the split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from tissue import SCHEMA, write_folders

from histosyn.packing.class_coverage import class_coverage_warnings
from histosyn.packing.pack import PackConfig, pack


def gaps(root: Path, labels_of: dict[int, int], **config: object) -> list[str]:
    """Of six tiles of classes 0 and 1, where some have a corner of another class, too."""
    tiles, labels = write_folders(root, count=6, size=32)
    for number, path in enumerate(sorted(labels.iterdir())):
        values = np.arange(1024, dtype=np.uint8).reshape(32, 32) % 2
        values[:4, :4] = labels_of.get(number, 0)
        Image.fromarray(values).save(path)
    table = root / "groups.csv"
    rows = [f"tile-0{i},P{i // 2},{'val' if i > 3 else 'train'}" for i in range(6)]
    table.write_text("\n".join(["tile,patient,split", *rows]))
    indexes = pack(tiles, labels, root / "out", SCHEMA, PackConfig(groups=table, **config))  # type: ignore[arg-type]
    return class_coverage_warnings(indexes)


def test_a_class_in_both_parts_is_nothing_to_tell(tmp_path: Path) -> None:
    assert gaps(tmp_path, {0: 2, 1: 3, 2: 3, 4: 2, 5: 3}) == []


def test_what_is_absent_from_a_part_or_from_all_of_them(tmp_path: Path) -> None:
    never, missing = gaps(tmp_path, {0: 2, 2: 2})
    assert never == "Classes that never occur: nuclei. They cannot be learned."
    assert missing.startswith("Classes that a part lacks: epithelium (not in val). ")


def test_a_class_of_one_patient_only(tmp_path: Path) -> None:
    missing, alone = gaps(tmp_path, {0: 2, 3: 2, 4: 3, 5: 3})
    lacking = "epithelium (not in val), nuclei (not in train). "
    assert missing.startswith(f"Classes that a part lacks: {lacking}")
    assert alone.startswith("Classes of one group only: nuclei (P2). ")
