"""Logs that a job file can hold, and metrics that neither repeat nor miss a step."""

import io
import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc import log
from hpc.errors import DamagedFileError, InputError
from hpc.log import RecordsFile, key_values, logger, set_up_logging, track
from hpc.records import Records
from hpc.topology import Topology


@dataclass(frozen=True, kw_only=True)
class Item:
    key: str


SECOND_RANK = Topology(rank=1, world_size=2)

records = st.lists(
    st.fixed_dictionaries(
        {"step": st.integers(0, 50)},
        optional={"loss/hinge": st.floats(allow_nan=False), "note": st.text() | st.none()},
    ),
    max_size=8,
)


@pytest.fixture
def metrics(tmp_path):
    return RecordsFile(tmp_path / "metrics.jsonl")


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only when told to."""

    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(log, "time", clock)
    return clock


def on_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    return terminal


def test_a_job_log_gets_plain_whole_lines(capsys):
    set_up_logging(Topology())
    logger.info("%s", key_values({f"loss/{i}": i / 7 for i in range(30)}))

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "\x1b" not in lines[0]
    when, *pairs = lines[0].split(" ")
    assert when.count(":") == 2 and "T" in when
    assert len(pairs) == 30 and pairs[1] == "loss/1=0.1429"


def test_setting_up_twice_does_not_double_lines(capsys):
    set_up_logging(Topology())
    set_up_logging(Topology())
    logger.warning("once")

    assert capsys.readouterr().err.count("once") == 1


def test_other_ranks_are_quiet_and_keep_their_warnings(tmp_path, capsys):
    folder = tmp_path / "runs" / "a"
    set_up_logging(SECOND_RANK, folder)
    assert list(folder.iterdir()) == []

    logger.info("fine")
    logger.warning("odd")

    assert capsys.readouterr().err == ""
    (line,) = (folder / "log-rank-1.txt").read_text().splitlines()
    assert line.endswith("WARNING odd")


def test_other_ranks_without_a_run_folder_are_silent(capsys):
    set_up_logging(SECOND_RANK)
    logger.warning("odd")

    assert capsys.readouterr().err == ""


def test_a_terminal_gets_rich_lines(monkeypatch):
    terminal = on_terminal(monkeypatch)
    set_up_logging(Topology())
    logger.info("hello")

    assert "hello" in terminal.getvalue()


def test_key_values_leave_out_what_is_none():
    assert key_values({"step": 3, "loss": 1.23456789, "eta": None, "name": "a"}) == (
        "step=3 loss=1.235 name=a"
    )


@given(records)
def test_metrics_come_back_in_order(tmp_path_factory, written):
    metrics = RecordsFile(tmp_path_factory.mktemp("metrics") / "metrics.jsonl")
    for record in written:
        metrics.append(record)

    assert metrics.read() == written


@given(records.filter(len), st.integers(0, 50), st.data())
def test_after_a_kill_no_step_is_missing_or_doubled(tmp_path_factory, written, step, data):
    metrics = RecordsFile(tmp_path_factory.mktemp("metrics") / "metrics.jsonl")
    written = sorted(written, key=lambda record: record["step"])
    for record in written:
        metrics.append(record)
    whole = metrics.path.read_bytes()
    last = len(json.dumps(written[-1])) + 1
    lost = data.draw(st.integers(0, last))
    metrics.path.write_bytes(whole[: len(whole) - lost])

    metrics.truncate_after(step)
    metrics.append({"step": step + 1})

    # Without its last character, the line's end, a report is still whole.
    survivors = written if lost <= 1 else written[:-1]
    assert metrics.read() == [r for r in survivors if r["step"] <= step] + [{"step": step + 1}]
    assert metrics.path.read_bytes().endswith(b"\n")


def test_no_metrics_yet(metrics):
    metrics.truncate_after(0)

    assert metrics.read() == []
    assert not metrics.path.exists()


def test_tracking_changes_nothing(monkeypatch):
    assert list(track(range(5), total=5, what="tiles")) == [0, 1, 2, 3, 4]
    on_terminal(monkeypatch)
    assert list(track(iter(range(5)), total=5, what="tiles")) == [0, 1, 2, 3, 4]


def test_a_job_log_hears_of_progress_now_and_then(clock, capsys):
    set_up_logging(Topology())
    for _ in track(range(100), total=100, what="tiles"):
        clock.now += 4

    lines = [line.split(" ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    assert lines[0] == "tiles=1/100 eta=0:06:36", "who starts something wants to see it work"
    assert lines[1] == "tiles=4/100 eta=0:06:24"
    assert len(lines) == 33


def test_a_first_item_that_takes_long_is_no_error(clock):
    def slow():
        clock.now += 60
        yield "first"

    assert list(track(slow(), total=1, what="tiles")) == ["first"]


def test_a_record_after_a_cut_line_is_whole(tmp_path):
    records = RecordsFile(tmp_path / "x.jsonl")
    records.append({"step": 1})
    with records.path.open("a") as file:
        file.write('{"step": 2, "lo')
    records.append({"step": 3})
    assert records.read() == [{"step": 1}, {"step": 3}]


def test_a_full_disk_names_the_records_and_leaves_them_as_they_were(small_disk, full_disk):
    records = RecordsFile(small_disk / "metrics.jsonl")
    records.append({"step": 1})
    before = records.path.read_bytes()
    full_disk()

    with pytest.raises(OSError, match="No space left") as error:
        records.append({"step": 2, "text": "x" * 8192})

    assert error.value.filename == str(records.path)
    assert records.path.read_bytes() == before


def damaged(records, line):
    """Three reports, one of which is no longer what was written."""
    for step in (1, 2, 3):
        records.append({"step": step, "loss": float("nan")})
    lines = records.path.read_bytes().splitlines(keepends=True)
    lines.insert(1, line)
    records.path.write_bytes(b"".join(lines))


@pytest.mark.parametrize("line", [b"[1]\n", b'{"st\xe5p": 2}\n', b"null\n", b'{"step": "x"}\n'])
def test_a_damaged_line_is_told_kept_and_gone_on_from(metrics, caplog, line):
    damaged(metrics, line)
    whole = metrics.path.read_bytes()

    with pytest.raises(DamagedFileError, match=r"metrics\.jsonl, line 2, is damaged"):
        metrics.read()
    assert "line 2, is damaged" in metrics.look().told()

    metrics.truncate_after(2)

    assert [record["step"] for record in metrics.read()] == [1, 2]
    assert "line 2, is damaged" in caplog.text and "damaged-metrics.jsonl" in caplog.text
    assert metrics.path.with_name("damaged-metrics.jsonl").read_bytes() == whole


def test_what_was_set_aside_before_is_not_replaced(metrics):
    for _ in range(2):
        damaged(metrics, b"[1]\n")
        metrics.truncate_after(9)
    aside = sorted(path.name for path in metrics.path.parent.iterdir())
    assert aside == ["damaged-metrics.jsonl", "damaged-metrics.jsonl.2", "metrics.jsonl"]


def test_what_a_kill_left_of_a_line_goes_with_the_next(metrics):
    metrics.append({"step": 1})
    with metrics.path.open("ab") as file:
        file.write(b'{"step": 2, "lo')
    metrics.append({"step": 2})
    assert metrics.path.read_text() == '{"step": 1}\n{"step": 2}\n'
    metrics.path.write_bytes(metrics.path.read_bytes()[:-1])
    metrics.append({"step": 3})
    assert metrics.path.read_text() == '{"step": 1}\n{"step": 2}\n{"step": 3}\n'


def test_who_appends_to_a_damaged_list_goes_on_from_what_is_sound(tmp_path):
    kind = Records(kind=Item, remedy="Copy it again.", error=InputError)
    listed = RecordsFile(tmp_path / "bad-samples.jsonl", kind)
    assert listed.sound() == []
    listed.append({"key": "a"}, {"key": "b"})
    before = listed.path.read_bytes()
    assert [item["key"] for item in listed.sound()] == ["a", "b"]
    assert listed.path.read_bytes() == before
    listed.path.write_bytes(before.replace(b'"a"', b"null"))
    with pytest.raises(InputError, match=r"bad-samples\.jsonl, line 1, is damaged .key: expected"):
        listed.read()

    assert listed.sound() == [{"key": "b"}] == listed.read()
    assert (tmp_path / "damaged-bad-samples.jsonl").read_bytes() != before
