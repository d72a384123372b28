import errno

import pytest

from hpc.deferred_writes import Outbox
from hpc.errors import FullDiskError


class Disk:
    """Takes writes, or fails with an error number."""

    def __init__(self):
        self.error = None
        self.written = []

    def write(self, outbox, text, path):
        def act():
            if self.error is not None:
                raise OSError(self.error, "no")
            self.written.append(text)

        outbox.write(path, act)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_what_found_no_room_is_written_later_in_its_order(tmp_path, error):
    disk, outbox = Disk(), Outbox("retry")
    disk.write(outbox, "a", tmp_path)
    disk.error = error
    disk.write(outbox, "b", tmp_path)
    disk.write(outbox, "c", tmp_path)
    assert disk.written == ["a"] and not outbox.settled()
    with pytest.raises(FullDiskError, match="and 1 other writes found no room"):
        outbox.close()
    disk.error = None
    disk.write(outbox, "d", tmp_path)
    assert disk.written == ["a", "b", "c", "d"]
    outbox.close()


@pytest.mark.parametrize(
    ("on_full_disk", "error"), [("stop", errno.ENOSPC), ("retry", errno.EIO), ("stop", errno.EIO)]
)
def test_other_errors_and_other_wishes_are_raised(tmp_path, on_full_disk, error):
    disk, outbox = Disk(), Outbox(on_full_disk)
    disk.error = error
    with pytest.raises(OSError, match="no"):
        disk.write(outbox, "a", tmp_path)
