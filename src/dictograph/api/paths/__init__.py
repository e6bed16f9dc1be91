"""The path contract: a file is named by its path, and its transcript asked for by the same path."""

from __future__ import annotations

from fastapi import APIRouter

from dictograph.api.paths.responses import refused
from dictograph.api.paths.routes import nothing_else, path_routes
from dictograph.api.surface import ANY_ORIGIN, Parts, Surface
from dictograph.contract import Contract

_METHODS = ("GET", "HEAD", "POST", "OPTIONS")


def surface(parts: Parts) -> Surface:
    """Return the routes of this contract. Web pages may call them only where the contract is open to every caller.
    Elsewhere a page could read the files of the person who visits it."""
    return _surface(path_routes(parts), for_pages="path" in parts.settings.anonymous)


def standalone_surface(parts: Parts) -> Surface:
    """Return the routes of this contract for an address of its own. Every web page may call them, as the contract says,
    unless the settings close them to callers without a key: no page has one."""
    return _surface(path_routes(parts), for_pages=not parts.settings.is_closed("path"))


def fallback_surface() -> Surface:
    """Return the surface for all paths that no other surface has, on an address of this contract."""
    return _surface(nothing_else(), for_pages=True)


def _surface(router: APIRouter, *, for_pages: bool) -> Surface:
    origins = frozenset({ANY_ORIGIN}) if for_pages else frozenset[str]()
    return Surface(Contract.PATH, [router], origins, _METHODS, refused)
