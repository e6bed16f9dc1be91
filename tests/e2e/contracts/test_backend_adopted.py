"""An old backend's database under a new service: its clients find their jobs, and what waited is run."""

from __future__ import annotations

import sqlite3
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.audio_files import write_noise
from tests.e2e.contracts.backend_client import SETTINGS, Backend
from tests.service import service

_DONE, _WAITS, _BAD = (f"0b5a3a3e-6c0c-4f5e-9d35-0d6f0f6f2f5{n}" for n in range(3))

_TABLE = """
CREATE TABLE transcription_job (id CHAR(32) PRIMARY KEY, filename VARCHAR NOT NULL, url VARCHAR NOT NULL,
  status VARCHAR(10) NOT NULL, result_text TEXT, error_message TEXT, processing_time_seconds INTEGER,
  description VARCHAR, creation_date DATETIME, update_date DATETIME);
CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('8f2c1d0a9b7e');
"""


def old_database(file: Path, url: str) -> None:
    file.parent.mkdir()
    when = "2025-07-07 14:30:10.123456"
    rows = [
        (_DONE, "talk.mp3", "https://bucket.example/talk.mp3?sig=1", "COMPLETED", "Guten Tag.", None, 12, "old"),
        (_WAITS, "waits.wav", url, "PENDING", None, None, None, None),
        (_BAD, "bad.mp3", "s3://bucket/bad.mp3", "PROCESSING", None, None, None, None),
    ]
    connection = sqlite3.connect(file)
    connection.executescript(_TABLE)
    for id, *rest in rows:
        connection.execute(
            f"INSERT INTO transcription_job VALUES ({'?, ' * 9}?)", (id.replace("-", ""), *rest, when, when)
        )
    connection.commit()
    connection.close()


class _Bucket(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        return None


@pytest.mark.contract("backend", "transcription_job", "clients find the jobs of an adopted table; what waited is run")
def test_an_old_database_under_a_new_service(tmp_path: Path) -> None:
    write_noise(tmp_path / "waits.wav", 2, 1)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Bucket, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            old_database(tmp_path / "data" / "dictograph.db", f"http://127.0.0.1:{server.server_port}/waits.wav?sig=1")
            with service(tmp_path, **SETTINGS, fetch_allow=f"127.0.0.1:{server.server_port}") as up:
                _look(Backend(up))
        finally:
            server.shutdown()
            thread.join(10)


def _look(backend: Backend) -> None:
    done = backend.status(_DONE)
    assert (done["status"], done["result_text"], done["processing_time_seconds"]) == ("completed", "Guten Tag.", 12)
    assert (done["creation_date"], done["description"]) == ("2025-07-07 14:30:10", "old")
    assert done["url"] == "https://bucket.example/talk.mp3"
    assert [segment["text"] for segment in done["segments"]] == ["Guten Tag."]
    frames, code = backend.frames(_DONE)
    assert (frames[-1]["result"], code) == ("Guten Tag.", 1000)
    waited = backend.ended(_WAITS)
    assert (waited["status"], waited["duration"]) == ("completed", 2.0)
    assert "cannot be fetched" in backend.status(_BAD)["error_message"]
    listed = backend.session.get(f"{backend.base}/api/v1/job/read", timeout=30).json()
    assert {job["id"] for job in listed} == {_DONE, _WAITS, _BAD}
