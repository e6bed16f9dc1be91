"""A real service on a disk that is full: it says so, leaves the reserve alone, and goes on when there is room again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from dictograph.cli.doctor.findings import Verdict, find, in_thread
from dictograph.cli.doctor.machine_checks import storage
from dictograph.settings.model import Settings
from tests.audio_files import write_noise
from tests.disks import Disk, small_disk
from tests.files import files_below
from tests.service import Service, eventually, service

MIB = 2**20
RESERVE = 4 * MIB


def refused(one: Service, audio: Path) -> None:
    """An upload is answered with 507, and nothing of it is left."""
    before = stored(one)
    with audio.open("rb") as file:
        answer = one.post("/v1/transcriptions", files={"file": file}, headers={"idempotency-key": "again"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "storage_full")
    assert stored(one) == before


def refused_at_last(one: Service, audio: Path, disk: Disk) -> list[str]:
    """`refused`, once what running jobs have given back meanwhile is taken too; the jobs that there was room for."""
    accepted: list[str] = []

    def full() -> bool:
        disk.fill()
        before = stored(one)
        with audio.open("rb") as file:
            answer = one.post("/v1/transcriptions", files={"file": file})
        if answer.status_code == 202:
            accepted.append(answer.json()["id"])
            return False
        assert (answer.status_code, answer.json()["error"]["code"]) == (507, "storage_full")
        assert stored(one) == before
        return True

    eventually(full, what="there is always room for one more")
    return accepted


def stored(one: Service) -> set[Path]:
    return set(files_below(Path(str(one.settings["storage_url"]))))


def samples(disk: Disk) -> list[Path]:
    return [path for path in files_below(disk.folder / "scratch") if path.suffix == ".pcm"]


def says_that_it_is_full(one: Service) -> bool:
    """The worker itself, which then begins no job."""
    return "full" in one.get("/v1/workers").json()["data"][0]["reason"]


def ready(one: Service) -> httpx.Response:
    return one.get("/ready")


def test_storage_and_scratch_leave_the_reserve_alone(tmp_path: Path) -> None:
    audio = write_noise(tmp_path / "a.wav", 60, seed=1, rate=16_000)  # 1.9 MB, and as much while it is transcribed
    with small_disk(tmp_path / "disk", 16 * MIB) as disk:
        places = {"storage_url": disk.folder / "blobs", "scratch_dir": disk.folder / "scratch"}
        with service(tmp_path, **places, storage_reserve=RESERVE, max_attempts=1) as one:
            assert one.wait_for(one.submit(audio))["status"] == "completed"
            eventually(lambda: ready(one).status_code == 200)

            disk.fill(RESERVE + 3 * MIB)
            starved = one.submit(audio)
            job = one.wait_for(starved)
            assert (job["status"], job["error"]["code"]) == ("failed", "storage_full")
            assert disk.free >= RESERVE
            eventually(lambda: not samples(disk), what="samples are gone")
            refused(one, audio)
            assert disk.free >= RESERVE

            disk.fill(RESERVE - MIB)
            refused(one, audio)
            assert one.get("/health").status_code == 200
            eventually(lambda: "full" in ready(one).json()["reason"])
            assert ready(one).status_code == 503
            settings = Settings(data_dir=one.data, storage_url=str(places["storage_url"]), storage_reserve=RESERVE)
            finding = asyncio.run(find("storage", in_thread(storage), settings))
            assert (finding.verdict, "full" in finding.detail) == (Verdict.FAIL, True)
            eventually(lambda: says_that_it_is_full(one))
            assert one.post(f"/v1/transcriptions/{starved}/retry").status_code == 200
            eventually(lambda: "no job is begun" in one.words_of_log())
            assert one.job(starved)["status"] == "pending", "it would spend its only attempt"

            disk.empty()
            eventually(lambda: ready(one).status_code == 200)
            assert one.wait_for(starved)["status"] == "completed"
            again = httpx.post(
                f"{one.base}/v1/transcriptions",
                files={"file": audio.read_bytes()},
                headers={"idempotency-key": "again"},
                timeout=30,
            )
            assert again.status_code == 202, "the key of the refused upload is free"
            assert one.wait_for(again.json()["id"])["status"] == "completed"
            assert len(stored(one)) == 3
            assert "Traceback" not in one.words_of_log()


def test_a_disk_that_others_filled_to_the_last_byte_stops_the_database_but_loses_nothing(tmp_path: Path) -> None:
    audio = write_noise(tmp_path / "a.wav", 20, seed=2)
    with small_disk(tmp_path / "disk", 48 * MIB) as disk:
        data = disk.folder / "data"
        places = {"data_dir": data, "storage_url": data / "blobs", "database_url": f"sqlite:///{data}/dictograph.db"}
        with service(tmp_path, **places, storage_reserve=0, lease="3s", weights_patience="1s") as one:
            one.behave(delay=0.3, max_batch=1)
            running = [one.submit(audio) for _ in range(3)]
            eventually(lambda: one.job(running[0])["status"] in ("processing", "completed"))
            exhaust(one, disk)
            assert one.running
            assert one.get("/health").status_code == 200
            assert one.get("/v1/transcriptions").status_code == 200, "what is there can be read"
            for job_id in running:
                assert one.job(job_id)["status"] in ("pending", "processing", "completed", "failed")
            running += refused_at_last(one, audio, disk)

            disk.empty()
            one.behave()
            for job_id in running:
                job = one.wait_for(job_id)
                if job["status"] == "failed":
                    assert job["error"]["code"] == "storage_full", job["error"]
                    assert one.post(f"/v1/transcriptions/{job_id}/retry").status_code == 200
                    job = one.wait_for(job_id)
                assert job["status"] == "completed", job["error"]
            assert one.wait_for(one.submit(audio))["status"] == "completed"
            gaps = "SELECT job_id FROM events GROUP BY job_id HAVING count(*) <> max(seq)"
            assert one.rows(gaps) == []
            assert len(stored(one)) == len(running) + 1
            assert one.stop() == 0


def exhaust(one: Service, disk: Disk) -> None:
    """Fill the disk, and go on until the database has used up what it had of it, and cannot write either."""

    def full() -> bool:
        disk.fill()
        answer = one.post("/v1/transcriptions", json={"url": "http://127.0.0.1:9/"})
        assert answer.status_code in (202, 507), answer.text
        if answer.status_code == 202:
            return False
        assert answer.json()["error"]["code"] == "storage_full"
        return True

    eventually(full, what="the database still finds room")
