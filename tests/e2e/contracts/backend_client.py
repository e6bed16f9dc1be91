"""A client of the backend's contract, as scripts for the older system are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from dictograph.store.database import Database
from dictograph.store.jobs import control
from tests.service import Service, eventually

#: A service that anybody on this machine may use without a key, and that hears speech in everything.
SETTINGS = {"anonymous": "backend", "backend_vad_filter": "false", "backend_word_timestamps": "false"}


class Backend:
    """Calls of one service; `headers` go with each."""

    def __init__(self, service: Service, **headers: str) -> None:
        self.service = service
        self.base = service.base
        self.session = requests.Session()
        self.session.headers.update(headers)

    def presign(self, filename: str, content_type: str, file_size: int, **more: Any) -> requests.Response:
        params: dict[str, Any] = {"filename": filename, "content_type": content_type, "file_size": file_size}
        return self.session.get(f"{self.base}/api/v1/audio/get_presigned_url", params=params, timeout=30, **more)

    def url_for(self, audio: Path, content_type: str = "audio/wav") -> str:
        answer = self.presign(audio.name, content_type, audio.stat().st_size)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["url"])

    def put(self, url: str, data: Any, content_type: str = "audio/wav", **more: Any) -> requests.Response:
        return self.session.put(url, data=data, headers={"Content-Type": content_type}, timeout=30, **more)

    def uploaded(self, audio: Path, content_type: str = "audio/wav") -> str:
        """The address that the file was uploaded to."""
        url = self.url_for(audio, content_type)
        assert self.put(url, audio.read_bytes(), content_type).status_code == 200
        return url

    def transcribe(self, **body: Any) -> requests.Response:
        return self.session.post(f"{self.base}/api/v1/job/transcribe", json=body, timeout=30)

    def job_of(self, audio: Path, **body: Any) -> dict[str, Any]:
        answer = self.transcribe(**{"filename": audio.name, "url": self.uploaded(audio), **body})
        assert answer.status_code == 200, answer.text
        shape: dict[str, Any] = answer.json()
        return shape

    def status(self, job_id: str) -> dict[str, Any]:
        answer = self.session.get(f"{self.base}/api/v1/job/status/{job_id}", timeout=30)
        assert answer.status_code == 200, answer.text
        shape: dict[str, Any] = answer.json()
        return shape

    def ended(self, job_id: str) -> dict[str, Any]:
        """The job once it has ended."""
        return eventually(
            lambda: job if (job := self.status(job_id))["status"] in ("completed", "failed") else None,
            60, f"job {job_id} does not end",
        )  # fmt: skip

    def done(self, audio: Path, **body: Any) -> dict[str, Any]:
        """The job of a file, completed."""
        job = self.ended(self.job_of(audio, **body)["id"])
        assert job["status"] == "completed", job
        return job

    def cancel(self, job_id: str) -> None:
        """As an operator does it, in a process of their own."""
        database = Database.open(self.service.database)
        try:
            database.write_now(lambda conn: control.cancel(conn, None, job_id))
        finally:
            database.close_now()

    def socket(self, job_id: str, **more: Any) -> Any:
        return connect(f"{self.base.replace('http', 'ws', 1)}/api/v1/job/ws/{job_id}", **more)

    def frames(self, job_id: str) -> tuple[list[dict[str, Any]], int]:
        """All that is said of a job to its end, and with what the service closed."""
        said: list[dict[str, Any]] = []
        with self.socket(job_id) as socket:
            try:
                while True:
                    said.append(json.loads(socket.recv(timeout=60)))
            except ConnectionClosed as closed:
                return said, closed.rcvd.code if closed.rcvd else 0
