"""A PostgreSQL that is stopped, paused, started again; and one that is reached by TLS."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dictograph.errors import DatabaseUnavailable
from dictograph.job import JobStatus
from dictograph.store import migrate
from dictograph.store.backends import postgres_backend, server_info
from dictograph.store.database import Database
from tests.integration.store.store_driver import StoreDriver
from tests.needs import need
from tests.postgres import Cluster, cluster


@pytest.fixture(scope="module")
def own() -> Iterator[Cluster]:
    """A cluster that may be stopped."""
    with cluster(durable=False) as one:
        yield one


def test_a_server_that_stops_hangs_or_is_gone_costs_no_more_than_the_wait(
    own: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_backend, "PATIENCE_S", 1.5)
    monkeypatch.setattr(postgres_backend, "_LEAST_S", 1.5)
    url = own.new_database()
    migrate.upgrade(url)
    database = Database.open(url)
    driver = StoreDriver(database)
    try:
        driver.create("a")
        own.pause()
        began = time.monotonic()
        for ask in (driver.job, driver.cancel):
            with pytest.raises(DatabaseUnavailable, match=r"does not answer|not answered"):
                ask("a")
        assert time.monotonic() - began < 20
        own.resume()
        assert driver.status("a") is JobStatus.PENDING
        own.stop()
        with pytest.raises(DatabaseUnavailable, match="nothing listens"):
            driver.job("a")
        own.start()
        assert driver.cancel("a").status is JobStatus.CANCELLED
    finally:
        own.resume()
        database.close_now()


def test_close_does_not_wait_for_a_server_that_hangs(own: Cluster) -> None:
    url = own.new_database()
    migrate.upgrade(url)

    async def go_through() -> None:
        database = Database.open(url)
        database.on_jobs(lambda _: None)
        while await database.changed():
            await asyncio.sleep(0.01)
        own.pause()
        try:
            async with asyncio.timeout(60):
                await database.close()
        finally:
            own.resume()

    asyncio.run(go_through())


def test_tls_is_checked_as_the_url_says(own: Cluster, tmp_path: Path) -> None:
    authority = _certify(own, tmp_path)
    url = own.new_database()
    migrate.upgrade(url)
    own.execute("ALTER SYSTEM SET ssl = on")
    own.restart()
    good = f"{url}?sslmode=verify-full&sslrootcert={authority}"
    database = Database.open(good)
    try:
        assert StoreDriver(database).create().status is JobStatus.PENDING
    finally:
        database.close_now()
    assert (server_info.inspect(good).tls or "").startswith("TLSv1")
    assert "TLS (TLSv1" in str(server_info.inspect(good))
    assert server_info.inspect(f"{url}?sslmode=disable").tls is None
    _authority(tmp_path, "other")
    for bad in (
        f"{url}?sslmode=verify-full&sslrootcert={tmp_path / 'other.crt'}",
        good.replace("127.0.0.1", "localhost"),
    ):
        with pytest.raises(DatabaseUnavailable, match="certificate is not accepted"):
            Database.open(bad)


def _certify(one: Cluster, folder: Path) -> Path:
    """Give the server a certificate for 127.0.0.1; returns the authority's."""
    _authority(folder, "authority")
    request, key = folder / "server.csr", folder / "server.key"
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    _openssl("req", "-new", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=db", "-keyout", key, "-out", request)
    _openssl(
        *("x509", "-req", "-in", request, "-days", "2", "-out", folder / "server.crt", "-extfile", folder / "names"),
        *("-CA", folder / "authority.crt", "-CAkey", folder / "authority.key", "-CAcreateserial"),
    )
    owner = one.data.stat()
    for name in ("server.crt", "server.key"):
        target = one.data / name
        target.write_bytes((folder / name).read_bytes())
        target.chmod(0o600)
        os.chown(target, owner.st_uid, owner.st_gid)
    return folder / "authority.crt"


def _authority(folder: Path, name: str) -> None:
    files = ("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt")
    _openssl("req", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "2", "-subj", f"/CN={name}", *files)


def _openssl(*words: str | Path) -> None:
    subprocess.run([need("openssl"), *words], check=True, capture_output=True, timeout=60)
