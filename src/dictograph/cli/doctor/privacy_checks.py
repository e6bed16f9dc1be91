"""The check of `dictograph doctor` for the rights to the service's files."""

from __future__ import annotations

from dictograph.cli.doctor.findings import Result, Verdict
from dictograph.data_folder import readable_by_others
from dictograph.settings.model import Settings


def privacy(settings: Settings) -> Result:
    """Check that other users of this machine cannot read private files."""
    found = readable_by_others(settings)
    if not found:
        return Verdict.OK, "other users of this machine can read nothing of it", ""
    detail = f"other users of this machine can read {', '.join(map(str, found))}"
    return Verdict.WARN, detail, "Close it with `chmod o-rwx`; the data folder is closed by the next start."
