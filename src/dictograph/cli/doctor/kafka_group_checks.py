"""The check of `dictograph doctor` for the group of contract K: whose members it has, and how far it has come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dictograph.broker import Partition
from dictograph.cli.doctor.findings import Result, Verdict
from dictograph.cli.doctor.service_checks import ask, is_there
from dictograph.contract import Contract
from dictograph.errors import BrokerUnavailable
from dictograph.kafka.group_view import GroupView
from dictograph.kafka_setup import CLIENT, client_name, connection_of
from dictograph.parts.stt_parts import offset_rule
from dictograph.settings.model import Settings
from dictograph.store.compat import intakes
from dictograph.store.storage_marks import STORAGE, mark_of
from dictograph.stt.decision import OffsetRule

_AGAIN = "Nothing has to be done: messages that come again meet their jobs, and get no second one."
_ONE_DATABASE = (
    "Let all workers of a group use one PostgreSQL: with a database each, both may answer a job after a hard kill."
)


def group(settings: Settings) -> Result:
    """Check that the group has members of one database only, and is not behind what this database has done."""
    if not settings.brokers or Contract.STT_WORKER.value not in settings.profile:
        return Verdict.OK, "not used", ""
    view = GroupView(connection_of(settings), settings.stt_group)
    try:
        members, offsets = view.members(), view.committed(settings.stt_jobs_topic)
    except BrokerUnavailable as error:
        return Verdict.WARN, error.message.removesuffix("."), "See the line `kafka`."
    told = f"{settings.stt_group}: {len(members)} members, {len(offsets)} partitions"
    if not is_there(settings):
        return Verdict.OK, told, ""
    own = client_name(ask(settings, lambda conn: mark_of(conn, STORAGE)).identity)
    if others := {name for name in members if name.startswith(CLIENT)} - {own}:
        return Verdict.WARN, f"{told}; workers of {len(others) + (own in members)} databases are in it", _ONE_DATABASE
    stored = offset_rule(settings) is OffsetRule.ROW
    done = ask(settings, lambda conn: intakes.reached(conn, settings.stt_jobs_topic, stored=stored))
    if behind := list(_behind(settings.stt_jobs_topic, offsets, done)):
        return Verdict.WARN, f"{told}; offsets were set back or deleted: {', '.join(behind)}", _AGAIN
    return Verdict.OK, told, ""


def _behind(topic: str, offsets: Mapping[Partition, int], done: Mapping[int, int]) -> Iterator[str]:
    """Yield the partitions whose offset is before what is done already."""
    for number, last in sorted(done.items()):
        at = offsets.get(Partition(topic, number))
        if at is None or at <= last:
            yield f"partition {number} is at {'no offset' if at is None else at}, done up to {last}"
