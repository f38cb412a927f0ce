"""The run on an accelerator, rehearsed where there is none."""

import json

import pytest

pytest.importorskip("optax", reason="the benchmark trains with optax")
pytest.importorskip("rich", reason="the benchmark's tables and progress bar are rich's")

from benchmarks import device, networks
from tests import grid
from tests.tiny import BRIEF, TINY_NETWORK, standard_promotion  # noqa: F401


def test_device_rehearses_every_part(tmp_path, monkeypatch):
    monkeypatch.setattr(device, "EFFORT", BRIEF)
    monkeypatch.setattr(networks, "NETWORKS", (TINY_NETWORK,))
    device.main(["--tiny", "--out", str(tmp_path)])
    found = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in device.PARTS}
    assert not any(part["cut"] for part in found.values())
    assert all(part["environment"]["platform"] == "cpu" and part["records"] for part in found.values())
    assert not any(record["difference"] for record in found["correctness"]["records"])
    for part in ("pools", "small", "large"):
        for record in found[part]["records"]:
            assert record["same_bits_in_ten_runs"]
            assert record.get("gradient_difference", 0) < 1e-6
    assert {"native", "gathered", "padded"} <= set(found["techniques"]["records"][0]["seconds"])


def test_device_keeps_what_it_has_when_the_time_is_over(tmp_path, capsys):
    device.main(["--tiny", "--minutes", "0", "--parts", "small", "large", "--out", str(tmp_path)])
    assert "The time is over." in capsys.readouterr().out
    found = json.loads((tmp_path / "small.json").read_text())
    assert found["cut"]
    assert len(found["records"]) == 1
    assert not (tmp_path / "large.json").exists()


def test_device_says_what_differs(tmp_path, monkeypatch, capsys):
    def differ(*row):
        raise AssertionError("not the same")

    monkeypatch.setattr(grid, "check", differ)
    device.main(["--tiny", "--parts", "correctness", "--out", str(tmp_path)])
    assert "AssertionError: not the same" in capsys.readouterr().out
    found = json.loads((tmp_path / "correctness.json").read_text())["records"]
    assert all(record["difference"] == "AssertionError: not the same" for record in found)
