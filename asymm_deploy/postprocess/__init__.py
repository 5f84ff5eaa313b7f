"""From a network's outputs to similar faces, actions, keypoints and boxes. Needs numpy alone."""
