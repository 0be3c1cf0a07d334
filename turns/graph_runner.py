"""Rasa's model graph run in order, in this thread. Its own runner spends a fifth of a turn on scheduling."""

from __future__ import annotations

from typing import Any, TypeVar

from rasa.engine.graph import GraphNode, GraphSchema
from rasa.engine.runner.dask import DaskGraphRunner
from rasa.engine.runner.interface import GraphRunner

Component = TypeVar("Component")


class InlineGraphRunner(GraphRunner):
    """Runs the nodes of a loaded model one after the other; the order is worked out once per target."""

    def __init__(self, schema: GraphSchema, nodes: dict[str, GraphNode]) -> None:
        self._schema = schema
        self._nodes = nodes
        self._orders: dict[tuple[str, ...], list[str]] = {}

    @classmethod
    def create(cls, *args: Any, **kwargs: Any) -> InlineGraphRunner:
        """Build from a schema, as Rasa's loader does."""
        return cls.from_runner(DaskGraphRunner.create(*args, **kwargs))

    @classmethod
    def from_runner(cls, runner: GraphRunner) -> InlineGraphRunner:
        """Take over the nodes that Rasa has loaded."""
        if isinstance(runner, InlineGraphRunner):
            return runner
        if not isinstance(runner, DaskGraphRunner):
            raise TypeError(f"cannot take over the nodes of a {type(runner).__name__}")
        return cls(runner._graph_schema, runner._instantiated_nodes)

    def components(self, kind: type[Component]) -> list[Component]:
        """The loaded components of this class."""
        return [node._component for node in self._nodes.values() if isinstance(node._component, kind)]

    def run(self, inputs: dict[str, Any] | None = None, targets: list[str] | None = None) -> dict[str, Any]:
        """Run what ``targets`` need. ``inputs`` are values of nodes that the graph does not have."""
        wanted = tuple(targets or self._schema.target_names)
        order = self._orders.get(wanted)
        if order is None:
            order = self._orders[wanted] = self._order(wanted)
        # A node takes and gives (name, value) pairs.
        results = {name: (name, value) for name, value in (inputs or {}).items()}
        for name in order:
            needs = self._schema.nodes[name].needs.values()
            results[name] = self._nodes[name](*(results[need] for need in needs))
        return {name: results[name][1] for name in wanted}

    def _order(self, targets: tuple[str, ...]) -> list[str]:
        schema = self._schema.minimal_graph_schema(list(targets))
        order: list[str] = []
        seen: set[str] = set()

        def visit(name: str) -> None:
            if name in seen or name not in schema.nodes:
                return
            seen.add(name)
            for need in schema.nodes[name].needs.values():
                visit(need)
            order.append(name)

        for target in targets:
            visit(target)
        return order
