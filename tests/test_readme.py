"""What the README shows is what works."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("compiled_quickly")

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def example(which, tmp_path, monkeypatch):
    """Run the README's ``which``-th Python example of two; the names it leaves."""
    examples = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(examples) == 2
    code = [line for line in examples[which].splitlines() if line.strip()]
    assert len(code) <= 15
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    names = {}
    exec(compile(examples[which], "README.md", "exec"), names)
    return names


def test_python_example_runs(tmp_path, monkeypatch):
    example(0, tmp_path, monkeypatch)
    assert (tmp_path / "plan.png").stat().st_size > 10_000


def test_the_example_of_messages_runs(tmp_path, monkeypatch):
    names = example(1, tmp_path, monkeypatch)
    scan = names["seen"].scan
    assert scan.valid.any() and 0.0 <= float(scan.age) < 60.0
    assert set(map(float, scan.ranges[scan.valid])) == {2.0}


def test_named_files_exist():
    for name in re.findall(
        r"`((?:astro_jax|configs|notebooks|experiments)/[\w/.]+)(?:::\w+)?`", README
    ):
        assert (ROOT / name).exists(), name
