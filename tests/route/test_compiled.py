"""Kernels are compiled wherever the package lies, and say the same as Python."""

from astro_jax.route.compiled import compiled


def test_a_function_without_a_file_is_compiled_without_a_cache():
    # as in an installation that cannot be written and without a cache of the user's
    space: dict = {}
    exec("def half(x):\n    return 0.5 * x", space)
    assert compiled(space["half"])(3.0) == 1.5
