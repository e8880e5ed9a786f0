"""Whatever the bytes of a map's files: a floor plan or an ``InputError``, and little memory."""

import io
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from astro_jax.errors import InputError
from astro_jax.route.house import HouseMap
from astro_jax.route.map_image import MAX_CELLS
from astro_jax.route.maps import load_map

YAML = (
    b"image: m.img\nresolution: 0.05\norigin: [-1.0, 2.0, 0.3]\n"
    b"negate: 0\noccupied_thresh: 0.65\nfree_thresh: 0.196\nmode: trinary\n"
)
ZONES = (
    b"rooms: {names: [hall]}\nzones:\n  - {name: a, kind: slow, box: [0, 0, 1, 1], factor: 0.5}\n"
    b"doors:\n  - {name: b, jambs: [[0, 0], [0, 0.8]], rooms: [hall]}\n"
)


def image_bytes(kind):
    pixels = np.random.default_rng(0).choice([0, 205, 254], (9, 7)).astype(np.uint8)
    out = io.BytesIO()
    if kind == "png16":
        Image.fromarray(pixels.astype(np.uint16) * 257).save(out, "PNG")
    elif kind == "palette":
        Image.fromarray(pixels).convert("P").save(out, "PNG")
    elif kind == "plain":
        out.write(b"P2 7 9 255\n" + b" ".join(str(v).encode() for v in pixels.ravel()))
    else:
        Image.fromarray(pixels).save(out, {"pgm": "PPM", "png": "PNG"}[kind])
    return out.getvalue()


IMAGES = {kind: image_bytes(kind) for kind in ("pgm", "plain", "png", "png16", "palette")}
ROOMS = io.BytesIO()
Image.fromarray(np.ones((9, 7), np.uint8)).save(ROOMS, "PNG")


@st.composite
def damaged(draw, data):
    """Some bytes changed, some cut out, some put in, and perhaps the end missing."""
    found = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(found)))
        action = draw(st.sampled_from(["change", "cut", "insert", "end"]))
        if action == "change" and at < len(found):
            found[at] = draw(st.integers(0, 255))
        elif action == "cut":
            del found[at : at + draw(st.integers(1, 9))]
        elif action == "insert":
            found[at:at] = draw(st.binary(min_size=1, max_size=6) | st.just(b"9" * 6))
        elif action == "end":
            del found[at:]
    return bytes(found)


def chunk_sums_mended(data):
    """PNG with the check sums of its chunks made right, so that damage gets further in."""
    out, at = bytearray(data[:8]), 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if at + 12 + size > len(data):
            break
        body = data[at + 4 : at + 8 + size]
        out += data[at : at + 4] + body + zlib.crc32(body).to_bytes(4, "big")
        at += 12 + size
    return bytes(out) + data[at:]


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_any_bytes_give_a_map_or_a_typed_refusal(tmp_path_factory, data):
    check_damaged(tmp_path_factory, data)


@pytest.mark.soak
@settings(max_examples=20_000, deadline=None)
@given(data=st.data())
def test_any_bytes_at_length(tmp_path_factory, data):
    check_damaged(tmp_path_factory, data)


def check_damaged(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    kind = data.draw(st.sampled_from(sorted(IMAGES)))
    files = {
        "m.yaml": YAML.replace(b"trinary", data.draw(st.sampled_from([b"scale", b"raw"])))
        if data.draw(st.booleans())
        else YAML,
        "m.img": IMAGES[kind],
        "m.zones.yaml": ZONES,
        "m.rooms.png": ROOMS.getvalue(),
    }
    victim = data.draw(st.sampled_from(sorted(files)) | st.just("m.img"))
    files[victim] = data.draw(damaged(files[victim]))
    if files[victim].startswith(b"\x89PNG") and data.draw(st.booleans()):
        files[victim] = chunk_sums_mended(files[victim])
    for name, content in files.items():
        (folder / name).write_bytes(content)
    try:
        house_map = load_map(folder / "m.yaml")
    except InputError as error:
        assert error.field and error.expected
        assert len(str(error)) < 2000
        return
    assert isinstance(house_map, HouseMap)
    assert 0 < house_map.occupancy.size <= MAX_CELLS
    assert house_map.occupancy.min() >= -1 and house_map.occupancy.max() <= 100
    assert np.all(np.isfinite(house_map.origin)) and 0.001 <= house_map.resolution <= 1.0


def write_map(folder, image):
    (folder / "m.img").write_bytes(image)
    (folder / "m.yaml").write_bytes(YAML)
    return folder / "m.yaml"


@settings(max_examples=50, deadline=None)
@given(
    width=st.integers(-(2**70), 2**70) | st.integers(1, 400),
    height=st.integers(-(2**70), 2**70) | st.integers(1, 400),
)
def test_sizes_are_judged_before_anything_is_allocated(tmp_path_factory, width, height):
    """Fault 26: a header without pixels, of any size."""
    folder = tmp_path_factory.getbasetemp() / "sizes"
    folder.mkdir(exist_ok=True)
    path = write_map(folder, f"P5\n{width} {height}\n255\n".encode())
    tracemalloc.start()
    with pytest.raises(InputError) as caught:
        load_map(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.field == "image"
    assert peak < 2e6
    too_large = width > 0 and height > 0 and width * height > MAX_CELLS
    if too_large and max(width, height) < 2**31:
        assert "pixels" in caught.value.expected


@pytest.mark.parametrize("more", [-1, 1, 7, 63])
def test_a_pgm_of_another_size_than_its_header_says_is_refused(tmp_path, more):
    """Fault 28: rows would be sheared."""
    good = IMAGES["pgm"]
    payload = good + b"\1" * more if more > 0 else good[:more]
    with pytest.raises(InputError) as caught:
        load_map(write_map(tmp_path, payload))
    assert caught.value.field == "image"
    load_map(write_map(tmp_path, good + b"\n"))


def test_the_largest_map_takes_little_memory(tmp_path):
    image = b"P5\n4000 4000\n255\n" + bytes(16_000_000)
    path = write_map(tmp_path, image)
    tracemalloc.start()
    load_map(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 160e6
