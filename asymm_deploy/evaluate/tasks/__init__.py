"""Faces, actions, poses and boxes: what answers are worth by each task's own rule."""
