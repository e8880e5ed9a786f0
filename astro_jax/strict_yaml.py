"""Strict YAML: a file in, frozen dataclasses or an ``InputError`` with a line out.  [host]

YAML is friendlier to typists than to robots: it drops duplicate keys, reads ``no`` as False,
``1e3`` as text, ``010`` as 8 and ``1:30`` as 90, accepts ``.nan``, and a few aliases expand
to gigabytes.  Here all of these are errors.  PyYAML only splits the file into nodes; values
are made below, so that no tag can construct an object.
"""

import dataclasses
import difflib
import math
import re
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from astro_jax.config import DEFAULT_ROBOT, PlannerConfig, PlannerParams, RobotConfig
from astro_jax.errors import InputError

_T = TypeVar("_T")

MAX_BYTES = 32 * 1024
MAX_NODES = 1000
MAX_DEPTH = 20
"""Together they bound the time to refuse any file to well under 100 ms."""

MAX_INTERVAL = 10.0
"""Longest distance between two knots of a plan, s."""

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})?(\.[0-9]*)?([eE][-+]?[0-9]{1,3})?")


class Section(dict[str, Any]):
    """A mapping as it stands in the file, which remembers where."""

    def __init__(self, values: Mapping[str, Any], source: str, prefix: str = ""):
        super().__init__(values)
        self.source = source
        self.prefix = prefix
        """Names of the enclosing keys, for example ``"sensor."``."""
        self.lines: dict[str, int] = {}

    def where(self, key: str) -> str:
        """``file:line`` of the key; the file alone for a key that is left to its default."""
        return f"{self.source}:{self.lines[key]}" if key in self.lines else self.source


# ---- file to values ------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """Composes nodes, and gives up before anything can grow."""

    source = ""
    nodes = depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()
        where = f"{self.source}:{event.start_mark.line + 1}"
        self.nodes += 1
        self.depth += 1
        if event.anchor is not None:
            raise InputError("anchor or alias", event.anchor, "the value written out", where)
        if self.nodes > MAX_NODES:
            raise InputError("file", "too long", f"at most {MAX_NODES} keys and values", where)
        if self.depth > MAX_DEPTH:
            raise InputError("nesting", "too deep", f"at most {MAX_DEPTH} levels", where)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:
        # The scanner reads ahead of compose_node, quadratically in the number of brackets.
        if self.flow_level >= MAX_DEPTH:
            where = f"{self.source}:{self.line + 1}"
            raise InputError("nesting", "too deep", f"at most {MAX_DEPTH} levels", where)
        super().fetch_flow_collection_start(TokenClass)


def load_yaml(path: str | Path) -> Section:
    """The mapping in a YAML file; its nested mappings are ``Section`` as well.

    Raises:
      InputError: unreadable, too large, too deep, not a mapping, duplicate key, alias,
        tag, or a number that YAML reads differently from what it looks like.
    """
    source = str(path)
    loader = _Loader(_read(Path(path)))
    loader.source = source
    try:
        root = loader.get_single_node()
    except InputError:
        raise
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        problem = error.problem or error.context
        raise InputError("syntax", f"wrong ({problem})", "YAML", source + line) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # PyYAML lets ValueError through, for example for an escape beyond Unicode.
        raise InputError("syntax", f"wrong ({error})", "YAML", source) from None
    if not isinstance(root, yaml.MappingNode):
        raise InputError("file", "something else", "a mapping (lines of key: value)", source)
    return _value(root, "", source)


def _read(path: Path) -> str:
    try:
        if not path.is_file():
            raise InputError("path", str(path), "an existing file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError("path", str(path), f"a readable file ({error})") from None
    if len(data) > MAX_BYTES:
        raise InputError("size", "too large", f"at most {MAX_BYTES} bytes", str(path))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError("encoding", "broken", "UTF-8 text", f"{path}:{line}") from None
    found = yaml.SafeLoader.NON_PRINTABLE.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise InputError("character", repr(found.group()), "printable text", f"{path}:{line}")
    return text


def _value(node: yaml.Node, name: str, source: str) -> Any:
    """The value of a node called ``name`` (dotted; empty for the whole file)."""
    where = f"{source}:{node.start_mark.line + 1}"
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    if isinstance(node, yaml.MappingNode) and kind == "map":
        return _section(node, f"{name}." if name else "", source)
    if isinstance(node, yaml.SequenceNode) and kind == "seq":
        return [_value(item, name, source) for item in node.value]
    if isinstance(node, yaml.ScalarNode):
        text = node.value
        if kind == "str":
            return text
        if kind == "null":
            return None
        if kind == "bool" and text.lower() in ("yes", "true", "on", "no", "false", "off"):
            return text.lower() in ("yes", "true", "on")
        if kind == "int" and _INTEGER.fullmatch(text):
            return int(text)
        if kind == "float" and _is_number(text) and math.isfinite(float(text)):
            return float(text)
        if kind in ("int", "float"):
            raise InputError(name, text, "a finite decimal number such as 12 or 0.5", where)
    raise InputError(name or "file", f"of type {node.tag}", "plain text or a number", where)


def _section(node: yaml.MappingNode, prefix: str, source: str) -> Section:
    section = Section({}, source, prefix)
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        where = f"{source}:{line}"
        key = key_node.value
        if not (isinstance(key, str) and key_node.tag == "tag:yaml.org,2002:str"):
            shown = key if isinstance(key, str) else "a list or a mapping"
            raise InputError(f"key in {prefix[:-1] or 'file'}", shown, "a name (text)", where)
        if key in section:
            first = f"given twice, first in line {section.lines[key]}"
            raise InputError(prefix + key, first, "each key once", where)
        section.lines[key] = line
        section[key] = _value(value_node, prefix + key, source)
    return section


def _is_number(text: str) -> bool:
    return bool(_NUMBER.fullmatch(text)) and any(c.isdigit() for c in re.split("[eE]", text)[0])


# ---- values to dataclasses -----------------------------------------------------------


def build(cls: type[_T], mapping: Mapping[str, Any], where: str = "") -> _T:
    """An instance of the dataclass ``cls`` from values under the names of its fields.

    Fields may be float, int, bool, str, a tuple of these, or a dataclass; a closed range is
    taken from ``low`` and ``high`` in their metadata.  What is left out keeps its default.

    Args:
      cls: the dataclass.
      mapping: from ``load_yaml``, or any mapping.
      where: what errors call the place when the mapping does not know it.

    Raises:
      InputError: unknown key, missing value, wrong type, not finite or out of range.
    """
    section = mapping if isinstance(mapping, Section) else Section(mapping, where)
    fields = {field.name: field for field in dataclasses.fields(typing.cast(Any, cls))}
    hints = typing.get_type_hints(cls)
    refuse_unknown(section, fields, f"a setting of {cls.__name__}")
    values = {}
    for key, field in fields.items():
        name = section.prefix + key
        if key in section:
            low = field.metadata.get("low", -math.inf)
            high = field.metadata.get("high", math.inf)
            values[key] = _convert(hints[key], section[key], name, section.where(key), low, high)
        elif field.default is field.default_factory is dataclasses.MISSING:
            raise InputError(name, "missing", "a value", section.source)
    return cls(**values)


def refuse_unknown(section: Section, known: Iterable[str], what: str) -> None:
    """An InputError for a key that is none of the ``known`` ones, which are ``what``."""
    names = sorted(known)
    for key in section:
        if key not in names:
            close = difflib.get_close_matches(str(key)[:60], names, n=1)
            expected = f"{what}, perhaps {close[0]}" if close else f"{what}: {', '.join(names)}"
            raise InputError(
                section.prefix + str(key)[:60], "unknown", expected, section.where(key)
            )


def _convert(hint: Any, value: Any, name: str, where: str, low: float, high: float) -> Any:
    """``value`` as ``hint``, within [low, high] where it is a number."""
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise InputError(name, value, "a mapping (indented lines of key: value)", where)
        nested = value if isinstance(value, Section) else Section(value, where, f"{name}.")
        return build(typing.cast(type, hint), nested)
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)
        if not isinstance(value, list | tuple):
            raise InputError(name, value, "a list such as [0.1, 0.2]", where)
        if inner[-1] is Ellipsis:
            inner = inner[:1] * len(value)
        if len(inner) != len(value):
            raise InputError(name, value, f"a list of {len(inner)} values", where)
        pairs = zip(inner, value, strict=True)
        return tuple(_convert(kind, item, name, where, low, high) for kind, item in pairs)
    if hint is bool:
        if not isinstance(value, bool):
            raise InputError(name, value, "true or false", where)
        return value
    if hint is str:
        if not isinstance(value, str):
            raise InputError(name, value, "text; in quotes if it looks like something else", where)
        if not (value and value.isprintable()):
            raise InputError(name, value, "text of printable characters", where)
        return value
    if hint not in (int, float):
        raise TypeError(f"{name}: fields of type {hint} cannot be read from a file")
    number = "an integer" if hint is int else "a number"
    if isinstance(value, str) and _is_number(value):
        raise InputError(name, repr(value), f"{number}, written {_as_yaml(value)}", where)
    # bool is an int in Python, and an int does for a float
    if isinstance(value, bool) or not isinstance(value, int if hint is int else int | float):
        raise InputError(name, value, number, where)
    if not low <= value <= high or not math.isfinite(value):
        bounds = f"from {low:g} to {high:g}" if math.isfinite(high - low) else "that is finite"
        raise InputError(name, value, f"{number} {bounds}", where)
    return hint(value)


def _as_yaml(text: str) -> str:
    """The number in the spelling that YAML 1.1 reads as a number: ``1e3`` is ``1.0e+3``."""
    mantissa, _, exponent = text.lower().partition("e")
    if not exponent:
        return text
    mantissa = mantissa if "." in mantissa else f"{mantissa}.0"
    return f"{mantissa}e{exponent if exponent[0] in '+-' else '+' + exponent}"


# ---- robot and planner ---------------------------------------------------------------


def load_robot(path: str | Path) -> RobotConfig:
    """The robot in a file such as ``configs/robots/astro.yaml``.

    Raises:
      InputError: see ``load_yaml`` and ``build``; or fields that contradict each other.
    """
    return robot_of(load_yaml(path))


def robot_of(section: Section) -> RobotConfig:
    """The robot that a section describes.

    Raises:
      InputError: see ``build``; or fields that contradict each other.
    """
    robot = build(RobotConfig, section)
    _refuse_problems(robot.problems(), section)
    return robot


def load_planner(
    path: str | Path, robot: RobotConfig = DEFAULT_ROBOT
) -> tuple[PlannerConfig, PlannerParams]:
    """The planner in a file such as ``configs/planner/default.yaml``.

    Args:
      path: a file with the sections ``config`` and ``params``; either may be left out.
      robot: the robot that it is to drive: the horizon must cover its stopping time.

    Raises:
      InputError: see ``load_yaml`` and ``build``; or fields that contradict each other.
    """
    document = load_yaml(path)
    refuse_unknown(document, ("config", "params"), "a section")
    sections = {}
    for key in ("config", "params"):
        sections[key] = document.get(key, Section({}, document.source, f"{key}."))
        if not isinstance(sections[key], Section):
            expected = "a section (indented lines of key: value)"
            raise InputError(key, sections[key], expected, document.where(key))
    return config_of(sections["config"], robot), build(PlannerParams, sections["params"])


def config_of(section: Section, robot: RobotConfig) -> PlannerConfig:
    """The planner's sizes and rates that a section describes, for this robot.

    Raises:
      InputError: see ``build``; or fields that contradict each other.
    """
    config = build(PlannerConfig, section)
    if not all(0 < interval <= MAX_INTERVAL for interval in config.intervals):
        expected = f"times above 0 and up to {MAX_INTERVAL:g} s"
        where = section.where("intervals")
        raise InputError("config.intervals", list(config.intervals), expected, where)
    _refuse_problems(config.problems(robot), section)
    return config


def _refuse_problems(problems: list[tuple[str, object, str]], section: Section) -> None:
    for field, value, expected in problems:
        raise InputError(section.prefix + field, value, expected, section.where(field))
