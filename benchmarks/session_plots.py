"""Plots of benchmarks/sessions.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from figures import new_figure, save_figure

__all__ = ["plot_cost", "plot_curve", "plot_orderings"]

Record = dict[str, Any]


def plot_orderings(found: dict[str, list[Record]], metric: str, path: Path) -> None:
    """Draw a line a system, best first: all seeds on test, and seconds of an epoch beside them."""
    figure = new_figure(10, 0.45 * len(found) + 1.4)
    left, right = figure.subplots(1, 2, sharey=True)

    def mean(name: str, value: str) -> float:
        runs = found[name]
        return float(sum(_value(run, value) for run in runs) / len(runs))

    names = sorted(found, key=lambda name: mean(name, metric))
    places = list(range(len(names)))
    for place, name in zip(places, names, strict=True):
        scores = [_value(run, metric) for run in found[name]]
        left.plot([min(scores), max(scores)], [place, place], color="0.8", zorder=1)
        left.scatter(scores, [place] * len(scores), s=22, color="tab:blue", zorder=2)
    right.barh(places, [mean(name, "epoch_seconds") for name in names], color="0.7", height=0.5)
    left.set_yticks(places, names)
    left.set_xlabel(f"{metric} on test, a dot a seed")
    right.set_xlabel("seconds an epoch, one thread of a shared machine")
    for axes in (left, right):
        axes.grid(axis="x", color="0.93")
        axes.set_axisbelow(True)
    save_figure(figure, path)


def plot_cost(pools: list[int], lines: dict[str, dict[str, list[float]]], path: Path) -> None:
    """Draw time and memory of a step against the size of the pool; `lines`: by axis and name."""
    figure = new_figure(10, 3.6)
    parts = figure.subplots(1, len(lines))
    for axes, (label, curves) in zip(parts, lines.items(), strict=True):
        for name, values in curves.items():
            axes.plot(pools, values, marker="o", markersize=4, label=name)
        axes.set_xscale("log", base=2)
        if all(value > 0 for values in curves.values() for value in values):
            axes.set_yscale("log", base=2)
            axes.yaxis.set_major_formatter("{x:.0f}")
        axes.set_xlabel("candidates of a batch")
        axes.set_ylabel(label)
        axes.grid(color="0.93")
        axes.legend()
    save_figure(figure, path)


def plot_curve(
    found: dict[str, list[Record]], published: dict[str, float], metric: str, path: Path
) -> None:
    """Draw what validation data showed against hours, a line a run, and test at its end.

    Trainers judge by the best 20 items, whatever the protocol of the test.
    """
    figure = new_figure(7, 3.8)
    axes = figure.subplots()
    for name, runs in found.items():
        for run in runs:
            points = [epoch for epoch in run["curve"] if epoch["validation"] is not None]
            hours = [epoch["seconds"] / 3600 for epoch in points]
            validation = [epoch["validation"] for epoch in points]
            (line,) = axes.plot(
                hours, validation, label=f"{name}, {run['seed']}: validation, NDCG@20"
            )
            label, colour = f"{name}, {run['seed']}: test, {metric.upper()}", line.get_color()
            axes.plot(hours[-1], run["test"][metric], "o", color=colour, label=label)
    for name, value in published.items():
        axes.axhline(value, color="0.5", linestyle="--", linewidth=0.8)
        place = ("axes fraction", "data")
        label = f"{name}: test, {metric.upper()}, published"
        axes.annotate(label, (0.01, value), xycoords=place, va="bottom")
    axes.set_xlabel("hours of training, on one thread")
    axes.set_ylabel("NDCG")
    axes.legend()
    save_figure(figure, path)


def _value(run: Record, name: str) -> float:
    return float(run["test"][name] if name in run["test"] else run[name])
