"""``asymm-deploy evaluate``: the command and its steps."""
