"""What the demo's pages say that no result knows: whose tissue it is, and what to do next."""

from __future__ import annotations

NEXT_STEPS = """\
histosyn doctor TILES LABELS
histosyn pack TILES LABELS packed --schema SCHEMA --tile-size 256 --groups patients.csv --val 0.2
histosyn train --data.shards packed/train --run.folder runs/first
histosyn synth runs/first packed/val tissue
histosyn eval fid packed/val tissue --extractor efficientnet-lite2 --json results/fid.json
histosyn report results"""
_OF_TISSUE = f"""\
note = "Nothing here shows a patient: it is phantom tissue, drawn by a program, and what a \
generator learned from it."
next = '''
With tiles of your own, and label maps of the same names:

{NEXT_STEPS}'''
intended-use = "To show what histosyn does. These numbers say nothing of real tissue."
data-source = "histosyn phantom: drawn by a program from a seed."
ethics = "Not applicable: no data of patients."
"""
_OF_READERS = 'raters = "Simulated: each reader is off by one grade now and then."\n'


def facts(*, readers: bool) -> str:
    """The TOML for `histosyn report --facts`; with `readers`, a word on those of its ratings."""
    return _OF_TISSUE + _OF_READERS * readers
