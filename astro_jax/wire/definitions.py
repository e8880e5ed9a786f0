"""The ROS 2 messages that are spoken here, as they are defined since ROS 2 Humble.   [host]

A message is a plain dictionary; ``wire/cdr.py`` makes bytes of it, ``wire/dds.py`` types of DDS.
Field by field, in order: a primitive, another message, or a sequence ([]) or array ([n]) of those.
People are ``vision_msgs/Detection3DArray``: the one standard message with a covariance, a size, a
class and a name per body.
"""

from collections.abc import Mapping

Fields = Mapping[str, str]
"""Name → type."""

DEFINITIONS: Mapping[str, Fields] = {
    "builtin_interfaces/Time": {"sec": "int32", "nanosec": "uint32"},
    "builtin_interfaces/Duration": {"sec": "int32", "nanosec": "uint32"},
    "std_msgs/Header": {"stamp": "builtin_interfaces/Time", "frame_id": "string"},
    "std_msgs/Bool": {"data": "bool"},
    "std_msgs/ColorRGBA": {"r": "float32", "g": "float32", "b": "float32", "a": "float32"},
    "geometry_msgs/Vector3": {"x": "float64", "y": "float64", "z": "float64"},
    "geometry_msgs/Point": {"x": "float64", "y": "float64", "z": "float64"},
    "geometry_msgs/Quaternion": {"x": "float64", "y": "float64", "z": "float64", "w": "float64"},
    "geometry_msgs/Pose": {
        "position": "geometry_msgs/Point",
        "orientation": "geometry_msgs/Quaternion",
    },
    "geometry_msgs/PoseWithCovariance": {
        "pose": "geometry_msgs/Pose",
        "covariance": "float64[36]",
    },
    "geometry_msgs/Twist": {"linear": "geometry_msgs/Vector3", "angular": "geometry_msgs/Vector3"},
    "geometry_msgs/TwistWithCovariance": {
        "twist": "geometry_msgs/Twist",
        "covariance": "float64[36]",
    },
    "geometry_msgs/PoseStamped": {"header": "std_msgs/Header", "pose": "geometry_msgs/Pose"},
    "geometry_msgs/Transform": {
        "translation": "geometry_msgs/Vector3",
        "rotation": "geometry_msgs/Quaternion",
    },
    "geometry_msgs/TransformStamped": {
        "header": "std_msgs/Header",
        "child_frame_id": "string",
        "transform": "geometry_msgs/Transform",
    },
    "tf2_msgs/TFMessage": {"transforms": "geometry_msgs/TransformStamped[]"},
    "sensor_msgs/LaserScan": {
        "header": "std_msgs/Header",
        "angle_min": "float32",
        "angle_max": "float32",
        "angle_increment": "float32",
        "time_increment": "float32",
        "scan_time": "float32",
        "range_min": "float32",
        "range_max": "float32",
        "ranges": "float32[]",
        "intensities": "float32[]",
    },
    "sensor_msgs/CompressedImage": {
        "header": "std_msgs/Header",
        "format": "string",
        "data": "uint8[]",
    },
    "nav_msgs/Odometry": {
        "header": "std_msgs/Header",
        "child_frame_id": "string",
        "pose": "geometry_msgs/PoseWithCovariance",
        "twist": "geometry_msgs/TwistWithCovariance",
    },
    "nav_msgs/MapMetaData": {
        "map_load_time": "builtin_interfaces/Time",
        "resolution": "float32",
        "width": "uint32",
        "height": "uint32",
        "origin": "geometry_msgs/Pose",
    },
    "nav_msgs/OccupancyGrid": {
        "header": "std_msgs/Header",
        "info": "nav_msgs/MapMetaData",
        "data": "int8[]",
    },
    "nav_msgs/Path": {"header": "std_msgs/Header", "poses": "geometry_msgs/PoseStamped[]"},
    "visualization_msgs/UVCoordinate": {"u": "float32", "v": "float32"},
    "visualization_msgs/MeshFile": {"filename": "string", "data": "uint8[]"},
    "visualization_msgs/Marker": {
        "header": "std_msgs/Header",
        "ns": "string",
        "id": "int32",
        "type": "int32",
        "action": "int32",
        "pose": "geometry_msgs/Pose",
        "scale": "geometry_msgs/Vector3",
        "color": "std_msgs/ColorRGBA",
        "lifetime": "builtin_interfaces/Duration",
        "frame_locked": "bool",
        "points": "geometry_msgs/Point[]",
        "colors": "std_msgs/ColorRGBA[]",
        "texture_resource": "string",
        "texture": "sensor_msgs/CompressedImage",
        "uv_coordinates": "visualization_msgs/UVCoordinate[]",
        "text": "string",
        "mesh_resource": "string",
        "mesh_file": "visualization_msgs/MeshFile",
        "mesh_use_embedded_materials": "bool",
    },
    "visualization_msgs/MarkerArray": {"markers": "visualization_msgs/Marker[]"},
    "vision_msgs/ObjectHypothesis": {"class_id": "string", "score": "float64"},
    "vision_msgs/ObjectHypothesisWithPose": {
        "hypothesis": "vision_msgs/ObjectHypothesis",
        "pose": "geometry_msgs/PoseWithCovariance",
    },
    "vision_msgs/BoundingBox3D": {"center": "geometry_msgs/Pose", "size": "geometry_msgs/Vector3"},
    "vision_msgs/Detection3D": {
        "header": "std_msgs/Header",
        "results": "vision_msgs/ObjectHypothesisWithPose[]",
        "bbox": "vision_msgs/BoundingBox3D",
        "id": "string",
    },
    "vision_msgs/Detection3DArray": {
        "header": "std_msgs/Header",
        "detections": "vision_msgs/Detection3D[]",
    },
}

PRIMITIVES = {
    "bool": "?",
    "uint8": "B",
    "int8": "b",
    "int32": "i",
    "uint32": "I",
    "float32": "f",
    "float64": "d",
}
"""And how ``struct`` and NumPy call them; a string is the only other one."""


def split_type(kind: str) -> tuple[str, int | None]:
    """A field's element type and how many: None one, 0 any number, n an array of n."""
    if not kind.endswith("]"):
        return kind, None
    element, _, count = kind[:-1].partition("[")
    return element, int(count or 0)
