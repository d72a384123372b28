"""The site file: read strictly, found where people keep it, missed with an example."""

import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from hpc.errors import ConfigError, InputError
from launch.jobs.site import MINIMAL, Site, load_site, seconds_of

EXAMPLE = Path(__file__).parents[3] / "examples" / "site.toml"
SMALL = "gpus_per_node = 4\ncpus_per_task = 32\n"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")


def written(text, path="site.toml"):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_two_values_are_enough():
    site = load_site(written(SMALL))

    assert site == Site(gpus_per_node=4, cpus_per_task=32)
    assert site.processes_per_node == 4


def test_without_gpus_a_node_gets_one_process():
    assert Site(gpus_per_node=0, cpus_per_task=2).processes_per_node == 1


def test_the_example_is_valid_and_names_every_value():
    text = EXAMPLE.read_text()
    named = tomllib.loads(
        "\n".join(
            line.removeprefix("# ")
            for line in text.splitlines()
            if " = " in line and not line.startswith("# `")
        )
    )

    assert load_site(EXAMPLE).setup == ("source .venv/bin/activate",)
    assert set(named) == {item.name for item in fields(Site)}


def test_the_file_that_the_error_shows_is_valid():
    with pytest.raises(InputError) as raised:
        load_site()

    assert str(raised.value).endswith(MINIMAL)
    assert load_site(written(MINIMAL)).partition == "gpu"


def test_the_working_folder_goes_before_the_home_folder(tmp_path):
    written(SMALL + 'partition = "home"', tmp_path / "home/.config/histosyn/site.toml")
    assert load_site().partition == "home"

    written(SMALL + 'partition = "here"')
    assert load_site().partition == "here"

    other = written(SMALL + 'partition = "other"', "other.toml")
    assert load_site(other).partition == "other"


def test_a_file_that_was_named_must_exist():
    written(SMALL)
    with pytest.raises(InputError, match=r"nowhere\.toml does not exist"):
        load_site(Path("nowhere.toml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gpus_per_node = 4", r"site\.toml: cpus_per_task is missing"),
        (SMALL + "partitoin = 'gpu'", "unknown key partitoin; did you mean partition"),
        (SMALL + "modules = 'cuda'", "modules = 'cuda' must be a list, each a text"),
        (SMALL + "setup = ['a', 1]", "setup = 1 must be a text"),
        (SMALL + "time = '1 day'", r"site\.toml: time = '1 day' must look like HH:MM:SS"),
        (SMALL + "time = 86400", "time = 86400 must be a text"),
        (SMALL + "memory = '64 GB'", "memory = '64 GB' must look like"),
        (SMALL + "rendezvous_port = 80", "rendezvous_port = 80 must lie in 1024..65535"),
        (SMALL + "options = ['qos=long']", "options: 'qos=long' must be one option of sbatch"),
        (SMALL + r'options = ["--qos=a\nrm -r b"]', "must be one option of sbatch"),
        (SMALL + "partition = ''", "partition = '' must be one line, not empty"),
        (SMALL + r'account = "a\nb"', "account = .* must be one line"),
        (SMALL + "scratch = '/a\"b'", "scratch = .* without quotation marks"),
        (SMALL + "scratch = '~/tmp'", "scratch = '~/tmp': no shell replaces this ~"),
        (SMALL + "container = '~/a.sif'", "container = '~/a.sif': no shell"),
        ("gpus_per_node = -1\ncpus_per_task = 1", "gpus_per_node = -1 must be at least 0"),
        ("gpus_per_node = 1\ncpus_per_task = 0", "cpus_per_task = 0 must be at least 1"),
        ("gpus_per_node = true\ncpus_per_task = 1", "gpus_per_node = True must be a whole number"),
        ("gpus_per_node = ", r"site\.toml is not valid TOML"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_file_and_value(text, message):
    with pytest.raises(ConfigError, match=message):
        load_site(written(text))


@pytest.mark.parametrize("time", ["90", "90:00", "24:00:00", "2-12", "2-12:30", "2-12:30:00"])
def test_all_forms_of_sbatch_are_times(time):
    assert Site(gpus_per_node=0, cpus_per_task=1, time=time).time == time


@pytest.mark.parametrize(
    ("time", "seconds"),
    [("90", 5400), ("90:30", 5430), ("1:00:01", 3601), ("2-12", 216_000), ("1-00:01", 86_460),
     ("1-02:03:04", 93_784)],
)  # fmt: skip
def test_times_in_seconds(time, seconds):
    assert seconds_of(time) == seconds


@pytest.mark.parametrize(
    ("memory", "share"),
    [("64G", "16384M"), ("1T", "262144M"), ("100", "25M"), ("2M", "1M"), ("0", None), (None, None)],
)
def test_one_process_of_four_gets_a_quarter(memory, share):
    site = Site(gpus_per_node=4, cpus_per_task=10, memory=memory).of_one_process

    assert (site.gpus_per_node, site.cpus_per_task, site.memory) == (1, 2, share)


@pytest.mark.parametrize("gpus", [0, 1])
def test_one_process_of_one_gets_all(gpus):
    site = Site(gpus_per_node=gpus, cpus_per_task=3, memory="0")

    assert site.of_one_process == site


@pytest.mark.parametrize("value", ["max_restarts = -1", "stop_seconds = 0"])
def test_numbers_out_of_range_are_refused(value):
    with pytest.raises(ConfigError, match=f"{value} must be at least"):
        load_site(written(SMALL + value))
