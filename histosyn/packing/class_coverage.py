"""Class coverage of a packed data set: classes missing from a part, or from one group only."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from histosyn.shards.index import DatasetIndex


def class_coverage_warnings(indexes: Mapping[str, DatasetIndex]) -> list[str]:
    """Sentences on classes that occur nowhere, not in a part, or in one group (patient) only.

    `indexes` are those of the parts (train, val, test) of one data set.
    """
    first = next(iter(indexes.values()))
    names = [item.name for item in first.schema.classes]
    samples_PK = np.array([index.class_samples for index in indexes.values()])
    present_K = np.asarray((samples_PK > 0).any(axis=0))
    missing = []
    for k in np.flatnonzero(present_K & (samples_PK == 0).any(axis=0)):
        without = [part for part, index in indexes.items() if not index.class_samples[k]]
        missing.append(f"{names[k]} (not in {' and '.join(without)})")
    alone = [f"{names[k]} ({group})" for k, group in _only_groups(indexes).items()]
    never = [names[k] for k in np.flatnonzero(~present_K)]
    return [
        f"{what}: {', '.join(found)}. {remedy}"
        for what, found, remedy in (
            ("Classes that never occur", never, "They cannot be learned."),
            ("Classes that a part lacks", missing, "What it has none of, it cannot teach or judge: "
             "another --seed, other shares or a column split may deal them better."),
            ("Classes of one group only", alone, "What is learned of them is what that one looks "
             "like, and no other part can have them."),
        )
        if found
    ]  # fmt: skip


def _only_groups(indexes: Mapping[str, DatasetIndex]) -> dict[int, str]:
    """The group that alone has a class, by class; none if there is but one group."""
    groups_of: dict[int, set[bytes]] = {}
    every: set[bytes] = set()
    for index in indexes.values():
        for shard in range(len(index.shards)):
            start, stop = int(index.starts[shard]), int(index.starts[shard + 1])
            groups = index.table.rows["group"][start:stop]
            every |= set(np.unique(groups).tolist())
            present = index.present(shard)
            for k in np.flatnonzero(present.any(axis=0)).tolist():
                known = groups_of.setdefault(k, set())
                if len(known) < 2:
                    known |= set(np.unique(groups[present[:, k]]).tolist()[:2])
    if len(every) < 2:
        return {}
    return {
        k: next(iter(known)).decode("utf-8", "replace")
        for k, known in sorted(groups_of.items())
        if len(known) == 1
    }
