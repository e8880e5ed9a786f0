"""Measurements: every ``astro-jax bench NAME`` writes one report of one format.    [host]"""
