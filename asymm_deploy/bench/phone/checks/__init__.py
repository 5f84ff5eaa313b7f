"""What has to be so for a launch on a phone to count."""
