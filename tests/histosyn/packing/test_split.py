from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from histosyn.packing.split import split_groups


@given(
    st.dictionaries(st.text(min_size=1), st.integers(1, 50), min_size=3),
    st.floats(0, 0.45),
    st.floats(0, 0.45),
    st.integers(0, 99),
)
def test_no_part_is_ever_empty(
    samples_of: dict[str, int], val: float, test: float, seed: int
) -> None:
    parts = split_groups(samples_of, {"val": val, "test": test}, seed)
    assert parts.keys() == samples_of.keys()
    wanted = {"train"} | {name for name, share in (("val", val), ("test", test)) if share}
    assert set(parts.values()) == wanted
