"""Ratings of readers who are made up, to show what is done with those of real ones."""

from __future__ import annotations

import csv
from io import StringIO

from hpc.randomness import generator_of, key_of


def simulated_ratings(images: int = 20, readers: int = 3, seed: int = 0) -> str:
    """A CSV of ratings in long form: each reader is off by one grade now and then."""
    random = generator_of(key_of(seed, "simulated ratings"))
    table = StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["image", "rater", "rating", "arm"])
    for arm in ("real", "synthetic"):
        for image in range(images):
            grade = int(random.integers(1, 6))
            for reader in range(readers):
                slip = int(random.choice([-1, 0, 0, 0, 1]))
                rating = min(max(grade + slip, 1), 5)
                writer.writerow([f"{arm}-{image:02d}", f"R{reader + 1}", rating, arm])
    return table.getvalue()
