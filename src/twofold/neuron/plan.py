"""A graph of scalars as a short list of large instructions.

1. What depends on an input has a number for every row; what depends on parameters alone, one; the rest is constant.
2. Sums of sums become one sum, and products that only a sum uses become part of it: Σ c · x.
3. Nodes that wait for equally many others before them, and do the same, are done together. Sums over the same x are
   one matrix product: a layer written neuron by neuron is found again as a layer.

Only the order of additions differs from what Value does, so results agree up to rounding.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from twofold.neuron.instructions import Dots, Each, Instruction, Places, Sums
from twofold.neuron.operations import OPERATIONS
from twofold.neuron.value import Value, topological

__all__ = ["Plan"]

ONES = 0  # the row that holds 1 in every place
ONE = 0  # the single node that is 1


class Plan:
    """`instructions` in order; `single` is what single nodes begin as, with the parameters at 1, 2, …; inputs are the
    rows 1, 2, …; `places` are the outputs'."""

    def __init__(self, outputs: Sequence[Value], inputs: Sequence[Value], parameters: Sequence[Value]) -> None:
        self.order = topological(*outputs)
        number = {id(node): i for i, node in enumerate(self.order)}
        rows = {number[id(node)]: i + 1 for i, node in enumerate(inputs) if id(node) in number}
        weights = {number[id(node)]: i + 1 for i, node in enumerate(parameters) if id(node) in number}

        self.operation = [node.operation for node in self.order]
        self.operands = [tuple(number[id(operand)] for operand in node.operands) for node in self.order]
        self.row: list[bool] = []
        self.wants: list[bool] = []
        for i, operands in enumerate(self.operands):
            self.row.append(i in rows or any(self.row[j] for j in operands))
            self.wants.append(i in weights or any(self.wants[j] for j in operands))
            if self.operation[i] == "**" and self._constant(operands[1]) and self.order[operands[1]].data == 2:
                self.operation[i], self.operands[i] = "*", (operands[0], operands[0])

        self.single = [1.0, *(parameter.data for parameter in parameters)]
        self.n_rows = 1 + len(inputs)
        self.where = {**rows, **weights}
        self.instructions: list[Instruction] = []
        self._find_sums([number[id(output)] for output in outputs])
        self._emit()
        self.places = [Places([self._place(number[id(output)])], self.row[number[id(output)]]) for output in outputs]

    def _constant(self, i: int) -> bool:
        return not (self.row[i] or self.wants[i])

    def _find_sums(self, outputs: Iterable[int]) -> None:
        """`sums[i]` lists the (c, x) of Σ c · x, None standing for 1; `inside` are nodes that became part of one."""
        computed = [i for i, operands in enumerate(self.operands) if operands and not self._constant(i)]
        uses = Counter(j for i in computed for j in self.operands[i])
        uses.update(outputs)
        terms: dict[int, list[int]] = {}
        self.inside: set[int] = set()
        for i in computed:
            if self.operation[i] == "+":
                terms[i] = []
                for j in self.operands[i]:
                    if j in terms and uses[j] == 1 and self.row[j] == self.row[i]:
                        self.inside.add(j)
                        longer, shorter = sorted((terms[i], terms.pop(j)), key=len, reverse=True)
                        terms[i] = longer
                        longer += shorter
                    else:
                        terms[i].append(j)
        self.sums: dict[int, list[tuple[int | None, int | None]]] = {}
        for i, each in terms.items():
            pairs = [self._term(j, self.row[i], uses[j]) for j in each]
            if len(pairs) > 2 or any(None not in pair for pair in pairs):
                self.inside.update(j for j, pair in zip(each, pairs, strict=True) if None not in pair)
                self.sums[i] = sorted(pairs, key=lambda pair: pair[1] is None)  # biases last

    def _term(self, j: int, row: bool, uses: int) -> tuple[int | None, int | None]:
        if self.operation[j] == "*" and uses == 1 and not self._constant(j):
            a, b = self.operands[j]
            if not row:
                return a, b
            if self.row[a] != self.row[b]:
                return (b, a) if self.row[a] else (a, b)
        return (None, j) if self.row[j] else (j, None)

    def _emit(self) -> None:
        """Group by how many instructions must come before, then by what is done."""
        level: dict[int, int] = {}
        groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for i, operands in enumerate(self.operands):
            if not operands or self._constant(i) or i in self.inside:
                continue
            needed = [j for pair in self.sums[i] for j in pair if j is not None] if i in self.sums else operands
            level[i] = 1 + max(level.get(j, 0) for j in needed)
            if i not in self.sums:
                groups[level[i], "each", self.operation[i], *(self.row[j] for j in operands)].append(i)
            elif self.row[i]:
                groups[level[i], "dots", tuple(x for _, x in self.sums[i])].append(i)
            else:
                groups[level[i], "sums", len(self.sums[i])].append(i)
        together: dict[tuple[object, ...], list[list[int]]] = defaultdict(list)
        for key, members in groups.items():
            alike = (key[0], "dots", len(key[2]), len(members)) if key[1] == "dots" else key  # type: ignore[arg-type]
            together[alike].append(members)
        for key in sorted(together, key=lambda key: key[0]):  # type: ignore[arg-type,return-value]
            members = [i for each in together[key] for i in each]
            out = self._take(members)
            if key[1] == "each":
                self.instructions.append(self._each(members, out))
            elif key[1] == "dots":
                self.instructions.append(self._dots(together[key], out))
            else:
                pairs = [self.sums[i] for i in members]
                a, b = ([[self._place(pair[side]) for pair in each] for each in pairs] for side in (0, 1))
                self.instructions.append(Sums("+", out, Places(a, False), Places(b, False)))

    def _each(self, members: list[int], out: Places) -> Each:
        name = self.operation[members[0]]
        columns = list(zip(*(self.operands[i] for i in members), strict=True))
        operands = [Places([self._place(j) for j in column], self.row[column[0]]) for column in columns]
        wanted = [any(self.wants[j] for j in column) for column in columns]
        return Each(name, OPERATIONS[name], out, operands, wanted)

    def _dots(self, groups: list[list[int]], out: Places) -> Dots:
        coefficients = [[[self._place(c) for c, _ in self.sums[i]] for i in group] for group in groups]
        x = [[ONES if j is None else self._place(j) for _, j in self.sums[group[0]]] for group in groups]
        pairs = [pair for group in groups for i in group for pair in self.sums[i]]
        wants = [any(j is not None and self.wants[j] for j in side) for side in zip(*pairs, strict=True)]
        return Dots("+", out, Places(coefficients, False), Places(x, True), (wants[0], wants[1]))

    def _take(self, members: list[int]) -> Places:
        """New places, side by side, for the results of one instruction."""
        row = self.row[members[0]]
        first = self.n_rows if row else len(self.single)
        self.where |= {i: first + k for k, i in enumerate(members)}
        if row:
            self.n_rows += len(members)
        else:
            self.single += [0.0] * len(members)
        return Places(range(first, first + len(members)), row)

    def _place(self, i: int | None) -> int:
        """Where a node is; a constant gets its place when it is first asked for."""
        if i is None:
            return ONE
        if i not in self.where:
            self.where[i] = len(self.single)
            self.single.append(self.order[i].data)
        return self.where[i]
