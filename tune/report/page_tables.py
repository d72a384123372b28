"""The tables of a sweep's page: what to train with, hours, the leaderboard."""

from __future__ import annotations

from eval.report.numbers import digits
from eval.report.tables import Table
from tune.report.findings import Findings
from tune.report.hours import unit_of
from tune.report.record import Setting, State, SweepRecord, Trial, setting_text

STATES: tuple[State, ...] = (
    "finished", "stopped", "diverged", "failed", "running", "waiting", "unfinished",
)  # fmt: skip
# Where a trial comes from, if it was not suggested by the search.
_TOLD = ("defaults", "start")


def best_table(record: SweepRecord, best: Trial) -> Table:
    """The best setting beside the defaults."""
    rows = tuple(
        (one.name, _value(record.default, one.name), _value(best, one.name), _range(one))
        for one in record.settings
    )
    head = ("setting", "defaults", f"best (trial {best.number})", "searched")
    return Table(caption="What to train with", head=head, rows=rows, numeric=(1, 2))


def hours_table(found: Findings) -> Table:
    """What was spent and saved, by how trials ended."""
    unit = unit_of(found.record)
    rows: list[tuple[str, ...]] = []
    for state in STATES:
        of = [cost for cost in found.costs if cost.trial.state == state]
        if of:
            spent, saved = sum(cost.spent for cost in of), sum(cost.saved for cost in of)
            rows.append((state, str(len(of)), digits(spent), digits(saved)))
    rows.append(("all", str(len(found.costs)), digits(found.spent), digits(found.saved)))
    repeats = sum(cost.trial.repeats is not None for cost in found.costs)
    also = f", {repeats} of them repeats with other seeds" if repeats else ""
    caption = f"{unit[:1].upper()}{unit[1:]} of {len(found.costs)} trials{also}"
    head = ("state", "trials", "spent", "saved by ending early")
    return Table(caption=caption, head=head, rows=tuple(rows), numeric=(1, 2, 3))


def leaderboard_table(record: SweepRecord) -> Table:
    """All trials, best first; repeats, which have no rank, last."""
    by = [] if len(record.measures) == 1 else [record.objective_words]
    measures = [one.words for one in record.measures]
    names = short_names([setting.name for setting in record.settings])
    head = ("rank", "trial", "state", *by, *measures, "images seen", "seed", *names)
    again = [trial for trial in record.trials if trial.repeats is not None]
    rows = tuple(_row(record, trial) for trial in (*record.ranked, *again))
    caption = "; ".join(f"{one.words}: {one.how}, n = {one.n} tiles" for one in record.measures)
    return Table(caption=caption, head=head, rows=rows, numeric=tuple(range(3, len(head))))


def short_names(names: list[str]) -> list[str]:
    """Dotted names without their sections, where that leaves them different."""
    last = [name.rpartition(".")[2] for name in names]
    return [short if last.count(short) == 1 else name
            for short, name in zip(last, names, strict=True)]  # fmt: skip


def _row(record: SweepRecord, trial: Trial) -> tuple[str, ...]:
    last = trial.last
    origin = f", {trial.origin}" if trial.origin in _TOLD else ""
    by = [] if len(record.measures) == 1 else [digits(trial.objective)]
    values = {} if last is None else last.values
    return (
        "–" if trial.rank is None else str(trial.rank),
        f"{trial.number}{origin if trial.repeats is None else ', again'}",
        trial.state,
        *by,
        *(digits(values.get(one.name)) for one in record.measures),
        "–" if last is None else f"{last.images_seen:,}",
        str(trial.seed),
        *(_value(trial, setting.name) for setting in record.settings),
    )


def _value(trial: Trial | None, name: str) -> str:
    return "–" if trial is None or name not in trial.values else setting_text(trial.values[name])


def _range(setting: Setting) -> str:
    if setting.choices:
        return "one of " + ", ".join(map(str, setting.choices))
    scale = ", by logarithm" if setting.logarithmic else ""
    return f"{setting.low:g} to {setting.high:g}{scale}"
