"""The path contract: a file is named by its path, and its transcript asked for by the same path."""

from __future__ import annotations

from fastapi import APIRouter

from dictograph.api.paths.responses import refused
from dictograph.api.paths.routes import nothing_else, path_routes
from dictograph.api.surface import ANY_ORIGIN, Parts, Surface
from dictograph.contract import Contract

_METHODS = ("GET", "HEAD", "POST", "OPTIONS")


def surface(parts: Parts) -> Surface:
    """The routes of this contract, for web pages only where it is open to everybody: elsewhere a page could have the
    files of whoever looks at it read to it."""
    return _surface(path_routes(parts), for_pages="path" in parts.settings.anonymous)


def standalone_surface(parts: Parts) -> Surface:
    """The routes of this contract on an address that was given to it: for every web page, as it is written, unless the
    settings have closed them to whoever has no key: no page has one."""
    return _surface(path_routes(parts), for_pages=not parts.settings.is_closed("path"))


def fallback_surface() -> Surface:
    """Everything that is no other surface's, on an address of this contract."""
    return _surface(nothing_else(), for_pages=True)


def _surface(router: APIRouter, *, for_pages: bool) -> Surface:
    origins = frozenset({ANY_ORIGIN}) if for_pages else frozenset[str]()
    return Surface(Contract.PATH, [router], origins, _METHODS, refused)
