"""The commands and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from recneg.cli.options import DataOptions, ModelOptions, SourceOptions

__all__ = ["app"]

app = App(
    name="recneg",
    help="Negative sampling for implicit-feedback recommenders: draw, train, evaluate honestly.",
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,
    help_format="markdown",
    default_parameter=Parameter(negative_iterable=(), show_env_var=False),
)


def _version() -> str:
    from recneg import __version__

    return __version__


app.version = _version

DEFAULT_SAMPLERS = (
    "uniform",
    "uniform:unseen=false",
    "popularity:exponent=0.5",
    "popularity:exponent=0.75",
    "popularity:exponent=1",
)

DATA = DataOptions()
MODEL = ModelOptions()
SOURCE = SourceOptions()


@app.command
def compare(
    *,
    samplers: Annotated[list[str], Parameter(consume_multiple=True)] = list(DEFAULT_SAMPLERS),  # noqa: B006
    k: int = 20,
    out: Path | None = None,
    model: str = "bpr",
    loss: str | None = None,
    optimizer: str | None = None,
    preset: Annotated[bool, Parameter(negative=())] = False,
    data: Annotated[DataOptions, Parameter(name="*")] = DATA,
    options: Annotated[ModelOptions, Parameter(name="*")] = MODEL,
) -> None:
    """Train one model once per sampler on the same split and print what each sampler gives.

    Columns: Recall and NDCG on test with 95 % confidence intervals over users; the share of the
    catalogue that is recommended to anyone; the mean training count of the drawn negatives; the
    share of them that are held-out positives of the user; training triples a second.

    Parameters
    ----------
    samplers
        Names from recneg samplers, separated by spaces, each with options if wanted, as in
        popularity:exponent=0.5,unseen=false.
    k
        Length of the recommendation lists.
    out
        Folder for the table (Parquet and Markdown), a plot of NDCG against training time, and the
        exact configuration. Needs matplotlib.
    model
        What is trained, as in recneg train; nbpo draws its own negatives and cannot be.
    loss
        As in recneg train.
    optimizer
        As in recneg train.
    preset
        As in recneg train.
    """
    from recneg.cli.compare import run
    from recneg.cli.models import Choices

    choices = Choices(model, None, loss, optimizer, preset)
    run(samplers, k, out, choices, data, options)


@app.command
def train(
    out: Path,
    *,
    model: str = "bpr",
    sampler: str | None = None,
    loss: str | None = None,
    optimizer: str | None = None,
    preset: Annotated[bool, Parameter(negative=())] = False,
    checkpoint: Path | None = None,
    data: Annotated[DataOptions, Parameter(name="*")] = DATA,
    options: Annotated[ModelOptions, Parameter(name="*")] = MODEL,
) -> None:
    """Train a model and save it.

    Parameters
    ----------
    out
        File to write: model.safetensors, say. Models are kept in this format alone.
    model
        A name from recneg models, with options if wanted, as in simplex:gamma=0.5.
    sampler
        A name from recneg samplers, with options if wanted, as in
        popularity:exponent=0.5,unseen=false.
    loss
        A name from recneg models, with options if wanted, as in bsl:temperature=0.1; for mf,
        simplex and tron.
    optimizer
        sgd, adagrad or adam, with options if wanted, as in adam:learning_rate=0.001; for mf,
        simplex and tron.
    preset
        Start from the options that were published for the model and the data set.
    checkpoint
        File to write during training, and to go on from if it is there: run.safetensors, say.
    """
    from recneg.cli.models import Choices, train_model

    choices = Choices(model, sampler, loss, optimizer, preset)
    train_model(out, choices, checkpoint, data, options)


@app.command
def evaluate(
    model: Path,
    *,
    k: Annotated[list[int], Parameter(consume_multiple=True)] = [5, 10, 20],  # noqa: B006
    out: Path | None = None,
) -> None:
    """Evaluate a saved model on the test part of the split that it was trained with.

    The data are loaded and split again as they were in training; a split that is not the same, by
    its checksum, is refused.

    Parameters
    ----------
    model
        File that recneg train wrote.
    k
        Lengths of the recommendation lists.
    out
        Parquet file to write the table to.
    """
    from recneg.cli.models import evaluate_model

    evaluate_model(model, k, out)


@app.command
def recommend(
    model: Path,
    user: str,
    *,
    n: int = 10,
) -> None:
    """Print a user's best unseen items, or what comes next in a session, with titles if known.

    Unseen means in neither train nor validation; the last column marks items that are in test. Of
    a test session the last event is held back. The data are loaded again from where they were in
    training.

    Parameters
    ----------
    model
        File that recneg train wrote.
    user
        The id of the user, or of a test session, in the data.
    n
        How many items.
    """
    from recneg.cli.models import recommend_items

    recommend_items(model, user, n)


@app.command
def sample(
    out: Path,
    *,
    sampler: str = "uniform",
    num_negatives: int = 1,
    exhausted: Literal["error", "mask"] = "error",
    data: Annotated[SourceOptions, Parameter(name="*")] = SOURCE,
) -> None:
    """Draw negatives for every interaction of a data set or file.

    Writes Parquet with the columns row (number of the interaction in the file, from 0), user, item
    (the negative) and log_q (natural logarithm of its probability). All interactions count as
    seen. Equal seeds give equal files.

    Parameters
    ----------
    out
        Parquet file to write.
    sampler
        A name from recneg samplers of a law that needs neither a model nor a batch, with options
        if wanted, as in popularity:exponent=0.5,unseen=false.
    num_negatives
        Negatives for each interaction.
    exhausted
        What to do for users without any item to draw: stop, or leave their rows out (mask).
    """
    from recneg.cli.sample import run

    run(out, sampler, num_negatives, exhausted, data)


@app.command
def samplers() -> None:
    """List the ways of drawing negatives: law, options, paper and memory."""
    from recneg.cli.listing import samplers as show

    show()


@app.command
def models() -> None:
    """List the models that recneg train knows, with their options, losses and optimisers."""
    from recneg.cli.listing import models as show

    show()


@app.command
def datasets() -> None:
    """List the data sets that --data knows, and whether each is at hand."""
    from recneg.cli.datasets import run

    run()
