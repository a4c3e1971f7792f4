# SPDX-License-Identifier: GPL-3.0-or-later
"""The figure of proofs that a second run makes again: none with a ledger that remembers, all with one that does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.ledger_run import LedgerRun
from ansible_collections.keyward.bitlocker.tests.bench.measure import BenchError
from ansible_collections.keyward.bitlocker.tests.bench.remembered import Escrow, measure_second_run
from ansible_collections.keyward.bitlocker.tests.lab.fve.stretching import Stretcher


@pytest.fixture(scope="module")
def stretcher() -> Iterator[Stretcher]:
    made = Stretcher()
    yield made
    made.close()


def test_a_ledger_spares_the_second_run_every_proof(stretcher: Stretcher, tmp_path: Path) -> None:
    figure = measure_second_run(tmp_path / "b", stretcher, computers=1)
    assert (figure.value, figure.within) == (0, True)
    assert figure.note.startswith("of the 2 ")


def test_a_ledger_that_forgets_is_beyond_the_bound(stretcher: Stretcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LedgerRun, "recall", lambda *_words: None)
    figure = measure_second_run(tmp_path / "b", stretcher, computers=1)
    # the changed value no longer equals the one in the other store, so the third run makes one more
    assert (figure.value, figure.within) == (2, False)


def test_a_ledger_that_believes_too_much_is_not_measured(stretcher: Stretcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # as if nobody noticed that the value was changed in place
    values = Escrow.values
    original: dict[str, str] = {}

    def stale(self: Escrow, entries: object, **options: object) -> object:
        for entry_id, value in self.held.items():
            self.held[entry_id] = original.setdefault(f"{self.reading.store} {entry_id}", value)
        return values(self, entries, **options)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(Escrow, "values", stale)
    with pytest.raises(BenchError, match="one value was changed in place, and 0 proofs were made again"):
        measure_second_run(tmp_path / "b", stretcher, computers=1)
