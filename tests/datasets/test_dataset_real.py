"""Real data sets below RECNEG_DATA; skipped one by one where they are not there."""

import numpy as np
import pytest

from recneg.datasets import card, load
from recneg.datasets.sources import where
from recneg.errors import InvalidDataError

pytestmark = pytest.mark.usefixtures("real_data")


def have(name):
    if where(card(name)) is None:
        pytest.skip(f"{name} is not below RECNEG_DATA")


@pytest.mark.parametrize(
    "name",
    ["gowalla", "yelp2018", "amazon-book", "amazon-electronics", "movielens-1m-m1", "coat"],
)
def test_split_data_sets(name):
    have(name)
    data, counts = load(name, download=False), card(name).counts
    space = (counts.users, counts.items)
    assert (data.interactions.num_users, data.interactions.num_items) == space
    for part, count in (("train", counts.train), ("validation", counts.validation or 0),
                        ("test", counts.test)):  # fmt: skip
        each = getattr(data.split, part)
        assert (each.num_users, each.num_items) == space
        assert len(each) == count
        assert each.num_duplicates == 0
    whole = data.interactions
    assert len(whole) + whole.num_duplicates == counts.interactions
    train = data.split.train
    assert whole.contains(train.users(), train.indices).all()


def test_coat_keeps_pairs_that_are_in_both_parts():
    have("coat")
    data = load("coat", download=False)
    train, test = data.split.train, data.split.test
    assert train.user_counts().tolist() == [24] * 290
    assert test.user_counts().tolist() == [16] * 290
    both = train.contains(test.users(), test.indices)
    assert both.sum() == 366 == data.interactions.num_duplicates
    assert data.interactions.weights.max() == 5
    kept = data.interactions.to_scipy()[train.users(), train.indices]
    np.testing.assert_array_equal(np.asarray(kept).ravel(), train.weights)


def test_coat_thresholds_both_parts():
    have("coat")
    data = load("coat", threshold=4, download=False)
    assert data.split.train.weights.min() == 4 == data.split.test.weights.min()
    assert data.split.train.num_items == data.interactions.num_items
    assert (len(data.split.train), len(data.split.test)) == (1905, 860)


def test_movielens_100k():
    have("movielens-100k")
    data = load("movielens-100k", download=False)
    ratings = data.interactions
    assert (ratings.num_users, ratings.num_items, len(ratings)) == (943, 1_682, 100_000)
    assert ratings.weights.mean(dtype=float) == pytest.approx(3.52986)
    assert data.titles[ratings.item_index(1)] == "Toy Story (1995)"
    assert data.titles[ratings.item_index(543)] == "Misérables, Les (1995)"


@pytest.mark.parametrize(
    ("fold", "train"),
    [*((f"u{i}", 80_000) for i in range(1, 6)), ("ua", 90_570), ("ub", 90_570)],
)
def test_movielens_100k_folds(fold, train):
    have("movielens-100k")
    data = load("movielens-100k", fold=fold, download=False)
    assert (len(data.split.train), len(data.split.test)) == (train, 100_000 - train)
    assert len(data.split.validation) == 0
    assert len(data.interactions) == 100_000
    assert data.interactions.num_items == 1_682
    np.testing.assert_array_equal(
        data.interactions.indices, load("movielens-100k", download=False).interactions.indices
    )


def test_unknown_folds_list_the_known_ones():
    with pytest.raises(InvalidDataError, match="must be u1, u2, u3, u4, u5, ua, ub; got 'u6'"):
        load("movielens-100k", fold="u6")


def test_movielens_1m_without_ratings_says_so(real_data):
    if not (real_data / "ml-1m-implicit").is_dir():
        pytest.skip("ml-1m-implicit is not below RECNEG_DATA")
    data = load("movielens-1m", download=False)
    if data.note is None:
        pytest.skip("a complete copy is at hand")
    assert len(data.interactions) == 1_000_209
    assert data.interactions.weights is None
    assert data.interactions.timestamps.min() == 0
    assert "no ratings" in data.note
    assert data.titles[0] == "Toy Story (1995)"
    assert data.split is None
    with pytest.raises(InvalidDataError, match=r"a threshold needs ratings.*ml-1m\.zip"):
        load("movielens-1m", threshold=4, download=False)


def test_the_sample_is_the_published_edition(real_data):
    import polars as pl

    path = real_data / "ml-latest-small-2016" / "ratings.parquet"
    if not path.is_file():
        pytest.skip("ml-latest-small-2016 is not below RECNEG_DATA")
    ours = load("sample").interactions.to_polars().select("user", "item", "weight", "timestamp")
    theirs = pl.read_parquet(path).sort("user", "item").rename({"rating": "weight"})
    assert ours.rows() == theirs.rows()
