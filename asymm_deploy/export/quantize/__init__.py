"""Variants of an exported model: what MNN's quantiser and converter make of it."""
