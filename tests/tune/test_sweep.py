"""Sweeps under a real Ray, in a network that holds nothing but loopback (Ray looks outside)."""

import contextlib
import ipaddress
import json
import os
import re
import signal
import stat
import sys
from pathlib import Path

import pytest
import torch
from disks import small_disk
from sweeping import (
    SEARCH,
    Sweeps,
    all_evaluations,
    command_of,
    evaluations,
    processes_in_the_network_of,
    trial_process,
    trials,
    wait_for,
)

from histosyn.config.earlier import WITHOUT
from histosyn.config.file import from_dict, load_toml
from histosyn.config.train import TrainConfig
from histosyn.models.folder import load_model
from tune.measuring.evaluation import Evaluator
from tune.plan.trial_folder import Evaluation, Outcome, TrialFolder
from tune.search.history import history
from tune.search.tpe import suggest

CPU = torch.device("cpu")
# Python imports it at the start of every process; only in Ray's workers it does something, and
# there not before a trial needs its networks.
BROKEN_IN_TRIALS = """
import sys

class Breaking:
    def find_spec(self, name, path=None, target=None):
        if name == "histosyn.training.adversaries":
            import torch

            torch.optim.Adam.__init__ = self.broken

    def broken(self, *_, **__):
        raise RuntimeError("this build of Adam is broken")

if any(part.endswith("default_worker.py") for part in sys.orig_argv):
    sys.meta_path.insert(0, Breaking())
"""


@pytest.mark.slow
def test_from_a_file_to_the_best_configuration(sweeps):
    """In a folder full of files that bear our packages' names, as users' folders may be."""
    sweep = sweeps.write(samples=3)
    for name in ("eval", "tune", "hpc", "launch"):
        (sweeps.folder / f"{name}.py").write_text("raise RuntimeError('not the one')\n")

    result = sweeps.succeed()

    rows = trials(sweep)
    assert sorted(row["number"] for row in rows) == [0, 1, 2]
    assert {row["status"] for row in rows} <= {"finished", "stopped"}
    assert {row["status"]: row["last"]["step"] for row in rows}["finished"] == 6
    order = [(-row["last"]["step"], row["distance"]) for row in rows]
    assert order == sorted(order)
    assert [row["status"] for row in rows if row["number"] == 0] == ["finished"], "the defaults"
    for row in rows:
        assert row["parameters"] == sweep.candidate(row["number"]).values
        assert row["last"] == evaluations(sweep, row["number"])[-1]
        assert f"│ {row['number']}     │ {row['status']}" in result.stdout

    best = from_dict(TrainConfig, load_toml(sweep.sweep.folder / "best.toml"), "best.toml")
    assert best == sweep.best_training(rows[0]["number"])
    assert not best.run.folder.exists()
    assert_distance_is_that_of_the_model(sweep, rows)
    assert_second_run_does_nothing(sweeps, sweep, result)
    assert_another_sweep_is_refused(sweeps)


def assert_distance_is_that_of_the_model(sweep, rows):
    row = next(row for row in rows if row["status"] == "finished")
    model = load_model(Path(row["folder"]) / "model", CPU)
    batch = sweep.train.data.global_batch

    values = Evaluator(sweep.sweep, sweep.objective, CPU).values(model.network, batch)

    assert values["distance"] == pytest.approx(row["distance"], rel=1e-2)


def assert_second_run_does_nothing(sweeps, sweep, first):
    files = [path for path in sweep.sweep.folder.glob("trials/**/*") if path.is_file()]
    before = {path: path.stat().st_mtime_ns for path in files}

    again = sweeps.succeed(before="sys.modules['ray'] = None")

    assert again.stdout == first.stdout
    assert {path: path.stat().st_mtime_ns for path in files} == before


def assert_another_sweep_is_refused(sweeps):
    sweeps.write(search=SEARCH.replace("20", "30"), samples=3, evaluate_every=1)

    result = sweeps.run()

    assert result.returncode == 2
    changed = "search.loss.feature_matching, sweep.evaluate_every changed"
    assert changed in " ".join(result.stderr.split())


@pytest.mark.slow
def test_nobody_else_gets_to_the_ray_of_a_sweep(sweeps):
    """In a network that has more than loopback, with nobody at the other end."""
    sweep = sweeps.write(samples=1, steps=4000, evaluate_every=1000, grace_period=4000)
    long = sweeps.folder / "a-very-long-name-for-a-temporary-folder" / ("x" * 60)
    long.mkdir(parents=True)
    sweeps.environment |= {"TMPDIR": str(long)}
    sweeps.environment.pop("RAY_TMPDIR")

    process = sweeps.start(shell=f'{ANOTHER_INTERFACE} && exec "$@"')
    try:
        wait_for(lambda: (sweep.trial_folder(0) / "metrics.jsonl").exists(), process)
        ours = list(processes_in_the_network_of(process))
        folders = {found for pid in ours for found in RAY_FOLDER.findall(command_of(pid))}
        addresses = listening(process)
        commands = "".join(map(command_of, ours))
        token = environment_of(trial_process(process))["RAY_AUTH_TOKEN"]
        modes = {stat.S_IMODE(Path(folder).stat().st_mode) for folder in folders}
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=100)

    assert addresses and addresses <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert len(folders) == 1 and modes == {0o700}
    assert token not in commands
    assert not any(Path(folder).exists() for folder in folders)


ANOTHER_INTERFACE = (
    "ip link add here type veth peer name there && ip addr add 10.9.8.7/24 dev here && "
    "ip link set here up && ip link set there up && ip route add default via 10.9.8.1"
)
RAY_FOLDER = re.compile(r"(/\S*?/ray-\w{8})/r/session_")


def environment_of(process):
    pairs = Path(f"/proc/{process}/environ").read_bytes().decode().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def listening(driver):
    """The addresses at which somebody listens in the driver's network."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{driver.pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            words = bytes.fromhex(local.partition(":")[0])
            # Words of four bytes, each in the order of this machine.
            turned = b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4))
            address = ipaddress.ip_address(turned)
            if state == "0A":
                mapped = getattr(address, "ipv4_mapped", None)
                found.add(f"::ffff:{mapped}" if mapped else str(address))
    return found


@pytest.mark.slow
def test_more_samples_go_on_from_the_first_ones(sweeps):
    first = sweeps.write(samples=2)
    sweeps.succeed()
    before = all_evaluations(first)

    more = sweeps.write(samples=3)
    sweeps.succeed()

    assert len(trials(more)) == 3
    assert all_evaluations(more)[:2] == before


@pytest.mark.slow
def test_killed_trials_and_a_killed_sweep_go_on_where_they_were(sweeps, data, tmp_path_factory):
    """And measure what an undisturbed sweep measures. Nothing is stopped early here."""
    settings = {"samples": 2, "steps": 200, "evaluate_every": 20, "grace_period": 200}
    sweep = sweeps.write(**settings)

    process = sweeps.start()
    wait_for(lambda: len(evaluations(sweep, 0)) >= 2, process)
    os.kill(trial_process(process), signal.SIGKILL)
    wait_for(lambda: len(evaluations(sweep, 0)) >= 4, process)
    process.kill()
    process.communicate()
    assert not (sweep.sweep.folder / "trials.json").exists()
    sweeps.succeed()

    other = Sweeps(sweeps.prefix, data, tmp_path_factory.mktemp("undisturbed"),
                   sweeps.environment["RAY_TMPDIR"])  # fmt: skip
    undisturbed = other.write(**settings)
    other.succeed()
    assert all_evaluations(sweep) == all_evaluations(undisturbed)
    assert [len(records) for records in all_evaluations(sweep)] == [10, 10]
    assert {row["status"] for row in trials(sweep)} == {"finished"}


@pytest.mark.slow
def test_a_second_sweep_in_one_folder_is_refused_and_a_kill_is_no_lock(sweeps):
    """Nothing of the first one is touched by the second, be it the same or another sweep."""
    settings = {"samples": 1, "steps": 4000, "evaluate_every": 1000, "grace_period": 4000}
    sweep = sweeps.write(**settings)
    process = sweeps.start()
    try:
        wait_for(lambda: (sweep.trial_folder(0) / "metrics.jsonl").exists(), process)
        claimed = (sweep.sweep.folder / "sweep.json").read_bytes()
        for changes in ({}, {"samples": 2}, {"evaluate_every": 500}):
            sweeps.write(**settings | changes)
            second = sweeps.run()
            assert second.returncode == 2, second.stderr
            told = " ".join(second.stderr.split())
            assert "Another process is running the sweep in " in told
            assert f"It is process {process.pid} on " in told
            assert (sweep.sweep.folder / "sweep.json").read_bytes() == claimed
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()
    third_file = sweeps.write(**settings | {"evaluate_every": 500})
    third = sweeps.run()
    assert third.returncode == 2
    assert "holds a sweep with other settings" in " ".join(third.stderr.split())
    assert not list(third_file.sweep.folder.glob(".lock*"))


@pytest.mark.slow
def test_a_sweep_killed_before_a_decision_decides_as_if_it_had_not_been(
    sweeps, data, tmp_path_factory
):
    """One trial at a time, so that the decisions depend on nothing but the distances."""
    settings = {"samples": 3, "steps": 6, "more": "max_concurrent = 1"}
    sweep = sweeps.write(**settings)
    killed = sweeps.run(
        # In the driver, which alone decides. Ray may not be imported yet.
        before="import os, tune.plan.trial_folder as module; "
        "module.TrialFolder.conclude = lambda *_: os._exit(9)"
    )
    assert killed.returncode == 9, killed.stderr
    sweeps.succeed()

    other = Sweeps(sweeps.prefix, data, tmp_path_factory.mktemp("undisturbed"),
                   sweeps.environment["RAY_TMPDIR"])  # fmt: skip
    undisturbed = other.write(**settings)
    other.succeed()
    assert all_evaluations(sweep) == all_evaluations(undisturbed)
    statuses = [[row["status"] for row in trials(each)] for each in (sweep, undisturbed)]
    assert statuses[0] == statuses[1]
    assert "stopped" in statuses[0]


@pytest.mark.slow
def test_a_model_goes_on_after_a_kill_and_the_best_is_repeated(sweeps):
    """Ten trials are made by hand, from which it learns."""
    pytest.importorskip("optuna")
    more = 'sampler = "tpe"\nstopping = "none"\nrepeat_best = [1]\nmax_concurrent = 1'
    sweep = sweeps.write(samples=12, steps=4, grace_period=4, more=more)
    for number in range(10):
        folder = TrialFolder(sweep.trial_folder(number))
        folder.suggest(sweep.suggestion(number) or sweep.drawn(number))
        folder.add(Evaluation(step=4, images_seen=8, distance=0.1 + abs(number - 5)))
        folder.conclude(Outcome(status="finished"))

    process = sweeps.start()
    wait_for(lambda: evaluations(sweep, 10), process)
    process.kill()
    process.communicate()
    suggested = (sweep.trial_folder(10) / "trial.json").read_bytes()
    sweeps.succeed()

    assert (sweep.trial_folder(10) / "trial.json").read_bytes() == suggested
    last = TrialFolder(sweep.trial_folder(11)).suggestion()
    known = history(sweep)[:11]
    assert last.origin == "tpe"
    assert last.learnt_from == tuple(each.seen for each in known)
    assert last.values == suggest(
        sweep.space, sweep.objective, known, last=4, seed=0, number=11
    )  # fmt: skip
    saved = json.loads((sweep.sweep.folder / "trials.json").read_text())
    assert [(row["number"], row["seed"], row["status"]) for row in saved["tables"]["repeats"]] == [
        (5, 1, "finished"), (0, 1, "finished"),
    ]  # fmt: skip
    difference = saved["numbers"][-1]
    assert difference["name"] == "distance_of_best_less_defaults"
    assert difference["value"] is not None


@pytest.mark.slow
def test_a_sweep_that_was_moved_goes_on(sweeps):
    first = sweeps.write(samples=1)
    sweeps.succeed()
    (sweeps.folder / "elsewhere").mkdir()
    first.sweep.folder.rename(sweeps.folder / "elsewhere" / "sweep")

    moved = sweeps.write(samples=2, folder=sweeps.folder / "elsewhere")
    sweeps.succeed()

    rows = trials(moved)
    assert sorted(row["number"] for row in rows) == [0, 1]
    assert all(row["folder"].startswith(str(moved.sweep.folder)) for row in rows)
    assert not first.sweep.folder.exists()
    best = from_dict(TrainConfig, load_toml(moved.sweep.folder / "best.toml"), "best.toml")
    assert best.run.folder.parent == moved.sweep.folder


@pytest.mark.slow
def test_an_older_sweep_goes_on_without_what_came_later(sweeps):
    """Its record knows nothing of settings whose default has become another since."""
    sweep = sweeps.write(samples=1)
    begun = sweep.as_plain()
    for name, settings in WITHOUT.items():
        begun["train"][name] = {
            key: value for key, value in begun["train"][name].items() if key not in settings
        }
    sweep.sweep.folder.mkdir()
    (sweep.sweep.folder / "sweep.json").write_text(json.dumps(begun))
    sweeps.succeed()
    trained = load_toml(sweep.trial_folder(0) / "config.toml")
    assert {name: trained[name] | settings for name, settings in WITHOUT.items()} == {
        name: trained[name] for name in WITHOUT
    }


@pytest.mark.slow
def test_diverged_and_failed_trials_are_told_apart(sweeps):
    search = """
    optimizer.generator_lr = { choice = [1e-3, 1e30] }
    data.crop = { choice = [32, 4096] }
    """
    sweep = sweeps.write(search=search, samples=6)

    result = sweeps.run()

    def expected(values):
        if values["data.crop"] == 4096:
            return "failed"
        return "diverged" if values["optimizer.generator_lr"] == 1e30 else "finished"

    rows = trials(sweep)
    assert {row["status"] for row in rows} >= {"failed", "diverged"}
    for row in rows:
        status = "finished" if row["status"] == "stopped" else row["status"]
        assert status == expected(row["parameters"])
    assert result.returncode == 1
    assert "trials failed, the first with: data.crop = 4096 is larger" in result.stderr
    assert "Traceback" not in result.stderr
    assert (sweep.sweep.folder / "best.toml").is_file()


@pytest.mark.slow
def test_if_all_trials_fail_the_first_error_is_told(sweeps):
    """Here one that histosyn does not foresee: a library that is broken where trials run."""
    sweep = sweeps.write(samples=2)
    (sweeps.folder / "broken").mkdir()
    (sweeps.folder / "broken" / "sitecustomize.py").write_text(BROKEN_IN_TRIALS)
    sweeps.environment |= {"PYTHONPATH": str(sweeps.folder / "broken")}

    result = sweeps.run()

    assert result.returncode == 1
    assert "None of 2 trials succeeded. Trial 0 failed: RuntimeError: " in result.stderr
    traceback = sweep.sweep.folder / "ray" / "trial-0000" / "error.txt"
    assert f"(traceback: {traceback})." in result.stderr
    assert "RuntimeError" in traceback.read_text()
    assert not (sweep.sweep.folder / "best.toml").exists()


@pytest.mark.slow
def test_a_trial_that_fits_nowhere_is_refused(sweeps):
    sweeps.write(more="cpus_per_trial = 4096")

    result = sweeps.run()

    assert result.returncode == 2
    assert "A trial asks for 4096 CPUs and 0 GPUs, and no node has both" in result.stderr


@pytest.mark.slow
def test_a_running_cluster_is_used(sweeps):
    sweep = sweeps.write(samples=2)
    sweeps.environment |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    ray = Path(sys.executable).with_name("ray")
    knock = "import socket; socket.create_connection(('127.0.0.1', 6379))"

    # `ray stop` would end every Ray of this machine, not only this one.
    result = sweeps.run(
        shell=f"""
            {ray} start --head --block --num-cpus 2 --node-ip-address 127.0.0.1 \\
                --include-dashboard false >&2 &
            until {sys.executable} -c "{knock}" 2>/dev/null; do kill -0 $! || exit 1; done
            RAY_ADDRESS=127.0.0.1:6379 "$@"
            code=$?
            kill $!
            wait
            exit $code
        """
    )

    assert result.returncode == 0, result.stderr
    assert len(trials(sweep)) == 2
    assert "Ray runtime started" in result.stderr


def test_an_address_that_nobody_answers_is_named(sweeps):
    sweeps.write(samples=2)
    sweeps.environment["RAY_ADDRESS"] = "127.0.0.1:1"

    result = sweeps.run()

    assert result.returncode == 2
    assert "Nobody answers at RAY_ADDRESS=127.0.0.1:1" in result.stderr


@pytest.mark.slow
def test_a_full_disk_stops_the_sweep_and_loses_nothing(sweeps, tmp_path):
    """Up to the last byte, while two trials train."""
    settings = {"samples": 2, "steps": 60, "evaluate_every": 10, "grace_period": 60}
    undisturbed = sweeps.write(**settings)
    sweeps.succeed()

    with small_disk(tmp_path / "disk", "64m") as disk:
        sweep = sweeps.write(folder=disk, **settings)
        process = sweeps.start()
        wait_for(lambda: all(all_evaluations(sweep)), process)
        with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass
        _, errors = process.communicate(timeout=400)

        assert process.returncode == 1, errors
        told = [line for line in errors.splitlines() if line.startswith("histosyn: ")]
        assert len(told) == 1 and str(sweep.sweep.folder) in told[0]
        assert "Make room, and run the same command again." in told[0]
        assert "Traceback" not in errors
        assert not list(sweep.sweep.folder.glob("trials/*/outcome.json"))

        (disk / "filler").unlink()
        sweeps.succeed()

        assert all_evaluations(sweep) == all_evaluations(undisturbed)
        assert {row["status"] for row in trials(sweep)} == {"finished"}
