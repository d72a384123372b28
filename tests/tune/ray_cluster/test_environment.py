"""What Ray is told: to be quiet, and to let in nobody else."""

import pytest

from tune.ray_cluster.environment import existing_cluster, prepare


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """An empty environment of the test's own."""
    variables = {}
    monkeypatch.setattr("os.environ", variables)
    return variables


def test_a_cluster_of_our_own_has_a_token_nobody_knows(environment):
    prepare()
    first = environment.pop("RAY_AUTH_TOKEN")
    environment.pop("RAY_AUTH_MODE")
    prepare()

    assert environment["RAY_AUTH_MODE"] == "token"
    assert len(first) == 64
    assert environment["RAY_AUTH_TOKEN"] != first
    assert environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"


@pytest.mark.parametrize("settings", [{"RAY_ADDRESS": "head:6379"}, {"RAY_AUTH_MODE": "disabled"}])
def test_a_cluster_of_others_has_its_own_rules(environment, settings):
    environment.update(settings)
    prepare()

    assert "RAY_AUTH_TOKEN" not in environment
    alone = "RAY_ADDRESS" not in settings
    assert ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" in environment) == alone
    assert environment["RAY_USAGE_STATS_ENABLED"] == "0"


@pytest.mark.parametrize(("address", "found"), [("head:6379", "head:6379"), ("", None)])
def test_the_address_of_a_cluster(environment, address, found):
    environment["RAY_ADDRESS"] = address

    assert existing_cluster() == found
