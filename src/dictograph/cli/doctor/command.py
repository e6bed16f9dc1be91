"""`dictograph doctor`: what is wrong, and what to do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping

import click

from dictograph.cli.doctor import (
    audio_checks,
    kafka_checks,
    kafka_group_checks,
    machine_checks,
    privacy_checks,
    redis_checks,
    sandbox_checks,
    service_checks,
    storage_checks,
)
from dictograph.cli.doctor.findings import Check, Finding, Verdict, find, in_thread
from dictograph.cli.options import option
from dictograph.cli.service_database import service_loaded
from dictograph.errors import SettingsError
from dictograph.runtime import logs
from dictograph.settings.model import Settings

_CHECKS: Mapping[str, Check] = {
    "libraries": in_thread(machine_checks.libraries),
    "database": in_thread(machine_checks.database),
    "sharing": in_thread(service_checks.sharing),
    "clock": in_thread(service_checks.clock),
    "storage": in_thread(machine_checks.storage),
    "owner": in_thread(storage_checks.owner),
    "scratch": in_thread(machine_checks.scratch),
    "processes": in_thread(machine_checks.processes),
    "privacy": in_thread(privacy_checks.privacy),
    "disk": in_thread(machine_checks.disk),
    "paths": in_thread(machine_checks.paths),
    "addresses": in_thread(machine_checks.addresses),
    "kafka": in_thread(kafka_checks.kafka),
    "kafka group": in_thread(kafka_group_checks.group),
    "redis": in_thread(redis_checks.redis),
    "access": in_thread(service_checks.access),
    "waiting": in_thread(service_checks.waiting),
    "prompts": in_thread(service_checks.prompts),
    **sandbox_checks.checks(),
    "decoding": audio_checks.decoding,
    "model": audio_checks.models,
    "inference": audio_checks.inference,
}

_COLOURS = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}


@click.command()
@option("profile", "data_dir", "engine", "model", "as_json")
def doctor(as_json: bool, **overrides: str | None) -> None:
    """Check everything, and say what to do.

    Settings, libraries, database, storage, disk, addresses; a file is decoded and a sample transcribed by the
    engine that jobs would get. Nothing is changed, and nothing is fetched.

    Each line is `ok`, `warn` (it works, but…) or `fail`. Exit code 1: something failed.
    """
    logs.configure("error", "text")
    findings = asyncio.run(_examined(overrides, quiet=as_json))
    if as_json:
        click.echo(json.dumps([finding.as_dict() for finding in findings], indent=2))
    if any(finding.verdict is Verdict.FAIL for finding in findings):
        raise click.exceptions.Exit(1)


async def _examined(overrides: Mapping[str, str | None], *, quiet: bool) -> list[Finding]:
    findings = []
    async for finding in _examine(overrides):
        findings.append(finding)
        if not quiet:
            _tell(finding)
    return findings


async def _examine(overrides: Mapping[str, str | None]) -> AsyncIterator[Finding]:
    settings, finding = _settings(overrides)
    yield finding
    if settings is not None:
        for subject, check in _CHECKS.items():
            yield await find(subject, check, settings)


def _settings(overrides: Mapping[str, str | None]) -> tuple[Settings | None, Finding]:
    try:
        loaded = service_loaded(**overrides)
    except SettingsError as error:
        return None, Finding(
            "settings",
            Verdict.FAIL,
            error.message,
            "`dictograph settings --help` says where they come from, and which place counts.",
        )
    changed = sum(not origin.startswith("default") for origin in loaded.origins.values())
    warnings = [warning.removesuffix(".") for warning in loaded.warnings]
    told = "; ".join([f"{changed} set, the rest by default", *warnings])
    verdict = Verdict.WARN if loaded.warnings else Verdict.OK
    return loaded.settings, Finding("settings", verdict, told)


def _tell(finding: Finding) -> None:
    verdict = click.style(f"{finding.verdict.value:<5}", fg=_COLOURS[finding.verdict])
    click.echo(f"{verdict} {finding.subject:<10} {finding.detail}")
    if finding.advice:
        click.echo(f"{'':17}→ {finding.advice}")
