"""Tables and pictures of quality against time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from curve_systems import OURS, SYSTEMS
from figures import new_figure, save_figure
from recording import Table

__all__ = ["draw", "tables"]

Curve = list[tuple[float, float]]


def curve_of(found: dict[str, Any]) -> Curve:
    """Return seconds and NDCG@20 on test of what was chosen, by seconds."""
    return sorted({(point["seconds"], point["ndcg"]) for point in found["test"]})


def ahead_from(ours: Curve, theirs: Curve) -> float:
    """Return the seconds from which on `ours` has more than `theirs` at every moment; or inf."""
    since = math.inf
    for number in reversed(range(len(ours))):
        until = ours[number + 1][0] if number + 1 < len(ours) else math.inf
        if any(second < until and score >= ours[number][1] for second, score in theirs):
            break
        since = ours[number][0]
    return since


def tables(results: dict[str, Any], marks: tuple[float, ...]) -> list[Table]:
    """Return a table a data set: the scores at the marks."""
    made = []
    for name, by_system in results.items():
        rows = []
        for system, found in by_system["systems"].items():
            at = {point["at"]: point for point in found["test"]}
            cells = [f"{at[mark]['ndcg']:.4f}" if mark in at else "-" for mark in marks]
            since = ahead_from(curve_of(by_system["systems"][OURS]), curve_of(found))
            ahead = "-" if system == OURS else "never" if since == math.inf else f"{since:.1f} s"
            rows.append([system, *cells, ahead])
        heads = ["system", *(f"{mark:g} s" for mark in marks), f"{OURS} ahead from"]
        made.append(Table(f"{name}: NDCG@20 on test", heads, rows))
    return made


COLOURS = (
    "tab:red", "tab:orange", "tab:blue", "tab:green", "tab:purple", "tab:olive", "tab:brown",
    "tab:gray",
)  # fmt: skip


def draw(results: dict[str, Any], marks: tuple[float, ...], path: Path) -> None:
    """Draw a panel a data set: a dot for each look, a dotted line between runs made anew."""
    figure = new_figure(10, 4.4)
    parts = figure.subplots(1, len(results), squeeze=False)[0]
    for axes, (name, by_system) in zip(parts, results.items(), strict=True):
        for colour, (label, system) in zip(COLOURS, SYSTEMS.items(), strict=True):
            found = by_system["systems"].get(label)
            curve = curve_of(found) if found else []
            if not curve:
                continue
            seconds, scores = zip(*curve, strict=True)
            more = "; a dot is a run of that length" if system.anew else ""
            axes.plot(
                seconds, scores, color=colour, label=label + more, marker="o",
                markersize=5 if system.anew else 3, linestyle=":" if system.anew else "-",
                zorder=4 if system.anew else 2,
            )  # fmt: skip
            end = (seconds[-1], max(marks[-1], seconds[-1]))  # no longer run was better in trials
            axes.plot(end, [scores[-1]] * 2, color=colour, linewidth=0.7, zorder=1)
        axes.set_xscale("log")
        axes.set_xticks(marks, [f"{mark:g}" for mark in marks])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.set_title(name)
        axes.set_xlabel("seconds of one processor from a cold start")
        axes.grid(color="0.93")
        axes.set_axisbelow(True)
    parts[0].set_ylabel("NDCG@20 on test")
    parts[0].legend(loc="lower right", fontsize=8)
    save_figure(figure, path)
