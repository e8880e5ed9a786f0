"""Another process on DDS, that knows our types but none of our code for bytes, understands us."""

import json
import select
import subprocess
import sys
import time

import numpy as np
import pytest

from astro_jax.errors import InputError
from astro_jax.wire.dds import Dds, dds_name
from astro_jax.wire.topics import CANDIDATES, COMMAND, DETECTIONS, E_STOP, GOAL, MAP, SCAN, TOPICS

pytest.importorskip("cyclonedds")

DOMAIN = 77

PEER = """
import json, select, sys, time
from cyclonedds.domain import Domain, DomainParticipant
from cyclonedds.pub import DataWriter
from cyclonedds.qos import Policy, Qos
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from cyclonedds.util import duration
from astro_jax.wire.dds import idl_type

domain = Domain(77, '<CycloneDDS><Domain id="any"><General><Interfaces>'
  '<NetworkInterface name="lo"/>'
  '</Interfaces><AllowMulticast>false</AllowMulticast></General><Discovery>'
  '<ParticipantIndex>auto</ParticipantIndex>'
  '<MaxAutoParticipantIndex>32</MaxAutoParticipantIndex><Peers><Peer address="127.0.0.1"/></Peers>'
  '</Discovery></Domain></CycloneDDS>')
here = DomainParticipant(77)
reliable, best = Policy.Reliability.Reliable(duration(seconds=1)), Policy.Reliability.BestEffort

def topic(name, kind):
    return Topic(here, name, idl_type(kind))

def reads(name, kind, *policies):
    return DataReader(here, topic(name, kind), qos=Qos(*policies))

def writes(name, kind, *policies):
    plain = Policy.DataRepresentation(use_cdrv0_representation=True)
    return DataWriter(here, topic(name, kind), qos=Qos(*policies, plain))

# as ROS 2 has them: a subscription of Nav2 or RViz, a driver's publisher
twists = reads("rt/cmd_vel", "geometry_msgs/Twist", reliable, Policy.History.KeepLast(1))
maps = reads("rt/map", "nav_msgs/OccupancyGrid", reliable, Policy.Durability.TransientLocal)
lines = reads("rt/candidates", "visualization_msgs/MarkerArray", best)
scan = writes("rt/scan", "sensor_msgs/LaserScan", best, Policy.History.KeepLast(5))
goal = writes("rt/goal_pose", "geometry_msgs/PoseStamped", reliable)
stop = writes("rt/e_stop", "std_msgs/Bool", reliable)  # which keeps nothing for late comers
bodies = writes("rt/detections", "vision_msgs/Detection3DArray", best)

T = idl_type
def time_of(s, n): return T("builtin_interfaces/Time")(sec=s, nanosec=n)
def header(frame): return T("std_msgs/Header")(stamp=time_of(12, 34), frame_id=frame)
def xyz(kind, x, y, z): return T("geometry_msgs/" + kind)(x=x, y=y, z=z)
turn = T("geometry_msgs/Quaternion")(x=0.0, y=0.0, z=0.6, w=0.8)
pose = T("geometry_msgs/Pose")(position=xyz("Point", 1.0, 2.0, 0.0), orientation=turn)
sent_scan = T("sensor_msgs/LaserScan")(header=header("laser"), angle_min=-1.0, angle_max=1.0,
  angle_increment=1.0, time_increment=0.0, scan_time=0.0, range_min=0.0, range_max=8.0,
  ranges=[1.0, float("inf"), 3.5], intensities=[])
sent_goal = T("geometry_msgs/PoseStamped")(header=header("map"), pose=pose)
guess = T("vision_msgs/ObjectHypothesisWithPose")(
  hypothesis=T("vision_msgs/ObjectHypothesis")(class_id="child", score=0.9),
  pose=T("geometry_msgs/PoseWithCovariance")(pose=pose, covariance=[0.5] * 36))
box = T("vision_msgs/BoundingBox3D")(center=pose, size=xyz("Vector3", 0.4, 0.4, 1.1))
sent_bodies = T("vision_msgs/Detection3DArray")(header=header("odom"), detections=[
  T("vision_msgs/Detection3D")(header=header("odom"), results=[guess], bbox=box, id="3")])

found, said, until = {}, False, time.monotonic() + 30
# it may be heard later than it hears: it writes until it is told to end
while time.monotonic() < until and not select.select([sys.stdin], [], [], 0.02)[0]:
    scan.write(sent_scan); goal.write(sent_goal); bodies.write(sent_bodies)
    stop.write(T("std_msgs/Bool")(data=True))
    for one in twists.take(9):
        found["twist"] = [one.linear.x, one.angular.z]
    for one in maps.take(9):
        found["map"] = [one.info.width, one.info.height, sum(one.data), one.header.frame_id]
    for one in lines.take(9):
        marker = one.markers[0]
        found["lines"] = [len(marker.points), marker.points[1].y, marker.colors[1].a]
    if len(found) == 3 and not said:
        said = True
        print(json.dumps(found), flush=True)
"""


def test_a_second_process_is_heard_and_hears():
    wire = Dds((SCAN, GOAL, DETECTIONS, E_STOP), DOMAIN)
    cells = np.arange(12) % 5
    # before anybody is there: a map waits for whoever comes late
    wire.publish(
        MAP,
        {
            "header": {"frame_id": "map"},
            "info": {"width": 4, "height": 3},
            "data": cells,
        },
    )
    peer = subprocess.Popen(
        [sys.executable, "-c", PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    points = np.arange(12.0).reshape(4, 3)
    marker = {"points": points, "colors": np.full((4, 4), 0.5)}
    assert peer.stdin and peer.stdout
    heard, answer, until = {}, [], time.monotonic() + 30.0
    while time.monotonic() < until and not (len(heard) == 4 and answer):
        wire.publish(COMMAND, {"linear": {"x": 0.25}, "angular": {"z": -0.5}})
        wire.publish(CANDIDATES, {"markers": [marker]})
        heard.update(wire.take())
        answer = select.select([peer.stdout], [], [], 0.02)[0]
    assert answer, "it has not heard all three"
    found = json.loads(peer.stdout.readline())
    peer.communicate("\n")
    assert found == {
        "twist": [0.25, -0.5],
        "map": [4, 3, int(cells.sum()), "map"],
        "lines": [4, 4.0, 0.5],
    }
    assert heard[SCAN]["ranges"].tolist() == [1.0, np.inf, 3.5]
    assert heard[SCAN]["header"] == {"stamp": {"sec": 12, "nanosec": 34}, "frame_id": "laser"}
    assert heard[GOAL]["pose"]["position"] == {"x": 1.0, "y": 2.0, "z": 0.0}
    assert heard[E_STOP] == {"data": True}
    (body,) = heard[DETECTIONS]["detections"]
    assert (body["id"], body["results"][0]["hypothesis"]["class_id"]) == ("3", "child")
    assert body["bbox"]["size"] == {"x": 0.4, "y": 0.4, "z": 1.1}
    assert "malformed" not in wire.counts
    wire.close()


def test_a_stop_that_was_pressed_before_is_heard_by_who_comes_late():
    button = Dds((), DOMAIN)
    button.publish(E_STOP, {"data": True})
    late, heard, until = Dds((E_STOP,), DOMAIN), [], time.monotonic() + 30.0
    while not heard and time.monotonic() < until:
        heard = late.take()
        time.sleep(0.02)
    assert heard == [(E_STOP, {"data": True})]
    button.close()
    late.close()


def test_names_are_those_of_ros():
    assert dds_name(COMMAND.type) == "geometry_msgs::msg::dds_::Twist_"
    assert all(topic.name.startswith("rt/") for topic in TOPICS)


def test_an_interface_that_is_not_here_is_refused():
    with pytest.raises(InputError, match="interface is nowhere0"):
        Dds((), DOMAIN, "nowhere0")
