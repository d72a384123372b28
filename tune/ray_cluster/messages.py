"""What Ray has to say of its nodes and processes goes to our log, a line each.

Left to itself it prints pages to the standard output, which has no option against it.
"""

from __future__ import annotations

from typing import Any

import ray._private.worker as ray_worker

from hpc.log import logger


def take_messages() -> None:
    """From now on; a later Ray that prints them in another way is left alone."""
    if hasattr(ray_worker, "print_to_stdstream"):
        ray_worker.print_to_stdstream = _tell


def _tell(data: Any, ignore_prefix: bool = False) -> None:
    for message in data["lines"]:
        if first := message.strip().partition("\n")[0]:
            logger.warning("Ray: %s", first.strip())
