"""A mixed-integer linear programme, solved by HiGHS. The one module that knows the solver."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from highspy import Highs
    from highspy.highs import HighsCallbackEvent

_INFINITE = float("inf")


@dataclass(frozen=True, slots=True)
class Solution:
    """The best values found, one for each column."""

    values: tuple[float, ...]
    cost: float
    proved: bool
    """Whether none costs less, by more than the gap that was asked for."""


class Programme:
    """Columns with costs, and rows that sums of them have to keep."""

    def __init__(self) -> None:
        self._costs: list[float] = []
        self._upper: list[float] = []
        self._whole: list[bool] = []
        self._guess: list[float] = []
        self._starts: list[int] = [0]
        self._columns: list[int] = []
        self._factors: list[float] = []
        self._limits: list[tuple[float, float]] = []
        self.is_impossible = False
        """Whether `solve` proved that there is no solution."""

    def choice(self, cost: float, guess: bool) -> int:
        """A column that is 0 or 1; ``guess`` is its value in a solution known already."""
        return self._column(cost, 1.0, True, float(guess))

    def amount(self, cost: float, guess: float) -> int:
        """A column of 0 or more."""
        return self._column(cost, _INFINITE, False, guess)

    def _column(self, cost: float, upper: float, whole: bool, guess: float) -> int:
        self._costs.append(cost)
        self._upper.append(upper)
        self._whole.append(whole)
        self._guess.append(guess)
        return len(self._costs) - 1

    def row(self, terms: Iterable[tuple[int, float]], *, least: float = -_INFINITE, most: float = _INFINITE) -> None:
        """The sum of (column, factor) terms lies between these."""
        for column, factor in terms:
            self._columns.append(column)
            self._factors.append(factor)
        self._starts.append(len(self._columns))
        self._limits.append((least, most))

    def solve(
        self, seconds: float, goes_on: Callable[[], bool], gap: float, *, presolves: bool = True
    ) -> Solution | None:
        """The best solution found in that time, while ``goes_on`` says so; None where none was found.

        It is proved as soon as no other can cost less by more than ``gap``. Where every bit of room counts, the solver
        finds little to take away beforehand, and is done sooner if it does not look.
        """
        from highspy import Highs, HighsModelStatus, HighsSolution

        solver = Highs()
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("threads", 1)
        solver.setOptionValue("presolve", "choose" if presolves else "off")
        solver.setOptionValue("time_limit", max(0.0, seconds))
        solver.setOptionValue("mip_rel_gap", 0.0)
        solver.setOptionValue("mip_abs_gap", gap)
        self._pass_to(solver)

        def interrupt(event: HighsCallbackEvent) -> None:
            if not goes_on():
                event.interrupt()

        solver.cbMipInterrupt += interrupt
        guess = HighsSolution()
        guess.col_value = self._guess
        solver.setSolution(guess)
        solver.run()
        self.is_impossible = solver.getModelStatus() == HighsModelStatus.kInfeasible
        info = solver.getInfo()
        if info.primal_solution_status != _FEASIBLE:
            return None
        return Solution(
            tuple(solver.getSolution().col_value),
            info.objective_function_value,
            solver.getModelStatus() == HighsModelStatus.kOptimal,
        )

    def _pass_to(self, solver: Highs) -> None:
        import numpy
        from highspy import HighsLp, HighsVarType, MatrixFormat

        programme = HighsLp()
        programme.num_col_, programme.num_row_ = len(self._costs), len(self._limits)
        programme.col_cost_ = numpy.array(self._costs)
        programme.col_lower_ = numpy.zeros(len(self._costs))
        programme.col_upper_ = numpy.array(self._upper)
        programme.row_lower_ = numpy.array([least for least, _ in self._limits])
        programme.row_upper_ = numpy.array([most for _, most in self._limits])
        programme.a_matrix_.format_ = MatrixFormat.kRowwise
        programme.a_matrix_.start_ = numpy.array(self._starts, dtype=numpy.int32)
        programme.a_matrix_.index_ = numpy.array(self._columns, dtype=numpy.int32)
        programme.a_matrix_.value_ = numpy.array(self._factors)
        kinds = {True: HighsVarType.kInteger, False: HighsVarType.kContinuous}
        programme.integrality_ = [kinds[whole] for whole in self._whole]
        solver.passModel(programme)


_FEASIBLE = 2
