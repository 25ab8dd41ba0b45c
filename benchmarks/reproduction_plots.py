"""The plot of benchmarks/reproductions.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from figures import new_figure, save_figure

__all__ = ["Line", "plot_lines"]

KINDS = (("honest", "o", "tab:blue", 0.16), ("test-selected", "D", "tab:orange", -0.16))


class Line(NamedTuple):
    """What one line of the plot shows.

    Attributes
    ----------
    label : str
    published : tuple of floats
        One for each metric; NaN where not found.
    found : dict
        By kind, "honest" and "test-selected": for each seed a figure for each metric.
    """

    label: str
    published: Sequence[float]
    found: dict[str, list[Sequence[float]]]


def plot_lines(lines: Sequence[Line], metrics: Sequence[str], path: Path) -> None:
    """Draw a panel a metric: how far every seed is above the published figure, in per cent."""
    figure = new_figure(10, 0.38 * len(lines) + 1.4)
    panels = figure.subplots(1, len(metrics), sharex=True, sharey=True, squeeze=False)[0]
    for number, (axes, metric) in enumerate(zip(panels, metrics, strict=True)):
        axes.axvline(0, color="0.3", linewidth=1)
        for place, line in enumerate(lines):
            published = line.published[number]
            if math.isnan(published):
                continue
            for kind, marker, colour, above in KINDS:
                gains = [100 * (seed[number] / published - 1) for seed in line.found[kind]]
                axes.scatter(
                    gains, [place - above] * len(gains), s=20, marker=marker, color=colour,
                    alpha=0.8, linewidths=0, zorder=2,
                )  # fmt: skip
        axes.set_title(metric)
        axes.locator_params(axis="x", nbins=6, integer=True)
        axes.grid(color="0.93")
        axes.set_axisbelow(True)
    for kind, marker, colour, _ in KINDS:
        panels[0].scatter([], [], s=20, marker=marker, color=colour, linewidths=0, label=kind)
    panels[0].set_yticks(range(len(lines)), [line.label for line in lines])
    panels[0].invert_yaxis()
    figure.supxlabel("per cent above the published figure, a mark a seed", fontsize=10)
    figure.legend(loc="outside upper right", ncols=len(KINDS), frameon=False)
    save_figure(figure, path)
