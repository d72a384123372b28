"""Which processes there are, read from /proc: the dead that wait for their burial don't count."""

from pathlib import Path


def living(*, parent=None, group=None):
    """Ids of the living processes of a parent or a process group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, its_parent, its_group = stat.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state not in "ZX" and (int(its_parent) == parent or int(its_group) == group):
            found.append(int(stat.parent.name))
    return found
