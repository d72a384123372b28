from pathlib import Path

from eval.agreement.ratings.arms import read_ratings
from launch.demo.readers import simulated_ratings


def test_ratings_are_seeded_and_readable(tmp_path: Path) -> None:
    assert simulated_ratings() == simulated_ratings()
    assert simulated_ratings() != simulated_ratings(seed=1)
    (tmp_path / "ratings.csv").write_text(simulated_ratings())
    ratings = read_ratings(tmp_path / "ratings.csv", ("1", "2", "3", "4", "5"))
    assert [arm.name for arm in ratings.arms] == ["real", "synthetic"]
