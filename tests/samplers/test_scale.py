"""10^7 items and 10^8 interactions: every law is built and drawn from in less than 8 GB."""

import json
import subprocess
import sys

import pytest

SCRIPT = r"""
import json, sys, time
import numpy as np
from recneg.interactions import Interactions
from recneg.keys import random_integers
from recneg.noise import FlipModel
from recneg.propensity import power_law
from recneg.samplers import *
from recneg.simulation import simulate

NUM_USERS, NUM_ITEMS, NUM_CLICKS, D = (int(float(text)) for text in sys.argv[1:])

def status(field):
    for line in open("/proc/self/status"):
        if line.startswith(field):
            return int(line.split()[1]) / 2**20

def measured(name, make):
    open("/proc/self/clear_refs", "w").write("5")  # forget the highest memory so far
    started = time.perf_counter()
    made = make()
    built = time.perf_counter() - started
    if isinstance(made, Sampler):
        users = np.arange(0, NUM_USERS, max(NUM_USERS // 2000, 1))
        got = made.sample(users, 4, key=1, exhausted="mask")
        seen = data.contains(np.repeat(users, 4), np.maximum(got.items, 0).reshape(-1))
        assert not (seen & got.mask.reshape(-1)).any(), name
    print(json.dumps({"name": name, "peak_gb": round(status("VmHWM"), 2),
                      "seconds": round(built, 1)}), flush=True)
    return made

def floats(rows, d, seed):
    return np.random.default_rng(seed).normal(size=(rows, d), scale=d**-0.5).astype(np.float32)

def fewer(share, seed):  # as many pairs as a share of the interactions, at random
    size = int(share * NUM_CLICKS)
    rows = np.arange(size)
    return Interactions.from_arrays(
        random_integers(seed, NUM_USERS, rows), random_integers(seed + 1, NUM_ITEMS, rows),
        num_users=NUM_USERS, num_items=NUM_ITEMS)

data = measured("the data", lambda: simulate(NUM_USERS, NUM_ITEMS, NUM_CLICKS, key=1).interactions)
print(json.dumps({"name": repr(data), "peak_gb": 0, "seconds": 0}))
batch = data.indices[:: len(data) // 8192].astype(np.int64)
measured("Uniform", lambda: Uniform(data))
measured("Popularity", lambda: Popularity(data))
measured("Propensity", lambda: Propensity(data, power_law(data)))
measured("Mixture", lambda: Mixture((Popularity(data), Uniform(data))))
measured("TimeAware", lambda: TimeAware(data, np.arange(NUM_ITEMS)))
measured("Stratified", lambda: Stratified(data, popularity_cohorts(data, 10)))
measured("Pool", lambda: Pool(data, np.arange(NUM_USERS * 20).reshape(NUM_USERS, 20) % NUM_ITEMS))
measured("InBatch", lambda: InBatch(data, batch))
measured("MixedNegative", lambda: MixedNegative(data, batch))
measured("CrossBatch", lambda: CrossBatch(data).push(batch[:4000]))
pairs = fewer(0.1, 5)
measured("Exposed", lambda: Exposed(data, pairs))
measured("Conditional", lambda: Conditional(Popularity(data), pairs))
del pairs
measured("NoisyLabel", lambda: NoisyLabel(
    Uniform(data),
    FlipModel(*(floats(n, 4, seed) for seed, n in enumerate((NUM_USERS, NUM_ITEMS) * 2))),
    normalise="estimate", num_estimate=16))
factors = floats(NUM_USERS, D, 1), floats(NUM_ITEMS, D, 2)
for law in (Softmax, RankAdaptive, KernelTree, MIDX, Cluster):
    if law is Softmax:
        continue  # for moderate catalogues: a draw goes through all items
    measured(law.__name__, lambda: law(data, *factors))
"""


def build(*sizes: float) -> list[dict]:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, sizes)], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


@pytest.mark.slow
def test_ten_million_items_and_a_hundred_million_interactions(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """16 factors for the laws that have any; data in memory are part of each figure."""
    lines = build(2e6, 1e7, 1e8, 16)
    with capsys.disabled():
        for line in lines:
            print(f"{line['name']:<60} {line['peak_gb']:6.2f} GB {line['seconds']:8.1f} s")
    assert max(line["peak_gb"] for line in lines) < 8


def test_the_same_at_a_thousandth_of_the_size() -> None:
    lines = build(2e3, 1e4, 1e5, 4)
    assert len(lines) == 19
