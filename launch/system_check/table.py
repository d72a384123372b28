"""The checks of the installation, in the order in which they are run and shown."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from launch.system_check import compute, processes, scheduler, software, storage
from launch.system_check.outcome import Check

_INSTALL = "Install histosyn again from its clone: pip install -c constraints.txt -e ."
_TORCH = "Install torch again, in the version of constraints.txt."
_FOLDER = "Check the path and the rights."


def system_checks(shared: Path | None) -> tuple[Check, ...]:
    """All checks; `shared` is the folder that all nodes see."""
    return (
        Check(name="versions", look=software.versions, remedy=_INSTALL),
        Check(name="package names", look=software.package_names, remedy=_INSTALL),
        Check(name="packages", look=software.packages, remedy=_INSTALL),
        Check(name="extras", look=software.optional_packages, remedy=_INSTALL),
        Check(name="torch", look=compute.torch_build, remedy=_TORCH),
        Check(name="processor", look=compute.processor, remedy=_TORCH),
        Check(name="fastest ways", look=compute.choices, remedy=_TORCH),
        Check(name="cores", look=compute.cores, remedy=_TORCH),
        Check(name="GPUs", look=compute.gpus, remedy=_TORCH),
        Check(name="NCCL", look=compute.nccl, remedy=_TORCH),
        Check(name="gloo", look=processes.gloo, remedy=_TORCH),
        Check(
            name="ray",
            look=software.ray,
            remedy="Install it again: pip install -c constraints.txt -e '.[tune]'",
        ),
        Check(
            name="Inception",
            look=software.inception_weights,
            remedy="Install pytorch-fid again: pip install -c constraints.txt -e '.[fid]'",
        ),
        Check(
            name="disk here",
            look=partial(storage.free_space, Path()),
            remedy="The working folder is gone: change to one that exists.",
        ),
        Check(name="disk, TMPDIR", look=storage.temporary_space, remedy=_FOLDER),
        Check(name="disk, --shared", look=partial(storage.free_space, shared), remedy=_FOLDER),
        Check(name="shared memory", look=storage.shared_memory, remedy=_FOLDER),
        Check(name="shared files", look=partial(storage.shared_files, shared), remedy=_FOLDER),
        Check(name="shared locks", look=partial(storage.shared_locks, shared), remedy=_FOLDER),
        Check(name="SLURM", look=scheduler.slurm, remedy="Check what `sinfo` says."),
        Check(name="SLURM job", look=scheduler.slurm_job, remedy=""),
        Check(name="place", look=scheduler.place, remedy=""),
    )
