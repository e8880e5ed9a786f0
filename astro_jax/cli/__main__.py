"""``python -m astro_jax.cli``."""

import sys

from astro_jax.cli import main

sys.exit(main())
