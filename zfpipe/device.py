"""The device that ZFPIPE_DEVICE names. No parameter, since it does not select a result."""

import os

from zfpipe.errors import UserError


def asked() -> tuple[str, int | None]:
    """Return `cpu` or `cuda`, and the number of the GPU where ZFPIPE_DEVICE names one. Raises UserError otherwise."""
    name = os.environ.get("ZFPIPE_DEVICE", "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
        raise UserError(f"ZFPIPE_DEVICE = {name}; must be cpu, cuda or cuda:N")
    return kind, int(number) if number else None
