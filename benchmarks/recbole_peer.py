"""RecBole's BPR behind the interface of `peers`."""

import contextlib
import functools
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from peers import Factors, Known, repeat, torch_threads

from recneg import Interactions

__all__ = ["RecBoleBPR", "recbole_data"]

NAME = "train"


class RecBoleBPR:
    """`recbole.model.general_recommender.BPR` with RecBole's sampler, loader and trainer.

    An epoch visits every positive once, in batches, with a negative that is drawn again while it is
    seen; Adam moves whole tables. There are no biases. RecBole draws from the global generators of
    NumPy and torch, which the first call of `advance` seeds.
    """

    def __init__(
        self,
        train: Interactions,
        *,
        factors: int,
        seed: int,
        num_threads: int,
        data: Any = None,
        **config: Any,
    ) -> None:
        from recbole.data.dataloader import TrainDataLoader

        users, items, self._dataset, sampler = data or recbole_data(train)
        self._known = Known(train, users, items)
        self._config = recbole_config(_folder(), embedding_size=factors, seed=seed, **config)
        self._loader = TrainDataLoader(self._config, self._dataset, sampler, shuffle=True)
        self._trainer: Any = None
        self._num_threads = num_threads

    def advance(self, iterations: int, callback: Callable[..., None] | None = None) -> None:
        """Train for more epochs, without evaluation; `callback` is called after each."""
        with (
            torch_threads(self._num_threads),
            contextlib.chdir(_folder()),  # the trainer's logs for TensorBoard go to where it is
            warnings.catch_warnings(action="ignore", category=FutureWarning),
        ):
            self._trainer = self._trainer or self._start()
            repeat(self._epoch, iterations, callback)

    def _epoch(self) -> None:
        trainer = self._trainer
        trainer.epochs = trainer.start_epoch + 1
        trainer.fit(self._loader, verbose=False, saved=False)
        trainer.start_epoch = trainer.epochs

    def _start(self) -> Any:
        from recbole.model.general_recommender.bpr import BPR
        from recbole.trainer import Trainer
        from recbole.utils import init_seed

        init_seed(self._config["seed"], self._config["reproducibility"])
        model = BPR(self._config, self._dataset).to(self._config["device"])
        return Trainer(self._config, model)

    def factors(self) -> Factors:
        """Return the factors in the index space of `train`, with a bias column."""
        import torch
        from recbole.data.interaction import Interaction

        known, model = self._known, self._trainer.model

        def score(user: int, item: int) -> Any:
            tokens = {"user_id": str(known.users[user]), "item_id": str(known.items[item])}
            ids = {name: [self._dataset.token2id(name, token)] for name, token in tokens.items()}
            pair = Interaction({name: torch.tensor(each) for name, each in ids.items()})
            return model.predict(pair)[0]

        tables = (model.user_embedding, model.item_embedding)
        with torch_threads(self._num_threads), torch.no_grad():
            found = known.spread(*(table.weight[1:].numpy() for table in tables))
            known.check(found, score)
        return found


def recbole_data(
    train: Interactions, law: str = "uniform", exponent: float = 1.0
) -> tuple[NDArray[Any], NDArray[Any], Any, Any]:
    """Return the users and items of RecBole's indices without padding, its data set and sampler.

    `law` is ``"uniform"`` or ``"popularity"``, the latter with an exponent.
    """
    from recbole.data.dataset import Dataset
    from recbole.sampler import Sampler

    pairs = {"user_id:token": train.users(), "item_id:token": train.indices}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAME / f"{NAME}.{NAME}.inter"
        path.parent.mkdir()
        pl.DataFrame(pairs).write_csv(path, separator="\t")
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            (data,) = Dataset(recbole_config(folder, benchmark_filename=[NAME])).build()
    sampler = Sampler([NAME], [data], law, exponent).set_phase(NAME)
    users, items = (data.field2id_token[name][1:].astype(int) for name in ("user_id", "item_id"))
    return users, items, data, sampler


def recbole_config(folder: str, **options: Any) -> Any:
    """Return RecBole's defaults but for the options, on the CPU, with all its files in a folder."""
    from recbole.model.general_recommender.bpr import BPR

    places = {"data_path": folder, "checkpoint_dir": folder}
    quiet = {"gpu_id": "", "use_gpu": False, "show_progress": False}
    return _config_class()(BPR, NAME, config_dict=places | quiet | options)


def _folder() -> str:
    """Return a folder that lasts as long as the process: loggers write to it from threads."""
    return _kept_folder().name


@functools.cache
def _kept_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


@functools.cache
def _config_class() -> Any:
    """Return RecBole's `Config` made to work with NumPy 2 and beside arguments of our own.

    `Config` of 1.2.1 restores the names that NumPy 1.24 removed, from names that NumPy 2 removed;
    training needs ``numpy.float`` alone. It also takes any ``--name=value`` of the command line.
    """
    from recbole.config import Config

    class NumPy2Config(Config):  # type: ignore[misc]
        def compatibility_settings(self) -> None:
            vars(np)["float"] = np.float64

        def _load_cmd_line(self) -> dict[str, Any]:
            return {}

    return NumPy2Config
