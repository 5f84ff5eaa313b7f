"""The figures that the AsymmNet paper (CVPRW 2021) prints, as it prints them."""

from __future__ import annotations

from importlib import resources

import pandas as pd


def printed_table(number: int) -> pd.DataFrame:
    """Return Table ``number`` of the paper (1 or 3 to 10), each cell the text printed there.

    Units are in the column names. The cells are texts because 43 and 43.0 M MAdds are different
    claims; a cell that the paper leaves empty is an empty text.
    """
    path = resources.files("asymm_deploy.report") / "paper" / f"table{number}.csv"
    with path.open("r", encoding="utf-8") as file:
        return pd.read_csv(file, dtype=str, keep_default_na=False)
