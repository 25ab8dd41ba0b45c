"""Every way of drawing negatives on simulated data whose truth is known: what each of them gives.

Run ``python benchmarks/landscape.py [--trials 8] [--worlds 4] [--samplers uniform hardest ...]``;
it prints a table and rebuilds ``docs/samplers.md`` and ``docs/images/samplers.png`` unless a part
of the samplers is chosen.

The same matrix factorization is trained with each of them on several worlds, one seed each. On
each world the settings (learning rate, decay, and the options of the sampler) are chosen by random
search, the same number of trials for all, on held-out clicks. The chosen model is evaluated once
against the *true* relevance: NDCG@20 over the whole catalogue without the clicks, with the
probability of relevance as gain. Nobody sees this truth while training or choosing.
"""

import argparse
import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from figures import new_figure, save_figure
from recording import Table, environment, write
from rich.progress import track
from scipy import stats

from recneg import Interactions, Key
from recneg.catalogue import CATALOGUE, Material, Recipe, parse_recipe
from recneg.errors import NoNegativeError
from recneg.keys import random_floats
from recneg.parallel import set_num_threads
from recneg.simulation import Truth, simulate
from recneg.splits import random_split
from recneg.training import BPR

DOCS = Path(__file__).parents[1] / "docs"
SIZE = {"num_users": 1000, "num_items": 800, "num_interactions": 40_000}
MODEL = {"factors": 32, "epochs": 100, "patience": 3, "evaluate_every": 5, "num_threads": 1}
K = 20

OPTIONS: dict[str, dict[str, list[Any]]] = {
    "popularity": {"exponent": [0.25, 0.5, 0.75, 1.0], "floor": [0, 1, 10]},
    "propensity": {"exponent": [0.25, 0.5, 1.0], "clip": [0.01, 0.1]},
    "noisy_label": {"epochs": [10, 30], "flip_regularization": [0.5, 5.0]},
    "mixture": {"uniform": [0.25, 0.5, 0.75], "exponent": [0.5, 1.0]},
    "conditional": {"top": [0.005, 0.01, 0.05]},
    "stratified": {"cohorts": [3, 10, 30]},
    "exposed": {"share": [0.1, 0.25, 0.5]},
    "cross_batch": {"batches": [2, 4]},
    "mixed_negative": {"share": [0.25, 0.5, 0.75]},
    "softmax": {"temperature": [0.5, 1.0, 2.0, 4.0]},
    "rank_adaptive": {"mean_rank": [20, 80, 200, 400]},
    "kernel_tree": {"alpha": [0.1, 1.0, 10.0, 100.0]},
    "midx": {"temperature": [0.5, 1.0, 2.0, 4.0]},
    "cluster": {"temperature": [0.5, 1.0, 2.0, 4.0]},
    "refreshed": {"top": [50, 200], "share": [0.1, 0.25, 0.5]},
    "pool": {"size": [25, 50, 100]},
    "hardest": {"candidates": [2, 3, 4, 8]},
    "top_k": {"candidates": [8, 16, 32], "keep": [2, 4]},
    "until_violation": {"margin": [0.5, 1.0], "candidates": [5, 10]},
    "ambiguous": {"candidates": [4, 16], "a": [0.1, 0.5], "b": [-2.0, -1.0, 0.0]},
    "positive_aware": {"candidates": [2, 4, 8], "margin": [0.05, 0.5, 1.0, 2.0]},
    "guided": {"candidates": [2, 4], "margin": [-0.5, 0.0, 0.5]},
    "self_adversarial": {"candidates": [4, 8], "alpha": [0.25, 0.5, 1.0]},
    "importance_weighted": {"candidates": [4, 8], "temperature": [1.0, 2.0, 4.0]},
    "importance_resampled": {"candidates": [4, 16], "temperature": [1.0, 2.0, 4.0]},
    "adaptive_softmax": {"candidates": [4, 16], "rho": [0.01, 0.1, 0.5]},
    "variance": {"candidates": [2, 4, 8], "alpha": [0.0, 1.0, 5.0], "warm_up": [20, 50]},
    "mixed_margin": {"candidates": [2, 4, 8]},
    "bayesian": {"candidates": [2, 5], "trade_off": [1.0, 5.0, 20.0]},
}
"""What is searched besides learning rate and decay."""


@dataclass(frozen=True)
class World:
    """A simulated world with its clicks split, and what was shown and left."""

    train: Interactions
    validation: Interactions
    shown: Interactions
    truth: Truth


class Setting(NamedTuple):
    """One trial of the search."""

    sampler: str
    learning_rate: float
    regularization: float


class Figures(NamedTuple):
    """What one trained model gives on one world."""

    ndcg: float
    false_negatives: float
    hardness: float
    popularity: float
    triples_per_second: float


def make_world(number: int) -> World:
    key = Key(1000 + number)
    made = simulate(**SIZE, key=key)
    clicks, truth = made.interactions, made.truth
    users, items = np.arange(clicks.num_users)[:, None], np.arange(clicks.num_items)
    theta, click = truth.exposure(users, items), truth.click_if_exposed(users, items)
    left = theta * (1 - click) / (1 - theta * click)  # P(exposed | no click)
    exposed = (random_floats(key.fold_in(1), users, items) < left) & ~clicks.contains(users, items)
    shown = Interactions.from_arrays(
        *np.nonzero(exposed), num_users=clicks.num_users, num_items=clicks.num_items
    )
    times = (random_floats(key.fold_in(2), np.arange(len(clicks))) * 1000).astype(np.int64)
    split = random_split(replace(clicks, timestamps=times), test=0.0, validation=0.1, key=number)
    return World(split.train, split.validation, shown, truth)


def draw_settings(name: str, trials: int) -> list[Setting]:
    """Draw the trials of a search: learning rates and decays are the same for all samplers."""
    common, own = np.random.default_rng(7), np.random.default_rng([7, *name.encode()])
    low, high = np.log([0.01, 0.003]), np.log([0.2, 0.05])
    drawn = []
    for _ in range(trials):
        rate, decay = np.exp(common.uniform(low, high))
        chosen = [f"{key}={own.choice(values)}" for key, values in OPTIONS.get(name, {}).items()]
        text = f"{name}:{','.join(chosen)}" if chosen else name
        drawn.append(Setting(text, float(rate), float(decay)))
    return drawn


def train(setting: Setting, world: World, seed: int) -> BPR:
    recipe: Recipe = parse_recipe(setting.sampler)(Material(world.train, world.shown))
    model = BPR(
        **MODEL, learning_rate=setting.learning_rate, regularization=setting.regularization,
        seed=seed, **recipe._asdict(),
    )  # fmt: skip
    return model.fit(world.train, show_progress=False, validation=world.validation)


def choose(name: str, world: World, seed: int, trials: int) -> tuple[Setting, BPR]:
    """Return the setting with the best NDCG on the validation clicks, and its model."""
    best: tuple[float, Setting, BPR] | None = None
    for setting in draw_settings(name, trials):
        try:
            model = train(setting, world, seed)
        except (FloatingPointError, NoNegativeError):  # too large a step, or nothing below a margin
            continue
        score = max(epoch.validation or 0.0 for epoch in model.history)
        if best is None or score > best[0]:
            best = score, setting, model
    if best is None:
        raise SystemExit(f"no trial of {name} could be trained")
    return best[1:]


def figures(model: BPR, world: World) -> Figures:
    clicks = world.train.union(world.validation)
    users, items = np.arange(clicks.num_users)[:, None], np.arange(clicks.num_items)
    gain = np.where(clicks.contains(users, items), 0.0, world.truth.relevance(users, items))
    ids, _ = model.recommend(users[:, 0], clicks.to_scipy(), N=K)
    discount = 1 / np.log2(np.arange(2, K + 2))
    found = np.take_along_axis(gain, ids.astype(np.int64), 1) @ discount
    ideal = -np.sort(-gain, axis=1)[:, :K] @ discount
    negatives = model.negatives(world.train)
    rows, slots = np.nonzero(negatives >= 0)
    owners, drawn = world.train.users()[rows], negatives[rows, slots]
    scores = model.user_factors @ model.item_factors.T
    scores[world.train.users(), world.train.indices] = np.inf  # not among the candidates
    ranks = np.argsort(np.argsort(-scores, axis=1), axis=1) - world.train.user_counts()[:, None]
    free, counts = clicks.num_items - world.train.user_counts(), world.train.item_counts()
    timed = model.history[1:]
    seconds = model.history[-1].seconds - model.history[0].seconds
    return Figures(
        ndcg=float((found / ideal).mean()),
        false_negatives=float(world.truth.is_relevant(owners, drawn).mean()),
        hardness=float((ranks[owners, drawn] / free[owners]).mean()),
        popularity=float(counts[drawn].mean() / counts.mean()),
        triples_per_second=sum(epoch.triples for epoch in timed) / seconds,
    )


def verdict(gains: list[float]) -> str:
    """Say whether a paired difference to uniform stands out, by a t interval of 95 %."""
    margin = stats.t.ppf(0.975, len(gains) - 1) * statistics.stdev(gains) / len(gains) ** 0.5
    mean = statistics.mean(gains)
    if abs(mean) <= margin:
        return "not settled"
    return "helps" if mean > 0 else "harms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--worlds", type=int, default=4)
    parser.add_argument("--samplers", nargs="+", default=list(CATALOGUE))
    options = parser.parse_args()
    set_num_threads(1)
    worlds = [make_world(number) for number in range(options.worlds)]
    chosen: dict[str, list[Setting]] = {}
    results: dict[str, list[Figures]] = {}
    for name in track(dict.fromkeys(["uniform", *options.samplers]), "samplers"):
        best = [choose(name, world, seed, options.trials) for seed, world in enumerate(worlds)]
        chosen[name] = [setting for setting, _ in best]
        results[name] = [
            figures(model, world) for (_, model), world in zip(best, worlds, strict=True)
        ]
        print(name, chosen[name], results[name], flush=True)
    table = make_table(results)
    table.show()
    record = {
        "environment": environment(),
        "settings": vars(options) | {"size": SIZE, "model": MODEL, "options": OPTIONS},
        "chosen": {name: [each._asdict() for each in runs] for name, runs in chosen.items()},
        "figures": {name: [each._asdict() for each in runs] for name, runs in results.items()},
    }
    write("landscape", record, [table], [])
    if set(options.samplers) == set(CATALOGUE):
        fill_page(DOCS / "samplers.md", table, options.trials, options.worlds)
        plot(results, DOCS / "images" / "samplers.png")


def make_table(results: dict[str, list[Figures]]) -> Table:
    base = results["uniform"]
    order = sorted(results, key=lambda name: -statistics.mean(run.ndcg for run in results[name]))
    rows = []
    for name in order:
        runs = results[name]
        mean = Figures(*(statistics.mean(values) for values in zip(*runs, strict=True)))
        spread = statistics.stdev(run.ndcg for run in runs)
        gains = [run.ndcg - other.ndcg for run, other in zip(runs, base, strict=True)]
        rows.append(
            [
                name, f"{mean.ndcg:.4f} ± {spread:.4f}",
                "" if name == "uniform" else f"{statistics.mean(gains):+.4f}, {verdict(gains)}",
                f"{mean.false_negatives:.1%}", f"{mean.hardness:.2f}", f"{mean.popularity:.2f}",
                f"{mean.triples_per_second / 1e6:.2f} M",
            ]
        )  # fmt: skip
    headers = [
        "sampler", "true NDCG@20", "against uniform", "false negatives", "mean rank", "popularity",
        "pairs a second",
    ]  # fmt: skip
    return Table("All ways of drawing negatives on simulated data", headers, rows)


def fill_page(page: Path, table: Table, trials: int, worlds: int) -> None:
    """Replace what stands between the marks of the page."""
    text = page.read_text("utf-8")
    head, _, rest = text.partition("<!-- table -->\n")
    _, _, tail = rest.partition("<!-- end of table -->\n")
    said = f"{worlds} worlds, {trials} trials of the search for each sampler and world.\n\n"
    body = table.markdown().partition("\n\n")[2]
    page.write_text(f"{head}<!-- table -->\n{said}{body}\n<!-- end of table -->\n{tail}", "utf-8")


def plot(results: dict[str, list[Figures]], path: Path) -> None:
    """Draw a line a sampler, best first: true NDCG, and beside it how hard and how false it is."""

    def mean(name: str, field: str) -> float:
        return statistics.mean(getattr(run, field) for run in results[name])

    names = sorted(results, key=lambda name: mean(name, "ndcg"))
    places = range(len(names))
    ndcg, rank = ([mean(name, field) for name in names] for field in ("ndcg", "hardness"))
    wrong = [100 * mean(name, "false_negatives") for name in names]
    spread = [statistics.stdev(run.ndcg for run in results[name]) for name in names]
    figure = new_figure(10, 8)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    left.errorbar(ndcg, places, xerr=spread, fmt="none", ecolor="0.75", zorder=1)
    left.axvline(mean("uniform", "ndcg"), color="0.6", linewidth=0.8, linestyle="--")
    left.set_yticks(places, names, fontsize=8)
    left.set_xlabel("NDCG@20 against the true relevance\n(mean and deviation over worlds)")
    right.axvline(0.5, color="0.6", linewidth=0.8, linestyle="--")
    right.set_xlabel("mean rank of the negatives\n(0.5 at random, harder to the left)")
    for axes, values in ((left, ndcg), (right, rank)):
        points = axes.scatter(values, places, c=wrong, cmap="viridis", zorder=2)
        axes.grid(axis="y", color="0.93")
        axes.set_axisbelow(True)
    figure.colorbar(points, label="negatives that are truly relevant, %")
    save_figure(figure, path)


if __name__ == "__main__":
    main()
