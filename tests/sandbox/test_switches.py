from __future__ import annotations

from dataclasses import fields

import pytest

from dataverse_source.sandbox.switches import Switches, every_setting


def test_defaults_are_the_first_values() -> None:
    first, second, *_ = every_setting()
    assert first == Switches()
    assert second == Switches(first_delta_link="last_page_key_order")


def test_every_switch_is_turned() -> None:
    default = Switches()
    turned = {
        field.name
        for setting in every_setting()
        for field in fields(Switches)
        if getattr(setting, field.name) != getattr(default, field.name)
    }
    assert turned == {field.name for field in fields(Switches) if field.type != "int"}


def test_refuses_an_unknown_value() -> None:
    with pytest.raises(ValueError, match="gzip can't be 'often'; it is one of when_asked, never"):
        Switches().changed(gzip="often")


def test_refuses_an_unknown_switch() -> None:
    with pytest.raises(ValueError, match="no switch 'gzipp'"):
        Switches().changed(gzipp="never")
