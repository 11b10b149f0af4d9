"""What is installed, and what an installation holds."""

import ruamel.yaml


def test_yaml_is_parsed_in_c() -> None:
    """DVC parses dvc.yaml and dvc.lock again for every stage: a run with nothing to do takes twice as long without."""
    assert ruamel.yaml.__with_libyaml__
