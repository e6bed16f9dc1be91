"""Cursors: the start of the next page of a list that is ordered by time and id, the newest first."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, or_

from dictograph.errors import InvalidRequest


def cursor_after(moment: datetime, id: str) -> str:
    """Return the cursor for a page that ends with the row of this time and id."""
    place = json.dumps([moment.isoformat(), id])
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def beyond(cursor: str, moments: Column[Any], ids: Column[Any]) -> ColumnElement[bool]:
    """Return the condition for the rows after the cursor. Raises InvalidRequest for a cursor that is not ours."""
    try:
        place = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        moment, id = datetime.fromisoformat(place[0]), str(place[1])
        if moment.tzinfo is None:
            raise ValueError("a time without a zone")
        moment = moment.astimezone(UTC)  # OverflowError: a forged cursor with a time before the year 1
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        raise InvalidRequest("The cursor is not one of this list; leave it out to begin anew.") from error
    return or_(moments < moment, (moments == moment) & (ids < id))
