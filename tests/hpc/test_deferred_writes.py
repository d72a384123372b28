import errno

import pytest

from hpc.deferred_writes import DeferredWrites
from hpc.errors import FullDiskError


class Disk:
    """Takes writes, or fails with an error number."""

    def __init__(self):
        self.error = None
        self.written = []

    def write(self, deferred_writes, text, path):
        def act():
            if self.error is not None:
                raise OSError(self.error, "no")
            self.written.append(text)

        deferred_writes.write(path, act)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_what_found_no_room_is_written_later_in_its_order(tmp_path, error):
    disk, deferred_writes = Disk(), DeferredWrites("retry")
    disk.write(deferred_writes, "a", tmp_path)
    disk.error = error
    disk.write(deferred_writes, "b", tmp_path)
    disk.write(deferred_writes, "c", tmp_path)
    assert disk.written == ["a"] and not deferred_writes.flush()
    with pytest.raises(FullDiskError, match="and 1 other writes found no room"):
        deferred_writes.close()
    disk.error = None
    disk.write(deferred_writes, "d", tmp_path)
    assert disk.written == ["a", "b", "c", "d"]
    deferred_writes.close()


@pytest.mark.parametrize(
    ("on_full_disk", "error"), [("stop", errno.ENOSPC), ("retry", errno.EIO), ("stop", errno.EIO)]
)
def test_other_errors_and_other_wishes_are_raised(tmp_path, on_full_disk, error):
    disk, deferred_writes = Disk(), DeferredWrites(on_full_disk)
    disk.error = error
    with pytest.raises(OSError, match="no"):
        disk.write(deferred_writes, "a", tmp_path)
