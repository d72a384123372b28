"""A file that is another one by the time its digest is taken is told."""

import os

import pytest

from hpc.errors import InputError
from hpc.file_fingerprint import FileFingerprint
from hpc.files import sha256_of_bytes, write_bytes


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_bytes(b"before")
    return path


def test_the_digest_of_what_was_read(path):
    fingerprint = FileFingerprint(path)
    path.read_bytes()
    assert fingerprint.sha256() == sha256_of_bytes(b"before")


def replaced(path):
    write_bytes(path, b"beFore")


def rewritten(path):
    os.utime(path, (1, 1))
    path.write_bytes(b"beFore")


def removed(path):
    path.unlink()


@pytest.mark.parametrize("change", [replaced, rewritten, removed])
def test_another_file_is_told(path, change):
    fingerprint = FileFingerprint(path)
    change(path)
    with pytest.raises(InputError, match="was replaced or changed while it was read"):
        fingerprint.require_unchanged()
    if change is not removed:
        with pytest.raises(InputError, match=r"groups\.csv was replaced or changed"):
            fingerprint.sha256()
