"""``asymm-deploy lab``: the commands that make a lab of hosts and phones."""
