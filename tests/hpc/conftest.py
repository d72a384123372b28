"""A small disk, for tests that fill it."""

import disks
import pytest


@pytest.fixture
def small_disk(tmp_path):
    with disks.small_disk(tmp_path / "disk", "256k") as disk:
        yield disk


@pytest.fixture
def full_disk(small_disk):
    """Fills the small disk when it is called."""

    def fill():
        with (small_disk / "filler").open("wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(bytes(4096))
        return small_disk

    return fill
