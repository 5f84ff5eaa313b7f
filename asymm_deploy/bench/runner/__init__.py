"""The runner for hosts: a program that times one model in one process and speaks the protocol."""
