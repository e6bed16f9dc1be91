"""The agents of every process that keep things in order, and how often a job is tried."""

from __future__ import annotations

from dictograph.parts.resources import Resources
from dictograph.service.compat.path_uploads import PathUploads
from dictograph.settings.model import Settings
from dictograph.store.jobs.lease import RetryPolicy
from dictograph.worker.agent import Agent
from dictograph.worker.leases.reaper import Reaper
from dictograph.worker.upkeep.guard_post import GuardPost
from dictograph.worker.upkeep.path_upload_pruner import PathUploadPruner


def upkeep_agents(resources: Resources) -> list[Agent]:
    """Return the agents that watch whose the storage is, and remove uploads by path that were kept long enough."""
    settings = resources.settings
    pruner = PathUploadPruner(
        resources.database, PathUploads.of(settings), resources.guards[1], settings.audio_retention, settings.orphan_age
    )
    return [pruner, GuardPost(resources.guards, settings.orphan_age)]


def reaper_of(resources: Resources) -> Reaper:
    """Return the reaper for a machine without a worker: it removes what a killed API process was receiving."""
    settings = resources.settings
    return Reaper(resources.database, resources.process_lock, settings.scratch, retry_policy(settings), settings.lease)


def retry_policy(settings: Settings) -> RetryPolicy:
    """Return how long a job waits between its attempts."""
    return RetryPolicy(settings.retry_base, settings.retry_max, settings.weights_patience)
