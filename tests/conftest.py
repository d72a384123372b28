"""What holds for every test: no traces of a cluster job, no limits of time."""

import logging
import os
import shutil
import signal

# Before torch is imported: tests are small and run side by side, threads would only wait.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
from hypothesis import HealthCheck, settings

# A shell starts what it puts into the background without Ctrl-C, which commands under test inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A loaded machine is no fault of the code.
settings.register_profile("histosyn", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("histosyn")

_TRACES = ("SLURM_", "HISTOSYN_", "MASTER_", "TORCHELASTIC_", "LOCAL_", "GROUP_", "ROLE_")
_EXACT_TRACES = ("RANK", "WORLD_SIZE")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    """The tests' own topology and settings are not those of the job that runs them."""
    for name in list(os.environ):
        if name in _EXACT_TRACES or name.startswith(_TRACES):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """Nothing is kept in, or found in, the cache of the user who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture(autouse=True)
def _clean_logging():
    """What a command sets up lasts no longer than its test, nor does that of a shared fixture."""
    _as_imported(logging.getLogger("histosyn"))
    yield
    _as_imported(logging.getLogger("histosyn"))


def _as_imported(logger: logging.Logger) -> None:
    for handler in logger.handlers:
        handler.close()
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


@pytest.fixture
def told(monkeypatch):
    """The lines that are logged, at level INFO and above, and nowhere else."""
    lines = []

    class Listener(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())

    logger = logging.getLogger("histosyn")
    monkeypatch.setattr(logger, "handlers", [Listener()])
    monkeypatch.setattr(logger, "level", logging.INFO)
    return lines


@pytest.fixture(scope="module")
def browser():
    """A real browser for the pages that we make."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no chromium here: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # For root; the only pages are our own.
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()
