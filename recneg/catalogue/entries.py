"""The table of all ways of drawing negatives."""

from __future__ import annotations

from recneg.catalogue import laws, mined
from recneg.catalogue.recipe import Entry, Memory

__all__ = ["CATALOGUE"]

STATIC = Memory(user=33, item=32, interaction=2)
NONE = Memory()
UNIFORM = Memory(user=9, interaction=2)

CATALOGUE: dict[str, Entry] = {
    "uniform": Entry(laws.uniform, "1, over the unseen", "Rendle et al., UAI 2009", UNIFORM),
    "popularity": Entry(
        laws.popularity, "max(count, floor) ** exponent", "Mikolov et al., NeurIPS 2013", STATIC
    ),
    "propensity": Entry(
        laws.propensity, "P(irrelevant | no click) by exposure", "Saito et al., WSDM 2020",
        Memory(33, 40, 2),
    ),
    "noisy_label": Entry(
        laws.noisy_label, "1, thinned by P(irrelevant | no vote)", "Yu & Qin, SIGIR 2020",
        Memory(user=417, item=400, interaction=2),  # flips of 50 factors
    ),
    "mixture": Entry(
        laws.mixture, "weighted sum of laws", "Yang et al., WWW 2020", Memory(42, 32, 4)
    ),
    "conditional": Entry(
        laws.conditional, "a law given excluded pairs, 4 bytes each", "by definition",
        Memory(34, 0, 8),
    ),
    "stratified": Entry(
        laws.stratified, "a group by its share, then 1", "Neyman, 1934",
        Memory(item=28, interaction=4),
    ),
    "time_aware": Entry(
        laws.time_aware, "1, over what existed then", "by definition", Memory(0, 24, 4)
    ),
    "exposed": Entry(
        laws.exposed, "1, over what was shown and left", "Ding et al., WWW 2018", Memory(18, 0, 14)
    ),
    "in_batch": Entry(laws.in_batch, "positives of the batch", "Yi et al., RecSys 2019", NONE),
    "cross_batch": Entry(
        laws.cross_batch, "positives of the last batches", "Wang et al., SIGIR 2021", NONE
    ),
    "mixed_negative": Entry(
        laws.mixed_negative, "batch and uniform", "Yang et al., WWW 2020", UNIFORM
    ),
    "softmax": Entry(
        laws.softmax, "exp(score / temperature)", "Bengio & Senecal, 2008",
        Memory(user_factor=4, item_factor=4),
    ),
    "rank_adaptive": Entry(
        laws.rank_adaptive, "a factor by weight, then a rank on it",
        "Rendle & Freudenthaler, WSDM 2014", Memory(user_factor=4, item_factor=12),
    ),
    "kernel_tree": Entry(
        laws.kernel_tree, "alpha score ** 2 + 1", "Blanc & Rendle, ICML 2018",
        Memory(user_factor=4, item_factor=7),
    ),
    "midx": Entry(
        laws.midx, "exp(score of the codewords)", "Chen et al., 2022",
        Memory(item=20, interaction=4, user_factor=4, item_factor=4),
    ),
    "cluster": Entry(
        laws.cluster, "exp(score of the cluster)", "Lian et al., WWW 2020",
        Memory(item=20, interaction=4, user_factor=4, item_factor=4),
    ),
    "refreshed": Entry(
        laws.refreshed_pool, "the best of a rebuilt index, and 1",
        "Xiong et al., ICLR 2021; Zhan et al., SIGIR 2021",
        Memory(user=8 + 16 * 200, interaction=2),
    ),
    "pool": Entry(
        laws.pool, "a pool resampled by exp(score) / q", "Chen et al., WWW 2022",
        Memory(user=8 + 16 * 50),
    ),
    "hardest": Entry(
        mined.hardest_of, "the highest score of M; any of the best N of M",
        "Zhang et al., SIGIR 2013; Shi et al., WWW 2023", UNIFORM,
    ),
    "top_k": Entry(mined.top_k_of, "the k highest of a pool", "Wilm et al., RecSys 2023", UNIFORM),
    "until_violation": Entry(
        mined.until_violation_of, "the first that violates a margin", "Weston et al., IJCAI 2011",
        UNIFORM,
    ),
    "ambiguous": Entry(
        mined.ambiguous_of, "exp(-a (score - positive - b) ** 2)", "Zhou et al., EMNLP 2022",
        UNIFORM,
    ),
    "positive_aware": Entry(
        mined.positive_aware_of, "the highest below the positive", "Moreira et al., 2024", UNIFORM
    ),
    "guided": Entry(
        mined.guided_of, "what a guide does not veto", "Solatorio, 2024", UNIFORM
    ),
    "self_adversarial": Entry(
        mined.self_adversarial_of, "weights softmax(alpha score)", "Sun et al., ICLR 2019", UNIFORM
    ),
    "importance_weighted": Entry(
        mined.importance_weighted_of, "weights softmax(score - log q)", "Lian et al., WWW 2020",
        UNIFORM,
    ),
    "importance_resampled": Entry(
        mined.importance_resampled_of, "redrawn by exp(score) / q", "Chen et al., WWW 2022", UNIFORM
    ),
    "adaptive_softmax": Entry(
        mined.adaptive_softmax_of, "weights softmax(loss / tau - log q)", "Shi et al., WWW 2023",
        UNIFORM,
    ),
    "variance": Entry(
        mined.variance_of, "the highest score + deviation", "Ding et al., NeurIPS 2020", UNIFORM
    ),
    "mixed_margin": Entry(
        mined.mixed_margin_of, "the highest score, the positive mixed in",
        "Huang et al., KDD 2021", UNIFORM,
    ),
    "bayesian": Entry(
        mined.bayesian_of, "the least Bayesian risk", "Liu & Wang, ICDE 2023", UNIFORM
    ),
}  # fmt: skip
"""By name. Laws are up to a factor, and over what the user has not seen."""
