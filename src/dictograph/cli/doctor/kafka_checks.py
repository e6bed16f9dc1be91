"""The check of `dictograph doctor` for Kafka."""

from __future__ import annotations

from dictograph.cli.doctor.findings import Result, Verdict
from dictograph.contract import Contract
from dictograph.errors import BrokerUnavailable
from dictograph.kafka.rights import Rights
from dictograph.kafka.topics import Topics
from dictograph.kafka_setup import connection_of, contract_topics
from dictograph.settings.model import Settings

_REACH = "Check DICTOGRAPH_QUEUE_URL, DICTOGRAPH_KAFKA_TLS, _SASL, _USER and _PASSWORD, and whether the brokers run."
_ALLOW = "Give this user the right: `kafka-acls.sh --add --allow-principal User:… --operation …`."


def kafka(settings: Settings) -> Result:
    """Check that a broker answers, and that this user may use topics and groups."""
    if not settings.brokers:
        return Verdict.OK, "not used", ""
    connection = connection_of(settings)
    try:
        there = Topics(connection).names()
    except BrokerUnavailable as error:
        return Verdict.FAIL, error.message.removesuffix("."), _REACH
    wanted = [topic.name for topic in contract_topics(settings)]
    rights = Rights(connection)
    troubles = [*rights.of_topics(wanted)] if wanted else []
    for group in _groups(settings):
        troubles += rights.of_group(group)
    if troubles:
        return Verdict.FAIL, "; ".join(troubles), _ALLOW
    missing = [name for name in wanted if name not in there]
    told = f"connected to {connection.servers}"
    if missing:
        return Verdict.WARN, f"{told}; not there yet: {', '.join(missing)}", "They are made at the start."
    return Verdict.OK, told, ""


def _groups(settings: Settings) -> list[str]:
    names = {Contract.GATEWAY: settings.gateway_group, Contract.STT_WORKER: settings.stt_group}
    return [group for contract, group in names.items() if contract.value in settings.profile]
