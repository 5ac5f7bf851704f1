"""Laws of cutting subnets from a pool."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from netaddr import IPNetwork, IPSet

from freehold.errors import Conflict
from freehold.network.subnet_pool_range import Lengths, chosen_range, prefixes_of

POOL = ["10.0.0.0/24", "10.0.2.0/25"]
LENGTHS = Lengths(24, 26, 32)


@given(st.lists(st.integers(24, 32), max_size=40))
def test_cuts_are_of_the_pool_never_overlap_and_are_refused_only_without_a_gap(
    lengths: list[int],
) -> None:
    taken: list[str] = []
    for length in lengths:
        free = IPSet(POOL) - IPSet(taken)
        try:
            found = chosen_range(POOL, taken, LENGTHS, length)
        except Conflict:
            assert all(gap.prefixlen > length for gap in free.iter_cidrs())
        else:
            assert found.prefixlen == length
            assert IPSet([found]).issubset(free)
            taken.append(str(found))


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 32)), min_size=1, max_size=8))
def test_prefixes_are_kept_whole_without_overlaps(pairs: list[tuple[int, int]]) -> None:
    said = [str(IPNetwork((number, length)).cidr) for number, length in pairs]
    version, kept = prefixes_of(said)
    assert version == 4
    assert IPSet(kept) == IPSet(said)
    assert sum(IPNetwork(one).size for one in kept) == IPSet(said).size
