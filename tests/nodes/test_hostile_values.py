"""A slice of `python -m tools.hostile`: nodes run with values that no widget would let through."""

from random import Random

from tools.hostile.nodes import nodes_wrong


def test_hostile_values_end_in_typed_errors(pack_nodes: dict[str, type]) -> None:
    tried, faults = nodes_wrong(pack_nodes, 2 * len(pack_nodes), Random(1))
    assert tried and not faults
