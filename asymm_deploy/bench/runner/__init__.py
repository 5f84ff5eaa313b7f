"""The runner for hosts: a program that times one model and reports in the runner's protocol."""
