"""Test importing the module of `model.source` to see what its network is made of: every failure is one line."""

from pathlib import Path

import pytest

from zfpipe.errors import UserError
from zfpipe.foreign import code


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = 1\ndef net(:\n", "SyntaxError"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("raise SystemExit('usage')\n", "SystemExit: usage"),
    ],
)
def test_a_module_that_can_not_be_imported_is_one_line(
    text: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stumbles.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(
        UserError, match=rf"^model\.source = stumbles:net; stumbles can't be imported, {reason}"
    ) as error:
        code.digests("stumbles:net")
    assert "\n" not in str(error.value)
