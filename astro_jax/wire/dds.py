"""The wire of ROS 2 robots: DDS, spoken by Cyclone (extra ``robot``).               [host]

Topics are called as ROS 2 calls them (``rt/…``), types too (``geometry_msgs::msg::dds_::Twist_``),
quality of service is that of ``wire/topics.py``.  Bytes go through ``wire/cdr.py``, as on every
wire: whatever comes in is checked there, and DDS only carries it.

Nothing leaves the machine unless an interface is named: on ``lo`` others are looked for by address,
without multicast.  DDS itself asks nobody who they are: on any other interface whoever is on the
network can be heard by the robot.
"""

import functools
import socket
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from astro_jax.errors import InputError, MessageError
from astro_jax.wire.cdr import decoded, encoded
from astro_jax.wire.definitions import DEFINITIONS, split_type
from astro_jax.wire.topics import MOST_TAKEN, Topic

NO_CYCLONE = "cyclonedds, which speaks DDS: pip install 'astro-jax[robot]'"
LOCAL = "lo"
_LOCAL_ONLY = """<AllowMulticast>false</AllowMulticast></General><Discovery>
<ParticipantIndex>auto</ParticipantIndex><MaxAutoParticipantIndex>32</MaxAutoParticipantIndex>
<Peers><Peer address="127.0.0.1"/></Peers></Discovery>"""
_ANYWHERE = "</General>"


class Dds:
    """A place on it."""

    def __init__(self, listens: Iterable[Topic], domain: int = 0, interface: str = LOCAL) -> None:
        """Join.

        Raises:
          InputError: Cyclone is not installed, the interface is none, or DDS refuses.
        """
        if interface not in (names := [name for _, name in socket.if_nameindex()]):
            raise InputError("interface", interface, f"one of {', '.join(names)}")
        self._dds, self._counts = _cyclone(), Counter()
        try:
            self._participant = _participant(domain, interface)
            self._readers = [
                (topic, self._reader(topic, latched))
                for topic in listens
                for latched in sorted({False, topic.latched}, reverse=True)
            ]
        except self._dds.core.DDSException as error:
            raise InputError("wire", f"dds ({error})", "a DDS domain that can be joined") from None
        self._writers: dict[Topic, Any] = {}

    def publish(self, topic: Topic, message: Mapping[str, Any]) -> None:
        """To all that listen now; a latched one also to those who come later."""
        if topic not in self._writers:
            there = self._topic(topic)
            self._writers[topic] = self._dds.pub.DataWriter(
                self._participant, there, qos=_quality(topic, topic.latched)
            )
        data = encoded(topic.type, message)
        data += bytes(-len(data) % 4)
        if self._dds.pub.ddspy_write(self._writers[topic]._ref, data) < 0:
            self._counts["unsent"] += 1

    def take(self) -> list[tuple[Topic, dict[str, Any]]]:
        """The newest of every topic, oldest first."""
        found = []
        for topic, reader in self._readers:
            came = self._dds.sub.ddspy_take(reader._ref, self._mask, MOST_TAKEN)
            if isinstance(came, int):
                self._counts["unread"] += 1
                continue
            bodies = [bytes(data) for data, info in came if info.valid_data]
            self._counts["received"] += len(bodies)
            self._counts["overtaken"] += max(len(bodies) - topic.depth, 0)
            for data in bodies[-topic.depth :]:
                try:
                    found.append((topic, decoded(topic.type, data)))
                except MessageError:
                    self._counts["malformed"] += 1
        return found

    @property
    def counts(self) -> Mapping[str, int]:
        """See ``Wire.counts``."""
        return dict(self._counts)

    def close(self) -> None:
        """Leave."""
        self._readers, self._writers = [], {}
        self._participant = None

    @property
    def _mask(self) -> int:
        core = self._dds.core
        return core.SampleState.Any | core.ViewState.Any | core.InstanceState.Any

    def _topic(self, topic: Topic) -> Any:
        return self._dds.topic.Topic(self._participant, topic.name, idl_type(topic.type))

    def _reader(self, topic: Topic, latched: bool) -> Any:
        # who asks for what was said before hears nothing of those who keep nothing, as publishers
        # of ROS are unless told otherwise: of a latched topic there are two readers
        there = self._topic(topic)
        return self._dds.sub.DataReader(self._participant, there, qos=_quality(topic, latched))


def dds_name(kind: str) -> str:
    """What ROS 2 calls a type on DDS: ``geometry_msgs::msg::dds_::Twist_``."""
    package, _, name = kind.partition("/")
    return f"{package}::msg::dds_::{name}_"


@functools.cache
def idl_type(kind: str) -> Any:
    """The type for Cyclone, made of ``DEFINITIONS``."""
    idl = _cyclone().idl

    def of(field: str) -> Any:
        element, count = split_type(field)
        if element == "string":
            one = str
        elif element == "bool":
            one = bool
        elif "/" in element:
            one = idl_type(element)
        else:
            one = getattr(idl.types, element)
        if count is None:
            return one
        return idl.types.array[one, count] if count else idl.types.sequence[one]

    fields = {name: of(field) for name, field in DEFINITIONS[kind].items()}
    name = dds_name(kind)
    return idl.make_idl_struct(name.rpartition("::")[2], name.replace("::", "."), fields)


def _quality(topic: Topic, latched: bool) -> Any:
    qos = _cyclone().qos
    policy, duration = qos.Policy, _cyclone().util.duration
    policies = [
        policy.Reliability.Reliable(duration(milliseconds=0))
        if topic.reliable
        else policy.Reliability.BestEffort,
        policy.Durability.TransientLocal if latched else policy.Durability.Volatile,
        policy.History.KeepLast(topic.depth),
        # plain CDR, as ROS 2 speaks it
        policy.DataRepresentation(use_cdrv0_representation=True),
    ]
    if topic.deadline is not None:
        policies.append(policy.Deadline(duration(seconds=topic.deadline)))
    return qos.Qos(*policies)


def _participant(domain: int, interface: str) -> Any:
    dds = _cyclone()
    rest = _LOCAL_ONLY if interface == LOCAL else _ANYWHERE
    config = (
        f'<CycloneDDS><Domain id="any"><General><Interfaces><NetworkInterface name="{interface}"/>'
        f"</Interfaces>{rest}</Domain></CycloneDDS>"
    )
    # lives for as long as the process; configured otherwise it cannot be there a second time
    _domain(domain, config)
    return dds.domain.DomainParticipant(domain)


@functools.cache
def _domain(domain: int, config: str) -> Any:
    return _cyclone().domain.Domain(domain, config)


@functools.cache
def _cyclone() -> Any:
    try:
        import cyclonedds.core
        import cyclonedds.domain
        import cyclonedds.idl
        import cyclonedds.idl.types
        import cyclonedds.pub
        import cyclonedds.qos
        import cyclonedds.sub
        import cyclonedds.topic
        import cyclonedds.util
    except ImportError as error:
        raise InputError("import", str(error), NO_CYCLONE) from None
    return cyclonedds
