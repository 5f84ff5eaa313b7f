"""Steps of ``asymm-deploy cost``."""
