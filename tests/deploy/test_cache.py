"""Fault 59: what others could have written is not run."""

import os

import pytest

from astro_jax.deploy import cache
from astro_jax.deploy.cache import machine, own_cache
from astro_jax.errors import InputError


def test_a_new_folder_is_the_users_alone(tmp_path):
    old = os.umask(0)
    try:
        folder = own_cache(tmp_path / "cache")
    finally:
        os.umask(old)
    assert folder.name == machine()
    for path in (folder, folder.parent):
        assert path.stat().st_mode & 0o777 == 0o700
    (folder / "entry").write_bytes(b"code")
    assert own_cache(tmp_path / "cache") == folder


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777, 0o750])
@pytest.mark.parametrize("which", ["root", "folder"])
def test_a_folder_that_others_can_enter_is_refused(which, mode, tmp_path):
    folder = own_cache(tmp_path / "cache")
    (folder.parent if which == "root" else folder).chmod(mode)
    with pytest.raises(InputError, match=r"cache is .*(this user alone|others can write)"):
        own_cache(tmp_path / "cache")


def test_an_entry_that_others_can_write_is_refused(tmp_path):
    entry = own_cache(tmp_path / "cache") / "entry"
    entry.write_bytes(b"code")
    entry.chmod(0o664)
    with pytest.raises(InputError, match=r"entry; expected permissions of this user alone"):
        own_cache(tmp_path / "cache")


def test_a_folder_in_a_place_where_others_can_exchange_it_is_refused(tmp_path):
    place = tmp_path / "shared"
    place.mkdir()
    place.chmod(0o777)
    with pytest.raises(InputError, match="others can write"):
        own_cache(place / "cache")
    place.chmod(0o1777)  # as /tmp is: what is mine in it stays mine
    assert own_cache(place / "cache").is_dir()


@pytest.mark.parametrize("where", ["root", "folder", "entry"])
def test_links_are_refused(where, tmp_path):
    target = tmp_path / "elsewhere"
    target.mkdir(mode=0o700)
    folder = own_cache(tmp_path / "cache")
    if where == "entry":
        (folder / "entry").symlink_to(target)
    else:
        folder.rmdir()
        if where == "folder":
            folder.symlink_to(target)
        else:
            folder.parent.rmdir()
            folder.parent.symlink_to(target)
    with pytest.raises(InputError, match="link"):
        own_cache(tmp_path / "cache")


@pytest.mark.parametrize("where", ["root", "folder", "entry"])
def test_what_belongs_to_somebody_else_is_refused(where, tmp_path, monkeypatch):
    folder = own_cache(tmp_path / "cache")
    (folder / "entry").write_bytes(b"code")
    theirs = {"root": folder.parent, "folder": folder, "entry": folder / "entry"}[where]
    if os.getuid() == 0:
        os.chown(theirs, 12345, -1)
    else:
        monkeypatch.setattr(cache.os, "getuid", lambda: 12345)
    with pytest.raises(InputError, match=r"owner|others can write"):
        own_cache(tmp_path / "cache")


def test_another_processor_or_compiler_has_another_folder(monkeypatch):
    here = machine()
    assert machine() == here
    with monkeypatch.context() as patch:
        patch.setattr(cache, "version", lambda _: "0.0.1")
        assert machine() != here
    with monkeypatch.context() as patch:
        patch.setattr(cache, "_features", lambda: {"sse2"})
        assert machine() != here
