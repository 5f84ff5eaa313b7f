"""The figures that the AsymmNet paper (CVPRW 2021) prints, as it prints them."""

from __future__ import annotations

from importlib import resources

import pandas as pd

SHOWN_NETWORKS = {"asymmnet": "AsymmNet", "pruned": "Pruned", "mbv3": "MBV3"}
"""How Table 5 calls the families."""


def table(number: int) -> pd.DataFrame:
    """Return a table of the paper, row by row, each cell the text that is printed there.

    Texts, because 43 and 43.0 M MAdds are different claims. An empty cell is an empty text.
    """
    path = resources.files("asymm_deploy.report") / "paper" / f"table{number}.csv"
    with path.open("r", encoding="utf-8") as file:
        return pd.read_csv(file, dtype=str, keep_default_na=False)
