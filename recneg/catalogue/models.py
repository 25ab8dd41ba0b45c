"""Every trainer by name, with the losses and optimisers that it can be given by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from os import PathLike
from typing import Any, NamedTuple

from recneg.catalogue.parsing import TYPES, name_of, parse_options
from recneg.errors import IntegrityError, InvalidDataError
from recneg.losses import (
    BPRLoss,
    BPRMaxLoss,
    BSLLoss,
    CMLLoss,
    CosineContrastiveLoss,
    DebiasedLoss,
    GBCELoss,
    HardContrastiveLoss,
    LogisticLoss,
    Loss,
    PSLLoss,
    SampledSoftmaxLoss,
    SelfAdversarialLoss,
    SLAtKLoss,
    SoftmaxLoss,
    SquaredLoss,
    WARPLoss,
)
from recneg.training import (
    BPR,
    NBPO,
    SGD,
    TRON,
    UBPR,
    Adagrad,
    Adam,
    Ensemble,
    MatrixFactorization,
    Optimizer,
    RelMF,
    SequenceModel,
    SimpleX,
)
from recneg.training.presets import PRESETS, preset
from recneg.training.storage import load_tensors
from recneg.training.trainer import Trainer

__all__ = [
    "LOSSES",
    "MODELS",
    "OPTIMIZERS",
    "ModelEntry",
    "load_model",
    "model_options",
    "optimizer_options",
    "parse_loss",
    "parse_model",
    "parse_optimizer",
    "passes_on",
]


class ModelEntry(NamedTuple):
    """One trainer.

    Attributes
    ----------
    kind : type
        The class in `recneg.training`.
    what : str
    paper : str
    defaults : dict
        Options of the command line that differ from the class's.
    """

    kind: type[Trainer] | type[SequenceModel]
    what: str
    paper: str
    defaults: dict[str, Any]


_STOPPING: dict[str, Any] = {"patience": 4}

MODELS: dict[str, ModelEntry] = {
    "bpr": ModelEntry(
        BPR, "pairs of a positive and a negative; the fastest engine",
        "Rendle et al., UAI 2009", {"epochs": 200} | _STOPPING,
    ),
    "mf": ModelEntry(
        MatrixFactorization, "any loss, score, optimiser and sharing of negatives", "", _STOPPING
    ),
    "nbpo": ModelEntry(
        NBPO, "votes over noisy labels, whose flips it learns", "Yu & Qin, SIGIR 2020",
        {"patience": 8},
    ),
    "rel_mf": ModelEntry(
        RelMF, "pointwise relevance, inverse propensities", "Saito et al., WSDM 2020", _STOPPING
    ),
    "ubpr": ModelEntry(
        UBPR, "pairwise relevance, inverse propensities", "Saito, ICTIR 2020", _STOPPING
    ),
    "simplex": ModelEntry(
        SimpleX, "users with their history, many negatives, cosines", "Mao et al., CIKM 2021", {}
    ),
    "tron": ModelEntry(
        TRON, "the next item of a session: a transformer, the hardest of many negatives",
        "Wilm et al., RecSys 2023", {"epochs": 100, "patience": 3},
    ),
}  # fmt: skip

LOSSES: dict[str, type[Loss]] = {
    "bpr": BPRLoss,
    "logistic": LogisticLoss,
    "squared": SquaredLoss,
    "cosine_contrastive": CosineContrastiveLoss,
    "sampled_softmax": SampledSoftmaxLoss,
    "softmax": SoftmaxLoss,
    "bsl": BSLLoss,
    "psl": PSLLoss,
    "sl_at_k": SLAtKLoss,
    "bpr_max": BPRMaxLoss,
    "gbce": GBCELoss,
    "debiased": DebiasedLoss,
    "hard_contrastive": HardContrastiveLoss,
    "self_adversarial": SelfAdversarialLoss,
    "warp": WARPLoss,
    "cml": CMLLoss,
}

OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": SGD, "adagrad": Adagrad, "adam": Adam}

NOT_WRITTEN = ("seed", "num_threads", "validation_fraction")
"""Options that a name does not carry: they are the run's."""


def model_options(name: str) -> dict[str, Parameter]:
    """Return the options of a model that can be written in a name, with types and defaults."""
    return {
        option.name: option
        for option in _parameters(name).values()
        if str(option.annotation).partition(" | ")[0] in (*TYPES, "bool")
        and option.name not in NOT_WRITTEN
    }


def parse_model(
    text: str,
    given: Mapping[str, Any] | None = None,
    *,
    loss: Loss | None = None,
    optimizer: Optimizer | None = None,
    dataset: str | None = None,
) -> Callable[..., Any]:
    """Return the maker of the trainer that `text` names.

    The maker takes what else the class takes.

    Parameters
    ----------
    text : str
        As in ``simplex:gamma=0.5,dropout=0.2``.
    given : mapping, optional
        More options; each must be one of the model's, and what `text` says comes first.
    loss : Loss, optional
    optimizer : Optimizer, optional
    dataset : str, optional
        Start from the options that were published for the model and this data set.

    Raises
    ------
    InvalidDataError
        For an unknown name or option, a value of the wrong type, or a loss, an optimiser or a
        preset where there can be none.

    Examples
    --------
    >>> model = parse_model("mf:score=cosine", {"factors": 8}, loss=BSLLoss(0.1, 1.2))(seed=1)
    >>> model.options.score, model.options.factors, model.loss.exponent
    ('cosine', 8, 1.2)
    """
    name = name_of(text, MODELS, "model")
    entry, known = MODELS[name], model_options(name)
    options = dict(entry.defaults)
    written = parse_options(text, known)
    if dataset is not None:
        objective = written.get("objective") or (given or {}).get("objective")
        options = dict(_published(name, dataset, objective))
    for option, value in (given or {}).items():
        if option not in _parameters(name):
            raise InvalidDataError(
                f"options of {name} must be among {', '.join(known)}; got {option}={value}"
            )
        options[option] = value
    for option, thing in (("loss", loss), ("optimizer", optimizer)):
        if thing is None:
            continue
        if option not in _parameters(name):
            able = [each for each in MODELS if option in _parameters(each)]
            raise InvalidDataError(
                f"a model that is given {option} must be one of {', '.join(able)}; got {name}"
            )
        options[option] = thing
    options |= written

    def make(**more: Any) -> Trainer | SequenceModel:
        taken = {key: value for key, value in more.items() if key in _parameters(name)}
        for key, value in more.items():
            if key not in taken and value is not None:
                raise InvalidDataError(f"{name} must keep its own {key}; got {value!r}")
        return entry.kind(**{**options, **taken})

    return make


def passes_on(name: str) -> bool:
    """Tell whether a model has the options of mf beside its own."""
    own = signature(MODELS[name].kind).parameters.values()
    return any(option.kind is Parameter.VAR_KEYWORD for option in own)


def _parameters(name: str) -> dict[str, Parameter]:
    """Return all options of a model, whatever their types."""
    own = dict(signature(MODELS[name].kind).parameters)
    return dict(signature(MatrixFactorization).parameters) | own if passes_on(name) else own


def _published(name: str, dataset: str, objective: str | None) -> dict[str, Any]:
    """Return the preset of a model, and of NBPO that of its objective."""
    methods = {
        "simplex": "SimpleX", "mf": "MF-CCL", "nbpo": "NBPO", "rel_mf": "RelMF", "ubpr": "UBPR"
    }  # fmt: skip
    if name == "nbpo" and objective:
        methods[name] = objective.upper()
    if name not in methods or (methods[name], dataset) not in PRESETS:
        there = ", ".join(
            f"{model} on {data}"
            for model, method in methods.items()
            for kind, data in PRESETS
            if kind == method
        )
        raise InvalidDataError(
            f"a preset must be one of {there}, with the data's published split; "
            f"got {name} on {dataset}"
        )
    return preset(methods[name], dataset).options


def parse_loss(text: str, num_items: int) -> Loss:
    """Return the loss that `text` names, as in ``bsl:temperature=0.1``.

    Parameters
    ----------
    text : str
    num_items : int
        For the losses that need it.
    """
    kind = LOSSES[name_of(text, LOSSES, "loss")]
    known = dict(signature(kind).parameters)
    counted = {"num_items": num_items} if "num_items" in known else {}
    return kind(**counted | parse_options(text, known))


def parse_optimizer(text: str) -> Optimizer:
    """Return the optimiser that `text` names, as in ``adam:learning_rate=0.001,lazy=true``."""
    name = name_of(text, OPTIMIZERS, "optimizer")
    return OPTIMIZERS[name](**parse_options(text, optimizer_options(name)))


def optimizer_options(name: str) -> dict[str, Parameter]:
    """Return the options of an optimiser that can be written in a name."""
    return {
        option.name: option
        for option in signature(OPTIMIZERS[name]).parameters.values()
        if str(option.annotation) in (*TYPES, "bool")
    }


def load_model(path: str | PathLike[str]) -> Any:
    """Load a saved trainer of whatever class.

    Raises
    ------
    FileNotFoundError
    IntegrityError
        If the file is damaged, or holds a model that is not of this catalogue.
    """
    _, manifest = load_tensors(path)
    kinds = {kind.name: kind for kind in (*(entry.kind for entry in MODELS.values()), Ensemble)}
    if manifest.get("model") not in kinds:
        raise IntegrityError(
            f"{path} must hold one of {', '.join(kinds)}; got {manifest.get('model')!r}"
        )
    return kinds[manifest["model"]].load(path)
