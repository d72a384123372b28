"""Remembered stains: drawing from them, and their plain form."""

import json

import numpy as np
import pytest

from histosyn.stain.names import NAMES
from histosyn.stain.seen import SeenStains

CODES = np.random.default_rng(0).normal(size=(6, len(NAMES)))
CODES[2, 6] = np.nan
SEEN = SeenStains(codes_MS=CODES, groups=("a", "a", "b", None, "b", "b"))


def test_they_survive_json():
    again = SeenStains.from_dict(json.loads(json.dumps(SEEN.as_dict())))
    np.testing.assert_allclose(again.codes_MS, SEEN.codes_MS, atol=1e-5)
    assert again.groups == SEEN.groups
    assert again.as_dict() == SEEN.as_dict()


@pytest.mark.parametrize(
    "damage",
    [{"names": ["red"]}, {"groups": ["a"]}, {"codes": [[1, 2]]}, {"codes": [["x"] * 7] * 6}],
    ids=str,
)
def test_what_is_no_list_of_stains_is_refused(damage):
    with pytest.raises((ValueError, TypeError, KeyError)):
        SeenStains.from_dict(SEEN.as_dict() | damage)


def test_what_a_tile_lacks_does_not_count():
    known = np.delete(CODES[:, 6], 2)
    assert SEEN.mean[6] == pytest.approx(known.mean())
    assert SEEN.spread[6] == pytest.approx(known.std())


def test_a_draw_is_a_function_of_its_key_and_reaches_all():
    drawn = [SEEN.draw(key) for key in range(100)]
    again = [SEEN.draw(key) for key in range(100)]
    assert all(one == other for one, other in zip(drawn, again, strict=True))
    assert len(set(drawn)) == len(SEEN)
    of_b = {SEEN.draw(key, SEEN.of_group("b")) for key in range(50)}
    assert of_b == {SEEN.code(number) for number in (2, 4, 5)}


def test_a_drawn_code_lacks_nothing():
    assert SEEN.code(2)[6] == pytest.approx(SEEN.mean[6], abs=1e-5)
    assert SEEN.code(2)[:6] == pytest.approx(CODES[2, :6], abs=1e-5)
