"""Commands in odd surroundings: each is right, or one message and exit code 1 or 2."""

import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from launching import HISTOSYN, environment
from tissue import write_folders

RATINGS = "image,R1,R2\n" + "".join(f"i{k},{k % 3 + 1},{(k * 7) % 3 + 1}\n" for k in range(12))
COMMANDS = {
    "help": ["--help"],
    "doctor": ["doctor", "{data}/tiles", "{data}/labels", "--schema", "prostate-3"],
    "pack": ["pack", "{data}/tiles", "{data}/labels", "packed", "--schema", "prostate-3",
             "--processes", "1"],
    "agreement": ["eval", "agreement", "{data}/r.csv", "--categories", "1,2,3",
                  "--replicates", "20", "--json", "a.json"],
    "refused": ["doctor", "{data}/κ\x1b[31m", "{data}/labels"],
}  # fmt: skip
USUAL = {"help": 0, "doctor": 0, "pack": 0, "agreement": 0, "refused": 2}
# Lines of a shell in which "$@" is the command.
SHELLS = {
    "no stdout": '"$@" >&-',
    "no stderr": '"$@" 2>&-',
    "no stdin": '"$@" <&-',
    "none of the three": '"$@" <&- >&- 2>&-',
    "nobody reads": '{ "$@"; echo $? > code; } | true; exit $(cat code)',
    "nobody reads messages": '{ "$@" 2>&1 >/dev/null; echo $? > code; } | true; exit $(cat code)',
    "a full device": '"$@" > /dev/full',
    "umask 077": 'umask 077; "$@"',
}
VARIABLES = {
    "locale C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "POSIX, Latin-1": {"LC_ALL": "POSIX", "PYTHONIOENCODING": "latin-1"},
    "ASCII": {"PYTHONIOENCODING": "ascii"},
    "nonsense": {"LC_ALL": "xx_YY.none", "LANG": "?", "TZ": "Nowhere/Never", "TERM": "none",
                 "COLUMNS": "many", "LINES": "-1"},
    "nothing is set": dict.fromkeys(
        ("HOME", "USER", "LOGNAME", "TZ", "LANG", "LC_ALL", "TERM", "XDG_CACHE_HOME")
    ),
    "a home where nothing can be written": {"HOME": "/proc", "XDG_CACHE_HOME": None},
    "a home that is not there": {"HOME": "/nonexistent", "XDG_CACHE_HOME": None},
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    write_folders(root, count=3, size=32)
    (root / "r.csv").write_text(RATINGS)
    return root


def run(name, data, folder, *, shell='"$@"', **variables):
    """A finished command in `folder`; a variable that is None is not set."""
    tokens = [token.format(data=data) for token in COMMANDS[name]]
    values = environment(**{key: value for key, value in variables.items() if value is not None})
    for key in (key for key, value in variables.items() if value is None):
        values.pop(key, None)
    return subprocess.run(
        ["bash", "-c", shell, "bash", *HISTOSYN, *tokens],
        cwd=folder, env=values, capture_output=True, timeout=300, check=False,
    )  # fmt: skip


def run_code(code, name, data, folder, unset=()):
    """The same with `main` called by a program that changes the surroundings first."""
    tokens = [token.format(data=data) for token in COMMANDS[name]]
    values = {key: value for key, value in environment().items() if key not in unset}
    return subprocess.run(
        [sys.executable, "-c", code, *tokens],
        cwd=folder, env=values, capture_output=True, timeout=300, check=False,
    )  # fmt: skip


def assert_told(result, expected):
    assert result.returncode in expected, (result.returncode, result.stderr)
    for stream in (result.stdout, result.stderr):
        assert b"Traceback" not in stream and b"Exception ignored" not in stream
        assert b"\x1b" not in stream
    assert result.stderr.count(b"histosyn: ") <= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("shell", SHELLS)
def test_streams(name, shell, data, tmp_path):
    result = run(name, data, tmp_path, shell=SHELLS[shell])

    # Work that is done although nobody reads of it; only what was to be read is lost.
    output_is_lost = shell in ("nobody reads", "a full device")
    assert_told(result, {1, USUAL[name]} if output_is_lost else {USUAL[name]})
    if shell == "a full device" and USUAL[name] == 0:
        assert result.returncode == 1
        assert b"the output cannot be written (No space left" in result.stderr
    if name == "pack":
        assert (tmp_path / "packed" / "train" / "dataset.json").is_file()
    if name == "agreement":
        assert (tmp_path / "a.json").is_file()
    if shell == "umask 077":
        modes = [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")]
        assert not any(mode & 0o077 for mode in modes)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("variables", VARIABLES)
def test_environments(name, variables, data, tmp_path):
    assert_told(run(name, data, tmp_path, **VARIABLES[variables]), {USUAL[name]})


NAMELESS = """
import os, pwd
def unknown(*_):
    raise KeyError("uid not found")
pwd.getpwuid = unknown
from launch.cli import main
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_user_without_name_and_home(name, data, tmp_path):
    """As in a container that runs under a number."""
    unset = ("HOME", "USER", "LOGNAME", "XDG_CACHE_HOME", "LNAME", "USERNAME")
    assert_told(run_code(NAMELESS, name, data, tmp_path, unset), {USUAL[name]})


@contextmanager
def disk(folder, options):
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pack", "agreement"])
@pytest.mark.parametrize("options", ["nr_inodes=1", "nr_inodes=3", "size=4k", "size=12k"])
def test_a_file_system_with_little_left(name, options, data, tmp_path):
    """A quota of files, or of bytes: it ends in the middle of what is written."""
    with disk(tmp_path / "disk", options) as folder:
        result = run(name, data, folder)

        assert_told(result, {0, 1, 2})
        whole = {"pack": "packed/train/dataset.json", "agreement": "a.json"}[name]
        assert (folder / whole).exists() == (result.returncode == 0)
        left = [path for path in folder.rglob("*") if path.is_file() and "tmp" in path.suffix]
        assert not left
    if result.returncode:
        assert b"No space left" in result.stderr or b"full" in result.stderr, result.stderr


WITHOUT = """
import errno, fcntl, os, stat, sys
real_open, real_fsync = os.open, os.fsync
def refused(*_, **__):
    raise OSError(errno.EPERM, "Operation not permitted")
def opened(path, flags, *more, **named):
    if flags & os.O_TMPFILE == os.O_TMPFILE:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported", path)
    return real_open(path, flags, *more, **named)
def synced(number):
    if stat.S_ISDIR(os.fstat(number).st_mode):
        raise OSError(errno.EINVAL, "Invalid argument")
    real_fsync(number)
def unlockable(*_):
    raise OSError(errno.ENOLCK, "No locks available")
os.link = os.symlink = os.chmod = refused
fcntl.flock = unlockable
os.open, os.fsync = opened, synced
from launch.cli import main
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_system_without_links_modes_and_synchronised_folders(name, data, tmp_path):
    assert_told(run_code(WITHOUT, name, data, tmp_path), {USUAL[name]})


def test_names_are_the_same_in_every_locale(tmp_path):
    """Noise is keyed by them."""
    (tmp_path / "run.py").write_text(
        "import sys\nfrom launch.terminal.console import speak_utf8\nspeak_utf8()\n"
        "print(ascii(sys.argv[1]), sys.stdout.encoding)\n"
    )
    told = {}
    for name in ("locale C", "POSIX, Latin-1"):
        result = subprocess.run(
            [sys.executable, "run.py", "Drüse κ"], cwd=tmp_path, text=True,
            env=environment(**VARIABLES[name]), capture_output=True, check=True,
        )  # fmt: skip
        told[name] = result.stdout.split("' ")
    assert {text for text, _ in told.values()} == {ascii("Drüse κ").removesuffix("'")}
    assert told["locale C"][1].strip() == "ascii"


ROOT = Path(__file__).parents[2]
# The scheduler's end of a job and the times of files are of the wall clock, and an hour is allowed
# for what it may be off; the others tell people when something was.
MAY_ASK_THE_CLOCK = {
    "hpc/preemption.py", "hpc/temporary_names.py", "hpc/run_state.py", "hpc/error_file.py",
    "hpc/locks.py", "launch/run_status.py", "launch/commands/paint.py", "eval/study/making.py",
    "eval/study/reading.py", "tune/results/sweep_record.py",
}  # fmt: skip


def test_a_clock_that_jumps_back_turns_no_duration_round():
    """Durations and ETAs are measured by a clock that only goes forward."""
    asks = ("time.time(", "datetime.now(", "time.time_ns(", "datetime.utcnow(")
    found = {
        path.relative_to(ROOT).as_posix()
        for floor in ("hpc", "histosyn", "eval", "tune", "launch")
        for path in (ROOT / floor).rglob("*.py")
        if any(word in path.read_text() for word in asks)
    }
    assert found <= MAY_ASK_THE_CLOCK
