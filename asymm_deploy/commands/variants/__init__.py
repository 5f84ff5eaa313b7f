"""``asymm-deploy variants``: the command and its steps."""
