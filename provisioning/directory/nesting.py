"""Which nodes of a graph lead to one another: strongly connected components (Tarjan, 1972)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence


def circles(graph: Mapping[int, Sequence[int]]) -> Iterator[list[int]]:
    """Every node once, together with those on a circle with it; a node's successors come first.

    Every successor must be a node of the graph. Takes time in proportion to nodes and edges, and no
    recursion, whatever the depth.
    """
    order: dict[int, int] = {}
    lowest: dict[int, int] = {}
    open_nodes: dict[int, None] = {}
    for root in graph:
        if root in order:
            continue
        path = [(root, iter(graph[root]))]
        order[root] = lowest[root] = len(order)
        open_nodes[root] = None
        while path:
            node, successors = path[-1]
            for successor in successors:
                if successor not in order:
                    order[successor] = lowest[successor] = len(order)
                    open_nodes[successor] = None
                    path.append((successor, iter(graph[successor])))
                    break
                if successor in open_nodes:
                    lowest[node] = min(lowest[node], order[successor])
            else:
                path.pop()
                if path:
                    parent = path[-1][0]
                    lowest[parent] = min(lowest[parent], lowest[node])
                if lowest[node] == order[node]:
                    yield _close(node, open_nodes)


def _close(node: int, open_nodes: dict[int, None]) -> list[int]:
    circle: list[int] = []
    while not circle or circle[-1] != node:
        circle.append(open_nodes.popitem()[0])
    return circle


def around(graph: Sequence[Sequence[int]]) -> list[int]:
    """For each node of 0, 1, … the nodes that it leads to, itself included, as a bitset.

    A node's successors are the numbers at its place in `graph`.
    """
    found = [0] * len(graph)
    for circle in circles(dict(enumerate(graph))):
        reached = 0
        for node in circle:
            reached |= 1 << node
            for successor in graph[node]:
                reached |= found[successor]
        for node in circle:
            found[node] = reached
    return found


def places(bits: int) -> Iterator[int]:
    """The numbers of the few bits that are set."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest
