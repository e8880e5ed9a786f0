"""What the README shows is what works."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_python_example_runs(tmp_path, monkeypatch):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.S)
    code = [line for line in example.splitlines() if line.strip()]
    assert len(code) <= 15
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    exec(compile(example, "README.md", "exec"), {})
    assert (tmp_path / "plan.png").stat().st_size > 10_000


def test_named_files_exist():
    for name in re.findall(
        r"`((?:astro_jax|configs|notebooks|experiments)/[\w/.]+)(?:::\w+)?`", README
    ):
        assert (ROOT / name).exists(), name
