"""Does inverse propensity weighting find relevance? On Coat, and on clicks with known truth.

Run ``RECNEG_DATA=... python benchmarks/debiasing.py [coat] [semi-synthetic]``; it prints tables,
writes ``results/debiasing-*.json`` and, for the second, a figure in ``docs/images``.

*Coat*: clicks are the self-chosen training ratings of 4 and 5; exposure is ``power_law`` of what
was rated at all, exponent 0.5, as UBPR's paper has it. MF is Rel-MF, and BPR is UBPR, with an
exposure of one; BPR draws what the user has not clicked, UBPR from all items. Rel-MF also makes
clicks heavier as a whole, which has nothing to do with who was exposed to what: the flat one does
just that. There are `searches` seeds, and everything is done anew for each of them: every method
gets the same number of random-search trials, on the same draws of what they share; each trial is
judged on clicks held out of train at random, several times, by the self-normalised estimate of
`held_out_gain`; the best is trained on all of train and measured once on the uniformly drawn test
ratings. Methods are paired by seed, so that the luck of selection is part of the error.

*Semi-synthetic*: `semi_synthetic` on MovieLens 100K, at five exponents, in several worlds. MF and
Rel-MF are searched in the same way for every world and exponent; Rel-MF with the true exposure, and
with the power law of the clicks. The oracle minimises the ideal loss, that of the true gamma over
all pairs, and is chosen by the true measure. All are measured by NDCG over the catalogue without
the clicks, with the true probability of relevance as gain.
"""

import argparse
import statistics
import time
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from figures import new_figure, save_figure
from numpy.typing import NDArray
from recording import Table, environment, with_deviation, write
from scipy import stats

from recneg import Interactions, Uniform
from recneg.datasets import load
from recneg.evaluation import compare, evaluate_uniform, rare_items
from recneg.evaluation.result import Evaluation
from recneg.keys import Key, random_floats
from recneg.losses import BPRLoss, Loss, RelMFLoss, UBPRLoss
from recneg.losses.rows import log_sigmoid
from recneg.parallel import set_num_threads
from recneg.propensity import Exposure, given, power_law
from recneg.simulation import RatedTruth, semi_synthetic
from recneg.splits import carve_validation
from recneg.training import Adam, MatrixFactorization
from recneg.training.fingerprint import fingerprint

IMAGES = Path(__file__).parents[1] / "docs" / "images"
PAIRS = (("MF", "Rel-MF"), ("Rel-MF, flat", "Rel-MF"), ("BPR", "UBPR"))
LISTED, K = 16, 5
EXPONENTS = (0.5, 1.0, 2.0, 3.0, 4.0)
VALIDATION_CLIP = 0.01
FIRST_SEED = 1000  # smaller ones were used in exploration


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


def flat(clicks: Clicks) -> Exposure:
    """Return one exposure for all, with which all clicks together weigh what they did."""
    theta = clicks.exposure.theta(clicks.train.users(), clicks.train.indices)
    return given(np.full(clicks.train.num_items, 1 / np.mean(1 / theta)))


def train(method: str, clicks: Clicks, setting: Setting, seed: int) -> MatrixFactorization:
    """Train MF, Rel-MF, Rel-MF with a flat exposure, BPR or UBPR."""
    data = clicks.train
    pointwise = not method.endswith("BPR")
    loss: Any = BPRLoss()
    if pointwise:
        loss = RelMFLoss(setting.local, setting.clip)
    elif method == "UBPR":
        loss = UBPRLoss(setting.beta, setting.clip)
    propensity: Exposure | None = clicks.exposure
    if method == "MF":
        propensity = given(np.ones(data.num_items))
    elif method == "Rel-MF, flat":
        propensity = flat(clicks)
    elif method == "BPR":
        propensity = None
    model = MatrixFactorization(
        setting.factors, loss=loss, propensity=propensity, optimizer=Adam(setting.learning_rate),
        regularization=setting.regularization, regularized="tables", batch_size=setting.batch,
        num_negatives=setting.negatives, sampler=partial(Uniform, unseen=method != "UBPR"),
        item_bias=setting.item_bias, epochs=setting.epochs, seed=seed, num_threads=1,
    )  # fmt: skip
    return model.fit(data, show_progress=False)


def held_out_gain(model: Any, clicks: Clicks, held_out: Interactions, listed: int | None) -> float:
    """Estimate the gain of a relevant item from held-out clicks, each weighted by 1 / exposure.

    Its gain is ``1 / log2(rank + 1)``, 0 beyond rank K, among all items that are not training
    clicks or, with `listed`, what is expected of that in a list of so many: the others drawn
    uniformly, as in the test. Divided by the sum of the weights (self-normalised), which is worth a
    little bias.
    """
    users, items = held_out.users(), held_out.indices
    scores = model.user_factors @ model.item_factors.T
    scores[clicks.train.users(), clicks.train.indices] = -np.inf
    own = scores[users, items]
    better = (scores[users] > own[:, None]).sum(axis=1)
    same = (scores[users] == own[:, None]).sum(axis=1) - 1
    above = better + same / 2
    if listed is None:
        gain = np.where(above < K, 1 / np.log2(above + 2), 0.0)
    else:
        others = np.isfinite(scores[users]).sum(axis=1) - 1
        ranks = np.arange(K)
        chance = stats.binom.pmf(ranks, listed - 1, (above / others)[:, None])
        gain = chance @ (1 / np.log2(ranks + 2))
    weights = 1 / clicks.exposure.theta(users, items)
    return float(gain @ weights / weights.sum())


# -- Coat ------------------------------------------------------------------------------------------


def draw_coat(method: str, seed: int, number: int) -> Setting:
    common, own = (np.random.default_rng([seed, number, stream]) for stream in (1, 2))
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
    method: str, clicks: Clicks, seed: int, trials: int, folds: int
) -> tuple[Setting, list[dict[str, Any]]]:
    """Return the setting with the best mean estimate over the folds, and all trials."""
    done: list[dict[str, Any]] = []
    for number in range(trials):
        setting, found = draw_coat(method, seed, number), []
        for fold in range(folds):
            kept, held_out = carve_validation(clicks.train, 0.2, key=Key(seed).fold_in(fold))
            part = Clicks(kept, clicks.exposure)
            found.append(held_out_gain(train(method, part, setting, seed), part, held_out, LISTED))
        done.append({"setting": setting._asdict(), "validation": found})
    best = max(done, key=lambda trial: statistics.mean(trial["validation"]))
    return Setting(**best["setting"]), done


def coat(options: argparse.Namespace) -> None:
    split = load("coat").split
    if split is None or split.train.weights is None or split.test.weights is None:
        raise SystemExit("coat must have ratings and a given split")
    started = time.perf_counter()
    liked = split.train.select(split.train.weights >= 4)
    clicks = Clicks(liked, power_law(split.train, 0.5))
    relevant = split.test.weights >= 4
    rare = rare_items(liked, share=0.5)
    cuts = {"all items": None, "rare items": rare}
    methods = sorted({name for pair in PAIRS for name in pair})
    record: dict[str, Any] = {
        "environment": environment(),
        "settings": {name: getattr(options, name) for name in ("searches", "trials", "folds")},
        "checksum": split.checksum,
        "rare": int(rare.sum()),
        "methods": {method: [] for method in methods},
    }
    runs: dict[str, dict[str, list[Evaluation]]] = {
        cut: {method: [] for method in methods} for cut in cuts
    }
    for seed in range(FIRST_SEED, FIRST_SEED + options.searches):
        for method in methods:
            setting, trials = search_coat(method, clicks, seed, options.trials, options.folds)
            model, test = train(method, clicks, setting, seed), {}
            for cut, items in cuts.items():
                found = evaluate_uniform(model, split.test, relevant, k=K, items=items)
                runs[cut][method].append(found)
                test[cut] = {name: found.mean(name) for name in found.names}
            entry = {"selected": setting._asdict(), "trials": trials, "test": test}
            record["methods"][method].append({"seed": seed} | entry)
            print(f"coat: {method}, seed {seed} is done", flush=True)
    tables = [coat_table(cut, found) for cut, found in runs.items()]
    record["seconds"] = time.perf_counter() - started
    notes = [
        f"Split {split.checksum}; {record['seconds']:.0f} s.",
        "Published: Rel-MF above MF (Saito et al., WSDM 2020), UBPR above BPR (Saito, ICTIR 2020).",
        f"{options.searches} searches of {options.trials} trials for each method, judged on "
        f"{options.folds} validation sets; one training and one test of what each chose.",
        f"Rare items: the half with the fewest clicks ({int(rare.sum())} items).",
        "t, W: p-values over the searches, paired t test and Wilcoxon, not corrected for their "
        "number; users: 95 % interval of the paired difference over users, of values averaged over "
        "the searches.",
        "The test ratings had been looked at while the ranges were explored; the seeds are new.",
    ]
    write("debiasing-coat", record, tables, notes)
    for table in tables:
        table.show()


def coat_table(cut: str, runs: dict[str, list[Evaluation]]) -> Table:
    rows = []
    for base, other in PAIRS:
        for name in (f"ndcg@{K}", f"map@{K}"):
            left, right = ([e.mean(name) for e in runs[method]] for method in (base, other))
            cells = [with_deviation(values) for values in (left, right)]
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
    headers = ["", "biased", "debiased", "difference", "searches won", "t", "W", "users"]
    return Table(f"Coat, {cut}", headers, rows)


def averaged(runs: list[Evaluation]) -> Evaluation:
    """Return each user's mean over the searches."""
    values = {n: np.mean([run.values[n] for run in runs], axis=0) for n in runs[0].values}
    return Evaluation(runs[0].users, runs[0].skipped_users, values)


# -- semi-synthetic --------------------------------------------------------------------------------

SEARCHED = ("MF", "Rel-MF", "Rel-MF, power law")
SEMI = ("oracle", *SEARCHED, "most popular")


@dataclass(frozen=True)
class SoftLabels(Loss):
    """Mean over a row's pairs of the log loss with gamma as label; sides are ``1 / gamma``."""

    @property
    def needs(self) -> str:
        """Inverse propensities, here of relevance."""
        return "propensity"

    def _losses(self, rows: Any) -> Any:
        pairs = rows.total(self._pairs(rows.negative, 1 / rows.negative_side))
        return (self._pairs(rows.positive, 1 / rows.positive_side) + pairs) / (rows.count + 1)

    def _pairs(self, scores: Any, gamma: Any) -> Any:
        return -gamma * log_sigmoid(scores) - (1 - gamma) * log_sigmoid(-scores)


def train_oracle(gamma: NDArray[np.float64], setting: Setting, seed: int) -> MatrixFactorization:
    """Minimise the mean of ``gamma delta_1 + (1 - gamma) delta_0`` over all pairs.

    Every pair is a row once an epoch, beside one that is drawn from all items: the loss meets no
    realised relevance and no exposure, and is what Rel-MF's is an unbiased estimate of.
    """
    everything = Interactions.from_arrays(*np.nonzero(gamma))
    model = MatrixFactorization(
        setting.factors, loss=SoftLabels(), propensity=given(gamma, clip=float(gamma.min())),
        optimizer=Adam(setting.learning_rate), regularization=setting.regularization,
        regularized="tables", batch_size=setting.batch, num_negatives=setting.negatives,
        sampler=partial(Uniform, unseen=False), item_bias=True, epochs=setting.epochs, seed=seed,
    )  # fmt: skip
    return model.fit(everything, show_progress=False)


def draw_semi(method: str, world: int, number: int, clicks: Interactions) -> Setting:
    common, own = (np.random.default_rng([world, number, stream]) for stream in (3, 4))
    low, high = np.log([0.01, 1e-5]), np.log([0.05, 3e-4])
    rate, decay = np.exp(common.uniform(low, high))
    longest = int(common.choice([3, 6, 12]))
    setting = Setting(10, float(rate), float(decay), longest, local="log")
    if method == "oracle":  # an epoch looks at every pair, and at as many again
        return setting._replace(epochs=longest // 3, batch=4096)
    return setting._replace(
        batch=min(1024, max(1, len(clicks) // 20)),  # few clicks have many negatives each
        negatives=max(1, round(clicks.num_users * clicks.num_items / len(clicks))),
        clip=float(np.exp(own.uniform(*np.log([0.003, 0.3])))) if "Rel" in method else 0.01,
    )


def scores_of(model: Any) -> NDArray[np.float64]:
    return np.asarray(model.user_factors @ model.item_factors.T)


def true_ndcg(
    scores: NDArray[np.float64], clicks: Interactions, gamma: NDArray[np.float64]
) -> float:
    """Return NDCG@K of the catalogue without the clicks, with gamma as gain."""
    scores, gain = scores.copy(), gamma.copy()
    scores[clicks.users(), clicks.indices], gain[clicks.users(), clicks.indices] = -np.inf, 0.0
    top = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    discount = 1 / np.log2(np.arange(2, K + 2))
    found = np.take_along_axis(gain, top, 1) @ discount
    return float((found / (-np.sort(-gain, axis=1)[:, :K] @ discount)).mean())


def whole(truth: RatedTruth, what: str) -> NDArray[np.float64]:
    users, items = np.arange(truth.num_users)[:, None], np.arange(truth.num_items)
    return np.asarray(getattr(truth, what)(users, items))


Outcome = tuple[Setting | None, NDArray[np.float64]]


def search_oracle(world: int, gamma: NDArray[np.float64], trials: int) -> Outcome:
    """Return the best setting by the true measure, and its scores."""
    nobody = Interactions.from_arrays([], [], num_users=len(gamma), num_items=gamma.shape[1])
    found = []
    for number in range(trials):
        setting = draw_semi("oracle", world, number, nobody)
        scores = scores_of(train_oracle(gamma, setting, world))
        found.append((true_ndcg(scores, nobody, gamma), setting, scores))
    return max(found, key=itemgetter(0))[1:]


def search_semi(
    method: str, world: int, clicks: Interactions, theta: Exposure, trials: int
) -> Outcome:
    """Return the best setting by `held_out_gain` with the true exposure, and its scores."""
    exposure = power_law(clicks) if method.endswith("power law") else theta
    name = method.partition(",")[0]
    # any click may be held out, where `carve_validation` leaves users with few of them alone
    out = random_floats(Key(world).fold_in(4), clicks.users(), clicks.indices) < 0.2
    kept, held_out = clicks.select(~out), clicks.select(out)
    found = []
    for number in range(trials):
        setting = draw_semi(method, world, number, clicks)
        model = train(name, Clicks(kept, exposure), setting, world)
        found.append((held_out_gain(model, Clicks(kept, theta), held_out, None), setting))
    setting = max(found, key=itemgetter(0))[1]
    return setting, scores_of(train(name, Clicks(clicks, exposure), setting, world))


def semi(options: argparse.Namespace) -> None:
    started = time.perf_counter()
    ratings = load("movielens-100k").interactions
    results: dict[str, dict[str, list[dict[str, Any]]]] = {
        str(exponent): {method: [] for method in SEMI} for exponent in EXPONENTS
    }
    record = {
        "environment": environment(),
        "settings": {"worlds": options.worlds, "trials": options.semi_trials},
        "ratings": fingerprint(ratings),
        "results": results,
    }
    for world in range(FIRST_SEED, FIRST_SEED + options.worlds):
        oracle: Outcome | None = None  # gamma is the same at every exponent
        for exponent in EXPONENTS:
            made = semi_synthetic(ratings, exponent=exponent, key=Key(world))
            clicks, gamma = made.interactions, whole(made.truth, "relevance")
            theta = given(whole(made.truth, "exposure"), clip=VALIDATION_CLIP)
            oracle = oracle or search_oracle(world, gamma, options.semi_trials)
            counts = np.tile(clicks.item_counts().astype(float), (clicks.num_users, 1))
            outcomes: dict[str, Outcome] = {"oracle": oracle, "most popular": (None, counts)}
            for method in SEARCHED:
                outcomes[method] = search_semi(method, world, clicks, theta, options.semi_trials)
            for method, (setting, scores) in outcomes.items():
                entry: dict[str, Any] = {"world": world, "clicks": len(clicks)}
                entry["ndcg"] = true_ndcg(scores, clicks, gamma)
                results[str(exponent)][method].append(
                    entry | ({} if setting is None else {"selected": setting._asdict()})
                )
            print(f"semi-synthetic: world {world}, exponent {exponent} is done", flush=True)
    table = Table(
        f"Semi-synthetic MovieLens 100K, true NDCG@{K}",
        ["exponent", "clicks", *SEMI, "Rel-MF above MF"],
        [semi_row(exponent, by_method) for exponent, by_method in results.items()],
    )
    record["seconds"] = time.perf_counter() - started
    notes = [
        f"Ratings {record['ratings']}; {record['seconds']:.0f} s.",
        "Published: the oracle, Rel-MF and MF in this order (Saito et al., WSDM 2020).",
        f"{options.worlds} worlds, {options.semi_trials} trials for each method and world; "
        "mean and standard deviation over worlds.",
        "MF and Rel-MF are chosen by held-out clicks weighted by the true exposure, at the same "
        "cut-off; the oracle by the true measure.",
    ]
    write("debiasing-semi-synthetic", record, [table], notes)
    table.show()
    plot(results, IMAGES / "semi-synthetic.png")


def semi_row(exponent: str, by_method: dict[str, list[dict[str, Any]]]) -> list[str]:
    values = {method: [run["ndcg"] for run in runs] for method, runs in by_method.items()}
    won = sum(b > a for a, b in zip(values["MF"], values["Rel-MF"], strict=True))
    clicks = statistics.mean(run["clicks"] for run in by_method["MF"])
    means = [with_deviation(values[method]) for method in SEMI]
    return [exponent, f"{clicks:,.0f}", *means, f"{won} of {len(values['MF'])}"]


def plot(results: dict[str, dict[str, list[dict[str, Any]]]], path: Path) -> None:
    """Draw a line a method over the exponents."""
    figure = new_figure(6, 4)
    axes = figure.subplots()
    for number, method in enumerate(SEMI):
        beside = np.array(EXPONENTS) + 0.04 * (number - len(SEMI) // 2)  # so that bars stand apart
        runs = [[run["ndcg"] for run in by_method[method]] for by_method in results.values()]
        error = [statistics.stdev(values) if len(values) > 1 else 0.0 for values in runs]
        means = [statistics.mean(values) for values in runs]
        axes.errorbar(beside, means, yerr=error, marker="o", label=method)
    axes.set_xlabel("exponent: the larger, the more it is popular items that are seen")
    axes.set_ylabel(f"NDCG@{K} against the true relevance")
    axes.grid(color="0.93")
    axes.legend()
    save_figure(figure, path)


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("experiments", nargs="*", default=["coat", "semi-synthetic"])
    parser.add_argument("--searches", type=int, default=10, help="of each method, on Coat")
    parser.add_argument("--trials", type=int, default=10, help="of each search, on Coat")
    parser.add_argument("--folds", type=int, default=3, help="validation sets of each trial")
    parser.add_argument("--worlds", type=int, default=3, help="semi-synthetic ones")
    parser.add_argument("--semi-trials", type=int, default=8, help="of each method in a world")
    options = parser.parse_args()
    set_num_threads(1)
    for name in options.experiments:
        {"coat": coat, "semi-synthetic": semi}[name](options)


if __name__ == "__main__":
    main()
