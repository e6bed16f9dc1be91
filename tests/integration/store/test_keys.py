"""Keys and secrets in the database: found by hash, ended, replaced in one step."""

from __future__ import annotations

import pytest

from dictograph.errors import KeyNotUsable, NotFound
from dictograph.store.clock import read_clock
from dictograph.store.keys import (
    KeyRates,
    NewKey,
    any_keys,
    create_key,
    find_key,
    list_keys,
    look_up,
    revoke_key,
    rotate_key,
    touch_key,
)
from dictograph.store.secrets import server_secret
from dictograph.store.tables import api_key
from tests.integration.store.store_driver import StoreDriver


def new(id: str, **more: object) -> NewKey:
    values = {"owner": "alice", "name": "laptop", "scopes": ["read"], **more}
    return NewKey(id, f"hash of {id}", **values)  # type: ignore[arg-type] # whatever a test wants


def test_a_key_is_found_by_its_hash_with_all_it_stands_for(driver: StoreDriver) -> None:
    assert not driver.read(any_keys)
    rates = KeyRates(("5/minute",), None)
    made = driver.write(create_key, new("one", rates=rates, webhook_url="https://a.example/", lives=3600.0))
    assert driver.read(find_key, "hash of one") == made == driver.read(look_up, "one")
    assert (made.owner, made.name, made.scopes, made.rates) == ("alice", "laptop", ("read",), rates)
    assert made.live
    assert made.expires_at is not None
    assert (made.expires_at - made.created_at).total_seconds() == pytest.approx(3600, abs=0.1)
    assert driver.read(find_key, "hash of another") is None
    assert driver.read(any_keys)


def test_a_revoked_key_stays_known_and_is_no_longer_live(driver: StoreDriver) -> None:
    driver.write(create_key, new("one"))
    first = driver.write(revoke_key, "one")
    assert not first.live
    assert driver.write(revoke_key, "one").revoked_at == first.revoked_at, "the first time counts"
    found = driver.read(find_key, "hash of one")
    assert found is not None
    assert not found.live
    assert driver.read(any_keys), "a service that had a key does not fall back to needing none"
    with pytest.raises(NotFound):
        driver.write(revoke_key, "nobody")


def test_an_expired_key_is_no_longer_live(driver: StoreDriver) -> None:
    assert not driver.write(create_key, new("one", lives=0.0)).live
    found = driver.read(find_key, "hash of one")
    assert found is not None
    assert not found.live


def test_a_rotated_key_and_its_successor_are_good_side_by_side_for_a_while(driver: StoreDriver) -> None:
    rates = KeyRates(None, ("1/hour",))
    driver.write(create_key, new("old", rates=rates, webhook_url="https://a.example/", lives=7200.0))
    made = driver.write(rotate_key, "old", NewKey("new", "hash of new", "", "", ()), 60.0)
    assert (made.owner, made.name, made.scopes) == ("alice", "laptop", ("read",))
    assert (made.rates, made.webhook_url) == (rates, "https://a.example/")
    assert made.expires_at is not None
    assert (made.expires_at - made.created_at).total_seconds() == pytest.approx(7200, abs=1)
    old = driver.read(look_up, "old")
    assert old is not None
    assert (old.live, old.replaced_by) == (True, "new")
    assert old.expires_at is not None
    assert old.expires_at.timestamp() == pytest.approx(driver.read(read_clock) + 60, abs=5)


def test_without_an_overlap_the_old_key_ends_at_once_and_none_outlives_its_time(driver: StoreDriver) -> None:
    for id in ("old", "short"):
        driver.write(create_key, new(id, lives=30.0))
    driver.write(rotate_key, "old", NewKey("a", "hash of a", "", "", ()), 0.0)
    old = driver.read(look_up, "old")
    assert old is not None
    assert not old.live
    driver.write(rotate_key, "short", NewKey("b", "hash of b", "", "", ()), 3600.0)
    short = driver.read(look_up, "short")
    assert short is not None
    assert short.expires_at is not None
    assert (short.expires_at - short.created_at).total_seconds() == pytest.approx(30, abs=1)


def test_what_is_over_cannot_be_rotated(driver: StoreDriver) -> None:
    for id, lives in (("revoked", None), ("expired", 0.0), ("replaced", None)):
        driver.write(create_key, new(id, lives=lives))
    driver.write(revoke_key, "revoked")
    driver.write(rotate_key, "replaced", NewKey("new", "hash of new", "", "", ()), 60.0)
    for id in ("revoked", "expired", "replaced"):
        with pytest.raises(KeyNotUsable):
            driver.write(rotate_key, id, NewKey("never", "hash of never", "", "", ()), 60.0)
    assert driver.read(look_up, "never") is None


def test_a_rotation_that_fails_in_the_middle_changes_nothing(driver: StoreDriver) -> None:
    driver.write(create_key, new("old"))
    driver.write(create_key, new("taken"))
    with pytest.raises(Exception, match=r"(?i)unique"):
        driver.write(rotate_key, "old", NewKey("new", "hash of taken", "", "", ()), 0.0)
    old = driver.read(look_up, "old")
    assert old is not None
    assert (old.live, old.replaced_by) == (True, None)


def test_the_last_use_is_written_once_in_a_while(driver: StoreDriver) -> None:
    driver.write(create_key, new("one"))
    driver.write(touch_key, "one")
    first = driver.read(look_up, "one")
    driver.write(touch_key, "one")
    assert driver.read(look_up, "one") == first
    driver.write(lambda conn: conn.execute(api_key.update().values(last_used_at=1.0)))
    driver.write(touch_key, "one")
    again = driver.read(look_up, "one")
    assert first is not None
    assert again is not None
    assert again.last_used_at is not None
    assert first.last_used_at is not None
    assert again.last_used_at >= first.last_used_at


def test_keys_are_listed_oldest_first_and_by_owner(driver: StoreDriver) -> None:
    for id, owner in (("b", "alice"), ("a", "bob"), ("c", "alice")):
        driver.write(create_key, new(id, owner=owner))
    assert [key.id for key in driver.read(list_keys)] == ["b", "a", "c"]
    assert [key.id for key in driver.read(list_keys, "alice")] == ["b", "c"]


def test_a_secret_is_made_once(driver: StoreDriver) -> None:
    first = driver.write(server_secret, "tickets")
    assert driver.write(server_secret, "tickets") == first
    assert driver.write(server_secret, "uploads") != first
    assert len(bytes.fromhex(first)) == 32
