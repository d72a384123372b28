"""`histosyn doctor --system`: torch, the cores, the GPUs, and two processes that meet."""

import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import distributed

from histosyn.networks import cpu_choice
from hpc import precision
from hpc.errors import HistosynError
from launch.system_check import compute, gloo_rank, processes


def test_more_threads_than_cores(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 10_000)
    assert compute.cores().status == "warning"
    assert "OMP_NUM_THREADS=" in compute.cores().remedy


def test_the_processor_and_what_auto_is_on_it(monkeypatch):
    found = precision.Processor(
        model="Zen 9", instructions=("AVX2",), lacks=("AVX-512", "AMX-BF16"), native_bfloat16=False
    )
    monkeypatch.setattr(precision, "processor", lambda: found)
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    outcome = compute.processor()
    assert outcome.status == "ok"
    assert outcome.detail.startswith("Zen 9: AVX2; no AVX-512, no AMX-BF16\n")
    assert outcome.detail.endswith("precision auto is float32")
    monkeypatch.setattr(precision, "processor", lambda: replace(found, native_bfloat16=True))
    assert compute.processor().detail.endswith("precision auto is bfloat16")


@pytest.mark.parametrize("native", [True, False])
def test_what_training_computes_with(monkeypatch, native):
    found = precision.Processor(
        model="Zen 9", instructions=("AVX2",), lacks=(), native_bfloat16=native
    )
    monkeypatch.setattr(precision, "processor", lambda: found)
    measured = {"small_grids": 2.91, "contiguous": 0.8, "usual_order": 0.95, "tables": 0.6}
    monkeypatch.setattr(cpu_choice, "measured_once", lambda *_: measured)
    lines = compute.choices().detail.splitlines()
    assert lines[0] == (
        "training computes with run.convolutions small_grids, run.channels_last true, "
        "run.tables_below 1.4 in float32 (against plain: small_grids 2.9x, contiguous 0.8x; "
        "against channels_last: the usual order 0.95x; tables at 0.6 of the usual cost)"
    )
    assert [line.split(", ")[0] for line in lines[1:]] == [
        "and with run.convolutions small_grids"
    ] * native


def test_a_processor_that_the_environment_holds(monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    outcome = compute.processor()
    assert outcome.status == "warning"
    assert "held by ONEDNN_MAX_CPU_ISA=AVX2 and ATEN_CPU_CAPABILITY=avx2" in outcome.detail


@pytest.fixture
def driver(monkeypatch, tmp_path):
    """NVIDIA's driver as the kernel tells of it, and a torch that sees no GPU."""
    file = tmp_path / "version"
    file.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19\nGCC\n")
    monkeypatch.setattr(compute, "_DRIVER_FILE", file)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return file


def test_without_a_gpu(monkeypatch, driver):
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "NVIDIA driver 535.104.05, but torch" in compute.gpus().detail
    assert "build of torch for CUDA" in compute.gpus().remedy
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "torch sees no GPU (CUDA_VISIBLE_DEVICES='')" in compute.gpus().detail
    assert "new enough for CUDA 13.0" in compute.gpus().remedy
    driver.unlink()
    assert compute.gpus().status == compute.nccl().status == "absent"


@pytest.fixture
def two_gpus(monkeypatch):
    """Two GPUs as torch tells of them; memory that is free, in GiB, to be changed."""
    free = [70, 70]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    facts = SimpleNamespace(name="H999", major=9, minor=0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: facts)
    monkeypatch.setattr(
        torch.cuda, "mem_get_info", lambda device: (free[device.index] << 30, 80 << 30)
    )
    monkeypatch.setattr(precision, "computes_bfloat16", lambda device: device.index == 1)
    return free


def test_gpus_that_work(monkeypatch, two_gpus):
    monkeypatch.setattr(compute, "multiply", lambda device, dtype: None)
    outcome = compute.gpus()
    assert outcome.status == "ok"
    assert "cuda:1: H999, 70.0 of 80.0 GiB free, compute capability 9.0, bfloat16" in outcome.detail
    assert "cuda:0: H999, 70.0 of 80.0 GiB free, compute capability 9.0, no bfl" in outcome.detail
    two_gpus[1] = 3
    assert compute.gpus().status == "warning"
    assert "nvidia-smi" in compute.gpus().remedy


def test_a_gpu_that_does_not_multiply(monkeypatch, two_gpus):
    def multiply(device, dtype):
        if device.index == 1:
            raise RuntimeError("CUDA error: uncorrectable ECC error\nmore")

    monkeypatch.setattr(compute, "multiply", multiply)
    outcome = compute.gpus()
    assert outcome.status == "error"
    assert "cuda:1: CUDA error: uncorrectable ECC error" in outcome.detail
    assert "cuda:0: H999" in outcome.detail


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_products_are_checked(monkeypatch, dtype):
    compute.multiply(torch.device("cpu"), dtype)
    monkeypatch.setattr(torch, "full", lambda size, value, **options: torch.ones(size, **options))
    with pytest.raises(HistosynError, match="products"):
        compute.multiply(torch.device("cpu"), dtype)


def test_a_torch_without_nccl(monkeypatch, two_gpus):
    monkeypatch.setattr(distributed, "is_nccl_available", lambda: False)
    assert compute.nccl().status == "error"


@pytest.fixture
def started(monkeypatch):
    """The processes that the check starts."""
    kept, start = [], processes._start
    monkeypatch.setattr(
        processes, "_start", lambda *arguments: kept.append(start(*arguments)) or kept[-1]
    )
    return kept


def test_gloo_without_a_network(monkeypatch, started):
    monkeypatch.setattr(processes, "loopback", lambda: {"GLOO_SOCKET_IFNAME": "nowhere0"})
    outcome = processes.gloo()
    assert outcome.status == "error"
    assert "nowhere0" in outcome.detail
    assert all(process.returncode is not None for process in started)


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("import time; time.sleep(600)", "did not meet within"),
        ("import os, time\nif os.environ['RANK'] == '1': os.kill(os.getpid(), 9)\ntime.sleep(600)",
         f"process 1 of 2 ended with -{int(signal.SIGKILL)}"),
    ],
)  # fmt: skip
def test_processes_that_hang_or_die_are_ended(monkeypatch, tmp_path, started, program, told):
    (tmp_path / "hanging_rank.py").write_text(program)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(processes, "_PROGRAM", "hanging_rank")
    monkeypatch.setattr(processes, "_LIMIT_SECONDS", 3)
    outcome = processes.gloo()
    assert outcome.status == "error"
    assert told in outcome.detail
    assert len(started) == 2
    assert all(process.returncode is not None for process in started)


def _may_unshare():
    try:
        subprocess.run(["unshare", "--map-root-user", "--net", "true"], check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


@pytest.mark.parametrize(
    ("loopback", "told"),
    [
        pytest.param("up", "status='ok'", id="nothing outside is needed"),
        pytest.param("down", "status='error'", id="no loopback", marks=pytest.mark.slow),
    ],
)
def test_gloo_in_a_network_of_its_own(loopback, told):
    if not (_may_unshare() and shutil.which("ip")):
        pytest.skip("networks cannot be made here")
    code = "from launch.system_check.processes import gloo; print(gloo())"
    script = f'ip link set lo {loopback} && exec "$0" -P -c "$1"'
    run = subprocess.run(
        ["unshare", "--map-root-user", "--net", "sh", "-c", script, sys.executable, code],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told in run.stdout, run.stderr
    assert run.stderr == ""


def test_the_sum_is_checked(monkeypatch):
    monkeypatch.setattr(gloo_rank, "sum_over_ranks", lambda tensor: tensor + 1)
    with pytest.raises(SystemExit, match=r"the sum over ranks is 2\.0, not 1\.0"):
        gloo_rank.main()
