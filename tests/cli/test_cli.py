"""Every command end to end on small data; wrong arguments give one line and exit code 2."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recneg.catalogue import CATALOGUE, LOSSES, MODELS, OPTIMIZERS, load_model
from recneg.cli import main
from recneg.cli.data import load_data, make_split, training_dislikes
from recneg.cli.options import DataOptions
from recneg.interactions import Interactions
from recneg.parallel import get_num_threads
from recneg.samplers import Popularity

M = "m.safetensors"
FAST = ["--epochs", "6", "--factors", "8", "--evaluate-every", "2"]


def run(*arguments: object) -> None:
    main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "model.safetensors"
    run("train", path, *FAST, "--threads", "1")
    return path


def test_compare_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "report"
    names = ["uniform", "popularity:exponent=0.5"]
    run("compare", "--samplers", *names, "--k", "10", "--out", out, "--seed", "4", *FAST)
    printed = capsys.readouterr().out
    for word in ("Recall@10", "NDCG@10", "coverage", "popularity", "false", "triples", *names):
        assert word in printed
    table = pl.read_parquet(out / "comparison.parquet")
    assert table["sampler"].to_list() == names
    for row in table.iter_rows(named=True):
        assert 0 < row["recall@10 low"] < row["recall@10"] < row["recall@10 high"] < 1
        assert 0 < row["false negative rate"] < row["false negatives"] < 1
        assert row["triples per second"] > 1000
    popularity = table["negatives popularity"].to_list()
    assert popularity[0] < popularity[1]  # the popular law draws more popular negatives
    curves = pl.read_parquet(out / "curves.parquet")
    assert curves.group_by("sampler").len()["len"].to_list() == [3, 3]
    markdown = (out / "comparison.md").read_text().splitlines()
    assert len(markdown) == 4
    assert markdown[0].startswith("| sampler | Recall@10")
    configuration = json.loads((out / "configuration.json").read_text())
    assert configuration["samplers"] == names
    assert configuration["trainer"]["seed"] == 4
    assert [each["unseen"] for each in configuration["switches"].values()] == [True] * len(names)
    assert configuration["threads"] == get_num_threads()
    assert {"recneg", "polars"} <= configuration["versions"].keys()
    assert len(configuration["split"]["checksum"]) == 16
    assert (out / "ndcg.png").read_bytes()[:4] == b"\x89PNG"
    assert sorted(path.name for path in out.iterdir()) == [
        "comparison.md", "comparison.parquet", "configuration.json", "curves.parquet", "ndcg.png",
    ]  # fmt: skip


@pytest.mark.parametrize("none", ["none", "None"])
def test_patience_none_trains_for_all_epochs(
    none: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--epochs", "30", "--factors", "4", "--evaluate-every", "1", "--threads", "1"]
    rate = ["--learning-rate", "0.5"]  # too high: later epochs are worse
    run("train", tmp_path / "a.safetensors", *options, *rate)
    assert "30 epochs" not in capsys.readouterr().out
    run("train", tmp_path / "b.safetensors", *options, *rate, "--patience", none)
    assert "30 epochs" in capsys.readouterr().out
    run("train", tmp_path / "c.safetensors", *options, *rate, "--model", f"bpr:patience={none}")
    one, two = (load_model(tmp_path / f"{name}.safetensors") for name in "bc")
    assert one.options.patience is None
    assert np.array_equal(one.item_factors, two.item_factors)


def test_evaluate_is_repeatable(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "metrics.parquet"
    run("evaluate", model, "--k", "5", "20", "--out", out)
    first = capsys.readouterr().out
    assert "ndcg" in first
    assert "0 without test items" in first
    frame = pl.read_parquet(out)
    assert set(frame["k"]) == {5, 20}
    run("evaluate", model, "--k", "5", "20")
    assert capsys.readouterr().out == first


def test_recommend_prints_titles(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("recommend", model, "15", "--n", "4")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("user 15, who has")
    assert sum("(19" in line or "(20" in line for line in lines) == 4  # titles end with the year


def test_train_resumes_from_a_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--threads", "1", "--checkpoint", tmp_path / "c.safetensors", *FAST]
    run("train", tmp_path / "a.safetensors", *options)
    assert "went on" not in capsys.readouterr().out
    run("train", tmp_path / "b.safetensors", *options)
    assert "went on after epoch 6 of" in capsys.readouterr().out
    contents = [(tmp_path / f"{name}.safetensors").read_bytes() for name in "ab"]
    assert contents[0] == contents[1]


def test_sample_writes_the_law_it_claims(tmp_path: Path) -> None:
    source = tmp_path / "clicks.csv"
    source.write_text("user,item\n7,10\n7,11\n9,10\n7,10\n8,12\n")
    out = tmp_path / "negatives.parquet"
    run("sample", out, "--data", source, "--sampler", "popularity:exponent=1",
        "--num-negatives", "3", "--seed", "5")  # fmt: skip
    frame = pl.read_parquet(out)
    assert frame.columns == ["row", "user", "item", "log_q"]
    assert frame["row"].to_list() == [row for row in range(5) for _ in range(3)]
    assert frame["user"].to_list()[:3] == [7, 7, 7]
    data = Interactions.from_file(source)
    log_q = Popularity(data, 1.0).log_prob(
        data.user_index(frame["user"]), data.item_index(frame["item"])
    )
    assert frame["log_q"].to_numpy() == pytest.approx(log_q)
    seen = {(7, 10), (7, 11), (9, 10), (8, 12)}
    assert not seen & set(frame.select("user", "item").rows())
    again = tmp_path / "again.parquet"
    run("sample", again, "--data", source, "--sampler", "popularity:exponent=1",
        "--num-negatives", "3", "--seed", "5")  # fmt: skip
    assert pl.read_parquet(again).equals(frame)


def test_sample_of_labels_names_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "clicks.csv", tmp_path / "negatives.parquet"
    source.write_text("user,item\nann,tea\nann,jam\nbob,tea\n")
    with pytest.raises(SystemExit):
        run("sample", out, "--data", source)
    assert "(read labels with --ids string); got 'ann'" in capsys.readouterr().err
    source.write_text("user,item\nann,tea\nbob,tea\nbob,jam\neve,ham\n")
    run("sample", out, "--data", source, "--ids", "string")
    drawn = pl.read_parquet(out).select("row", "user", "item").rows()
    assert [row[:2] for row in drawn] == [(0, "ann"), (1, "bob"), (2, "bob"), (3, "eve")]
    assert {row[2] for row in drawn} <= {"tea", "jam", "ham"}
    assert drawn[1][2] == "ham"


def test_datasets_says_what_is_at_hand(capsys: pytest.CaptureFixture[str]) -> None:
    run("datasets")
    lines = capsys.readouterr().out.splitlines()
    (sample,) = [line for line in lines if line.strip().startswith("sample ")]
    assert "yes" in sample
    assert any("movielens-32m" in line for line in lines)
    assert any("simulated" in line for line in lines)


def test_samplers_lists_every_entry(capsys: pytest.CaptureFixture[str]) -> None:
    run("samplers")
    text = capsys.readouterr().out
    first_words = {line.split()[0] for line in text.splitlines() if line.strip()}
    assert set(CATALOGUE) <= first_words, "names must not be broken"
    assert "exponent=0.75" in text
    assert "KDD" in text


def test_models_lists_every_one(capsys: pytest.CaptureFixture[str]) -> None:
    run("models")
    printed = capsys.readouterr().out
    words = set(printed.split())
    assert {*MODELS, *LOSSES, *OPTIMIZERS} <= words
    assert "gamma=0.5" in printed
    plain = " ".join(printed.split())
    for listed in ("local=squared | log", "redraw=batch | event", "activation=tanh | relu | atan"):
        assert listed in plain


def test_every_kind_of_model_is_trained_and_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a loss, an optimiser and a sampler by name; options of the run arrive."""
    path = tmp_path / "mf.safetensors"
    run(
        "train", path, *FAST, "--model", "mf:score=cosine,num_negatives=8", "--loss",
        "bsl:temperature=0.2", "--optimizer", "adam:learning_rate=0.01", "--sampler",
        "popularity:exponent=0.5", "--data", "simulated", "--patience", "none", "--seed", "3",
    )  # fmt: skip
    run("evaluate", path, "--k", "10")
    printed = capsys.readouterr().out
    assert "6 epochs in" in printed
    assert "ndcg" in printed
    made = load_model(path)
    found = made.manifest()
    assert found["loss"] == {"name": "BSLLoss", "temperature": 0.2, "exponent": 1.1,
                             "variant": "multi"}  # fmt: skip
    assert (found["factors"], found["score"], found["patience"], found["seed"]) == (
        8, "cosine", None, 3,
    )  # fmt: skip
    assert made.run["sampler"] == "popularity:exponent=0.5"


SESSIONS = (
    "--model", "tron:factors=8,top_k=5,num_negatives=20,num_in_batch=4,batch_size=16", "--epochs",
    "2", "--threads", "1",
)  # fmt: skip


def test_a_model_of_sequences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a file, held out by time: trained with a checkpoint, evaluated, recommending."""
    events, path = tmp_path / "events.csv", tmp_path / "tron.safetensors"
    rows = [f"{100 + s},{(s + i) % 9},{s * 10 + i}" for s in range(60) for i in range(s % 4 + 2)]
    events.write_text("\n".join(["session,item,timestamp", *rows]) + "\n")
    saved = tmp_path / "run.safetensors"
    data = ["--data", events, "--checkpoint", saved]
    run("train", path, *SESSIONS, *data)
    run("train", path, *SESSIONS, *data)
    printed = " ".join(capsys.readouterr().out.split())
    assert "train 43 sequences, validation 5, test 12" in printed
    assert "best validation Recall@20 1.0000" in printed  # there are 9 items
    assert f"went on after epoch 2 of {saved}" in printed
    run("evaluate", path, "--k", "1", "20", "--out", tmp_path / "m.parquet")
    assert "events, 0 of them of items that train lacks" in capsys.readouterr().out
    table = pl.read_parquet(tmp_path / "m.parquet")
    assert set(table["metric"]) == {"recall", "mrr", "ndcg"}
    run("recommend", path, "159", "--n", "9")
    printed = capsys.readouterr().out
    assert "after 4 events of sequence 159" in printed
    assert "yes" in printed
    for who, message in (("100", "must occur in the data"), ("x", "are integers; got 'x'")):
        with pytest.raises(SystemExit):
            run("recommend", path, who)
        assert message in capsys.readouterr().err


def test_sequences_without_times_are_not_split_by_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = tmp_path / "events.csv"
    events.write_text("session,item\n" + "".join(f"{s},{s % 5}\n{s},{s % 3}\n" for s in range(30)))
    with pytest.raises(SystemExit):
        run("train", tmp_path / M, *SESSIONS, "--data", events)
    assert "a split by time needs timestamps" in capsys.readouterr().err


def test_histories_lose_their_last_events(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.safetensors"
    run("train", path, *SESSIONS)
    run("evaluate", path, "--k", "10")
    printed = capsys.readouterr().out
    assert "targets 'last'" in printed
    assert "671 events, " in printed
    run("recommend", path, "42")
    assert "title" in capsys.readouterr().out


def test_compare_takes_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "report"
    run("compare", "--samplers", "uniform", "popularity", "--model", "mf:visit=users,redraw=batch",
        "--loss", "sampled_softmax", "--optimizer", "adam:learning_rate=0.02", "--out", out,
        *FAST)  # fmt: skip
    assert "popularity" in capsys.readouterr().out
    made = json.loads((out / "configuration.json").read_text())["trainer"]
    assert (made["visit"], made["loss"]["name"]) == ("users", "SampledSoftmaxLoss")


def test_compare_runs_mining_and_laws_that_follow_something(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = ["hardest:candidates=3", "softmax:temperature=2", "in-batch", "exposed:share=0.3"]
    run("compare", "--samplers", *names, "--threshold", "4", *FAST)
    out = capsys.readouterr().out
    assert all(name in out for name in names)


def test_compare_tells_in_a_pipe_where_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("recneg.training.progress.BETWEEN_LINES", 0.0)
    run("compare", "--samplers", "uniform", "popularity", "--epochs", "2", "--factors", "4")
    lines = [line.split(",")[0] for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        f"{name}: epoch {n} of 2" for name in ("uniform", "popularity") for n in (1, 2)
    ]


def test_compare_without_a_timed_epoch_shows_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    for epochs in ("0", "1"):
        run("compare", "--samplers", "uniform", "--epochs", epochs, "--factors", "4")
        (line,) = [row for row in capsys.readouterr().out.splitlines() if " uniform " in row]
        assert line.split()[-1] == "-"


def test_needs_are_checked_before_anything_is_trained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["compare", "--samplers", "uniform", "exposed", "--epochs", "1000000"])
    assert "exposed must have impressions" in capsys.readouterr().err


def test_dislikes_of_a_file_are_what_exposed_draws(tmp_path: Path) -> None:
    source, out = tmp_path / "ratings.csv", tmp_path / "negatives.parquet"
    source.write_text(
        "user,item,rating\n1,10,5\n1,11,1\n1,12,2\n2,11,5\n2,12,4\n2,10,1\n3,10,1\n2,13,1\n"
    )
    run("sample", out, "--data", source, "--threshold", "4", "--sampler", "exposed:share=1",
        "--num-negatives", "20")  # fmt: skip
    drawn = set(pl.read_parquet(out).select("user", "item").rows())
    assert drawn == {(1, 11), (1, 12), (2, 10)}  # user 3 and item 13 are liked by or of nobody


@pytest.mark.parametrize("how", ["random", "time", "leave-last"])
def test_dislikes_are_held_out_as_likes_are(how: str) -> None:
    """No dislike of the held-out time or part may reach training."""
    options = DataOptions(data="sample", threshold=4.0, split=how)
    loaded = load_data(options)
    split = make_split(loaded, options)
    shown = training_dislikes(loaded, split, options)
    assert 0 < len(shown) < len(loaded.dislikes)
    for part in (split.train, split.validation, split.test):
        assert not part.contains(shown.users(), shown.indices).any()
    if how == "random":
        assert abs(len(shown) / len(loaded.dislikes) - 0.7) < 0.02
    if how == "time":
        assert shown.timestamps.max() <= split.train.timestamps.max()
        assert shown.timestamps.max() < split.test.timestamps.min()
    if how == "leave-last":
        for user in np.unique(shown.users())[:50]:
            mine = shown.timestamps[shown.users() == user]
            held = split.test.timestamps[split.test.users() == user]
            assert held.size == 0 or mine.max() < held.min()


@pytest.mark.parametrize("end", ["", ".5"])
def test_sample_gives_rows_their_times(end: str, tmp_path: Path) -> None:
    source, out = tmp_path / "clicks.csv", tmp_path / "negatives.parquet"
    clicks = [(1, 10, "01:40"), (2, 11, "02:30"), (1, 12, "03:20"), (3, 13, "05:00")]
    rows = [f"{user},{item},1970-01-01 00:{time}{end}" for user, item, time in clicks]
    source.write_text("\n".join(["user,item,time", *rows, f"1,13,1970-01-01 00:05:01{end}", ""]))
    run("sample", out, "--data", source, "--sampler", "time-aware", "--exhausted", "mask",
        "--num-negatives", "30")  # fmt: skip
    drawn = set(pl.read_parquet(out).select("row", "item").rows())
    assert drawn == {(1, 10), (2, 11), (3, 10), (3, 11), (3, 12), (4, 11)}


@pytest.mark.parametrize("split", ["random", "leave-last", "time"])
def test_every_split(split: str, tmp_path: Path) -> None:
    run("train", tmp_path / "m.safetensors", "--split", split, *FAST)
    run("evaluate", tmp_path / "m.safetensors", "--k", "10")


def test_one_of_a_thing_is_singular(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, path = tmp_path / "clicks.csv", tmp_path / "m.safetensors"
    source.write_text("user,item,time\n1,1,1\n1,2,2\n1,3,3\n2,4,1\n")
    data = ["--data", source, "--split", "leave-last"]
    run("train", path, *data, "--epochs", "1", "--factors", "2", "--threads", "1")
    run("evaluate", path, "--k", "1")
    run("recommend", path, "2")
    printed = capsys.readouterr().out
    for words in ("1 epoch in ", "1 user; 1 without", "who has 1 item in"):
        assert words in printed


def test_simulated_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("compare", "--data", "simulated", "--samplers", "uniform", *FAST)
    assert "simulated: Split(2000 users, 1500 items" in capsys.readouterr().out


def test_changed_data_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "clicks.csv"
    rows = [f"{user},{item}\n" for user in range(30) for item in range(user % 7, 25, 2)]
    source.write_text("user,item\n" + "".join(rows))
    run("train", tmp_path / "m.safetensors", "--data", source, *FAST)
    source.write_text("user,item\n" + "".join(rows[:-5]))
    with pytest.raises(SystemExit) as exit_:
        run("evaluate", tmp_path / "m.safetensors")
    assert exit_.value.code == 1
    assert "split checksum" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["frobnicate"], "Unknown command"),
        (["compare", "--bogus", "3"], "Unknown option: --bogus"),
        (["compare", "--epochs", "many"], "epochs"),
        (["compare", "--epochs", "-3"], "epochs"),
        (["compare", "--samplers", "foo"], "must be one of uniform, popularity, .* got 'foo'"),
        (["compare", "--samplers", "popularity:base=2"], "exponent, floor, unseen; got 'base"),
        (["compare", "--samplers", "hardest:candidates=4,among=9"], "among must not exceed"),
        (["compare", "--samplers", "midx:codewords=100000"], "at most 4096; got 100000"),
        (["compare", "--samplers", "exposed"], "must have impressions or dislikes"),
        (["sample", "a.parquet", "--sampler", "softmax"], "law of the data alone"),
        (["compare", "--samplers", "popularity:exponent=x"], "must be a float; got 'x'"),
        (["compare", "--samplers", "uniform", "uniform"], "must differ"),
        (["compare", "--k", "0"], "k must be an integer of at least 1; got 0"),
        (["compare", "--test", "1.5"], "test fraction must lie in"),
        (["compare", "--split", "given"], "needs data with a split of its own"),
        (["compare", "--data", "nosuch"], "--data must be one of .*simulated, or a file"),
        (["compare", "--data", "missing.csv"], "file must exist; got missing.csv"),
        (["compare", "--threshold", "9"], "at least 9"),
        (["compare", "--seed", "-1"], r"must lie in \[0, 2\*\*64\)|seed"),
        (["compare", "--split", "leave-last", "--data", "simulated"], "needs .*--timestamp names"),
        (
            ["compare", "--data", "simulated", "--threshold", "3"],
            "threshold must be of data with",
        ),
        (
            ["compare", "--data", "simulated", "--fold", "u1"],
            "must be of a data set that has folds",
        ),
        (["train", M, "--model", "tron", "--timestamp", "t"], "must be of a file; .* --timestamp"),
        (["compare", "--samplers", "popularity:floor=1,floor=2"], "once; got floor twice in"),
        (
            ["train", M, "--validation", "0"],
            "choosing the epoch needs validation .* --patience none",
        ),
        (
            ["compare", "--validation", "0"],
            "choosing the epoch needs validation .* --patience none",
        ),
        (["train", "/proc/m.safetensors"], "folder of /proc/m.safetensors must be writable"),
        (["compare", "--out", "/proc/report"], "/proc/report"),
        (["train"], "train.*requires an argument"),
        (["train", "model.pt"], "model is a safetensors file .* end in .safetensors; got model.pt"),
        (["train", M, "--checkpoint", "run"], "checkpoint is a safetensors file .*; got run$"),
        (["evaluate", M, "--out", "m.csv"], "table is a Parquet file .* .parquet or .pq; got m.cs"),
        (
            ["train", "/nonexistent/x.safetensors"],
            "folder of /nonexistent/x.safetensors must exist",
        ),
        (["train", M, "--factors", "0"], "factors: .*got 0"),
        (["train", M, "--patience", "0"], "patience: .*1, or none for no early stop, got 0"),
        (["train", M, "--model", "bpr:patience=0"], "or none for no early stop, got 0"),
        (["train", M, "--patience", "often"], "Invalid value for --patience"),
        (
            ["train", M, "--model", "bpr:epochs=2", "--epochs", "5"],
            "once; got .* and --epochs",
        ),
        (["train", M, "--checkpoint", M], "two files; got m.safetensors for both"),
        (["train", M, "--checkpoint", "none/c.safetensors"], "folder of none/c"),
        (["train", M, "--user", "u"], "must be of a file; got --data sample"),
        (["train", M, "--model", "als"], "model must be one of bpr, .*got 'als'"),
        (["train", M, "--model", "nbpo", "--sampler", "uniform"], "must keep its own sampler"),
        (["train", M, "--loss", "bsl"], "given loss must be one of mf"),
        (["train", M, "--model", "mf", "--preset"], "preset must be one of"),
        (["train", M, "--model", "mf", "--learning-rate", "1"], "options of mf must be among"),
        (["train", M, "--model", "tron", "--split", "random"], "must be split by auto, given"),
        (["train", M, "--model", "tron", "--threshold", "4"], "not of sequences; .* --threshold"),
        (["train", M, "--model", "tron", "--weight", "w"], "not of sequences; .* --weight"),
        (["train", M, "--model", "tron", "--data", "simulated"], "data of a model of seq"),
        (["compare", "--model", "tron"], "must be given a model of users; got tron"),
        (["compare", "--model", "nbpo"], "must keep its own sampler"),
        (["evaluate", "none.safetensors"], "must exist; got none.safetensors"),
        (
            ["sample", "n.parquet", "--num-negatives", "0"],
            "num_negatives must be an integer of at least 1",
        ),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    import re

    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    captured = capsys.readouterr()
    assert exit_.value.code == 2
    assert captured.out == ""
    assert captured.err.startswith("recneg: ")
    assert captured.err.count("\n") == 1
    assert re.search(message, captured.err), captured.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1,2\n1,x3\n", "line 3: .*(read labels with --ids string); got 'x3'"),
        (
            "1,2\n1,3\n2,2\n",
            "1 of this batch has none: 0 (id 1) "
            "(drop them; sample alone can leave them out, with --exhausted mask)",
        ),
    ],
)
def test_errors_name_options_and_no_arguments(
    rows: str, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import re

    path = tmp_path / "data.csv"
    path.write_text("user,item\n" + rows, "utf-8")
    with pytest.raises(SystemExit):
        run("sample", tmp_path / "out.parquet", "--data", path)
    pattern = re.escape(message).replace(r"\.\*", ".*")
    assert re.search(pattern, capsys.readouterr().err)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("visitor,thing\n1,2\n", "name with --user one of ['visitor', 'thing']"),
        ("user,item\n1,2\n2,3\n", "with --patience none the last epoch is kept"),
    ],
)
def test_errors_of_training_name_options(
    text: str, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "data.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(SystemExit):
        run("train", tmp_path / "model.safetensors", "--data", path)
    assert message in capsys.readouterr().err


def test_unknown_users(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for user, message in (("99999", "must occur in the data; got 99999"), ("Ann", "got 'Ann'")):
        with pytest.raises(SystemExit) as exit_:
            run("recommend", model, user)
        assert exit_.value.code == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", ["", "compare", "train", "evaluate", "recommend", "sample"])
def test_help_is_useful_and_imports_nothing_heavy(command: str) -> None:
    code = (
        "import sys\nfrom recneg.cli import main\n"
        f"try:\n    main({[*command.split(), '--help']!r})\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'numba', 'matplotlib', 'polars', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "Usage: recneg" in ran.stdout
    if command in ("compare", "train", "sample"):
        assert "--data" in ran.stdout
        assert "--samplers" in ran.stdout or "--sampler" in ran.stdout


def test_no_traceback_on_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("recneg.training.BPR.fit", interrupt)
    with pytest.raises(SystemExit) as exit_:
        run("compare", *FAST)
    assert exit_.value.code == 130
    assert capsys.readouterr().err.endswith("recneg: interrupted\n")


def test_exhausted_users_are_named_or_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "clicks.csv", tmp_path / "negatives.parquet"
    source.write_text("user,item\n7,1\n7,2\n9,1\n")
    with pytest.raises(SystemExit):
        run("sample", out, "--data", source)
    assert "has none: 0 (id 7)" in capsys.readouterr().err
    run("sample", out, "--data", source, "--exhausted", "mask")
    assert pl.read_parquet(out).select("row", "user", "item").rows() == [(2, 9, 2)]
    with pytest.raises(SystemExit):
        run("sample", tmp_path / "n.csv", "--data", source)
    assert "its name must end in .parquet or .pq" in capsys.readouterr().err


def test_python_m_recneg() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "recneg", "--version"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "0.1.0"


def test_a_mistyped_name_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, hint in (
        (("compare", "--data", "movielens-100K"), "did you mean movielens-100k?"),
        (("compare", "--samplers", "popularty"), "did you mean popularity?"),
        (("compare", "--samplers", "popularity:exponant=0.5"), "did you mean exponent?"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main([*arguments])
        assert hint in capsys.readouterr().err


@pytest.mark.parametrize("width", [80, 110])
def test_numbers_of_samplers_are_never_cut(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("recneg.cli.tables.WIDTH_OF_FILES", width)
    run("samplers")
    shown = capsys.readouterr().out.splitlines()
    numbers = {line.split()[0]: line.split() for line in shown if line.strip()}  # of the last table
    assert numbers["popularity"][-3:] == ["33", "32", "2"]
    assert numbers["midx"][-4:] == ["d", "+", "20", "4"]


def test_options_that_the_data_have_not_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text("user,item\n1,2\n1,3\n2,2\n2,4\n")
    with pytest.raises(SystemExit):
        run("train", tmp_path / M, "--data", path, "--fold", "u1")
    assert "--fold must be of a data set that has folds" in capsys.readouterr().err


def test_columns_found_by_their_names_can_be_left_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "events.csv", tmp_path / "n.parquet"
    path.write_text("user,item,value,date\n1,2,view,03/01/2020\n1,3,buy,x\n2,4,view,\n")
    with pytest.raises(SystemExit):
        run("sample", out, "--data", path)
    assert "--weight none leaves this column" in capsys.readouterr().err
    run("sample", out, "--data", path, "--weight", "none", "--timestamp", "none")
    assert pl.read_parquet(out).height == 3


def test_ids_titles_and_paths_are_no_markup(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "w[a]"
    folder.mkdir()
    items = ("[/x]", "[b]", ":smile:", "[red]t")
    lines = [f"u{user},{item}" for user in range(8) for item in items]
    (folder / "c.csv").write_text("user,item\n" + "\n".join(lines) + "\nu0,other\nu0,more\n")
    fast = ["--epochs", "1", "--factors", "2", "--patience", "none", "--test", "0.5"]
    run("train", folder / M, "--data", folder / "c.csv", "--ids", "string", *fast)
    assert f"next: recneg evaluate {folder / M}" in capsys.readouterr().out.replace("\n", "")
    run("recommend", folder / M, "u1", "--n", "6")
    printed = capsys.readouterr().out
    assert sum(word in printed for word in items) >= 2


def test_a_full_disk_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import safetensors.numpy
    from safetensors import SafetensorError

    def full(*_: object) -> None:
        raise SafetensorError("No space left on device")

    monkeypatch.setattr(safetensors.numpy, "save_file", full)
    with pytest.raises(SystemExit) as exit_:
        run("train", tmp_path / M, *FAST)
    assert exit_.value.code == 2
    assert "m.safetensors could not be written: No space left" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_model_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / M).mkdir()
    with pytest.raises(SystemExit):
        run("train", tmp_path / M)
    captured = capsys.readouterr()
    assert "must be a file; got a folder" in captured.err
    assert "epoch" not in captured.err


def test_what_train_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{user},{(user * 7 + step) % 23}" for user in range(40) for step in range(6)]
    path = tmp_path / "clicks.csv"
    path.write_text("user,item\n" + "\n".join(rows + rows[:5]) + "\n")
    fast = ["--data", path, "--epochs", "4", "--factors", "4", "--evaluate-every", "2"]
    run("train", tmp_path / M, *fast, "--patience", "none")
    printed = capsys.readouterr().out
    assert "5 rows repeated a pair and were merged" in printed
    assert "last validation NDCG@20" in printed
    run("train", tmp_path / M, *fast)
    assert "best validation NDCG@20" in capsys.readouterr().out
    run("train", tmp_path / M, *fast, "--patience", "none", "--validation", "0")
    assert "validation 0" in capsys.readouterr().out
