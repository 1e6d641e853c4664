from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from dataverse_source.sandbox.environment.clock import Clock

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def test_follows_the_system() -> None:
    assert abs(Clock().now() - datetime.now(timezone.utc)) < timedelta(minutes=5)


def test_runs_on_from_where_it_was_set() -> None:
    clock = Clock(NOON)
    assert NOON <= clock.now() < NOON + timedelta(minutes=5)


def test_frozen_stands_still_and_can_be_advanced() -> None:
    clock = Clock(NOON, frozen=True)
    assert clock.now() == clock.now() == NOON
    assert clock.advance(90.5) == NOON + timedelta(seconds=90.5)
    assert clock.is_frozen


def test_frozen_can_be_set() -> None:
    clock = Clock(frozen=True)
    clock.set(NOON)
    assert clock.now() == NOON


def test_runs_again_from_where_it_stood() -> None:
    clock = Clock(NOON, frozen=True)
    clock.resume()
    assert not clock.is_frozen
    assert NOON <= clock.now() < NOON + timedelta(minutes=5)


def test_other_zones_become_utc() -> None:
    clock = Clock(datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2))), frozen=True)
    assert clock.now() == NOON
    assert clock.now().utcoffset() == timedelta(0)


def test_refuses_a_moment_without_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Clock().set(datetime(2026, 3, 1))
