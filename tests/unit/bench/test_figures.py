# SPDX-License-Identifier: GPL-3.0-or-later
"""The arithmetic of make bench: ratios within rounds, bounds, the file, the table; and that a failed run is never measured."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ansible_collections.keyward.bitlocker.tests.bench import __main__ as bench
from ansible_collections.keyward.bitlocker.tests.bench import measure
from ansible_collections.keyward.bitlocker.tests.bench.directory import BOUND as DIRECTORY_BOUND
from ansible_collections.keyward.bitlocker.tests.bench.directory import directory_figures
from ansible_collections.keyward.bitlocker.tests.bench.figures import Figure, median_of, ratio_of_rounds, table, to_json
from ansible_collections.keyward.bitlocker.tests.bench.judging import PROTECTORS, Fleet, measure_judging
from ansible_collections.keyward.bitlocker.tests.bench.lookups import lookup_figures
from ansible_collections.keyward.bitlocker.tests.bench.reporting import page_figures, report_figures
from ansible_collections.keyward.bitlocker.tests.bench.tasks import TASKS, task_figures
from ansible_collections.keyward.bitlocker.tests.bench.tenant import large_tenant, tenant_figures
from ansible_collections.keyward.bitlocker.tests.bench.wire import wire_figures
from ansible_collections.keyward.bitlocker.tests.lab.hosts.record import Summary

ROUNDS = [
    {"ours": 3.0, "theirs": 5.0, "nothing": 1.0},
    {"ours": 9.0, "theirs": 17.0, "nothing": 1.0},
    {"ours": 4.0, "theirs": 5.0, "nothing": 3.0},
]


def test_a_ratio_is_taken_in_each_round_and_the_median_of_them_counts() -> None:
    assert ratio_of_rounds(ROUNDS, "ours", "theirs", "nothing") == 0.5
    assert ratio_of_rounds(ROUNDS, "ours", "theirs") == 0.6
    assert ratio_of_rounds(ROUNDS[:2], "ours", "theirs", "nothing") == 0.5
    assert median_of(ROUNDS, "ours", "nothing") == 2.0
    assert median_of(ROUNDS, "theirs") == 5.0


def test_a_slow_round_changes_nothing() -> None:
    slow = {name: value * 40 for name, value in ROUNDS[0].items()}
    assert ratio_of_rounds([*ROUNDS, slow, slow], "ours", "theirs", "nothing") == 0.5


@pytest.mark.parametrize("rounds", [[], [{"ours": 1.0, "theirs": 1.0, "nothing": 1.0}], [{"ours": 1.0, "theirs": 0.5, "nothing": 1.0}]])
def test_what_cannot_be_divided_is_no_figure(rounds: list[dict[str, float]]) -> None:
    with pytest.raises(ValueError, match="round"):
        ratio_of_rounds(rounds, "ours", "theirs", "nothing")


@pytest.mark.parametrize(
    ("value", "bound", "exact", "within"),
    [
        (16, 16, False, True),
        (16.001, 16, False, False),
        (3, None, False, True),
        (1, 1, True, True),
        (0, 1, True, False),
        (2, 1, True, False),
        (float("nan"), 1, False, False),
        (float("nan"), 1, True, False),
    ],
)
def test_bounds(value: float, bound: float | None, exact: bool, within: bool) -> None:
    assert Figure(name="x", value=value, unit="y", bound=bound, exact=exact).within is within


def test_the_file_has_name_value_and_unit() -> None:
    figures = [
        Figure(name="a", value=16, unit="requests", bound=16, note="measured so"),
        Figure(name="b", value=0.75, unit="ratio", bound=0.6),
        Figure(name="c", value=2.5, unit="s"),
    ]
    assert json.loads(to_json(figures)) == {
        "figures": [
            {"name": "a", "value": 16, "unit": "requests", "bound": 16, "within": True, "note": "measured so"},
            {"name": "b", "value": 0.75, "unit": "ratio", "bound": 0.6, "within": False},
            {"name": "c", "value": 2.5, "unit": "s"},
        ]
    }
    lines = table(figures).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["a", "16", "requests", "<=", "16", "ok"],
        ["b", "0.750", "ratio", "<=", "0.600", "BEYOND", "ITS", "BOUND"],
        ["c", "2.500", "s"],
    ]


def summary(**counts: int) -> Summary:
    return Summary(**({"connections": 1, "requests": 16, "bytes_in": 20_000, "bytes_out": 25_000} | counts))


def test_on_the_wire_the_dearest_host_counts() -> None:
    plain = {"a": summary(), "b": summary(requests=15, bytes_out=26_000)}
    laden = summary(requests=21)
    every = {**plain, "laden": laden, "odd": summary(requests=40, bytes_in=90_000)}
    figures = {figure.name: figure for figure in wire_figures(plain, every, laden)}
    values = {name: figure.value for name, figure in figures.items()}
    assert values["wsman_requests_per_host"] == 16
    assert values["wsman_bytes_per_host"] == 46_000
    assert values["wsman_requests_laden_host"] == 21
    assert (values["wsman_requests_any_form"], values["wsman_bytes_any_form"]) == (40, 115_000)
    assert (figures["wsman_requests_per_host"].bound, figures["wsman_bytes_per_host"].bound) == (16, 60_000)
    assert all(figure.within for figure in figures.values())


@pytest.mark.parametrize("broken", [{"connections": 2}, {"shells": 1}])
def test_another_connection_or_a_shell_on_any_host_is_beyond_the_bound(broken: dict[str, int]) -> None:
    plain = {"a": summary()}
    assert not all(figure.within for figure in wire_figures(plain, {**plain, "b": summary(**broken)}, summary()))


def test_task_ratios_are_less_the_task_that_does_nothing() -> None:
    costs = {"noop": 1.0, "debug": 2.0, "ours": 3.0, "ours_pywinrm": 5.0, "win_ping": 4.0, "win_service_info": 6.0}
    assert set(costs) == set(TASKS)
    values = {figure.name: figure.value for figure in task_figures([costs, costs], 10)}
    assert values["task_cpu_ratio_to_powershell"] == 0.5
    assert values["task_cpu_ratio_pywinrm"] == 1.5
    assert values["task_cpu_ratio_to_win_service_info"] == 0.25
    assert values["task_cpu_ratio_with_ansibles_own"] == pytest.approx(2 / 3)
    assert values["task_cpu_win_ping"] == pytest.approx(300.0)


def test_directory_ratios() -> None:
    pair = {"entries": 3.0, "ldapsearch_entries": 2.0, "everything": 6.0, "ldapsearch_everything": 5.0}
    figures = {figure.name: figure for figure in directory_figures([pair] * 5, 20_000)}
    assert figures["ad_20k_wall_ratio_to_ldapsearch"].value == 1.5
    assert not figures["ad_20k_wall_ratio_to_ldapsearch"].within
    assert figures["ad_20k_wall_ratio_to_ldapsearch"].bound == DIRECTORY_BOUND == 1.4
    assert figures["ad_20k_with_computers_wall_ratio_to_ldapsearch"].value == 1.2


def test_lookup_figures() -> None:
    rounds = [{"one": 0.5, "ldapsearch": 0.25, "loop": 6.0, "bare_client": 4.0}] * 3
    figures = {figure.name: figure for figure in lookup_figures(rounds, 20_000)}
    assert (figures["prefix_lookup_20k_ms"].value, figures["prefix_lookup_20k_ms"].bound) == (250.0, 300.0)
    assert (figures["lookup_loop_1000_ratio"].value, figures["lookup_loop_1000_ratio"].bound) == (1.5, 1.5)
    assert all(figure.within for figure in figures.values())
    slow = [measured | {"one": 0.56, "loop": 6.1} for measured in rounds]
    assert [figure.within for figure in lookup_figures(slow, 20_000)] == [False, False, True]


def test_the_fleet_that_is_judged_has_what_its_figure_says() -> None:
    fleet = Fleet(300)
    assert fleet.protectors == 300 * PROTECTORS
    report = json.loads(fleet.report())
    verdicts = report["summary"]["verdicts"]
    assert sum(verdicts.values()) == 600
    assert verdicts["unescrowed"] > 10
    assert verdicts["escrowed"] > 500
    assert report["summary"]["findings"]["KW-ESC-004"] >= 1
    assert (report["complete"], report["summary"]["observed"]) == (True, 300)
    (figure,) = measure_judging(computers=10, times=1)
    assert 0 < figure.value < 8
    assert figure.within


def test_a_fleet_in_both_stores_is_joined_in_both() -> None:
    found = Fleet(300, entra=True).document()
    assert {store: facts["state"] for store, facts in found["stores"].items()} == {"ad": "searched", "entra": "searched"}
    assert len(found["computers"]) == 300
    assert all(computer["identities"]["joins"].keys() == {"ad", "entra"} for computer in found["computers"])
    assert found["summary"]["verdicts"]["escrowed"] > 550


def test_report_figures() -> None:
    firsts = [{"wall": wall, "cpu": wall - 1, "mib": 500.0} for wall in (9.0, 7.0, 13.0)]
    agains = [{"wall": 11.0, "cpu": 10.0, "mib": mib} for mib in (900.0, 1024.5, 800.0)]
    figures = {figure.name: figure for figure in report_figures(firsts, agains, 20_000)}
    assert (figures["report_20k_seconds"].value, figures["report_20k_seconds"].bound) == (9.0, 12)
    assert (figures["report_20k_mib"].value, figures["report_20k_mib"].bound) == (1024.5, 1024)
    assert not figures["report_20k_mib"].within


def test_the_slowest_change_counts_and_of_each_the_best() -> None:
    figures = {figure.name: figure for figure in page_figures([700.0, 1600.0], {"a": [90.0, 10.0], "b": [200.0, 80.0]}, 20_000)}
    assert (figures["html_20k_filter_ms"].value, figures["html_20k_filter_ms"].bound) == (80.0, 150)
    assert (figures["html_20k_first_paint_ms"].value, figures["html_20k_first_paint_ms"].bound) == (700.0, 1500)


def test_tenant_figures() -> None:
    costs = {"ours": 1.2, "bare": 1.0, "ours_cpu": 0.9, "bare_cpu": 0.5, "ours_whole": 3.0, "bare_whole": 2.0}
    figures = {figure.name: figure for figure in tenant_figures([costs] * 3, 20_000)}
    assert (figures["graph_20k_ratio_to_bare_client"].value, figures["graph_20k_ratio_to_bare_client"].bound) == (1.2, 1.5)
    assert figures["graph_20k_cpu_ratio_to_bare_client"].value == 1.8
    assert figures["graph_20k_whole_ratio_to_bare_client"].value == 1.5


def test_every_device_of_the_large_tenant_has_a_key() -> None:
    estate = large_tenant(30, datetime(2026, 11, 22, tzinfo=UTC))
    assert {key.device_id for key in estate.entra_keys} == {device.device_id for device in estate.entra_devices}
    assert len({key.key_id for key in estate.entra_keys}) == 30


def test_processor_time_of_descendants_counts_even_if_nobody_waited_for_them(tmp_path: Path) -> None:
    orphan = "import time; t = time.process_time()\nwhile time.process_time() - t < 0.4: pass"
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {orphan!r}])"
    cost = measure.run([sys.executable, "-c", parent], {"PATH": "/usr/bin:/bin"}, tmp_path, "orphan")
    assert cost.cpu >= 0.4


def test_an_answer_is_taken_and_a_failure_is_none() -> None:
    program = "import json, sys; print(json.dumps({'said': json.load(sys.stdin)['x']}))"
    said = measure.answer([sys.executable, "-c", program], {}, question='{"x": 5}')
    assert (said["said"], said["whole"] > 0) == (5, True)
    with pytest.raises(measure.BenchError, match="status 1:\n"):
        measure.answer([sys.executable, "-c", program], {}, question="no")


def test_a_failed_command_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(measure.BenchError, match="ended with status 3:\nsorry"):
        measure.run([sys.executable, "-c", "print('sorry'); raise SystemExit(3)"], {}, tmp_path, "failed")


def run(monkeypatch: pytest.MonkeyPatch, out: Path, figures: list[Figure]) -> int:
    monkeypatch.setattr(bench, "_measure", lambda *arguments: figures)
    monkeypatch.setattr(bench.powershell, "collections", lambda folder: folder)
    monkeypatch.setattr(bench.namespace, "enter", lambda command: None)
    return bench.main(["--out", str(out)])


def test_a_figure_beyond_its_bound_makes_the_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = Figure(name="good", value=1, unit="s", bound=2), Figure(name="bad", value=3, unit="s", bound=2)
    assert run(monkeypatch, tmp_path / "a.json", [good]) == 0
    assert run(monkeypatch, tmp_path / "b.json", [good, bad]) == bench.BEYOND == 1
    assert "BEYOND ITS BOUND" in capsys.readouterr().out
    assert [row["name"] for row in json.loads((tmp_path / "b.json").read_text())["figures"]] == ["good", "bad"]


def test_what_could_not_be_measured_is_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*arguments: object) -> list[Figure]:
        raise measure.BenchError("no")

    monkeypatch.setattr(bench, "_measure", refuse)
    monkeypatch.setattr(bench.powershell, "collections", lambda folder: folder)
    monkeypatch.setattr(bench.namespace, "enter", lambda command: None)
    (tmp_path / "a.json").write_text("of an earlier run")
    assert bench.main(["--out", str(tmp_path / "a.json")]) == bench.NOT_MEASURED
    assert not (tmp_path / "a.json").exists()
