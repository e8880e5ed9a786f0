import dataclasses
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import event, given
from hypothesis import strategies as st

from astro_jax.config import (
    DEFAULT_PLANNER,
    DEFAULT_ROBOT,
    PlannerConfig,
    PlannerParams,
    RobotConfig,
    SensorConfig,
)
from astro_jax.errors import InputError
from astro_jax.strict_yaml import MAX_BYTES, Section, build, load_planner, load_robot, load_yaml

CONFIGS = Path(__file__).parent.parent / "configs"
ROBOT = CONFIGS / "robots" / "astro.yaml"
PLANNER = CONFIGS / "planner" / "default.yaml"


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    """Text or bytes into a file (the same one each time, for hypothesis)."""
    file = tmp_path_factory.mktemp("yaml") / "a.yaml"

    def write(content: str | bytes) -> Path:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    return write


def refused(load, file) -> InputError:
    with pytest.raises(InputError) as info:
        load(file)
    return info.value


def line_of(error: InputError) -> int:
    return int(error.where.rsplit(":", 1)[1])


def numbers(cls: Any, kind: type) -> list[Any]:
    """The fields of a dataclass that hold a float, or an int, and have a range."""
    fields = dataclasses.fields(cls)
    return [field for field in fields if type(field.default) is kind and "low" in field.metadata]


# ---- the files that come with the package --------------------------------------------


def missing(section: Section, value: Any) -> set[str]:
    """Fields of a dataclass that the file leaves to their defaults."""
    found = set()
    for field in dataclasses.fields(value):
        if field.name not in section:
            found.add(field.name)
        elif dataclasses.is_dataclass(inner := getattr(value, field.name)):
            found |= missing(section[field.name], inner)
    return found


def test_the_files_spell_out_the_defaults():
    assert load_robot(ROBOT) == RobotConfig()
    assert load_planner(PLANNER) == (PlannerConfig(), PlannerParams())
    planner = load_yaml(PLANNER)
    assert missing(planner["config"], PlannerConfig()) == set()
    assert missing(planner["params"], PlannerParams()) == set()


CURVATURE = {"curvature", "curvature_rate", "curvature_acceleration"}
LEFT_OUT = {
    "astro": {"footprint", "mecanum", "lateral_speed"} | CURVATURE,
    "mecanum": {"footprint"} | CURVATURE,
    "ackermann": {"mecanum", "lateral_speed", "wheel_base", "yaw_acceleration", "yaw_jerk"},
}
"""What means nothing to a robot's drive, and the footprint of one that is a rectangle."""


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_robots_file_spells_out_all_that_concerns_it(name):
    file = CONFIGS / "robots" / f"{name}.yaml"
    assert missing(load_yaml(file), load_robot(file)) == LEFT_OUT[name]


def test_the_narrow_robot_differs_only_in_its_sensor():
    narrow = load_robot(CONFIGS / "robots" / "astro_narrow.yaml")
    sensor = SensorConfig(field_of_view=1.22, beams=88, range_max=5.0, range_noise=0.02)
    assert narrow == RobotConfig(name="astro_narrow", sensor=sensor)


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("robots/*.yaml")), ids=lambda f: f.stem)
def test_every_robot_loads_and_suits_the_default_planner(file):
    assert load_robot(file).name == file.stem
    load_planner(PLANNER, load_robot(file))


def test_what_is_left_out_keeps_its_default(write):
    assert load_robot(write("speed: 0.5")) == RobotConfig(speed=0.5)
    config, params = load_planner(write("params: {patience: 8}"))
    assert config == DEFAULT_PLANNER
    assert params.patience == 8.0
    assert type(params.patience) is float


# ---- properties ----------------------------------------------------------------------


def instances(cls: Any, **others: Any) -> st.SearchStrategy[Any]:
    """Instances of a dataclass with every number anywhere within its range."""
    values = {}
    for kind, strategy in ((float, st.floats), (int, st.integers)):
        for field in numbers(cls, kind):
            values[field.name] = strategy(field.metadata["low"], field.metadata["high"])
    return st.builds(cls, **values, **others)


TEXT = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40)


@given(instances(RobotConfig, sensor=instances(SensorConfig), name=TEXT))
def test_robot_round_trip(write, robot):
    file = write(yaml.safe_dump(dataclasses.asdict(robot), allow_unicode=True))
    if robot.problems():
        error = refused(load_robot, file)
        assert (error.field, error.value, error.expected) == robot.problems()[0]
    else:
        event("consistent")
        assert load_robot(file) == robot


@st.composite
def planners(draw):
    """Planner configurations, about half of them consistent."""
    config = draw(instances(PlannerConfig))
    if draw(st.booleans()):
        steps = draw(st.lists(st.integers(1, 20), min_size=3, max_size=12))
        ticks = draw(st.integers(2, 100))
        dt = draw(st.floats(0.1, 0.5))
        intervals = tuple(n * dt for n in steps)
        return dataclasses.replace(
            config,
            dt=dt,
            intervals=intervals,
            period=ticks * 0.01,
            gate_period=0.01,
            tail_after=draw(st.integers(0, 2)) * dt,
            guided_candidates=draw(st.integers(1, min(config.candidates, 1000))),
        )
    return config


@given(planners(), instances(PlannerParams))
def test_planner_round_trip(write, config, params):
    parts = {"config": dataclasses.asdict(config), "params": dataclasses.asdict(params)}
    parts["config"]["intervals"] = list(config.intervals)
    file = write(yaml.safe_dump(parts))
    if config.problems(DEFAULT_ROBOT):
        error = refused(load_planner, file)
        assert error.field == "config." + config.problems(DEFAULT_ROBOT)[0][0]
        assert error.where.startswith(f"{file}:")
    else:
        event("consistent")
        assert load_planner(file) == (config, params)


@given(st.data())
def test_values_out_of_range_are_refused_by_name(write, data):
    cls = data.draw(st.sampled_from([RobotConfig, SensorConfig]))
    field = data.draw(st.sampled_from(numbers(cls, float) + numbers(cls, int)))
    low, high = field.metadata["low"], field.metadata["high"]
    if isinstance(field.default, int):
        value = data.draw(st.integers(-(10**9), low - 1) | st.integers(high + 1, 10**9))
    else:
        below = st.floats(max_value=low, exclude_max=True, allow_infinity=False)
        above = st.floats(min_value=high, exclude_min=True, allow_infinity=False)
        value = data.draw(below | above)
    inner = yaml.safe_dump({field.name: value})
    error = refused(load_robot, write(f"sensor:\n  {inner}" if cls is SensorConfig else inner))
    assert error.field == ("sensor." if cls is SensorConfig else "") + field.name
    assert line_of(error) == (2 if cls is SensorConfig else 1)
    assert error.value == value


YAML_TEXT = st.lists(
    st.sampled_from([*"abn019.:-+[]{},#&*!?|>'\"%@`=~ \n\t\\", "e3", ": ", "- ", "\n  ", "!!"])
    | st.sampled_from([".nan", "no", "<<", "speed", "sensor", "\\x", "\\U00ffffff", "0x1f"])
    | st.characters(),
    max_size=60,
).map("".join)


@given(YAML_TEXT | st.text() | st.binary())
def test_anything_is_read_as_yaml_reads_it_or_refused(write, content):
    if isinstance(content, str):
        content = content.encode(errors="surrogatepass")
    file = write(content)
    try:
        found = load_yaml(file)
    except InputError as error:
        assert str(file) in str(error)
    else:
        assert found == yaml.safe_load(content.decode("utf-8-sig"))


@pytest.mark.parametrize(("load", "file"), [(load_robot, ROBOT), (load_planner, PLANNER)])
@given(data=st.data())
def test_a_damaged_file_is_a_config_or_refused(write, load, file, data):
    text = file.read_text()
    start = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 40))
    damaged = text[:start] + data.draw(YAML_TEXT) + text[start + cut :]
    try:
        load(write(damaged.encode(errors="surrogatepass")))
    except InputError as error:
        assert error.where.startswith(str(write(b"")))


# ---- faults --------------------------------------------------------------------------


def test_47_unknown_key(write):
    error = refused(load_robot, write("name: a\nsensor:\n  beamz: 12\n"))
    assert error.field == "sensor.beamz"
    assert line_of(error) == 3
    assert "perhaps beams" in error.expected
    error = refused(load_planner, write("config: {}\nparam: {}\n"))
    assert (error.field, line_of(error)) == ("param", 2)
    assert "perhaps params" in error.expected


def test_47_duplicate_key(write):
    error = refused(load_robot, write("speed: 0.5\nsensor:\n  beams: 9\n\n  beams: 9\n"))
    assert (error.field, line_of(error)) == ("sensor.beams", 5)
    assert "line 3" in str(error)


@pytest.mark.parametrize("key", ["no", "1", "~", ".nan", "<<", "[a]", "{a: b}", "2024-01-01"])
def test_47_keys_are_names(write, key):
    assert line_of(refused(load_robot, write(f"name: a\n? {key}\n: 1\n"))) == 2


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("1e3", "a number, written 1.0e+3"),
        ("1.5E3", "a number, written 1.5e+3"),
        ("1e-1", "a number, written 1.0e-1"),
        ("'0.5'", "a number, written 0.5"),
        ("fast", "a number"),
        ("no", "a number"),
        ("~", "a number"),
        ("", "a number"),
        ("[1.0]", "a number"),
        ("{a: 1}", "a number"),
        (".nan", "a finite decimal number such as 12 or 0.5"),
        (".inf", "a finite decimal number such as 12 or 0.5"),
        ("-.INF", "a finite decimal number such as 12 or 0.5"),
        ("1.0e+999", "a finite decimal number such as 12 or 0.5"),
        ("1:30", "a finite decimal number such as 12 or 0.5"),  # 90 in YAML 1.1
        ("1:30.5", "a finite decimal number such as 12 or 0.5"),
        ("010", "a finite decimal number such as 12 or 0.5"),  # 8 in YAML 1.1
        ("0x10", "a finite decimal number such as 12 or 0.5"),
        ("1_0", "a finite decimal number such as 12 or 0.5"),
        ("9" * 5000, "a finite decimal number such as 12 or 0.5"),
        ("2024-01-01", "plain text or a number"),
    ],
)
def test_48_not_a_float(write, written, advice):
    error = refused(load_robot, write(f"name: a\nspeed: {written}\n"))
    assert (error.field, line_of(error)) == ("speed", 2)
    assert error.expected == advice


@pytest.mark.parametrize("written", ["yes", "270.0", "2.7e+2", "1e2", "many", "[270]", "1e1000"])
def test_48_not_an_integer(write, written):
    error = refused(load_robot, write(f"sensor:\n  beams: {written}\n"))
    assert error.field == "sensor.beams"
    assert error.expected.startswith("an integer")


@pytest.mark.parametrize("written", ["no", "12", "0.5", "~", "[a]", '"\\ud800"', '"a\\nb"', "''"])
def test_48_not_text(write, written):
    error = refused(load_robot, write(f"name: {written}\n"))
    assert (error.field, line_of(error)) == ("name", 1)
    assert "text" in error.expected


@pytest.mark.parametrize("written", ["0.5", "[0.5, no]", "[[0.5]]", "[1e0]", "[0.5, .nan]", "a"])
def test_48_not_a_list_of_floats(write, written):
    error = refused(load_planner, write(f"config:\n  intervals: {written}\n"))
    assert (error.field, line_of(error)) == ("config.intervals", 2)


@pytest.mark.parametrize("written", ["1", "[beams]", "~", "a"])
def test_48_not_a_section(write, written):
    assert refused(load_robot, write(f"sensor: {written}")).field == "sensor"
    assert refused(load_planner, write(f"config: {written}")).field == "config"


def test_48_an_integer_does_for_a_float(write):
    speed = load_robot(write("speed: 1\nwheel_speed: 2")).speed
    assert speed == 1.0
    assert type(speed) is float


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("wheel_acceleration: 0.0", "wheel_acceleration"),
        ("braking: 0", "braking"),
        ("braking: 1.0", "braking"),
        ("speed: 1.1", "speed"),
        ("reverse_speed: 5.0", "reverse_speed"),
        ("drive: rover", "drive"),
        ("footprint: [[0.1, 0.1], [0.1, -0.1], [-0.1, 0.0]]", "footprint"),  # clockwise
        # not convex: a notch behind, and a star that turns around twice
        ("footprint: [[0.2, -0.1], [0.2, 0.1], [-0.2, 0.1], [-0.1, 0], [-0.2, -0.1]]", "footprint"),
        (
            "footprint: [[0.1, 0], [-0.08, 0.06], [0.03, -0.09], [0.03, 0.09], [-0.08, -0.06]]",
            "footprint",
        ),
        ("footprint: [[0.2, -0.1], [0.2, 0.1]]", "footprint"),
        ("footprint: [[0.2, -0.1], [0.2, 0], [0.2, 0.1], [-0.2, 0]]", "footprint"),  # straight
        ("footprint: [[0.2, -0.1], [0.2, 0.1], [0.1, 0.1], [0.1, -0.1]]", "footprint"),  # ahead
        # out of the rectangle length x width, to the front and to the side
        ("footprint: [[0.22, -0.1], [0.22, 0.1], [-0.2, 0.1], [-0.2, -0.1]]", "footprint"),
        ("footprint: [[0.2, -0.1], [0.2, 0.13], [-0.2, 0.1], [-0.2, -0.1]]", "footprint"),
    ],
)
def test_49_inconsistent_robot(write, line, field):
    error = refused(load_robot, write(f"name: a\n{line}\n"))
    assert (error.field, line_of(error)) == (field, 2)


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("intervals: [0.1, 0.2]", "intervals"),  # shorter than the stopping time
        ("intervals: [1.0, 1.0, 0.55]", "intervals"),  # not a multiple of dt
        ("intervals: []", "intervals"),
        ("intervals: [0.0, 3.0]", "intervals"),
        ("intervals: [-1.0, 4.0]", "intervals"),
        ("intervals: [1.0e+9]", "intervals"),
        ("gate_period: 0.03", "gate_period"),
        ("people_stride: 4", "people_stride"),
        ("tail_after: 0.25", "tail_after"),  # between two samples
        ("tail_after: 3.1", "tail_after"),
        ("candidates: 64\n  guided_candidates: 24", "candidates"),
        ("guided_candidates: 300", "candidates"),
    ],
)
def test_49_inconsistent_planner(write, line, field):
    error = refused(load_planner, write(f"config:\n  {line}\n"))
    assert error.field == f"config.{field}"
    if line.startswith(field):
        assert line_of(error) == 2


def test_49_every_part_of_the_search_needs_its_candidates():
    """One for each constant command, the guided, the last plan, and one each drawn two ways."""
    planner = PlannerConfig(candidates=64, guided_candidates=64 - 38 - 3)
    assert planner.problems(DEFAULT_ROBOT) == []
    fewer = dataclasses.replace(planner, candidates=63)
    assert [field for field, *_ in fewer.problems(DEFAULT_ROBOT)] == ["candidates"]
    (_, value, expected), *_ = fewer.problems(DEFAULT_ROBOT)
    assert value == 63 and expected.startswith("at least 64: 38 constant commands, 23 guided")
    # fewer bodies than the search would look at are no contradiction
    assert PlannerConfig(people=1, near_bodies=8).problems(DEFAULT_ROBOT) == []


@pytest.mark.parametrize(
    ("field", "value", "low", "high"),
    [
        ("harm_of_kind", -0.1, 0.0, 100.0),
        ("harm_of_kind", 101.0, 0.0, 100.0),
        ("space_of_kind", 0.0, 0.01, 10.0),
        ("space_of_kind", 11.0, 0.01, 10.0),
        ("walker_noise_of_kind", 0.0, 0.01, 100.0),
        ("walker_noise_of_kind", 101.0, 0.01, 100.0),
    ],
)
@pytest.mark.parametrize("place", [0, 4])
def test_49_factors_by_kind_have_a_range(write, field, value, low, high, place):
    """Space divides by its factor, and harm that is negative would be sought."""
    factors = [1.0] * 5
    for allowed in (low, high):
        factors[place] = allowed
        params = load_planner(write(f"params:\n  {field}: {factors}\n"))[1]
        assert getattr(params, field) == tuple(factors)
    factors[place] = value
    error = refused(load_planner, write(f"params:\n  {field}: {factors}\n"))
    assert (error.field, error.value) == (f"params.{field}", value)
    assert error.expected == f"a number from {low:g} to {high:g}"
    assert line_of(error) == 2


@pytest.mark.parametrize("field", ["elites", "finalists", "descents"])
def test_49_the_best_are_not_more_than_there_are(field):
    for value, sound in ((0, False), (80, True), (81, False)):
        planner = dataclasses.replace(PlannerConfig(candidates=80), **{field: value})
        assert [name for name, *_ in planner.problems(DEFAULT_ROBOT)] == [field] * (not sound)


def test_49_the_horizon_must_suit_the_robot():
    slow_to_stop = RobotConfig(speed=1.0, wheel_acceleration=0.2)
    error = refused(lambda file: load_planner(file, slow_to_stop), PLANNER)
    assert error.field == "config.intervals"
    assert "stopping time 5.00 s" in error.expected


HOSTILE = {
    "billion laughs": "a: &a [x, x]\n"
    + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(20)
    ),
    "self reference": "a: &a [*a]",
    "merge": "a: &a {b: 1}\nc:\n  <<: *a\n",
    "brackets": "a: " + "[" * (MAX_BYTES - 3),
    "braces": "a: " + "{" * (MAX_BYTES - 3),
    "dashes": "- " * (MAX_BYTES // 2),
    "question marks": "? " * (MAX_BYTES // 2),
    "staircase": "".join(" " * i + "a:\n" for i in range(240)),
    "many keys": "".join(f"k{i}: 1\n" for i in range(2500)),
    "many items": "a: [" + "1," * (MAX_BYTES // 2 - 3) + "]",
    "long word": "a: " + "x" * (MAX_BYTES - 3),
    "many words": "a: " + "x " * (MAX_BYTES // 2 - 2),
    "long text": "a: >\n" + " x\n" * (MAX_BYTES // 3 - 2),
    "long comment": "#" * MAX_BYTES,
    "directives": "".join(f"%TAG !a{i}! b\n" for i in range(1900)),
    "documents": "---\n" * (MAX_BYTES // 4),
    "over 1 MiB": "a: " + "x" * (1 << 20),
    "64 MiB": b"\0" * (1 << 26),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_50_hostile_files_are_refused_within_100_ms(write, name):
    file = write(HOSTILE[name])
    seconds = []
    for _ in range(3):
        start = time.process_time()
        refused(load_robot, file)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.1


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:pathlib.Path.touch [{}]",
        "!!python/object/new:pathlib.PosixPath [{}]",
        "!!python/name:os.system ''",
        "!!python/tuple [1, 2]",
        "!!binary aGk=",
        "!!set {{a}}",
        "!own x",
    ],
)
def test_52_tags_construct_nothing(write, tmp_path, tag):
    touched = tmp_path / "touched"
    error = refused(load_robot, write("speed: 0.5\nname: " + tag.format(touched)))
    assert (error.field, line_of(error)) == ("name", 2)
    assert not touched.exists()


@pytest.mark.parametrize(
    "content", ["", "# nothing", "- a", "text", "a: 1\n---\nb: 2", b"\xff\xfe"]
)
def test_not_a_mapping(write, content):
    refused(load_robot, write(content))


def test_not_a_file(tmp_path):
    for path in (tmp_path, tmp_path / "missing.yaml", "a\0b", "/dev/zero"):
        assert refused(load_robot, path).field == "path"


# ---- other dataclasses ---------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Door:
    room: str
    hinge: tuple[float, float]
    locked: bool = False


def test_build_from_any_mapping():
    found = build(Door, {"room": "hall", "hinge": [1, 2.5], "locked": True})
    assert found == Door("hall", (1.0, 2.5), True)
    with pytest.raises(InputError, match=r"map\.json: hinge is missing; expected a value"):
        build(Door, {"room": "hall"}, "map.json")
    with pytest.raises(InputError, match="a list of 2 values"):
        build(Door, {"room": "hall", "hinge": [1.0]})
    with pytest.raises(InputError, match="true or false"):
        build(Door, {"room": "hall", "hinge": [1.0, 2.0], "locked": 1})
    with pytest.raises(InputError, match="a number that is finite"):
        build(Door, {"room": "hall", "hinge": [1.0, float("nan")]})
    with pytest.raises(InputError, match=r"sensor\.beamz is unknown"):
        build(RobotConfig, {"sensor": {"beamz": 1}})
