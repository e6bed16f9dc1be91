"""The route of the workers."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from dictograph.api.access import Reader
from dictograph.api.error_responses import Json
from dictograph.api.openapi_schemas import problems
from dictograph.api.views import ModelsMemoryView, Moment, models_memory_view
from dictograph.service.auth.access import Scope
from dictograph.service.live_workers import LiveWorker
from dictograph.service.services import Services


class EngineView(BaseModel):
    """An engine of a worker: a process with a model."""

    engine: str = Field(examples=["whisper"])
    model: str = Field(examples=["small"])
    state: str = Field(description="`loaded`, `not loaded`, or `waiting for memory`.", examples=["loaded"])
    pid: int | None = Field(description="Its process, while it is loaded; another after it was replaced.")
    memory: int = Field(0, description="Bytes of memory that are counted for it, about.")
    reason: str | None = Field(description="Why it could not be loaded the last time.")


class HeldJobView(BaseModel):
    """A job that a worker is at."""

    id: str
    filename: str
    since: Moment


class LiveWorkerView(BaseModel):
    """A process that runs jobs, as it last told of itself."""

    id: str
    host: str
    pid: int
    started_at: Moment
    seen_at: Moment | None
    ready: bool = Field(description="Whether it has proved that it can transcribe.")
    reason: str = Field(description="Why not; empty when ready.")
    slots: int = Field(description="Jobs that it runs at once, at most.")
    running: int = Field(description="Jobs that it runs, whoever they belong to.")
    jobs: list[HeldJobView] = Field(description="Those of them that you may see; everybody's, with the scope `admin`.")
    engines: list[EngineView]
    models_memory: ModelsMemoryView | None = Field(description="null until it has told of it.")


class WorkerListView(BaseModel):
    """The workers that live."""

    data: list[LiveWorkerView]


def worker_routes(services: Services) -> APIRouter:
    """Return the route that lists the workers and their jobs."""
    router = APIRouter(tags=["service"])

    @router.get("/v1/workers", response_model=WorkerListView, responses=problems())
    async def workers(caller: Reader) -> Response:
        """The live workers: their host, start, jobs, and the state of their engines."""
        found = await services.status.workers(None if caller.may(Scope.ADMIN) else caller.owner)
        view = WorkerListView(data=[worker_view(one) for one in found])
        return Json(view.model_dump(mode="json"))

    return router


def worker_view(live: LiveWorker) -> LiveWorkerView:
    """Return a worker as clients see it."""
    worker, state = live.worker, live.worker.state
    return LiveWorkerView(
        id=worker.id,
        host=worker.host,
        pid=worker.pid,
        started_at=worker.started_at,
        seen_at=worker.seen_at,
        ready=bool(state.get("ready")),
        reason=str(state.get("reason", "")),
        slots=int(state.get("slots", 0)),
        running=live.running,
        jobs=[HeldJobView(id=one.id, filename=one.filename, since=one.claimed_at) for one in live.jobs],
        engines=[EngineView.model_validate(one) for one in state.get("engines", ())],
        models_memory=models_memory_view([state]),
    )
