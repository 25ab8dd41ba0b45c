"""Does inverse propensity weighting find relevance? On Coat, and on clicks with known truth.

Run ``RECNEG_DATA=... python benchmarks/debiasing.py [coat] [semi-synthetic] [--trials 24]``; it
prints tables, writes ``results/debiasing-*.json`` and, for the second, a figure in ``docs/images``.

*Coat*: clicks are the self-chosen training ratings of 4 and 5; exposure is ``power_law`` of what
was rated at all, exponent 0.5, as UBPR's paper has it. MF is Rel-MF, and BPR is UBPR, with an
exposure of one; BPR draws what the user has not clicked, UBPR from all items. Every method gets the
same number of random-search trials on the same draws of what they share, each judged on clicks held
out of train at random, several times, by the self-normalised estimate of `held_out_gain`. The best
is trained on all of train with ten seeds and measured on the uniformly drawn test ratings.

*Semi-synthetic*: `semi_synthetic` on MovieLens 100K, at five exponents. MF and Rel-MF are searched
in the same way for every world and exponent; Rel-MF with the true exposure, and with the power law
of the clicks. The oracle is MF trained on R itself, as if everything had been seen. All are
measured by NDCG over the catalogue without the clicks, with the true probability of relevance as
gain.
"""

import argparse
import statistics
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from recording import Table, environment, write
from rich.progress import track
from scipy import stats

from recneg import Interactions, Uniform
from recneg.datasets import load
from recneg.evaluation import compare
from recneg.evaluation.result import Evaluation
from recneg.evaluation.uniform import evaluate_uniform, rare_items
from recneg.keys import Key
from recneg.losses import BPRLoss, RelMFLoss, UBPRLoss
from recneg.parallel import set_num_threads
from recneg.propensity import Exposure, given, power_law
from recneg.simulation.semi_synthetic import RatedTruth, semi_synthetic
from recneg.splits import carve_validation
from recneg.training import Adam, MatrixFactorization

IMAGES = Path(__file__).parents[1] / "docs" / "images"
PAIRS = (("MF", "Rel-MF"), ("BPR", "UBPR"))
LISTED, K = 16, 5
EXPONENTS = (0.5, 1.0, 2.0, 3.0, 4.0)
VALIDATION_CLIP = 0.01


class Setting(NamedTuple):
    """One trial of a search; what a method does not have stands still."""

    factors: int
    learning_rate: float
    regularization: float
    epochs: int
    negatives: int = 1
    batch: int = 1024
    item_bias: bool = True
    local: str = "squared"
    clip: float = 0.01
    beta: float = 1.0


@dataclass(frozen=True)
class Clicks:
    """Training clicks and the exposure that a debiased method believes in."""

    train: Interactions
    exposure: Exposure


def train(method: str, clicks: Clicks, setting: Setting, seed: int) -> MatrixFactorization:
    """Train MF, Rel-MF, BPR or UBPR."""
    data, exposure = clicks.train, clicks.exposure
    pointwise, everything = method in ("MF", "Rel-MF"), given(np.ones(data.num_items))
    loss: Any = BPRLoss()
    if pointwise:
        loss = RelMFLoss(setting.local, setting.clip)
    elif method == "UBPR":
        loss = UBPRLoss(setting.beta, setting.clip)
    propensity = {"MF": everything, "BPR": None}.get(method, exposure)
    model = MatrixFactorization(
        setting.factors, loss=loss, propensity=propensity, optimizer=Adam(setting.learning_rate),
        regularization=setting.regularization, regularized="tables", batch_size=setting.batch,
        num_negatives=setting.negatives, sampler=partial(Uniform, unseen=method != "UBPR"),
        item_bias=setting.item_bias, epochs=setting.epochs, seed=seed, num_threads=1,
    )  # fmt: skip
    return model.fit(data, show_progress=False)


def held_out_gain(model: Any, clicks: Clicks, held_out: Interactions, listed: int | None) -> float:
    """Estimate the gain of a relevant item from held-out clicks, each weighted by 1 / exposure.

    Its gain is ``1 / log2(rank + 1)`` among all items that are not training clicks or, with
    `listed`, the expected gain at K in a list of so many: the others drawn uniformly, as in the
    test. Divided by the sum of the weights (self-normalised), which is worth a little bias.
    """
    users, items = held_out.users(), held_out.indices
    scores = model.user_factors @ model.item_factors.T
    scores[clicks.train.users(), clicks.train.indices] = -np.inf
    own = scores[users, items]
    better = (scores[users] > own[:, None]).sum(axis=1)
    same = (scores[users] == own[:, None]).sum(axis=1) - 1
    above = better + same / 2
    if listed is None:
        gain = 1 / np.log2(above + 2)
    else:
        others = np.isfinite(scores[users]).sum(axis=1) - 1
        ranks = np.arange(K)
        chance = stats.binom.pmf(ranks, listed - 1, (above / others)[:, None])
        gain = chance @ (1 / np.log2(ranks + 2))
    weights = 1 / clicks.exposure.theta(users, items)
    return float(gain @ weights / weights.sum())


# -- Coat ------------------------------------------------------------------------------------------


def draw_coat(method: str, number: int) -> Setting:
    common, own = np.random.default_rng([number, 1]), np.random.default_rng([number, 2])
    low, high = np.log([0.003, 1e-4]), np.log([0.02, 3e-3])
    rate, decay = np.exp(common.uniform(low, high))
    return Setting(
        factors=int(common.choice([8, 16, 32, 64])),
        learning_rate=float(rate),
        regularization=float(decay),
        epochs=int(common.choice([40, 80, 160])),
        item_bias=bool(common.integers(2)),
        beta=float(np.exp(own.uniform(*np.log([0.01, 10])))) if method == "UBPR" else 1.0,
    )


def search_coat(
    method: str, clicks: Clicks, trials: int, folds: int
) -> tuple[Setting, list[dict[str, Any]]]:
    """Return the setting with the best mean estimate over the folds, and all trials."""
    done = []
    for number in range(trials):
        setting, found = draw_coat(method, number), []
        for fold in range(folds):
            kept, held_out = carve_validation(clicks.train, 0.2, key=fold)
            part = Clicks(kept, clicks.exposure)
            found.append(held_out_gain(train(method, part, setting, fold), part, held_out, LISTED))
        done.append({"setting": setting._asdict(), "validation": found})
        print(method, number, f"{statistics.mean(found):.4f}", setting, flush=True)
    best = max(done, key=lambda trial: statistics.mean(trial["validation"]))
    return Setting(**best["setting"]), done


def coat(options: argparse.Namespace) -> None:
    split = load("coat").split
    if split is None or split.train.weights is None or split.test.weights is None:
        raise SystemExit("coat must have ratings and a given split")
    liked = split.train.select(split.train.weights >= 4)
    clicks = Clicks(liked, power_law(split.train, 0.5))
    relevant = split.test.weights >= 4
    cuts = {"all items": None, "rare items": rare_items(liked, share=0.5)}
    record: dict[str, Any] = {
        "environment": environment(),
        "settings": vars(options),
        "checksum": split.checksum,
        "rare": int(cuts["rare items"].sum()),  # type: ignore[union-attr]
        "methods": {},
    }
    runs: dict[str, dict[str, list[Evaluation]]] = {}
    for method in [name for pair in PAIRS for name in pair]:
        setting, trials = search_coat(method, clicks, options.trials, options.folds)
        models = [train(method, clicks, setting, seed) for seed in range(options.seeds)]
        runs[method] = {
            cut: [evaluate_uniform(m, split.test, relevant, k=K, items=items) for m in models]
            for cut, items in cuts.items()
        }
        record["methods"][method] = {
            "selected": setting._asdict(),
            "trials": trials,
            "test": {
                cut: [{name: e.mean(name) for name in e.names} for e in found]
                for cut, found in runs[method].items()
            },
        }
    tables = [
        coat_table(cut, {method: found[cut] for method, found in runs.items()}) for cut in cuts
    ]
    notes = [
        f"{options.trials} trials for each method, {options.folds} validation sets; "
        f"{options.seeds} seeds; rare items: the half with the fewest clicks.",
        "t, W: p-values over seeds, paired t test and Wilcoxon; users: 95 % interval of the paired "
        "difference over users, of values averaged over the seeds.",
    ]
    write("debiasing-coat", record, tables, notes)
    for table in tables:
        table.show()


def coat_table(cut: str, runs: dict[str, list[Evaluation]]) -> Table:
    rows = []
    for base, other in PAIRS:
        for name in (f"ndcg@{K}", f"map@{K}"):
            left, right = ([e.mean(name) for e in runs[method]] for method in (base, other))
            cells = [spread(values) for values in (left, right)]
            users = compare(averaged(runs[other]), averaged(runs[base]), name)
            rows.append(
                [
                    f"{base} and {other}, {name}",
                    *cells,
                    f"{users.difference:+.4f}",
                    f"{sum(b > a for a, b in zip(left, right, strict=True))} of {len(left)}",
                    f"{stats.ttest_rel(right, left).pvalue:.2g}",
                    f"{stats.wilcoxon(right, left).pvalue:.2g}",
                    f"{users.low:+.4f} .. {users.high:+.4f}",
                ]
            )  # fmt: skip
    headers = ["", "biased", "debiased", "difference", "seeds won", "t", "W", "users"]
    return Table(f"Coat, {cut}", headers, rows)


def averaged(runs: list[Evaluation]) -> Evaluation:
    """Return each user's mean over the seeds."""
    values = {n: np.mean([run.values[n] for run in runs], axis=0) for n in runs[0].values}
    return Evaluation(runs[0].users, runs[0].skipped_users, values)


# -- semi-synthetic --------------------------------------------------------------------------------

SEMI = ("oracle", "MF", "Rel-MF", "Rel-MF, power law")


def draw_semi(method: str, number: int, clicks: Interactions) -> Setting:
    common, own = np.random.default_rng([number, 3]), np.random.default_rng([number, 4])
    low, high = np.log([0.01, 1e-5]), np.log([0.05, 3e-4])
    rate, decay = np.exp(common.uniform(low, high))
    return Setting(
        factors=10, learning_rate=float(rate), regularization=float(decay),
        epochs=int(common.choice([3, 6, 12])), local="log",
        batch=min(1024, max(1, len(clicks) // 20)),  # few clicks have many negatives each
        negatives=max(1, round(clicks.num_users * clicks.num_items / len(clicks))),
        clip=float(np.exp(own.uniform(*np.log([0.003, 0.3])))) if "Rel" in method else 0.01,
    )  # fmt: skip


def true_ndcg(model: Any, clicks: Interactions, gamma: NDArray[np.float64]) -> float:
    """Return NDCG@K of the catalogue without the clicks, with gamma as gain."""
    scores = model.user_factors @ model.item_factors.T
    gain = gamma.copy()
    scores[clicks.users(), clicks.indices], gain[clicks.users(), clicks.indices] = -np.inf, 0.0
    top = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    discount = 1 / np.log2(np.arange(2, K + 2))
    found = np.take_along_axis(gain, top, 1) @ discount
    return float((found / (-np.sort(-gain, axis=1)[:, :K] @ discount)).mean())


def whole(truth: RatedTruth, what: str) -> NDArray[np.float64]:
    users, items = np.arange(truth.num_users)[:, None], np.arange(truth.num_items)
    return np.asarray(getattr(truth, what)(users, items))


def semi(options: argparse.Namespace) -> None:
    ratings = load("movielens-100k").interactions
    results: dict[str, dict[str, list[dict[str, Any]]]] = {
        str(exponent): {method: [] for method in SEMI} for exponent in EXPONENTS
    }
    for exponent in track(EXPONENTS, "exponents"):
        for world in range(options.worlds):
            made = semi_synthetic(ratings, exponent=exponent, key=Key(world))
            seen = semi_synthetic(ratings, exponent=0.0, key=Key(world)).interactions
            gamma = whole(made.truth, "relevance")
            theta = given(whole(made.truth, "exposure"), clip=VALIDATION_CLIP)
            for method in SEMI:
                data = seen if method == "oracle" else made.interactions
                judge = given(np.ones(data.num_items)) if method == "oracle" else theta
                kept, held_out = carve_validation(data, 0.2, key=world)
                found: list[tuple[float, Setting]] = []
                for number in range(options.semi_trials):
                    setting = draw_semi(method, number, data)
                    model = train_semi(method, kept, theta, setting, world)
                    score = held_out_gain(model, Clicks(kept, judge), held_out, None)
                    found.append((score, setting))
                setting = max(found)[1]
                model = train_semi(method, data, theta, setting, world)
                value = true_ndcg(model, made.interactions, gamma)
                results[str(exponent)][method].append({"ndcg": value, **setting._asdict()})
                print(exponent, world, method, f"{value:.4f}", setting, flush=True)
    rows = [
        [exponent, *(spread([run["ndcg"] for run in runs]) for runs in by_method.values())]
        for exponent, by_method in results.items()
    ]
    table = Table(f"Semi-synthetic MovieLens 100K, true NDCG@{K}", ["exponent", *SEMI], rows)
    record = {"environment": environment(), "settings": vars(options), "results": results}
    notes = [f"{options.worlds} worlds, {options.semi_trials} trials for each method and world."]
    write("debiasing-semi-synthetic", record, [table], notes)
    table.show()
    plot(results, IMAGES / "debiasing.png")


def train_semi(
    method: str, data: Interactions, theta: Exposure, setting: Setting, seed: int
) -> MatrixFactorization:
    exposure = power_law(data) if method.endswith("power law") else theta
    name = "Rel-MF" if method.startswith("Rel") else "MF"
    return train(name, Clicks(data, exposure), setting, seed)


def spread(values: list[float]) -> str:
    error = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{error}"


def plot(results: dict[str, dict[str, list[dict[str, Any]]]], path: Path) -> None:
    """Draw a line a method over the exponents."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for method in SEMI:
        runs = [[run["ndcg"] for run in by_method[method]] for by_method in results.values()]
        error = [statistics.stdev(values) if len(values) > 1 else 0.0 for values in runs]
        means = [statistics.mean(values) for values in runs]
        axes.errorbar(EXPONENTS, means, yerr=error, marker="o", label=method)
    axes.set_xlabel("exponent: the larger, the more it is popular items that are seen")
    axes.set_ylabel(f"NDCG@{K} against the true relevance")
    axes.grid(color="0.93")
    axes.legend()
    figure.savefig(path, dpi=110, format="png", metadata={"Software": None})


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("experiments", nargs="*", default=["coat", "semi-synthetic"])
    parser.add_argument("--trials", type=int, default=24, help="of each method, on Coat")
    parser.add_argument(
        "--folds", type=int, default=5, help="validation sets of each trial, on Coat"
    )
    parser.add_argument("--seeds", type=int, default=10, help="of the final training, on Coat")
    parser.add_argument("--semi-trials", type=int, default=8, help="of each method and world")
    parser.add_argument("--worlds", type=int, default=3)
    options = parser.parse_args()
    set_num_threads(1)
    for name in options.experiments:
        {"coat": coat, "semi-synthetic": semi}[name](options)


if __name__ == "__main__":
    main()
