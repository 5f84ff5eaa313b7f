"""The figures that the AsymmNet paper (CVPRW 2021) prints, as it prints them."""

from __future__ import annotations

from importlib import resources

import pandas as pd


def table(number: int) -> list[dict[str, str]]:
    """Return a table of the paper row by row, each cell the text that is printed there.

    Units are in the names of the columns. Texts, because 43 and 43.0 M MAdds are different claims;
    an empty cell is an empty text.
    """
    path = resources.files("asymm_deploy.report") / "paper" / f"table{number}.csv"
    with path.open("r", encoding="utf-8") as file:
        frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    return [dict(zip(frame.columns, cells, strict=True)) for cells in frame.to_numpy()]
