"""``asymm-deploy history``: the commands and their steps."""
