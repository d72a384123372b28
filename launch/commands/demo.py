"""`histosyn demo`."""

from __future__ import annotations

from pathlib import Path


def demo(folder: Path = Path("runs/demo"), *, train: bool = False) -> None:
    """See what histosyn does, in a minute: label maps, their tissue, numbers, and a page of it all.

    The tissue is that of a small model that comes with histosyn, of phantom tissue, which a program
    draws: no data is needed, and nothing shows a patient. Every step is a command that could be
    typed; each is printed before it runs. An interrupted demo goes on where it stopped.

    Example: histosyn demo

    Example: histosyn demo runs/demo --train

    Parameters
    ----------
    folder
        Where to put everything.
    train
        Also train a model from nothing for about a minute, from phantom tiles to a page of its own:
        the way that you will go with your tiles.
    """
    from launch.demo.plan import shipped_chapter, training_chapter
    from launch.demo.running import run_demo

    chapters = [shipped_chapter(folder)]
    if train:
        chapters.append(training_chapter(folder))
    run_demo(chapters)
