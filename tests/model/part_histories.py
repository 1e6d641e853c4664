"""Random histories of tables that are loaded in parts."""

from __future__ import annotations

from typing import Any

from tests.model.histories import Histories


class PartHistories(Histories):
    """Histories in which the tables are loaded in parts, and little else happens."""

    def run(self, landed: Any = None) -> None:
        Histories.run(self, landed)

    def _not_now(self) -> None:
        """No rule of these histories."""

    run_interrupted = change_read_privilege = change_read_depth = enforce_limits = _not_now
    lose_the_working_folder = other_schedule = change_tracking_privilege = _not_now
    change_setting = select_other_columns = change_the_filter = begin_a_history = _not_now
    spell_out_patterns = take_tables_out_and_in = rows_vanish_in_the_destination = _not_now
    back_up_the_destination = restore_the_destination = secure_a_column = _not_now
    restore_the_environment = copy_over_the_environment = change_and_run = roll_up = _not_now
