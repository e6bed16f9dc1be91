"""What a run goes over: what the processes stand on, and how jobs come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dictograph.runtime.crash import Point
from tests.combinations import Combination

OF_API = (Point.UPLOAD_STORED, Point.JOB_CREATED)
#: Reached only with a worker on Kafka that takes jobs from a topic.
OF_TOPIC = (Point.INTAKE_STORED, Point.OFFSET_COMMITTING)
#: Reached only by an API whose audio is in a bucket.
OF_BUCKET = (Point.PART_UPLOADED, Point.OBJECT_COPIED)
OF_WORKER = tuple(point for point in Point if point not in OF_API + OF_TOPIC + OF_BUCKET)


@dataclass(frozen=True, slots=True)
class Scenario:
    """`http`: there is an API, and clients of it. `stt`: workers take jobs of contract K from a topic."""

    combination: Combination
    http: bool = True
    stt: bool = False

    def __str__(self) -> str:
        return f"K on {self.combination}" if self.stt and not self.http else str(self.combination)

    @property
    def points(self) -> Sequence[Point]:
        """The named points that its processes come by."""
        api = OF_API + (OF_BUCKET if self.combination.storage == "s3" else ())
        return (*(api if self.http else ()), *OF_WORKER, *(OF_TOPIC if self.stt else ()))


#: All that `make soak` goes over, by name.
SCENARIOS = {
    str(one): one
    for one in (
        Scenario(Combination("sqlite", "database", "folder")),
        Scenario(Combination("postgresql", "database", "folder")),
        Scenario(Combination("postgresql", "kafka", "s3"), stt=True),
        Scenario(Combination("postgresql", "celery", "folder")),
        Scenario(Combination("sqlite", "kafka", "s3"), http=False, stt=True),
    )
}
