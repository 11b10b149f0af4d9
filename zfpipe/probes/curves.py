"""Join loss and error of all networks at each epoch into one table (section 3)."""

from collections.abc import Mapping

import pandas as pd

from zfpipe.sections import Run


def table(histories: Mapping[str, pd.DataFrame], runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return a row for each run and epoch: `run`, its `kind`, and the columns of its history."""
    return pd.concat(
        [history.assign(run=name, kind=kind(name, runs)) for name, history in histories.items()], ignore_index=True
    )


def kind(name: str, runs: Mapping[str, Run]) -> str:
    """Return the group a run is drawn with: runs of its base, split by their changes where there are several seeds."""
    run = runs[name]
    seeds = [one for one in runs.values() if one.base == run.base and not one.edit]
    return run.base if len(seeds) < 2 else f"{run.base}, {'changed' if run.edit else 'seeds'}"
