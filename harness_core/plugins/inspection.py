"""fault_of: what is wrong with an offer, before anybody relies on it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from harness_core import API_VERSION
from harness_core.contracts.offer import Capability, Offer
from harness_core.plugins.catalog import Kind

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


def fault_of(offer: Any, kind: Kind, *, check_schema: bool) -> str | None:
    """A sentence about the first thing that makes an offer unusable; None when it can be used."""
    if not isinstance(offer, Offer):
        return f"{kind.hook} answered with {type(offer).__name__}, not an Offer"
    return (
        _fault_of_api(offer)
        or _fault_of_names(offer)
        or _fault_of_fields(offer)
        or (_fault_of_schema(offer, kind) if check_schema else None)
    )


def _fault_of_api(offer: Offer) -> str | None:
    api: Any = offer.api
    if not (isinstance(api, tuple) and len(api) == 2 and all(isinstance(part, int) for part in api)):
        return f"{offer.name}: api is {api!r}; it must be a pair of numbers such as (1, 0)"
    major, minor = API_VERSION
    if api[0] == major and api[1] <= minor:
        return None
    ours, theirs = f"{major}.{minor}", f"{api[0]}.{api[1]}"
    remedy = "upgrade harness-services" if api > API_VERSION else "upgrade the plugin"
    return f"{offer.name}: written for plugin API {theirs}, this harness has {ours}; {remedy}"


def _fault_of_names(offer: Offer) -> str | None:
    aliases: Any = offer.aliases
    if not isinstance(aliases, tuple):
        return f"{offer.name}: aliases must be a tuple of names"
    for word in (offer.name, *aliases):
        if not (isinstance(word, str) and _NAME.fullmatch(word)):
            return f"{word!r} can't be a name: a letter first, then at most 62 of a-z, 0-9 and '-'"
    return None


def _fault_of_fields(offer: Offer) -> str | None:
    create: Any = offer.create
    if not callable(create):
        return f"{offer.name}: create must be a function that takes a context, it is {type(create).__name__}"
    strangers = [str(item) for item in offer.capabilities if not isinstance(item, Capability)]
    if strangers:
        return f"{offer.name}: unknown capabilities {', '.join(sorted(strangers))}"
    schema: Any = offer.schema
    if not isinstance(schema, Mapping):
        return f"{offer.name}: schema must be a JSON Schema as a mapping, it is {type(schema).__name__}"
    return None


def _fault_of_schema(offer: Offer, kind: Kind) -> str | None:
    # Imported at its use: jsonschema takes longer to import than all the rest of a catalog.
    from harness_core.config.schema import check_offer_schema

    faults = check_offer_schema(offer, kind.value)
    return f"{offer.name}: {faults[0]}" if faults else None
