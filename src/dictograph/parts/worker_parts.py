"""A worker with all its agents."""

from __future__ import annotations

from dictograph.audio.decoder_client import DecodeLimits, forks_of_decoders
from dictograph.audio.vad_client import VadClient, voice_detector
from dictograph.child.memory_budget import MemoryBudget
from dictograph.engine.probe import prove
from dictograph.engine.sizing import models_memory
from dictograph.net.addresses import AllowList
from dictograph.net.fetch import FetchLimits
from dictograph.parts.resources import Resources
from dictograph.parts.stt_parts import stt_parts
from dictograph.parts.upkeep_parts import retry_policy, upkeep_agents
from dictograph.service.compat.path_jobs import roots_of
from dictograph.settings.model import Settings, variable
from dictograph.webhooks.sender import WebhookSender
from dictograph.worker.agent import Agent
from dictograph.worker.attempt.context import WorkerContext
from dictograph.worker.attempt.observer import AttemptObserver
from dictograph.worker.batching.engine_dispatcher import EngineLimits
from dictograph.worker.engines import Engines
from dictograph.worker.fetching import SourceRules
from dictograph.worker.relays.webhooks import WebhookRelay
from dictograph.worker.upkeep.pruner import Retention
from dictograph.worker.worker import Worker


def make_worker(
    resources: Resources, observer: AttemptObserver, *, in_place: bool = False, hosted: bool = False
) -> Worker:
    """Return a worker with its agents, not yet started. A `hosted` one starts no Celery worker."""
    settings = resources.settings
    limits = EngineLimits(
        settings.engine_memory, settings.engine_timeout, idle=settings.engine_idle, confined=settings.sandbox
    )
    scratch = settings.scratch / resources.process_lock.id
    context = WorkerContext(
        database=resources.database,
        blobs=resources.blobs,
        catalog=resources.catalog,
        engines=Engines(limits, prove, MemoryBudget(models_memory(settings.models_memory))),
        vad_client=VadClient(voice_detector(settings.sandbox, scratch)),
        decoders=forks_of_decoders(settings.sandbox),
        crash=resources.crash,
        scratch=scratch,
        sources=_source_rules(settings, in_place),
        decoding=DecodeLimits(
            settings.max_audio,
            settings.decoder_memory,
            settings.decoder_timeout,
            settings.storage_reserve,
            settings.sandbox,
        ),
        policy=retry_policy(settings),
        observer=observer,
    )

    def can_run() -> bool:
        return worker.can_run()  # the worker is made below

    def is_stored(url: str) -> bool:
        return resources.blobs.find(url) is not None

    identity = resources.kafka.identity if resources.kafka else ""
    stt = stt_parts(settings, resources.database, resources.producer, resources.crash, can_run, is_stored, identity)
    worker = Worker(
        context,
        resources.queue,
        resources.process_lock,
        lease_seconds=settings.lease,
        slots=settings.concurrency,
        poll_interval=settings.poll_interval,
        retention=Retention(
            settings.audio_retention, settings.result_retention, settings.event_retention, settings.orphan_age
        ),
        scratch_root=settings.scratch,
        guards=resources.guards,
        wake_ups=resources.wake_ups,
        beside=[
            *upkeep_agents(resources),
            _webhooks(resources),
            *_kafka_agents(resources),
            *(resources.redis.agents() if resources.redis else ()),
            *([] if hosted else _celery_agents(resources)),
            *stt.agents,
        ],
        trouble=stt.trouble,
        describe_broker=stt.describe,
        broker_warnings=resources.broker_warnings,
    )
    return worker


def _kafka_agents(resources: Resources) -> list[Agent]:
    kafka = resources.kafka
    return [] if kafka is None else [*kafka.agents(), *kafka.worker_agents(resources.blobs)]


def _celery_agents(resources: Resources) -> list[Agent]:
    if not resources.settings.redis_url:
        return []
    from dictograph.parts.celery_parts import celery_agents  # other queues need nothing of it

    return celery_agents(resources)


def _webhooks(resources: Resources) -> WebhookRelay:
    settings = resources.settings
    sender = WebhookSender(AllowList.parse(settings.webhook_allow, variable("webhook_allow")), settings.webhook_timeout)
    return WebhookRelay(resources.database, sender, settings.poll_interval)


def _source_rules(settings: Settings, in_place: bool) -> SourceRules:
    limits = FetchLimits(
        max_bytes=settings.max_upload,
        timeout=settings.fetch_timeout,
        allow=AllowList.parse(settings.fetch_allow),
    )
    return SourceRules(limits, roots_of(settings), in_place)
