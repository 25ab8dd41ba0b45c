"""Seconds an epoch of MF with the cosine contrastive loss and many negatives: fused and torch.

Run ``RECNEG_DATA=... python benchmarks/many_negatives.py [--negatives 1000] [--pools 16]``.

Yelp2018 in its LightGCN split, batches of 512, Adam on whole tables, dropout .1, as SimpleX's
published configuration has it; with --pools, so many draws that a batch shares in place of
negatives of each positive's own. Both engines train on the same random part of the interactions,
with the same negatives, and take turns; a whole epoch is extrapolated by the number of batches. The
first epoch of every run is left out, compilation with it.
"""

import argparse
from functools import partial
from statistics import median
from typing import Any

import numpy as np
from recording import Table, environment, with_range, write

from recneg import Interactions, MatrixFactorization, Uniform
from recneg.datasets import load
from recneg.losses import CosineContrastiveLoss, Loss, SampledSoftmaxLoss
from recneg.training import Adam

BATCH = 512
LOSSES: dict[str, Loss] = {
    "cosine contrastive": CosineContrastiveLoss(0.9, 150.0),
    "sampled softmax": SampledSoftmaxLoss(0.1),
}


def second_epoch(
    data: Interactions, loss: Loss, negatives: int, pools: int, engine: str, threads: int
) -> float:
    """Return the seconds of the second epoch."""
    import torch

    torch.set_num_threads(threads)
    seconds: list[float] = []
    model = MatrixFactorization(
        64,
        loss=loss,
        score="cosine",
        optimizer=Adam(1e-4),
        batch_size=BATCH,
        num_negatives=negatives,
        redraw="batch" if pools else "pair",
        num_pools=max(pools, 1),
        sampler=partial(Uniform, unseen=False),
        dropout=0.1,
        epochs=2,
        num_threads=threads,
        engine=engine,
    )
    model.fit(data, show_progress=False, callback=lambda epoch: seconds.append(epoch.seconds))
    return seconds[1] - seconds[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--negatives", type=int, default=1000)
    parser.add_argument("--pools", type=int, default=0, help="0: negatives of each positive's own")
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--output", default="many-negatives", help="name of the files in results/")
    options = parser.parse_args()
    started = environment()
    split = load("yelp2018").split
    assert split is not None
    whole = len(split.train)
    chosen = np.zeros(whole, bool)
    chosen[np.random.default_rng(0).permutation(whole)[: options.batches * BATCH]] = True
    data = split.train.select(chosen)
    rows, results = [], {}
    for name, loss in LOSSES.items():
        for threads in options.threads:
            found: dict[str, list[float]] = {"fused": [], "torch": []}
            for _ in range(options.rounds):
                for engine, seconds in found.items():
                    seconds.append(
                        second_epoch(data, loss, options.negatives, options.pools, engine, threads)
                    )
            ratios = [b / a for a, b in zip(*found.values(), strict=True)]
            epoch = {key: median(value) * whole / len(data) for key, value in found.items()}
            speed = len(data) * options.negatives / median(found["fused"]) / 1e6
            results[f"{name}, {threads} threads"] = found
            rows.append(
                [name, str(threads), f"{epoch['fused']:.0f}", f"{epoch['torch']:.0f}",
                 with_range(ratios, 1), f"{speed:.0f}"]
            )  # fmt: skip
            print(rows[-1], flush=True)
    heads = ["loss", "threads", "fused, s an epoch", "torch, s an epoch", "torch / fused"]
    table = Table(
        f"Yelp2018, {options.negatives} negatives a positive, 64 factors"
        + (f", {options.pools} pools a batch" if options.pools else ""),
        [*heads, "fused, million negatives a second"],
        rows,
    )
    table.show()
    record: dict[str, Any] = {"environment": started, "settings": vars(options), "results": results}
    write(options.output, record, [table], ["medians over interleaved rounds"])


if __name__ == "__main__":
    main()
