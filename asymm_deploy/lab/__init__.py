"""Phones of many hosts, through Dask."""
