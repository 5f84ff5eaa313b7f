"""What comes after the network: its outputs into faces compared, actions, keypoints and boxes."""
